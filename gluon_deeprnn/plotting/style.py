"""What all pictures share: size, fonts, labels."""

from typing import Any, List, Mapping, Optional, Sequence, Tuple

from gluon_deeprnn import _checks

_WITH_HANGUL = {"Noto Sans CJK KR", "Noto Sans KR", "NanumGothic", "Malgun Gothic", "Apple SD Gothic Neo", "UnDotum"}


def new_figure(width: float = 7, height: float = 4.2) -> Any:
    """A figure of its own, in inches: not pyplot's, so no window and no state shared with the caller."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=150, layout="constrained")


def axes(ax: Optional[Any], size: Tuple[float, float] = (7, 4.2)) -> Any:
    """``ax``, if it is axes; those of a figure of their own if it is None."""
    if ax is None:
        return new_figure(*size).add_subplot()
    if not hasattr(ax, "plot") or not hasattr(ax, "figure"):
        raise _checks.InputError("ax", "axes of Matplotlib", ax)
    return ax


def rows(history: Any, *keys: str) -> Sequence[Mapping[str, Any]]:
    """``history``, if it is rows that have ``keys``, at least one."""
    rule = "rows with " + ", ".join(keys) + ", at least one epoch long"
    found = _checks.sequence("history", history, Mapping, rule)
    if not found or not all(key in row for row in found for key in keys):
        raise _checks.InputError("history", rule, history)
    return found


def put_title(ax: Any, *lines: str) -> None:
    """Text above the axes, at the left; lines that are empty are left out."""
    text = "\n".join(line for line in lines if line)
    if text:
        ax.set_title(text, fontsize=10, loc="left", fontfamily=fonts())


def checked_title(title: Any) -> str:
    """``title``, if it is a string."""
    if not isinstance(title, str):
        raise _checks.InputError("title", "a string", title)
    return title


def fonts() -> List[str]:
    """Matplotlib's own font, and behind it one with Korean letters if this machine has one."""
    from matplotlib import font_manager

    return ["DejaVu Sans", *sorted(_WITH_HANGUL & set(font_manager.get_font_names()))]


def without_frame(ax: Any) -> None:
    """Leave the axes at the left and below."""
    ax.spines[["top", "right"]].set_visible(False)


def log_labels(ax: Any) -> None:
    """Plain numbers on a logarithmic y axis, as many as do not touch each other."""
    ax.yaxis.set_major_formatter(_plain)
    low, high = ax.get_ylim()
    ax.yaxis.set_minor_formatter(_plain if high < 10 * low else _sparse)


def _plain(value: float, position: float = 0) -> str:
    return f"{value:g}"


def _sparse(value: float, position: float = 0) -> str:
    digit = int(f"{value:e}"[0])
    return f"{value:g}" if digit in (2, 3, 5) else ""
