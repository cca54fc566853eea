"""Several runs in one picture: validation perplexity against epochs, time and the number of parameters."""

import itertools
from typing import Any, Mapping, Optional, Sequence

from gluon_deeprnn import _checks
from gluon_deeprnn.errors import InputError
from gluon_deeprnn.plotting.labels import labels
from gluon_deeprnn.plotting.style import (
    checked_title,
    label_right,
    log_labels,
    new_figure,
    put_figure_title,
    put_font,
    rows,
    without_frame,
)
import numpy

_LINES, _MARKERS = ("-", "--", "-.", ":"), ("o", "s", "^", "D", "v", "P", "X")  # 28 different combinations
_MARKED = 8  # places on a curve
_LOGARITHMIC = 3  # from this ratio of the largest to the smallest number of parameters on


def plot_runs(histories: Mapping[str, Sequence[Mapping[str, Any]]], parameters: Mapping[str, int], *, title: str = "",
              language: Optional[str] = None) -> Any:
    """Plot the validation perplexity of several runs against epochs and seconds, and the best against parameters.

    Parameters
    ----------
    histories : mapping of str to sequence of mapping
        For each run, by its name, the rows of its history, with ``epoch``, ``val_ppl`` and ``seconds``, the duration of
        the epoch.
    parameters : mapping of str to int
        The number of parameters of each of these runs.
    title : str, optional
        The title.
    language : {'en', 'ko'}, optional
        Language of the labels; default: the value of ``GLUON_DEEPRNN_LANGUAGE``, else ``en``.

    Returns
    -------
    matplotlib.figure.Figure
        With three axes, and one for the legend below them.

    Examples
    --------
    >>> from gluon_deeprnn.plotting import plot_runs
    >>> history = [{'epoch': 1, 'val_ppl': 9.0, 'seconds': 0.5}, {'epoch': 2, 'val_ppl': 7.0, 'seconds': 0.5}]
    >>> figure = plot_runs({'small': history, 'large': history}, {'small': 9000, 'large': 36000})
    >>> [ax.get_xlabel() for ax in figure.axes[:3]]
    ['epoch', 'seconds', 'parameters']
    """
    label, title = labels(language), checked_title(title)
    histories, parameters = _checks.mapping("histories", histories), _checks.mapping("parameters", parameters)
    if not histories or histories.keys() != parameters.keys():
        raise InputError("histories", "of the same runs as parameters, at least one", list(histories))
    found = {name: rows(history, "epoch", "val_ppl", "seconds") for name, history in histories.items()}
    sizes = [_checks.integer("parameters", parameters[name], at_least=1) for name in found]
    best = [min(row["val_ppl"] for row in history) for history in found.values()]
    legend_rows = -(-len(found) // 3)
    figure = new_figure(13, 4.2 + 0.22 * legend_rows)
    grid = figure.add_gridspec(2, 3, height_ratios=[4.2, 0.22 * legend_rows])
    by_epoch, by_time, by_size = (figure.add_subplot(grid[0, i]) for i in range(3))
    looks = zip(itertools.cycle(_LINES), itertools.cycle(_MARKERS), (f"C{i % 10}" for i in itertools.count()))
    handles = []
    for history, size, lowest, (line, marker, color) in zip(found.values(), sizes, best, looks):
        epochs = [row["epoch"] for row in history]
        how = {"linestyle": line, "marker": marker, "color": color, "markersize": 4.5, "linewidth": 1.5,
               "markevery": max(1, -(-len(history) // _MARKED))}
        handles += by_epoch.plot(epochs, [row["val_ppl"] for row in history], **how)
        by_time.plot(numpy.cumsum([row["seconds"] for row in history]), [row["val_ppl"] for row in history], **how)
        by_size.plot([size], [lowest], marker=marker, color=color, markersize=7, linestyle="none")
    for ax, name in ((by_epoch, "epoch"), (by_time, "seconds"), (by_size, "parameters")):
        ax.set_yscale("log")
        ax.set_xlabel(label(name))
        ax.grid(True, which="both", axis="y", linewidth=0.4, alpha=0.6)
        without_frame(ax)
    by_epoch.xaxis.get_major_locator().set_params(integer=True)
    by_epoch.set_ylabel(label("validation perplexity"))
    by_size.set_ylabel(label("best validation perplexity"))
    _name_points(by_size, list(found), sizes, best)
    for ax in (by_epoch, by_time, by_size):
        log_labels(ax)
    below = figure.add_subplot(grid[1, :])
    below.axis("off")
    below.legend(handles, list(found), frameon=False, ncols=min(3, len(found)), loc="center", fontsize=9)
    for ax in figure.axes:
        put_font(ax)
    put_figure_title(figure, title)
    return figure


def _name_points(ax: Any, names: Sequence[str], sizes: Sequence[int], best: Sequence[float]) -> None:
    """Write the names of points to the right of the axes, with a thin line from each point to its name."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    ratio = max(sizes) / min(sizes)
    if ratio > _LOGARITHMIC:
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if ratio < 100 else (1,)))
        ax.xaxis.set_minor_formatter(NullFormatter())
    else:
        ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, position: f"{value:,.0f}"))
    ax.margins(x=0.1, y=0.1)
    ax.tick_params(axis="x", labelsize=8.5)
    label_right(ax, best, names)
    limits = ax.get_xlim()
    for size, lowest in zip(sizes, best):
        ax.plot([size, limits[1]], [lowest, lowest], color="0.7", linewidth=0.7, zorder=0)
    ax.set_xlim(limits)
