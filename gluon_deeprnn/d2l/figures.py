"""Figures in pyplot, which is imported when the first one is drawn."""

import sys
from typing import Any, Optional, Sequence, Tuple


def in_notebook() -> bool:
    """Whether this runs in a notebook, where figures are shown below the cell."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")


def use_svg_display() -> None:
    """Show figures as SVG in a notebook; elsewhere nothing changes."""
    if in_notebook():
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("svg")


def set_figsize(figsize: Tuple[float, float] = (3.5, 2.5)) -> None:
    """Set the size, in inches, of the figures that follow, and show them as SVG in a notebook."""
    from matplotlib import pyplot

    use_svg_display()
    pyplot.rcParams["figure.figsize"] = figsize


def set_axes(axes: Any, xlabel: Optional[str], ylabel: Optional[str], xlim: Optional[Sequence[float]],
             ylim: Optional[Sequence[float]], xscale: str, yscale: str, legend: Sequence[str]) -> None:
    """Set labels, limits, scales, legend and grid of matplotlib axes."""
    axes.set(xlabel=xlabel or "", ylabel=ylabel or "", xscale=xscale, yscale=yscale)
    if xlim is not None:
        axes.set_xlim(xlim)
    if ylim is not None:
        axes.set_ylim(ylim)
    if legend:
        axes.legend(legend)
    axes.grid()


def plot(X: Any, Y: Any = None, xlabel: Optional[str] = None, ylabel: Optional[str] = None, legend: Sequence[str] = (),
         xlim: Optional[Sequence[float]] = None, ylim: Optional[Sequence[float]] = None, xscale: str = "linear",
         yscale: str = "linear", fmts: Sequence[str] = ("-", "m--", "g-.", "r:"),
         figsize: Tuple[float, float] = (3.5, 2.5), axes: Any = None) -> None:
    """Plot one curve or several.

    Parameters
    ----------
    X, Y : array or list of numbers, or a list of them
        Abscissas and ordinates; if ``Y`` is left out, ``X`` are ordinates over 0, 1, ....  One ``X`` serves several
        ``Y``.
    xlabel, ylabel, legend, xlim, ylim, xscale, yscale
        As for `set_axes`.
    fmts : sequence of str
        The matplotlib format of each curve; they repeat.
    figsize : tuple of float, default (3.5, 2.5)
        Size in inches.
    axes : matplotlib.axes.Axes, optional
        Where to plot; pyplot's current axes if left out.  They are cleared first.

    Source
    ------
    Dive into Deep Learning, section "Calculus", visualization utilities.

    Examples
    --------
    >>> from gluon_deeprnn import d2l
    >>> from matplotlib.figure import Figure
    >>> axes = Figure().add_subplot()
    >>> x = d2l.arange(1, 4)
    >>> d2l.plot(x, [x ** 2, x ** 3], xlabel='x', legend=['square', 'cube'], axes=axes)
    >>> [line.get_ydata().tolist() for line in axes.lines]
    [[1.0, 4.0, 9.0], [1.0, 8.0, 27.0]]
    """
    from matplotlib import pyplot

    abscissas, ordinates = ([], _curves(X)) if Y is None else (_curves(X), _curves(Y))
    if len(abscissas) == 1:
        abscissas = abscissas * len(ordinates)
    set_figsize(figsize)
    axes = pyplot.gca() if axes is None else axes
    axes.cla()
    for i, y in enumerate(ordinates):
        axes.plot(*([abscissas[i]] if abscissas else []), y, fmts[i % len(fmts)])
    set_axes(axes, xlabel, ylabel, xlim, ylim, xscale, yscale, legend)


def _curves(values: Any) -> list:
    """A list of NumPy arrays or lists of numbers, from one of them or several."""
    single = values.ndim == 1 if hasattr(values, "ndim") else not len(values) or not hasattr(values[0], "__len__")
    return [each.asnumpy() if hasattr(each, "asnumpy") else each for each in ([values] if single else values)]
