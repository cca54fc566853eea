"""What all pictures share: size, fonts, labels."""

import functools
import logging
import os
import re
from typing import Any, List, Mapping, Optional, Sequence, Tuple

from gluon_deeprnn import _checks
from gluon_deeprnn.errors import InputError

_log = logging.getLogger(__name__)

# Fonts that have Hangul, and their files.  Of a collection older Matplotlibs know the first font: Noto's Japanese one.
_WITH_HANGUL = {"Noto Sans CJK KR": "NotoSansCJKkr-Regular.otf", "Noto Sans CJK JP": "NotoSansCJK-Regular.ttc",
                "Noto Sans KR": "NotoSansKR-Regular.otf", "NanumGothic": "NanumGothic.ttf",
                "Malgun Gothic": "malgun.ttf", "Apple SD Gothic Neo": "AppleSDGothicNeo.ttc", "UnDotum": "UnDotum.ttf"}
_HANGUL = re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3]")


def new_figure(width: float = 7, height: float = 4.2) -> Any:
    """A figure of its own, in inches: not pyplot's, so no window and no state shared with the caller."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=150, layout="constrained")


def axes(ax: Optional[Any], size: Tuple[float, float] = (7, 4.2)) -> Any:
    """``ax``, if it is axes; those of a figure of their own if it is None."""
    if ax is None:
        return new_figure(*size).add_subplot()
    if not hasattr(ax, "plot") or not hasattr(ax, "figure"):
        raise InputError("ax", "axes of Matplotlib", ax)
    return ax


def rows(history: Any, *keys: str) -> Sequence[Mapping[str, Any]]:
    """``history``, if it is rows that have ``keys``, at least one."""
    rule = "rows with " + ", ".join(keys) + ", at least one epoch long"
    found = _checks.sequence("history", history, Mapping, rule)
    if not found or not all(key in row for row in found for key in keys):
        raise InputError("history", rule, history)
    return found


def put_title(ax: Any, *lines: str) -> None:
    """Text above the axes, at the left; lines that are empty, or cannot be drawn, are left out."""
    text = "\n".join(line for line in lines if line and (not _HANGUL.search(line) or can_draw_hangul()))
    if text:
        ax.set_title(text, fontsize=10, loc="left", fontfamily=fonts())


def put_font(ax: Any) -> None:
    """Draw the axes' texts that have Hangul in a font that has it; the others stay as they are."""
    legend = ax.get_legend()
    for text in (ax.xaxis.label, ax.yaxis.label, *ax.texts, *(legend.get_texts() if legend else ())):
        if _HANGUL.search(text.get_text()):
            text.set_fontfamily(fonts())


def checked_title(title: Any) -> str:
    """``title``, if it is a string."""
    if not isinstance(title, str):
        raise InputError("title", "a string", title)
    return title


def fonts() -> List[str]:
    """Matplotlib's own font, and behind it those with Hangul that this machine has."""
    return ["DejaVu Sans", *_hangul_fonts()]


def can_draw_hangul() -> bool:
    """Whether this machine has a font with Hangul; if not, that is logged, once."""
    if not _hangul_fonts():
        _warn_once()
    return bool(_hangul_fonts())


@functools.cache
def _hangul_fonts() -> Tuple[str, ...]:
    from matplotlib import font_manager

    if not _WITH_HANGUL.keys() & set(font_manager.get_font_names()):
        # Matplotlib keeps a list of fonts in the user's cache, which may be older than the font.
        for path in font_manager.findSystemFonts():
            if os.path.basename(path) in _WITH_HANGUL.values():
                font_manager.fontManager.addfont(path)
    return tuple(sorted(_WITH_HANGUL.keys() & set(font_manager.get_font_names())))


@functools.cache
def _warn_once() -> None:
    _log.warning("no font with Hangul is installed: labels are in English, titles with Hangul are left out (on Debian "
                 "or Ubuntu: apt-get install fonts-nanum)")


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
