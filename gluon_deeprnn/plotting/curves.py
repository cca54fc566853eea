"""Learning curves: perplexity over the epochs."""

import math
from typing import Any, Dict, Mapping, Optional, Sequence

from gluon_deeprnn.plotting.labels import labels
from gluon_deeprnn.plotting.style import (
    axes,
    checked_title,
    label_right,
    log_labels,
    put_font,
    put_title,
    rows,
    without_frame,
)

_DASHES = ((0, (1, 2)), (0, (6, 2, 1, 2)))  # of the lines of simple models; the curves are solid and dashed

_MOST_SOURCES = 8  # more curves cannot be told apart


def plot_history(history: Sequence[Mapping[str, Any]], *, title: str = "", language: Optional[str] = None,
                 ax: Optional[Any] = None) -> Any:
    """Plot training and validation perplexity over the epochs; for a few texts that are read apart, also that of each.

    Horizontal lines are at the validation perplexities of the unigram and the n-gram model, if the rows contain them.
    One for which the y axis would have to be more than twice as long is only named, with an arrow towards it.

    Parameters
    ----------
    history : sequence of mapping
        Rows with ``epoch``, ``train_ppl`` and ``val_ppl``, and perhaps ``val_ppl_by_source``, or ``val_unknown`` and
        ``val_tokens``, as returned by
        `gluon_deeprnn.Trainer.fit`; the last row with ``unigram_ppl``, ``ngram_ppl`` and ``ngram_order`` is the one
        whose lines are drawn.
    title : str, optional
        The title.
    language : {'en', 'ko'}, optional
        Language of the labels; default: the value of ``GLUON_DEEPRNN_LANGUAGE``, else ``en``.
    ax : matplotlib.axes.Axes, optional
        The axes; default: those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Write the figure by ``ax.figure.savefig(path)``.

    Examples
    --------
    >>> from gluon_deeprnn.plotting import plot_history
    >>> ax = plot_history([{'epoch': 1, 'train_ppl': 20.0, 'val_ppl': 18.0},
    ...                    {'epoch': 2, 'train_ppl': 9.0, 'val_ppl': 9.5}])
    >>> ax.get_ylabel(), len(ax.lines)
    ('perplexity', 2)
    """
    label = labels(language)
    history, title, ax = rows(history, "epoch", "train_ppl", "val_ppl"), checked_title(title), axes(ax)
    epochs = [row["epoch"] for row in history]
    best = min(history, key=lambda row: row["val_ppl"])
    for key, name, style in (("train_ppl", "training: {:.2f}", "-"), ("val_ppl", "validation: {:.2f}", "--")):
        values, text = [row[key] for row in history], label(name, history[-1][key])
        if key == "val_ppl" and history[-1].get("val_unknown"):
            text += label(" ({:.1%} of the tokens unknown)", history[-1]["val_unknown"] / history[-1]["val_tokens"])
        ax.plot(epochs, values, style, linewidth=1.8, marker="o" if len(epochs) < 3 else None, label=text)
    sources = [name for name in history[-1].get("val_ppl_by_source", {})
               if all(name in row.get("val_ppl_by_source", {}) for row in history)]
    if 2 <= len(sources) <= _MOST_SOURCES:
        for i, name in enumerate(sources, 2):
            values = [row["val_ppl_by_source"][name] for row in history]
            ax.plot(epochs, values, ":", linewidth=1.2, color=f"C{i}", marker="." if len(epochs) < 3 else None,
                    label=f"{name}: {values[-1]:.2f}")
    ax.annotate(label("best {:.2f}", best["val_ppl"]), (best["epoch"], best["val_ppl"]), xytext=(0, 14),
                textcoords="offset points", ha="right" if best["epoch"] > epochs[-1] / 2 else "left",
                fontsize=9, arrowprops={"arrowstyle": "-", "linewidth": 0.8})
    ax.set_yscale("log")
    compared = next((row for row in reversed(history) if "ngram_order" in row), None)
    if compared is not None:
        named = {label("unigram {:.2f}", compared["unigram_ppl"]): compared["unigram_ppl"]}
        if compared["ngram_order"] > 1:
            named[label("{}-gram {:.2f}", compared["ngram_order"], compared["ngram_ppl"])] = compared["ngram_ppl"]
        _draw_compared(ax, named, [row[key] for row in history for key in ("train_ppl", "val_ppl")])
    log_labels(ax)
    ax.set_xlabel(label("epoch"))
    ax.set_ylabel(label("perplexity"))
    ax.set_xlim(left=min(epochs[0], 1) if len(epochs) > 1 else None)
    ax.grid(True, which="both", axis="y", linewidth=0.4, alpha=0.6)
    without_frame(ax)
    ax.legend(frameon=False)
    put_font(ax)
    put_title(ax, title)
    return ax


def _draw_compared(ax: Any, named: Dict[str, float], curves: Sequence[float]) -> None:
    """Draw lines at the perplexities of simple models, with their names, as far as the curves keep half of the axis."""
    low, high = min(curves), max(curves)
    longest = 2 * max(math.log(high / low), math.log(1.1))
    lines = {}
    for (name, value), dashes in zip(named.items(), _DASHES):
        extended = min(low, value), max(high, value)
        if math.log(extended[1] / extended[0]) <= longest:
            (low, high), lines[name] = extended, value
            ax.axhline(value, linewidth=1, linestyle=dashes, color="0.3")
    bottom, top = ax.get_ylim()
    places = [lines.get(name, top if value > high else bottom) for name, value in named.items()]
    texts = [name if name in lines else f"{chr(0x2191) if value > high else chr(0x2193)} {name}"
             for name, value in named.items()]
    label_right(ax, places[::-1], texts[::-1])  # the lowest first, also at the same end of the axis
