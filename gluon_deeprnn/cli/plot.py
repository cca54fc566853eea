"""Plot a run: learning curves, gradient norms, gradient flow or the architecture."""

import argparse
import io
import itertools
from pathlib import Path
from typing import Any, Callable, Dict

from gluon_deeprnn import storage
from gluon_deeprnn._checks import one_of
from gluon_deeprnn.errors import InputError
from gluon_deeprnn.plotting import plot_architecture, plot_gradient_flow, plot_gradient_norms, plot_history
from gluon_deeprnn.runs.run import Run, load_run
from gluon_deeprnn.training.diagnosis import gradient_flow

_FORMATS = ("png", "svg", "pdf")
_SEQUENCES = 64  # enough for a stable average
_BATCHES = 100  # of records, whose lengths differ, the first of the longest of these


def _flow(run: Run) -> Any:
    batches = itertools.islice(run.data().train_dataloader().batches(0), _BATCHES)
    x, y = max(batches, key=lambda batch: len(batch[0]))
    return plot_gradient_flow(gradient_flow(run.model, x[:, :_SEQUENCES], y[:, :_SEQUENCES]), title=run.title)


_PICTURES: Dict[str, Callable[[Run], Any]] = {
    "curves": lambda run: plot_history(run.history, title=run.title),
    "gradients": lambda run: plot_gradient_norms(run.history, title=run.title),
    "flow": _flow,
    "architecture": lambda run: plot_architecture(run.model),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("--run", metavar="DIR", dest="folder", required=True, help="the run folder")
    parser.add_argument("--of", metavar="WHAT", default="curves",
                        help="curves (perplexity), gradients (gradient norms of each layer over the epochs), flow "
                             "(gradient norms of one prediction by layer and time step), architecture (the network "
                             "unrolled in time); default curves")
    parser.add_argument("--out", metavar="FILE", help="output file: .png, .svg or .pdf (default DIR/WHAT.png)")


def run(arguments: argparse.Namespace) -> None:
    """Plot, write the file, and print its path."""
    what = one_of("of", arguments.of, _PICTURES)
    trained = load_run(arguments.folder)
    path = Path(arguments.out) if arguments.out else trained.folder.path / f"{what}.png"
    kind = path.suffix[1:].lower()
    if kind not in _FORMATS:
        raise InputError("out", "a file that ends in " + ", ".join("." + name for name in _FORMATS), str(path))
    picture = io.BytesIO()
    _PICTURES[what](trained).figure.savefig(picture, format=kind)
    storage.replace_file(path, picture.getvalue())
    print(path)
