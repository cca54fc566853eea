"""Curves that are drawn while a model is trained."""

import io
import logging
import math
import sys
import time
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

from gluon_deeprnn.d2l.figures import in_notebook, set_axes
from gluon_deeprnn.d2l.oop import HyperParameters

_log = logging.getLogger(__name__)


class Point(NamedTuple):
    """One point of a curve."""

    x: float
    y: float


class _Value(NamedTuple):
    """One drawn value; ``y`` may be an array that is still being computed."""

    x: float
    y: Any
    weight: float


class ProgressBoard(HyperParameters):
    """Curves that are drawn while a model is trained: in a notebook as they grow, elsewhere at the end.

    Parameters
    ----------
    xlabel, ylabel : str, optional
        Labels of the axes.
    xlim, ylim : tuple of float, optional
        Limits of the axes.
    xscale, yscale : str, default "linear"
        Scales of the axes.
    ls, colors : sequence of str
        Line style and color of each curve, in order of appearance.
    fig, axes : optional
        A matplotlib figure and axes to draw into.
    figsize : tuple of float, default (3.5, 2.5)
        Size in inches.
    display : bool, default True
        False collects the points without drawing them.

    Source
    ------
    Dive into Deep Learning, section "Object-Oriented Design for Implementation".

    Examples
    --------
    >>> from gluon_deeprnn import d2l
    >>> board = d2l.ProgressBoard('x', display=False)
    >>> for x in range(4):
    ...     board.draw(x, x * x, 'square', every_n=2)
    >>> board.data['square']
    [Point(x=0.5, y=0.5), Point(x=2.5, y=6.5)]
    """

    def __init__(self, xlabel: Optional[str] = None, ylabel: Optional[str] = None, xlim: Optional[Tuple] = None,
                 ylim: Optional[Tuple] = None, xscale: str = "linear", yscale: str = "linear",
                 ls: Sequence[str] = ("-", "--", "-.", ":"), colors: Sequence[str] = ("C0", "C1", "C2", "C3"),
                 fig: Any = None, axes: Any = None, figsize: Tuple[float, float] = (3.5, 2.5),
                 display: bool = True) -> None:
        self.save_hyperparameters()
        self.fig, self.axes, self.xlabel = fig, axes, xlabel
        self.raw_points: Dict[str, List[_Value]] = {}
        self._points: Dict[str, List[Union[Point, List[_Value]]]] = {}  # a list becomes a point when it is read
        self._logarithmic: Dict[str, bool] = {}
        self._drawn_at = -math.inf
        self._shown: Any = None

    def draw(self, x: float, y: Any, label: str, every_n: int = 1, *, weight: float = 1.0,
             logarithmic: bool = False) -> None:
        """Add a value to a curve; each point is the mean of ``every_n`` values.

        Parameters
        ----------
        x : float
            Abscissa.
        y : float or array of one element
            Ordinate; drawing does not wait until an array is computed.
        label : str
            Name of the curve.
        every_n : int, default 1
            Values per point, at least 1.
        weight : float, default 1
            Weight of this value in the mean.
        logarithmic : bool, default False
            Use the geometric mean: a perplexity is the exponential of a mean loss.
        """
        points = self.raw_points.setdefault(label, [])
        points.append(_Value(x, y, weight))
        self._logarithmic[label] = logarithmic
        if len(points) >= max(1, int(every_n)):
            self._points.setdefault(label, []).append(list(points))
            points.clear()

    @property
    def data(self) -> Dict[str, List[Point]]:
        """The points of every curve; waits until they are computed."""
        for label, points in self._points.items():
            points[:] = [self._mean(point, self._logarithmic[label]) if isinstance(point, list) else point
                         for point in points]
        return {label: list(points) for label, points in self._points.items()}  # type: ignore[arg-type]

    @staticmethod
    def _mean(values: List[_Value], logarithmic: bool) -> Point:
        ys = [float(value.y.item() if hasattr(value.y, "item") else value.y) for value in values]
        if logarithmic:
            ys = [math.log(y) if y > 0 else -math.inf for y in ys]
        mean = sum(y * value.weight for y, value in zip(ys, values)) / sum(value.weight for value in values)
        x = sum(value.x for value in values) / len(values)
        return Point(x, (math.exp(mean) if mean < 700 else math.inf) if logarithmic else mean)

    def figure(self) -> Any:
        """The curves as a matplotlib figure."""
        if self.axes is None:
            from matplotlib.figure import Figure

            self.fig = self.fig or Figure(figsize=self.figsize, dpi=120, layout="constrained")
            self.axes = self.fig.add_subplot()
        ax = self.axes
        ax.clear()
        for i, points in enumerate(self.data.values()):
            ax.plot([p.x for p in points], [p.y for p in points], linestyle=self.ls[i % len(self.ls)],
                    color=self.colors[i % len(self.colors)])
        set_axes(ax, self.xlabel, self.ylabel, self.xlim, self.ylim, self.xscale, self.yscale, list(self._points))
        return ax.figure

    def begin(self) -> None:
        """Start another figure; called when a training begins."""
        self._shown, self._drawn_at = None, -math.inf

    def refresh(self, last: bool = False) -> None:
        """Draw the curves: in a notebook at most once a second, and for the ``last`` time; elsewhere for the last time.

        Outside a notebook the figure is shown in a window if pyplot is imported with a backend that has windows, and
        saved as ``d2l-curves.png`` otherwise.
        """
        if not self.display or not self._points or (not last and time.monotonic() - self._drawn_at < 1):
            return
        if in_notebook():
            from IPython import display

            image = io.BytesIO()
            self.figure().savefig(image, format="png")
            if self._shown is None:
                self._shown = display.display(display_id=True)
            self._shown.update(display.Image(image.getvalue()))
            self._drawn_at = time.monotonic()
        elif last:
            self._show_or_save()

    def _show_or_save(self) -> None:
        pyplot = sys.modules.get("matplotlib.pyplot")
        if pyplot is not None and pyplot.get_backend().lower() not in ("agg", "svg", "pdf", "ps", "cairo", "template"):
            if self.axes is None:
                self.fig, self.axes = pyplot.subplots(figsize=self.figsize)
            self.figure()
            pyplot.show()
            return
        try:
            self.figure().savefig("d2l-curves.png")
            print("curves: d2l-curves.png", file=sys.stderr)
        except OSError as error:
            _log.warning("the curves could not be saved: %s", error)
