"""A scored text as a picture: its characters, each with its surprisal as a colour and a bar."""

import math
from typing import Any, Callable, Optional

from gluon_deeprnn.errors import Described, InputError
from gluon_deeprnn.evaluation import ScoredText
from gluon_deeprnn.plotting.labels import labels
from gluon_deeprnn.plotting.passage import LINE, Passage, fitting, page, put_scale
from gluon_deeprnn.plotting.style import checked_title, put_title
import numpy

_COLUMNS, _ROWS, _MOST_ROWS = 80, 30, 400
_BARS, _GAP = 1.5, 0.35
_LEAST_SCALE = 4


def plot_surprisal(scored: Any, first_line: int = 1, num_lines: Optional[int] = None, *, title: str = "",
                   language: Optional[str] = None, ax: Optional[Any] = None) -> Any:
    """Plot the surprisal of the characters of a passage: as a colour, and as a bar above each character.

    A token of several characters has one colour and one bar.  The scale ends at the surprisal that one token in 200
    exceeds; longer bars are cut off there.  A line break is shown as an arrow.  Tokens that are not in the vocabulary
    are underlined: their surprisal is that of the unknown token and of their spelling.

    Parameters
    ----------
    scored : ScoredText
        The text, as returned by `gluon_deeprnn.evaluation.score`.
    first_line : int, default 1
        The number of the line with which the passage begins.
    num_lines : int, optional
        The number of lines of the passage, which are wrapped at 80 columns; by default as many as fill 30 rows, at
        least one.
    title : str, optional
        The title.
    language : {'en', 'ko'}, optional
        Language of the labels; default: the value of ``GLUON_DEEPRNN_LANGUAGE``, else ``en``.
    ax : matplotlib.axes.Axes, optional
        The axes; default: those of a new figure, which is as high as the passage.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> from gluon_deeprnn import GRU, RNNLM, Vocab
    >>> from gluon_deeprnn.evaluation import score
    >>> from gluon_deeprnn.plotting import plot_surprisal
    >>> vocab = Vocab('the time machine')
    >>> model = RNNLM(GRU(num_hiddens=8), vocab_size=len(vocab))
    >>> ax = plot_surprisal(score(model, vocab, 'the time machine'), title='GRU')
    >>> ax.get_title(loc='left').splitlines()[0]
    'GRU'
    """
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap, Normalize

    label, title = labels(language), checked_title(title)
    if not isinstance(scored, ScoredText):
        raise InputError("scored", "a ScoredText, as score returns it", scored)
    part = scored.excerpt(first_line, _ROWS if num_lines is None else num_lines)
    if num_lines is None:  # a line fills a row or more
        ends = numpy.append(part.line_starts[1:], len(part.text))
        part = part.excerpt(1, max(1, int((Passage(part.text, _COLUMNS).rows[ends - 1] < _ROWS).sum())))
    passage, bits = Passage(part.text, _COLUMNS), part.character_bits()
    if passage.num_rows > _MOST_ROWS:
        raise InputError("num_lines", f"small enough for {_MOST_ROWS} rows of {_COLUMNS} columns",
                         Described(f"{passage.num_rows} rows"), "a page of HTML can be longer")
    height = passage.num_rows * (_BARS + LINE + _GAP)
    ax, scale = page(ax, passage.width, height)
    finite = part.bits[part.predicted]
    most = max(_LEAST_SCALE, math.ceil(numpy.quantile(finite, 0.995))) if finite.size else _LEAST_SCALE
    # The lighter part of the colours, on which black characters are legible.
    colours = ListedColormap(colormaps["OrRd"](numpy.linspace(0, 0.75, 256)))
    tops = [row * (_BARS + LINE + _GAP) + _BARS for row in range(passage.num_rows)]
    cells = passage.draw_backgrounds(ax, tops, bits, Normalize(0, most), colours)
    passage.draw_bars(ax, tops, numpy.minimum(bits, most) / most * (_BARS - 0.1))
    passage.draw_text(ax, tops)
    unknown = part.unknown_characters()
    passage.underline(ax, tops, unknown)
    put_scale(ax, scale, cells, label("surprisal in bits (bars up to {})", most),
              extend="max" if finite.size and finite.max() > most else "neither")
    about = about_lines(scored, part, first_line, label)
    if unknown.any():
        about += "; " + label("underlined: {:.1%} unknown tokens", (~part.known).mean())
    put_title(ax, fitting(title, passage.width), about)
    return ax


def about_lines(scored: ScoredText, part: ScoredText, first_line: int, label: Callable[..., str]) -> str:
    """Which lines of a text a part of it is, and its bits per character."""
    lines = label("lines {} to {} of {}", first_line, first_line + len(part.line_starts) - 1, len(scored.line_starts))
    bits = part.whole().bits_per_character if len(part.starts) else None
    return f"{lines}: " + (label("no prediction") if bits is None else label("{:.2f} bits per character", bits))
