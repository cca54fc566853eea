"""A passage under the activity of hidden units, each with the feature of the text that it follows."""

import re
from typing import Any, Callable, List, Optional, Sequence, Tuple

from gluon_deeprnn import _checks
from gluon_deeprnn.errors import Described, InputError
from gluon_deeprnn.evaluation import Activities, FollowedFeature, followed_features
from gluon_deeprnn.evaluation.features import FEATURES
from gluon_deeprnn.plotting.labels import labels
from gluon_deeprnn.plotting.passage import LINE, Passage, fitting, page, put_scale
from gluon_deeprnn.plotting.style import checked_title, fonts, put_title
import numpy

_COLUMNS, _ROWS, _SMALL = 80, 3, 0.5
_LABEL, _BARS, _GAP, _SPACE = 2.2, 2.0, 0.3, 1.6
"""Heights in cells: of the label of a unit, of the bars of a row, between rows, between units."""

Unit = Tuple[str, int, int]


def plot_units(activity: Any, found: Optional[Sequence[FollowedFeature]] = None, *, num_units: int = 6,
               title: str = "", language: Optional[str] = None, ax: Optional[Any] = None) -> Any:
    """Plot the activity of the units that follow a feature of the text, on passages of it.

    The background of a character is the state after its token: red above 0, blue below 0.  The bars below show the
    same, upwards and downwards.  The label of a memory cell, whose state has no bounds, and of a unit whose states are
    small says which values are shown as -1 and 1; one token in 1,000 is outside.  Line breaks are shown as arrows.
    Each unit has the passage of the second half of the text in which its feature varies most.

    Parameters
    ----------
    activity : Activities
        The states, as returned by `gluon_deeprnn.evaluation.activities`.
    found : sequence of FollowedFeature, optional
        The units; default: those that `gluon_deeprnn.evaluation.followed_features` finds.  A unit that follows several
        features is shown once.  If there is none, the units with the largest variance are shown, and the title says so.
    num_units : int, default 6
        The largest number of units.
    title : str, optional
        The title.
    language : {'en', 'ko'}, optional
        Language of the labels; default: the value of ``GLUON_DEEPRNN_LANGUAGE``, else ``en``.
    ax : matplotlib.axes.Axes, optional
        The axes; default: those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Source
    ------
    Karpathy, Johnson and Fei-Fei, "Visualizing and Understanding Recurrent Networks", 2015, figure 2.

    Examples
    --------
    >>> import mxnet as mx
    >>> from gluon_deeprnn import GRU, RNNLM, Vocab
    >>> from gluon_deeprnn.evaluation import activities
    >>> from gluon_deeprnn.plotting import plot_units
    >>> mx.random.seed(1)
    >>> text = 'the quick brown fox jumps over the lazy dog ' * 9
    >>> vocab = Vocab(text)
    >>> ax = plot_units(activities(RNNLM(GRU(num_hiddens=32), len(vocab)), vocab, text), num_units=2)
    >>> len(ax.texts)  # a label for each unit
    2
    """
    from matplotlib.colors import Normalize

    label, title = labels(language), checked_title(title)
    if not isinstance(activity, Activities):
        raise InputError("activity", "an Activities, as activities returns it", activity)
    num_units = _checks.integer("num_units", num_units, at_least=1)
    if found is None:
        found = followed_features(activity)
    found = _checks.sequence("found", found, FollowedFeature, "a sequence of FollowedFeature")
    for each in found:
        layers, units = activity.states[each.kind].shape[1:] if each.kind in activity.states else (0, 0)
        if not (1 <= each.layer <= layers and 1 <= each.unit <= units):
            raise InputError("found", "units of these states", Described(str(each)))
    shown = _distinct(found)[:num_units]
    blocks = [_Block(activity, (each.kind, each.layer, each.unit), each.feature) for each in shown]
    texts = [f"{label(each.feature)} (r = {each.r:.2f})" for each in shown]
    if not shown:
        varied = _most_varied(activity, num_units)
        blocks = [_Block(activity, unit, None) for unit, _ in varied]
        texts = [label("standard deviation {:.2f}", deviation) for _, deviation in varied]
    height = sum(block.height for block in blocks)
    width = max(block.passage.width for block in blocks)
    ax, scale = page(ax, width, height)
    top, norm = 0.0, Normalize(-1, 1)
    for text, block in zip(texts, blocks):
        ax.text(0, top + _LABEL * 0.75, f"{block.owner(label)}: {text}", fontsize=9, parse_math=False,
                fontfamily=fonts())
        cells = block.draw(ax, top + _LABEL, norm)
        top += block.height
    put_scale(ax, scale, cells, label("state, or place in a given range"
                                      if any(block.is_scaled for block in blocks) else "hidden state"))
    put_title(ax, fitting(title, width), label(
        "r: correlation in the second half of the text, units chosen in the first half" if shown
        else "no unit follows a known feature of the text; these are the units that vary most"))
    return ax


def _distinct(found: Sequence[FollowedFeature]) -> List[FollowedFeature]:
    """The strongest feature of each unit; a cell state and the hidden state are one unit."""
    kept: List[FollowedFeature] = []
    for each in sorted(found, key=lambda each: -abs(each.r)):
        if all((each.layer, each.unit) != (other.layer, other.unit) for other in kept):
            kept.append(each)
    return kept


def _most_varied(activity: Activities, num_units: int) -> List[Tuple[Unit, float]]:
    """The units with the largest standard deviation of the hidden state, the largest first."""
    deviations = activity.states["unit"].astype("float64").std(axis=0)  # (L, H)
    order = numpy.argsort(-deviations, axis=None, kind="stable")[:num_units]
    places = [numpy.unravel_index(int(i), deviations.shape) for i in order]
    return [(("unit", int(layer) + 1, int(unit) + 1), float(deviations[layer, unit])) for layer, unit in places]


class _Block:
    """A unit on a passage."""

    def __init__(self, activity: Activities, unit: Unit, feature: Optional[str]) -> None:
        kind, layer, number = self.unit = unit
        states = activity.states[kind][:, layer - 1, number - 1].astype("float64")
        self.low, self.high = _range(states, kind)
        self.is_scaled = (self.low, self.high) != (-1, 1)
        if self.is_scaled:
            states = numpy.clip(2 * (states - self.low) / (self.high - self.low) - 1, -1, 1)
        values = numpy.full(len(activity.text), numpy.nan)
        for start, end, value in zip(activity.starts, activity.ends, states):
            values[start:end] = value
        start, end = _passage(activity, feature)
        self.passage, self.values = Passage(activity.text[start:end], _COLUMNS, breaks=False), values[start:end]
        self._row = LINE + _BARS + _GAP
        self.height = _LABEL + self.passage.num_rows * self._row + _SPACE

    def owner(self, label: Callable[..., str]) -> str:
        """The name of the unit, with the range that is shown."""
        kind, layer, number = self.unit
        name = label("layer {}, memory cell {}" if kind == "cell" else "layer {}, unit {}", layer, number)
        return f"{name} {label('from {:.2f} to {:.2f}', self.low, self.high)}" if self.is_scaled else name

    def draw(self, ax: Any, top: float, norm: Any) -> Any:
        """Draw the passage below ``top``; return the collection of the backgrounds."""
        from matplotlib import colormaps
        from matplotlib.colors import ListedColormap

        tops = [top + row * self._row for row in range(self.passage.num_rows)]
        zeros = [each + LINE + _BARS / 2 for each in tops]
        # The lighter part of the colours, on which black characters are legible.
        colours = ListedColormap(colormaps["RdBu_r"](numpy.linspace(0.16, 0.84, 256)))
        cells = self.passage.draw_backgrounds(ax, tops, self.values, norm, colours)
        for row, zero in enumerate(zeros):
            end = int((self.passage.columns + self.passage.widths)[self.passage.rows == row].max())
            ax.plot([0, end], [zero, zero], color="#1a1a1a", linewidth=0.4)
        self.passage.draw_bars(ax, zeros, self.values * (_BARS / 2), "#4a4a4a")
        self.passage.draw_text(ax, tops)
        return cells


def _range(states: numpy.ndarray, kind: str) -> Tuple[float, float]:
    """The values of a unit that are shown as -1 and 1."""
    low, high = map(float, numpy.quantile(states, (0.0005, 0.9995)))
    if kind == "cell" and low < high:
        return low, high
    most = max(-low, high)
    return (-most, most) if 0 < most < _SMALL else (-1, 1)


def _passage(activity: Activities, feature: Optional[str]) -> Tuple[int, int]:
    """Where the passage is: the lines of the second half in which the feature varies most, or its first ones."""
    text, half = activity.text, int(activity.starts[len(activity.starts) // 2])
    starts = [line.start() for line in re.finditer("(?<=\n)[^\n]", text) if line.start() >= half]
    # The last ones do not fill the rows.
    starts = [start for start in starts if start + _ROWS * _COLUMNS <= len(text)] or starts[:1] or [half]
    if feature not in FEATURES:
        return _rows(text, starts[0])
    values = numpy.array(FEATURES[feature](text))
    return max((_rows(text, start) for start in starts), key=lambda rows: round(float(values[slice(*rows)].std()), 3))


def _rows(text: str, start: int) -> Tuple[int, int]:
    """The part of a text from ``start`` on that fills the rows of a passage."""
    part = text[start:start + _ROWS * (_COLUMNS + 1)]
    return start, start + int((Passage(part, _COLUMNS, breaks=False).rows < _ROWS).sum())
