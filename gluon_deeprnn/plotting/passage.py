"""A passage in monospaced characters, with values of its characters as background colours and bars."""

import functools
import re
from typing import Any, List, Optional, Sequence, Tuple
import unicodedata

from gluon_deeprnn.plotting.style import HANGUL, axes, can_draw_hangul, glyph_fonts, new_figure, put_font
import numpy

_ADVANCE = 0.602
"""The width of a character of DejaVu Sans Mono, in em: the width of a cell."""

LINE = 2.1
"""The height of a line of text, in cells."""

_BASELINE, _LEAST_WIDTH, _INCHES, _SCALE_HEIGHT, _TITLE_INCHES = 0.74, 62, 0.08, 26, 0.08
_MARKS = {"\n": "\N{DOWNWARDS ARROW WITH CORNER LEFTWARDS}", "\t": "\N{RIGHTWARDS ARROW}"}
_INK, _PALE = "#1a1a1a", "#707070"


def cells(character: str) -> int:
    """The number of cells of a character on a terminal: 2 for wide ones such as Hangul, 0 for combining marks.

    Examples
    --------
    >>> from gluon_deeprnn.plotting.passage import cells
    >>> [cells(character) for character in ("a", "한", chr(0x301))]
    [1, 2, 0]
    """
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


class Passage:
    """The places of the characters of a text: rows and columns of cells.

    A row ends before a word for which there is no room, and with a line break.

    Parameters
    ----------
    text : str
        The text.
    columns : int, default 80
        The number of cells of a row; one more is left for the space or line break at its end.
    breaks : bool, default True
        Whether a line break ends a row; otherwise it is a character like any other.

    Attributes
    ----------
    rows, columns, widths : numpy.ndarray
        (n,), for each character, its row and column and its number of cells.
    num_rows, width : int
        The number of rows, and of cells of the longest one.
    """

    def __init__(self, text: str, columns: int = 80, *, breaks: bool = True) -> None:
        self.text = text
        places: List[Tuple[int, int, int]] = []
        row, column = 0, 0
        for word in re.findall(r"\s|\S+", text):
            widths = [cells(character) for character in word]
            if columns < column + sum(widths) <= column + columns and not word.isspace():
                row, column = row + (column > 0), 0
            for character, width in zip(word, widths):
                if column + width > columns + word.isspace():
                    row, column = row + 1, 0
                places.append((row, max(0, column - 1) if width == 0 else column, max(1, width)))
                column += width
                if breaks and character == "\n":
                    row, column = row + 1, 0
        self.rows, self.columns, self.widths = numpy.array(places, dtype="int64").reshape(-1, 3).T
        self.num_rows = int(self.rows[-1]) + 1 if places else 0
        self.width = int((self.columns + self.widths).max()) if places else 0

    def draw_text(self, ax: Any, tops: Sequence[float]) -> None:
        """Draw the characters; ``tops`` is the upper edge of the text of each row, y pointing downwards."""
        from matplotlib.patches import PathPatch
        from matplotlib.path import Path

        if HANGUL.search(self.text):
            can_draw_hangul()  # if not, that is logged
        drawn: List[Tuple[List[Any], List[Any], str]] = [([], [], _INK), ([], [], _PALE)]
        for character, row, column, width in zip(self.text, self.rows, self.columns, self.widths):
            path, low, high = _glyph(_MARKS.get(character, character))
            if path is None or unicodedata.category(character) == "Cf":  # a format character has no outline
                continue
            left = column + (width - (high - low)) / 2 - low
            vertices, codes, _ = drawn[character in _MARKS]
            vertices.append(path.vertices * (1 / _ADVANCE, -1 / _ADVANCE) + (left, tops[row] + LINE * _BASELINE))
            codes.append(path.codes)
        for vertices, codes, colour in drawn:
            if vertices:
                outlines = Path(numpy.concatenate(vertices), numpy.concatenate(codes))
                ax.add_patch(PathPatch(outlines, facecolor=colour, linewidth=0, zorder=3))

    def draw_backgrounds(self, ax: Any, tops: Sequence[float], values: numpy.ndarray, norm: Any, cmap: Any) -> Any:
        """Colour the cell of each character by its value, and return the collection; NaN is not coloured."""
        which = numpy.flatnonzero(~numpy.isnan(values))
        return self._rectangles(ax, which, numpy.asarray(tops)[self.rows[which]], LINE, array=values[which], norm=norm,
                                cmap=cmap)

    def draw_bars(self, ax: Any, zeros: Sequence[float], heights: numpy.ndarray, colour: str = _INK) -> None:
        """Draw a bar for each character, up from the ``zeros`` of its row (down, if negative); none for NaN."""
        which = numpy.flatnonzero(~numpy.isnan(heights))
        self._rectangles(ax, which, numpy.asarray(zeros)[self.rows[which]], -heights[which], facecolor=colour)

    def underline(self, ax: Any, tops: Sequence[float], which: numpy.ndarray) -> None:
        """Underline the characters for which ``which`` is true."""
        chosen = numpy.flatnonzero(which)
        self._rectangles(ax, chosen, numpy.asarray(tops)[self.rows[chosen]] + LINE - 0.22, 0.18, facecolor=_INK)

    def _rectangles(self, ax: Any, which: numpy.ndarray, tops: Any, heights: Any, **how: Any) -> Any:
        from matplotlib.collections import PolyCollection

        left = self.columns[which].astype("float64")
        right, top = left + self.widths[which], numpy.broadcast_to(tops, left.shape)
        bottom = top + heights
        corners: Any = numpy.stack([numpy.stack([left, top], 1), numpy.stack([right, top], 1),
                               numpy.stack([right, bottom], 1), numpy.stack([left, bottom], 1)], axis=1)  # (n, 4, 2)
        return ax.add_collection(PolyCollection(corners, linewidth=0, antialiased=False, **how), autolim=False)


def _glyph(character: str) -> Tuple[Any, float, float]:
    """The outline of a character, in em, and between which places, in cells, it lies; a mark if no font has it."""
    fonts = glyph_fonts()
    for font, characters in fonts:
        if ord(character) in characters:
            return _outline(character, font, font == fonts[0][0])
    return _glyph("\N{REPLACEMENT CHARACTER}")


@functools.lru_cache(maxsize=4096)
def _outline(character: str, font: str, monospaced: bool) -> Tuple[Any, float, float]:
    from matplotlib.font_manager import FontProperties
    from matplotlib.path import Path
    from matplotlib.textpath import text_to_path

    # A dollar sign alone is no formula for Matplotlib; every other character is itself.
    vertices, codes = text_to_path.get_text_path(FontProperties(fname=font), character)
    if not len(vertices):  # a space of some kind
        return None, 0, 0
    path = Path(numpy.array(vertices) / text_to_path.FONT_SCALE, codes)
    extent = path.get_extents()
    return path, *((0, 1) if monospaced else (extent.x0 / _ADVANCE, extent.x1 / _ADVANCE))


def page(ax: Optional[Any], width: int, height: float) -> Tuple[Any, Any]:
    """The axes for passages, in cells, y pointing downwards, and the axes of the scale beside them.

    The axes of a new figure have a fixed place and size: Matplotlib's layouts know no axes of a fixed aspect, and cut
    off the titles above them.  The scale of given axes takes its room from them.
    """
    width, height = max(width, _LEAST_WIDTH), max(height, _SCALE_HEIGHT)
    if ax is not None:
        ax = scale = axes(ax)
    else:
        right, above, beside = 1.0, 0.55, 0.1  # inches
        inches = (beside + _INCHES * width + right, above + _INCHES * height + beside)
        figure = new_figure(*inches)
        figure.set_layout_engine("none")
        ax = figure.add_axes((beside / inches[0], beside / inches[1], _INCHES * width / inches[0],
                              _INCHES * height / inches[1]))
        high = _INCHES * _SCALE_HEIGHT
        scale = figure.add_axes((1 - (right - 0.12) / inches[0], 1 - (above + high) / inches[1], 0.12 / inches[0],
                                 high / inches[1]))
    ax.set_xlim(0, width)
    ax.set_ylim(height, 0)
    ax.set_aspect("equal", anchor="NW")
    ax.axis("off")
    return ax, scale


def fitting(title: str, width: int) -> str:
    """A title, cut off if it would be wider than a figure for passages of this width in cells."""
    inches = 0.0
    for i, character in enumerate(title):
        inches += _TITLE_INCHES * cells(character)
        if inches > _INCHES * max(width, _LEAST_WIDTH) + 0.7:
            return title[:i] + "..."
    return title


def put_scale(ax: Any, scale: Any, cells: Any, label: str, extend: str = "neither") -> None:
    """Draw the scale of the colours of ``cells`` into the axes that `page` returned for it."""
    where = {"ax": ax, "pad": 0.01} if scale is ax else {"cax": scale}
    bar = ax.figure.colorbar(cells, extend=extend, **where)
    bar.set_label(label, fontsize=8)
    bar.ax.tick_params(labelsize=8)
    put_font(bar.ax)
