"""Evaluate a trained model: print perplexity and bits per character in one line."""

import argparse
import sys
from typing import Optional

from gluon_deeprnn.cli import predicted
from gluon_deeprnn.cli.texts import add_source, add_text, described, read_given, say
from gluon_deeprnn.data import BatchSource, TextData
from gluon_deeprnn.errors import DeepRNNError, InputError
from gluon_deeprnn.evaluation import evaluate, references
from gluon_deeprnn.runs.run import Run, load_run

EXAMPLES = """\
examples:
  gluon-deeprnn evaluate --run runs/mine                    the held-out text of the run
  gluon-deeprnn evaluate --run runs/mine --text new.txt
  gluon-deeprnn evaluate --run runs/mine --dynamic --mixture --prove
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("--run", metavar="DIR", dest="folder", required=True, help="the run folder")
    add_text(parser, "evaluate on these texts, read as one stream or, for a run on records, as records; default: the "
             "test data of the run, or its validation data if it has no test data")
    add_source(parser, "evaluate the texts as this text of a run with --source-token; default for a text of the run: "
               "as it, for others: as none")
    predicted.add_arguments(parser)


def run(arguments: argparse.Namespace) -> None:
    """Print the result on stdout, and the data and what simple models reach on stderr."""
    trained = load_run(arguments.folder)
    if arguments.source is not None and not arguments.text:
        raise InputError("source", "omitted without --text", arguments.source)
    if predicted.is_asked(arguments):
        predicted.run(trained, arguments)
        return
    data: Optional[TextData] = None
    sources = read_given(trained, arguments)
    if sources:
        batches: BatchSource = trained.stream(sources, arguments.source)
        evaluated_on = described(sources, trained.vocab)
    else:
        data = trained.data()
        part, batches = data.held_out()
        evaluated_on = f"the {part} data of the run"
    print(f"gluon-deeprnn: evaluated on {evaluated_on}", file=sys.stderr)
    result = evaluate(trained.model, batches)
    if len(trained.stored.texts) > 1 or len(result.by_source) > 1:
        for name, each in result.by_source.items():
            print(f"gluon-deeprnn: {name}: {each}", file=sys.stderr)
    say(result)
    print(f"gluon-deeprnn: for comparison: {_compared(trained, data, batches)}", file=sys.stderr)


def _compared(trained: Run, data: Optional[TextData], batches: BatchSource) -> str:
    """The perplexities of simple models of the run's training data, which is read if it is not given."""
    try:
        data = data or trained.data()
    except DeepRNNError as error:
        return f"nothing, since the training text could not be read: {' '.join(str(error).split())}"
    return str(references(data.train_dataloader(), batches, len(trained.vocab), validation=data.val_dataloader()))
