"""The picture of the epochs: a bar for each contestant, in groups by cell."""

from pathlib import Path
from typing import Dict

from gluon_deeprnn.plotting.style import axes, without_frame

NAMES = {"gru": "GRU", "lstm": "LSTM", "rnn": "tanh RNN", "scratch": "from scratch"}
LOOKS = {"ours": ("gluon_deeprnn", "#1f3a5f", ""), "torch": ("torch", "#c9812e", "//"),
         "torch compiled": ("torch, compiled", "#e0b070", "xx"), "jax": ("flax, jit", "#7a9a4e", ".."),
         "d2l-mxnet": ("D2L's MXNet code,\nour rendition", "#b9bcc2", "")}


def draw(medians: Dict[str, Dict[str, float]], path: Path) -> None:
    """Draw the medians of the epochs, in seconds, if there are any."""
    cells = [cell for cell in NAMES if f"epoch {cell}" in medians]
    if not cells:
        return
    ax = axes(None, (8, 3.6))
    for place, (who, (label, colour, hatch)) in enumerate(LOOKS.items()):
        bars = [(i, medians[f"epoch {cell}"][who]) for i, cell in enumerate(cells) if who in medians[f"epoch {cell}"]]
        if not bars:
            continue
        drawn = ax.bar([i + 0.17 * (place - 2) for i, _ in bars], [seconds for _, seconds in bars], 0.16, label=label,
                       color=colour, hatch=hatch, edgecolor="white")
        ax.bar_label(drawn, fmt="%.2f", fontsize=7, padding=2)
    ax.set_xticks(range(len(cells)), [NAMES[cell] for cell in cells])
    ax.set_ylabel("seconds per epoch (less is better)")
    ax.legend(frameon=False)
    without_frame(ax)
    ax.figure.savefig(path)
