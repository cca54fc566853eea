"""Gradients: of each layer over a training, and of one prediction down the layers and back in time."""

from typing import Any, List, Mapping, Optional, Sequence

from gluon_deeprnn import _checks
from gluon_deeprnn.plotting.style import axes, checked_title, put_title, rows, without_frame
import numpy

_MARKS = ("-", "--", "-.", ":")


def plot_gradient_norms(history: Sequence[Mapping[str, Any]], *, title: str = "", ax: Optional[Any] = None) -> Any:
    """Draw the gradient norm of every layer against the epoch, and the share of clipped steps behind them.

    Parameters
    ----------
    history : sequence of mapping
        Rows with ``epoch``, ``layer_gradient_norms`` and ``clipped``, as `Trainer.fit` returns them.
    title : str, optional
        What stands above.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a figure of its own when it is left out.

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
                    linewidth=1.3, label=layer)
    ax.set_yscale("log")
    ax.set_xlabel("epoch")
    ax.set_ylabel("gradient norm before clipping")
    ax.grid(True, axis="y", linewidth=0.4, alpha=0.6)
    without_frame(ax)
    ax.legend(frameon=False, fontsize=8, ncols=1, loc="center left", bbox_to_anchor=(1.0, 0.5))
    share = numpy.mean([row["clipped"] for row in history])
    put_title(ax, title, f"{share:.0%} of the steps were clipped")
    return ax


def plot_gradient_flow(flow: Any, *, title: str = "", ax: Optional[Any] = None) -> Any:
    """Draw how far back and how deep down the gradient of a prediction reaches.

    Parameters
    ----------
    flow : numpy.ndarray
        (L, T), as `gluon_deeprnn.training.diagnosis.gradient_flow` measures it.
    title : str, optional
        What stands above.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a figure of its own when it is left out.

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
    title = checked_title(title)
    try:
        flow = numpy.asarray(flow, dtype="float64")
    except (TypeError, ValueError):
        raise _checks.InputError("flow", "an array of numbers, (L, T)", flow) from None
    num_layers, num_steps = _checks.shape("flow", flow, (None, None))
    if not numpy.isfinite(flow).all() or (flow < 0).any():
        raise _checks.InputError("flow", "finite numbers, at least 0", _checks.Described("others"))
    ax = axes(ax, (7, 1.6 + 0.32 * num_layers))
    logs = numpy.log10(numpy.maximum(flow, 1e-12))
    high = float(logs.max())
    low = min(max(float(logs.min()), high - 8), high - 1)
    image = ax.pcolormesh(numpy.arange(num_steps + 1) - num_steps + 0.5, numpy.arange(num_layers + 1) + 0.5, logs,
                          vmin=low, vmax=high, cmap="viridis", rasterized=True)
    ax.set_xlabel("steps before the prediction")
    ax.set_ylabel("layer")
    ax.set_yticks(range(1, num_layers + 1))
    ticks = numpy.unique(numpy.round(numpy.linspace(1 - num_steps, 0, min(num_steps, 9))).astype(int))
    ax.set_xticks(ticks, [str(-tick) for tick in ticks])
    exponents = range(int(numpy.ceil(low)), int(numpy.floor(high)) + 1)
    bar = ax.figure.colorbar(image, ax=ax, ticks=list(exponents), pad=0.02)
    bar.ax.set_yticklabels([f"$10^{{{e}}}$" for e in exponents])
    bar.set_label("gradient norm")
    decades = (logs[-1, -1] - logs[-1, 0]) / max(1, num_steps - 1)
    way = "lost" if decades >= 0 else "gained"
    put_title(ax, title, f"top layer: {abs(decades):.2f} powers of ten {way} for each step back")
    return ax


def _shades(number: int) -> List[Any]:
    """Colours from dark to light, so that their order is seen without colour too."""
    from matplotlib import colormaps

    return [colormaps["viridis"](0.9 * i / max(1, number - 1)) for i in range(number)]
