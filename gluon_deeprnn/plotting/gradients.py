"""Gradient norms: of each layer over the epochs, and of one prediction by layer and time step."""

from typing import Any, Callable, List, Mapping, Optional, Sequence

from gluon_deeprnn import _checks
from gluon_deeprnn.errors import Described, InputError
from gluon_deeprnn.plotting.labels import labels
from gluon_deeprnn.plotting.style import axes, checked_title, put_font, put_title, rows, without_frame
import numpy

_MARKS = ("-", "--", "-.", ":")


def plot_gradient_norms(history: Sequence[Mapping[str, Any]], *, title: str = "", language: Optional[str] = None,
                        ax: Optional[Any] = None) -> Any:
    """Plot the gradient norm of every layer over the epochs, with the fraction of clipped steps in the title.

    Parameters
    ----------
    history : sequence of mapping
        Rows with ``epoch``, ``layer_gradient_norms`` and ``clipped``, as returned by `gluon_deeprnn.Trainer.fit`.
    title : str, optional
        The title.
    language : {'en', 'ko'}, optional
        Language of the labels; default: the value of ``GLUON_DEEPRNN_LANGUAGE``, else ``en``.
    ax : matplotlib.axes.Axes, optional
        The axes; default: those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> from gluon_deeprnn.plotting import plot_gradient_norms
    >>> ax = plot_gradient_norms([{'epoch': 1, 'clipped': 0.5, 'layer_gradient_norms': {'layer 1': [0.5, 0.3]}}])
    >>> ax.get_ylabel()
    'gradient norm before clipping'
    """
    label = labels(language)
    history, title, ax = rows(history, "epoch", "layer_gradient_norms", "clipped"), checked_title(title), axes(ax)
    layers = list(history[0]["layer_gradient_norms"])
    shades = _shades(len(layers))
    for i, layer in enumerate(layers):
        xs: List[float] = []
        ys: List[float] = []
        for row in history:
            norms = row["layer_gradient_norms"][layer]
            xs += [row["epoch"] - 1 + (j + 1) / len(norms) for j in range(len(norms))]
            ys += norms
        if any(ys):
            ax.plot(xs, [y if y > 0 else numpy.nan for y in ys], _MARKS[i % len(_MARKS)], color=shades[i],
                    linewidth=1.3, label=_name(layer, label))
    ax.set_yscale("log")
    ax.set_xlabel(label("epoch"))
    ax.set_ylabel(label("gradient norm before clipping"))
    ax.grid(True, axis="y", linewidth=0.4, alpha=0.6)
    without_frame(ax)
    ax.legend(frameon=False, fontsize=8, ncols=1, loc="center left", bbox_to_anchor=(1.0, 0.5))
    put_font(ax)
    share = numpy.mean([row["clipped"] for row in history])
    put_title(ax, title, label("{:.0%} of the steps were clipped", share))
    return ax


def plot_gradient_flow(flow: Any, *, title: str = "", language: Optional[str] = None, ax: Optional[Any] = None) -> Any:
    """Plot the gradient norms of a prediction by layer and time step.

    Parameters
    ----------
    flow : numpy.ndarray
        (L, T), as returned by `gluon_deeprnn.training.diagnosis.gradient_flow`.
    title : str, optional
        The title.
    language : {'en', 'ko'}, optional
        Language of the labels; default: the value of ``GLUON_DEEPRNN_LANGUAGE``, else ``en``.
    ax : matplotlib.axes.Axes, optional
        The axes; default: those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import numpy
    >>> from gluon_deeprnn.plotting import plot_gradient_flow
    >>> ax = plot_gradient_flow(numpy.array([[1e-3, 0.1], [1e-2, 1.0]]))
    >>> ax.get_xlabel()
    'steps before the prediction'
    """
    label, title = labels(language), checked_title(title)
    try:
        flow = numpy.asarray(flow, dtype="float64")
    except (TypeError, ValueError):
        raise InputError("flow", "an array of numbers, (L, T)", flow) from None
    num_layers, num_steps = _checks.shape("flow", flow, (None, None))
    if not numpy.isfinite(flow).all() or (flow < 0).any():
        raise InputError("flow", "finite numbers, at least 0", Described("negative or non-finite numbers"))
    ax = axes(ax, (7, 1.6 + 0.32 * num_layers))
    logs = numpy.log10(numpy.maximum(flow, 1e-12))
    high = float(logs.max())
    low = min(max(float(logs.min()), high - 8), high - 1)
    image = ax.pcolormesh(numpy.arange(num_steps + 1) - num_steps + 0.5, numpy.arange(num_layers + 1) + 0.5, logs,
                          vmin=low, vmax=high, cmap="viridis", rasterized=True)
    ax.set_xlabel(label("steps before the prediction"))
    ax.set_ylabel(label("layer"))
    ax.set_yticks(range(1, num_layers + 1))
    ticks = numpy.unique(numpy.round(numpy.linspace(1 - num_steps, 0, min(num_steps, 9))).astype(int))
    ax.set_xticks(ticks, [str(-tick) for tick in ticks])
    exponents = range(int(numpy.ceil(low)), int(numpy.floor(high)) + 1)
    bar = ax.figure.colorbar(image, ax=ax, ticks=list(exponents), pad=0.02)
    bar.ax.set_yticklabels([f"$10^{{{e}}}$" for e in exponents])
    bar.set_label(label("gradient norm"))
    decades = (logs[-1, -1] - logs[-1, 0]) / max(1, num_steps - 1)
    put_font(ax)
    put_font(bar.ax)
    put_title(ax, title, label("top layer: {:.2f} powers of ten lost for each step back", decades) if decades >= 0 else
              label("top layer: {:.2f} powers of ten gained for each step back", -decades))
    return ax


def _name(layer: str, label: Callable[..., str]) -> str:
    """The name of a layer of the history in the legend."""
    kind, _, number = layer.partition(" ")
    return label("layer {}", number) if kind == "layer" else label("initial state" if kind == "first" else layer)


def _shades(number: int) -> List[Any]:
    """Colours from dark to light, whose order is visible without colour vision too."""
    from matplotlib import colormaps

    return [colormaps["viridis"](0.9 * i / max(1, number - 1)) for i in range(number)]
