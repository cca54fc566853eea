"""The style of all figures: size, fonts, axis labels."""

import functools
import logging
import os
import re
from typing import Any, FrozenSet, List, Mapping, Optional, Sequence, Tuple

from gluon_deeprnn import _checks
from gluon_deeprnn.errors import InputError

_log = logging.getLogger(__name__)

_FONT_SIZE = 8.5  # of labels beside the axes

# Fonts with Hangul, and their files.  Older Matplotlibs read only the first font of a collection: Noto's Japanese font.
_WITH_HANGUL = {"Noto Sans CJK KR": "NotoSansCJKkr-Regular.otf", "Noto Sans CJK JP": "NotoSansCJK-Regular.ttc",
                "Noto Sans KR": "NotoSansKR-Regular.otf", "NanumGothic": "NanumGothic.ttf",
                "Malgun Gothic": "malgun.ttf", "Apple SD Gothic Neo": "AppleSDGothicNeo.ttc", "UnDotum": "UnDotum.ttf"}
HANGUL = re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3]")


def new_figure(width: float = 7, height: float = 4.2) -> Any:
    """A new figure, its size in inches; not created by pyplot, so that it has no window and no global state."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=150, layout="constrained")


def axes(ax: Optional[Any], size: Tuple[float, float] = (7, 4.2)) -> Any:
    """Return ``ax``, if it is axes of Matplotlib; the axes of a new figure if it is None."""
    if ax is None:
        return new_figure(*size).add_subplot()
    if not hasattr(ax, "plot") or not hasattr(ax, "figure"):
        raise InputError("ax", "axes of Matplotlib", ax)
    return ax


def rows(history: Any, *keys: str) -> Sequence[Mapping[str, Any]]:
    """Return ``history``, if it is a sequence of at least one row with these ``keys``."""
    rule = "rows with " + ", ".join(keys) + ", at least one epoch long"
    found = _checks.sequence("history", history, Mapping, rule)
    if not found or not all(key in row for row in found for key in keys):
        raise InputError("history", rule, history)
    return found


def put_title(ax: Any, *lines: str) -> None:
    """Set the left-aligned title; lines that are empty, or for which there is no font, are omitted."""
    text = "\n".join(line for line in lines if line and (not HANGUL.search(line) or can_draw_hangul()))
    if text:
        ax.set_title(text, fontsize=10, loc="left", fontfamily=fonts())


def put_figure_title(figure: Any, title: str) -> None:
    """Set the left-aligned title of a figure with several axes; it is omitted if there is no font for it."""
    if title and (not HANGUL.search(title) or can_draw_hangul()):
        figure.suptitle(title, fontsize=10, x=0.01, ha="left", fontfamily=fonts())


def put_font(ax: Any) -> None:
    """Set a font with Hangul for the texts of the axes that contain Hangul."""
    legend = ax.get_legend()
    for text in (ax.xaxis.label, ax.yaxis.label, *ax.texts, *(legend.get_texts() if legend else ())):
        if HANGUL.search(text.get_text()):
            text.set_fontfamily(fonts())


def checked_title(title: Any) -> str:
    """Return ``title``, if it is a string."""
    if not isinstance(title, str):
        raise InputError("title", "a string", title)
    return title


def fonts() -> List[str]:
    """Matplotlib's default font, followed by the installed fonts with Hangul as fallbacks."""
    return ["DejaVu Sans", *_hangul_fonts()]


def glyph_fonts() -> List[Tuple[str, FrozenSet[int]]]:
    """The files of the fonts for single characters, the monospaced one first, with the code points that each has."""
    return [_font_file(name) for name in ("DejaVu Sans Mono", "DejaVu Sans", *_hangul_fonts())]


@functools.cache
def _font_file(name: str) -> Tuple[str, FrozenSet[int]]:
    from matplotlib import font_manager

    path = font_manager.findfont(name)
    return path, frozenset(font_manager.get_font(path).get_charmap())


def can_draw_hangul() -> bool:
    """Whether a font with Hangul is installed; if not, a warning is logged once."""
    if not _hangul_fonts():
        _warn_once()
    return bool(_hangul_fonts())


@functools.cache
def _hangul_fonts() -> Tuple[str, ...]:
    from matplotlib import font_manager

    if not _WITH_HANGUL.keys() & set(font_manager.get_font_names()):
        # Matplotlib caches its list of fonts; the cache may be older than the font.
        for path in font_manager.findSystemFonts():
            if os.path.basename(path) in _WITH_HANGUL.values():
                font_manager.fontManager.addfont(path)
    return tuple(sorted(_WITH_HANGUL.keys() & set(font_manager.get_font_names())))


@functools.cache
def _warn_once() -> None:
    _log.warning("no font with Hangul is installed: labels are in English, titles with Hangul are omitted, and texts "
                 "have a mark for each syllable (on Debian or Ubuntu: apt-get install fonts-nanum)")


def without_frame(ax: Any) -> None:
    """Show the left and bottom spines only."""
    ax.spines[["top", "right"]].set_visible(False)


def apart(places: Sequence[float], gap: float) -> List[float]:
    """Move places apart, so that neighbours have at least the distance ``gap``, by the least sum of squares.

    Examples
    --------
    >>> from gluon_deeprnn.plotting.style import apart
    >>> apart([0.0, 9.0, 1.0], 2.0)
    [-0.5, 9.0, 1.5]
    """
    order = sorted(range(len(places)), key=lambda i: places[i])
    groups: List[Tuple[float, int]] = []  # neighbours at the distance gap: the mean of place - rank * gap, the number
    for rank, i in enumerate(order):
        mean, size = places[i] - rank * gap, 1
        while groups and groups[-1][0] > mean:
            other, others = groups.pop()
            mean, size = (mean * size + other * others) / (size + others), size + others
        groups.append((mean, size))
    moved = [mean for mean, size in groups for _ in range(size)]
    found = {i: place + rank * gap for rank, (i, place) in enumerate(zip(order, moved))}
    return [found[i] for i in range(len(places))]


def label_right(ax: Any, values: Sequence[float], texts: Sequence[str]) -> None:
    """Write texts to the right of the axes, as near to these values of y as there is room, on the present y axis."""
    points = _FONT_SIZE * 1.3  # of a line of text
    heights = [ax.transData.transform((0, value))[1] * 72 / ax.figure.dpi for value in values]
    for value, text, height, place in zip(values, texts, heights, apart(heights, points)):
        ax.annotate(text, (1, value), xycoords=ax.get_yaxis_transform(), xytext=(5, place - height),
                    textcoords="offset points", ha="left", va="center", fontsize=_FONT_SIZE, annotation_clip=False)


def log_labels(ax: Any) -> None:
    """Label a logarithmic y axis with plain numbers, without overlaps."""
    ax.yaxis.set_major_formatter(_plain)
    low, high = ax.get_ylim()
    ax.yaxis.set_minor_formatter(_plain if high < 10 * low else _sparse)


def _plain(value: float, position: float = 0) -> str:
    return f"{value:g}"


def _sparse(value: float, position: float = 0) -> str:
    digit = int(f"{value:e}"[0])
    return f"{value:g}" if digit in (2, 3, 5) else ""
