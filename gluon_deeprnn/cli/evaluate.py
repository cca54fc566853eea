"""Evaluate a trained model: print perplexity and bits per character in one line."""

import argparse
import sys

from gluon_deeprnn.cli.texts import add_text, described, unknown_tokens
from gluon_deeprnn.data import BatchSource, Records, read_texts
from gluon_deeprnn.evaluation import evaluate
from gluon_deeprnn.runs.run import load_run

EXAMPLES = """\
examples:
  gluon-deeprnn evaluate --run runs/mine                    the held-out text of the run
  gluon-deeprnn evaluate --run runs/mine --text new.txt
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("--run", metavar="DIR", dest="folder", required=True, help="the run folder")
    add_text(parser, "evaluate on these texts, read as one stream or, for a run on records, as records; default: the "
             "test data of the run, or its validation data if it has no test data")


def run(arguments: argparse.Namespace) -> None:
    """Print the result on stdout, and the data on stderr."""
    trained = load_run(arguments.folder)
    if arguments.text:
        sources = read_texts(arguments.text, raw=trained.vocab.tokenizer.reads_bytes)
        stream, per_token, unknown = trained.stream(sources)
        batches: BatchSource = stream
        num_tokens = stream.num_tokens + (-stream.num_records if isinstance(stream, Records) else 1)
        evaluated_on = described(sources, trained.vocab) + unknown_tokens(unknown, num_tokens)
    else:
        part, batches, per_token = trained.data().held_out()
        evaluated_on = f"the {part} data of the run"
    print(f"gluon-deeprnn: evaluated on {evaluated_on}", file=sys.stderr)
    print(evaluate(trained.model, batches, characters_per_token=per_token))
