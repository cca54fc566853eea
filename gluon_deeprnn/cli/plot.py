"""Plot a run: learning curves, gradient norms, gradient flow, the architecture, hidden units or a text it reads."""

import argparse
import io
import itertools
import math
from pathlib import Path
import sys
from typing import Any, Callable, Dict

from gluon_deeprnn import storage
from gluon_deeprnn._checks import one_of
from gluon_deeprnn.cli.predicted import shown, tokens_to_predict
from gluon_deeprnn.cli.texts import add_text, read_given
from gluon_deeprnn.data.evaluated_text import spelled_nats
from gluon_deeprnn.errors import InputError
from gluon_deeprnn.evaluation import activities, followed_features
from gluon_deeprnn.plotting import (
    plot_architecture,
    plot_gradient_flow,
    plot_gradient_norms,
    plot_history,
    plot_reading,
    plot_units,
)
from gluon_deeprnn.runs.predictors import read_by_all
from gluon_deeprnn.runs.run import Run, load_run
from gluon_deeprnn.training.diagnosis import gradient_flow

_FORMATS = ("png", "svg", "pdf")
_SEQUENCES = 64  # enough for a stable average
_BATCHES = 100  # of records, whose lengths differ, the first of the longest of these
_CHARACTERS = 20_000  # of the text on which hidden units are looked at


def _flow(run: Run, arguments: argparse.Namespace) -> Any:
    batches = itertools.islice(run.data().train_dataloader().batches(0), _BATCHES)
    x, y = max(batches, key=lambda batch: len(batch[0]))
    return plot_gradient_flow(gradient_flow(run.model, x[:, :_SEQUENCES], y[:, :_SEQUENCES]), title=run.title)


def _units(run: Run, arguments: argparse.Namespace) -> Any:
    sources = read_given(run, arguments) or run.data().held_out_texts()[1]
    text = "\n".join(source.text for source in sources)[:_CHARACTERS]
    activity = activities(run.model, run.vocab, text, records=run.config.records)
    found = followed_features(activity)
    for each in found:
        print(f"gluon-deeprnn: {each}", file=sys.stderr)
    return plot_units(activity, found, title=run.title)


def _reading(run: Run, arguments: argparse.Namespace) -> Any:
    data = run.data()
    tokens, read = tokens_to_predict(run, data, arguments)
    print(f"gluon-deeprnn: reading {read}", file=sys.stderr)
    found, spelled = read_by_all(run, data, run.vocab.encode(tokens), shown), spelled_nats(run.vocab, tokens)
    bits = {name: (spelled - log_probs) / math.log(2) for name, log_probs in found.log_probs.items()}
    return plot_reading(bits, "mixture", found.contexts, characters=run.vocab.tokenizer.characters(tokens),
                        title=run.title)


_PICTURES: Dict[str, Callable[[Run, argparse.Namespace], Any]] = {
    "curves": lambda run, arguments: plot_history(run.history, title=run.title),
    "gradients": lambda run, arguments: plot_gradient_norms(run.history, title=run.title),
    "flow": _flow,
    "architecture": lambda run, arguments: plot_architecture(run.model),
    "units": _units,
    "reading": _reading,
}


EXAMPLES = """\
examples:
  gluon-deeprnn plot --run runs/mine                                   learning curves
  gluon-deeprnn plot --run runs/mine --of flow --out flow.svg
  gluon-deeprnn plot --run runs/mine --of units --text passage.txt
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("--run", metavar="DIR", dest="folder", required=True, help="the run folder")
    parser.add_argument("--of", metavar="WHAT", default="curves",
                        help="curves (perplexity), gradients (gradient norms of each layer over the epochs), flow "
                             "(gradient norms of one prediction by layer and time step), architecture (the network "
                             "unrolled in time), units (hidden units that follow a feature of a text, such as quotes, "
                             "on passages of it), reading (bits per character while the network, dynamic evaluation "
                             "and mixtures read a text, and where the mixture gains); default curves")
    add_text(parser, f"for units and reading: the texts that are read, for units the first {_CHARACTERS:,} "
             "characters; default: the test data of the run, or the text of its validation data if it has no test data")
    parser.add_argument("--out", metavar="FILE", help="output file: .png, .svg or .pdf (default DIR/WHAT.png)")


def run(arguments: argparse.Namespace) -> None:
    """Plot, write the file, and print its path."""
    what = one_of("of", arguments.of, _PICTURES)
    if arguments.text and what not in ("units", "reading"):
        raise InputError("text", f"omitted for --of {what}", arguments.text[0])
    if arguments.encoding is not None and not arguments.text:
        raise InputError("encoding", "omitted without --text", arguments.encoding)
    if arguments.out is None and Path(arguments.folder).is_file():
        raise InputError("out", "given for a run in one file, in which no picture can be stored", None)
    trained = load_run(arguments.folder)
    path = Path(arguments.out) if arguments.out else trained.folder.path / f"{what}.png"
    kind = path.suffix[1:].lower()
    if kind not in _FORMATS:
        raise InputError("out", "a file that ends in " + ", ".join("." + name for name in _FORMATS), str(path))
    picture = io.BytesIO()
    _PICTURES[what](trained, arguments).figure.savefig(picture, format=kind)
    storage.replace_file(path, picture.getvalue())
    print(path)
