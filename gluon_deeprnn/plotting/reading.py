"""Bits per character while predictors read a text, and what contexts a mixture gains from."""

from typing import Any, Mapping, Optional

from gluon_deeprnn import _checks
from gluon_deeprnn.errors import Described, InputError
from gluon_deeprnn.plotting.labels import labels
from gluon_deeprnn.plotting.style import (
    checked_title,
    label_right,
    new_figure,
    put_figure_title,
    put_font,
    put_title,
    without_frame,
)
import numpy

_LINES = ("-", "--", "-.", ":")
_FIRST_SHARE = 0.02  # of the text: means over less than this are not drawn


def plot_reading(bits: Mapping[str, Any], gained_by: str, contexts: Any, *, characters: Optional[Any] = None,
                 title: str = "", language: Optional[str] = None) -> Any:
    """Plot the mean number of bits per character up to each place of a text, and where one of the predictors gains.

    The second panel divides the difference between the first predictor and ``gained_by`` by the longest context, in
    tokens, that had occurred before; its bars add up to the difference of the means of the whole text.

    Parameters
    ----------
    bits : mapping of str to array_like
        For each predictor, by its name, the bits that each token of the text takes, (n,).
    gained_by : str
        The name of one of them.
    contexts : array_like
        For each token the number of tokens of the longest context that had occurred, (n,).
    characters : array_like, optional
        The number of characters of each token, (n,); default: 1.
    title : str, optional
        The title.
    language : {'en', 'ko'}, optional
        Language of the labels; default: the value of ``GLUON_DEEPRNN_LANGUAGE``, else ``en``.

    Returns
    -------
    matplotlib.figure.Figure
        With two axes.

    Examples
    --------
    >>> from gluon_deeprnn.plotting import plot_reading
    >>> figure = plot_reading({'network': [2.0, 2.0], 'mixture': [2.0, 1.0]}, 'mixture', [0, 4])
    >>> [float(bar.get_height()) for bar in figure.axes[1].patches]
    [0.0, 0.5]
    """
    label, title = labels(language), checked_title(title)
    found = {name: numpy.asarray(each, dtype="float64") for name, each in _checks.mapping("bits", bits).items()}
    orders = numpy.asarray(contexts)
    lengths = numpy.ones(orders.shape) if characters is None else numpy.asarray(characters, dtype="float64")
    shapes = [each.shape for each in (orders, lengths, *found.values())]
    if not found or shapes != [(len(orders),)] * len(shapes) or not len(orders):
        raise InputError("bits", "of as many tokens as contexts, at least one", Described(str(shapes)))
    if not lengths[0] > 0 or not (lengths >= 0).all():
        raise InputError("characters", "numbers of at least 0, the first above 0", characters)
    _checks.one_of("gained_by", gained_by, list(found))
    figure = new_figure(12, 4.4)
    left, right = figure.subplots(1, 2, width_ratios=(1.3, 1))
    num_characters = float(lengths.sum())
    _draw_means(left, found, lengths)
    left.set_xlabel(label("characters read"))
    left.set_ylabel(label("mean bits per character so far"))
    first = next(iter(found.values()))
    _draw_gains(right, (first - found[gained_by]) / num_characters, orders, label)
    put_title(right, label("gain of {} over {}").format(label(gained_by), label(next(iter(found)))))
    for ax in (left, right):
        without_frame(ax)
        ax.grid(True, axis="y", linewidth=0.4, alpha=0.6)
        ax.set_axisbelow(True)
    label_right(left, [each.sum() / num_characters for each in found.values()],
                [f"{label(name)} {each.sum() / num_characters:.3f}" for name, each in found.items()])
    for ax in (left, right):
        put_font(ax)
    put_figure_title(figure, title)
    return figure


def _draw_means(ax: Any, bits: Mapping[str, numpy.ndarray], lengths: numpy.ndarray) -> None:
    read = numpy.cumsum(lengths)
    shown = slice(int(len(read) * _FIRST_SHARE), None)
    for i, each in enumerate(bits.values()):
        means = numpy.cumsum(each) / read
        ax.plot(read[shown], means[shown], color=f"C{i}", linestyle=_LINES[i % len(_LINES)], linewidth=1.5)
    ax.set_xlim(0, read[-1])
    ax.xaxis.set_major_formatter(lambda value, position: f"{value:,.0f}")


def _draw_gains(ax: Any, gains: numpy.ndarray, orders: numpy.ndarray, label: Any) -> None:
    kinds = sorted(set(orders.tolist()))
    heights = [float(gains[orders == kind].sum()) for kind in kinds]
    bars = ax.bar(range(len(kinds)), heights, color="0.6", edgecolor="0.3", linewidth=0.6)
    shares = [float((orders == kind).mean()) for kind in kinds]
    ax.bar_label(bars, [f"{share:.0%}" for share in shares], fontsize=8.5, padding=2)
    ax.set_xticks(range(len(kinds)), [f"{kind}" for kind in kinds])
    ax.axhline(0, color="0.3", linewidth=0.8)
    ax.margins(y=0.12)
    ax.set_xlabel(label("tokens of the longest context that occurred before\n(above the bars: share of all tokens)"))
    ax.set_ylabel(label("bits per character"))
