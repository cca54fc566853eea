"""The book's object-oriented design: methods added later, arguments kept, curves while a model is trained."""

import inspect
import io
import logging
import math
import sys
import time
from typing import TYPE_CHECKING, Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from gluon_deeprnn import _checks

_log = logging.getLogger(__name__)


def add_to_class(Class: type) -> Callable[[Any], Any]:
    """Make the function below it a method of ``Class``, also of instances that exist already.

    Parameters
    ----------
    Class : type
        The class that gets the method.

    Source
    ------
    Dive into Deep Learning, section "Object-Oriented Design for Implementation".

    Examples
    --------
    >>> from gluon_deeprnn import d2l
    >>> class A:
    ...     b = 1
    >>> a = A()
    >>> @d2l.add_to_class(A)
    ... def double(self):
    ...     return 2 * self.b
    >>> a.double()
    2
    """
    def add(method: Any) -> Any:
        setattr(Class, method.__name__, method)
        return method
    return add


class HyperParameters:
    """A class that keeps its constructor's arguments as attributes.

    Source
    ------
    Dive into Deep Learning, section "Object-Oriented Design for Implementation".

    Examples
    --------
    >>> from gluon_deeprnn import d2l
    >>> class B(d2l.HyperParameters):
    ...     def __init__(self, a, b, c):
    ...         self.save_hyperparameters(ignore=['c'])
    >>> b = B(a=1, b=2, c=3)
    >>> b.a, b.b, hasattr(b, 'c'), b.hparams
    (1, 2, False, {'a': 1, 'b': 2})
    """

    if TYPE_CHECKING:
        def __getattr__(self, name: str) -> Any: ...

    def save_hyperparameters(self, ignore: Sequence[str] = ()) -> None:
        """Keep the caller's local names, but for ``self``, those in ``ignore`` and those that begin with ``_``."""
        caller = inspect.currentframe().f_back  # type: ignore[union-attr]
        names = inspect.getargvalues(caller).locals  # type: ignore[arg-type]
        left_out = {"self", *ignore}
        self.hparams = {name: value for name, value in names.items()
                        if name not in left_out and not name.startswith("_")}
        for name, value in self.hparams.items():
            setattr(self, name, value)


class Point(NamedTuple):
    """A point of a curve."""

    x: float
    y: float


class _Raw(NamedTuple):
    """What will become part of a point; ``y`` may be an array that the device has not computed yet."""

    x: float
    y: Any
    weight: float


class ProgressBoard(HyperParameters):
    """Curves that grow while a model is trained: drawn in a notebook, shown or saved elsewhere.

    Parameters
    ----------
    xlabel, ylabel : str, optional
        What stands at the axes.
    xlim, ylim : tuple of float, optional
        Their ranges.
    xscale, yscale : str, default "linear"
        Their scales.
    ls, colors : sequence of str
        The style of each curve, in the order in which they appear.
    fig, axes : optional
        A matplotlib figure and axes to draw into.
    figsize : tuple of float, default (3.5, 2.5)
        Size in inches.
    display : bool, default True
        False only collects the points.

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
        self.raw_points: Dict[str, List[_Raw]] = {}
        self._groups: Dict[str, List[List[_Raw]]] = {}
        self._logarithmic: Dict[str, bool] = {}
        self._drawn_at = -math.inf
        self._shown: Any = None

    def draw(self, x: float, y: Any, label: str, every_n: int = 1, *, weight: float = 1.0,
             logarithmic: bool = False) -> None:
        """Add to a curve; every ``every_n`` calls make a point, their mean.

        Parameters
        ----------
        x : float
            Where.
        y : float or array of one element
            What; an array is not waited for.
        label : str
            Which curve.
        every_n : int, default 1
            How many calls make a point; less than 1 counts as 1.
        weight : float, default 1
            How much this one counts in the mean.
        logarithmic : bool, default False
            Take the mean of the logarithms: for perplexities, which are exponentials of a mean.
        """
        points = self.raw_points.setdefault(label, [])
        points.append(_Raw(x, y, weight))
        self._logarithmic[label] = logarithmic
        if len(points) >= max(1, int(every_n)):
            self._groups.setdefault(label, []).append(list(points))
            points.clear()

    @property
    def data(self) -> Dict[str, List[Point]]:
        """The points of every curve; waits for what the device is still computing."""
        return {label: [self._mean(group, self._logarithmic[label]) for group in groups]
                for label, groups in self._groups.items()}

    @staticmethod
    def _mean(group: List[_Raw], logarithmic: bool) -> Point:
        values = [float(raw.y.item() if hasattr(raw.y, "item") else raw.y) for raw in group]
        if logarithmic:
            values = [math.log(value) if value > 0 else -math.inf for value in values]
        whole = sum(raw.weight for raw in group)
        mean = sum(value * raw.weight for value, raw in zip(values, group)) / whole
        x = sum(raw.x for raw in group) / len(group)
        return Point(x, (math.exp(mean) if mean < 700 else math.inf) if logarithmic else mean)

    def figure(self) -> Any:
        """The curves as a matplotlib figure."""
        if self.axes is None:
            from matplotlib.figure import Figure

            self.fig = self.fig or Figure(figsize=self.figsize, dpi=120, layout="constrained")
            self.axes = self.fig.add_subplot()
        ax = self.axes
        ax.clear()
        for i, (label, points) in enumerate(self.data.items()):
            ax.plot([p.x for p in points], [p.y for p in points], linestyle=self.ls[i % len(self.ls)],
                    color=self.colors[i % len(self.colors)], label=label)
        ax.set(xlabel=self.xlabel or "", ylabel=self.ylabel or "", xscale=self.xscale, yscale=self.yscale)
        if self.xlim:
            ax.set_xlim(self.xlim)
        if self.ylim:
            ax.set_ylim(self.ylim)
        ax.grid(True, linewidth=0.4, alpha=0.6)
        if self._groups:
            ax.legend(frameon=False)
        return ax.figure

    def begin(self) -> None:
        """Another training begins: its picture is another one."""
        self._shown, self._drawn_at = None, -math.inf

    def refresh(self, last: bool = False) -> None:
        """Draw again in a notebook, at most once a second but for the ``last`` time; elsewhere wait for the last time.

        There the figure is shown in a window where matplotlib has one, and else saved as ``d2l-curves.png``.
        """
        if not self.display or not self._groups or (not last and time.monotonic() - self._drawn_at < 1):
            return
        if in_notebook():
            from IPython import display

            picture = io.BytesIO()
            self.figure().savefig(picture, format="png")
            if self._shown is None:
                self._shown = display.display(display_id=True)
            self._shown.update(display.Image(picture.getvalue()))
            self._drawn_at = time.monotonic()
        elif last:
            self._show_or_save()

    def _show_or_save(self) -> None:
        pyplot = sys.modules.get("matplotlib.pyplot")  # someone who wants windows has imported it
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


def in_notebook() -> bool:
    """Whether pictures are shown below a notebook's cell."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")


def check_len(a: Sequence[Any], n: int) -> None:
    """Raise if ``a`` has not ``n`` elements."""
    if len(a) != n:
        raise _checks.InputError("a", f"{n} long", _checks.Described(f"{len(a)} elements"))


def check_shape(a: Any, shape: Sequence[int]) -> None:
    """Raise if the array ``a`` has not the given shape."""
    _checks.shape("a", a, list(shape))
