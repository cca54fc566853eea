"""Evaluate a trained model: print perplexity and bits per character in one line."""

import argparse
import sys

from gluon_deeprnn.cli.texts import described, unknown_tokens
from gluon_deeprnn.data import BatchSource, read_texts
from gluon_deeprnn.evaluation import evaluate
from gluon_deeprnn.runs.run import load_run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("--run", metavar="DIR", dest="folder", required=True, help="the run folder")
    parser.add_argument("--text", metavar="FILE", action="append",
                        help="evaluate on this text, read as one stream, - for standard input (repeatable); "
                        "default: the test data of the run, or its validation data if it has no test data")


def run(arguments: argparse.Namespace) -> None:
    """Print the result on stdout, and the data on stderr."""
    trained = load_run(arguments.folder)
    if arguments.text:
        sources = read_texts(arguments.text, raw=trained.vocab.tokenizer.reads_bytes)
        stream, per_token, unknown = trained.stream(sources)
        batches: BatchSource = stream
        evaluated_on = described(arguments.text, sources, trained.vocab) + unknown_tokens(
            unknown, stream.num_tokens + 1)
    else:
        part, batches, per_token = trained.data().held_out()
        evaluated_on = f"the {part} data of the run"
    print(f"gluon-deeprnn: evaluated on {evaluated_on}", file=sys.stderr)
    print(evaluate(trained.model, batches, characters_per_token=per_token))
