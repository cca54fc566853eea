"""Generate text with a trained model."""

import argparse
import sys

from gluon_deeprnn.cli.arguments import as_float, as_int
from gluon_deeprnn.generation import generate
from gluon_deeprnn.runs.run import load_run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("--run", metavar="DIR", dest="folder", required=True, help="the run folder")
    parser.add_argument("--prefix", metavar="TEXT", required=True, help="the text to continue")
    parser.add_argument("--length", metavar="N", default="200", help="number of tokens to generate (default 200)")
    parser.add_argument("--temperature", metavar="T", default="0.7",
                        help="sampling temperature; 1: the model's distribution, 0: greedy decoding (default 0.7)")
    parser.add_argument("--top-k", metavar="K", default="0",
                        help="sample from the K most likely tokens (default 0: all tokens)")
    parser.add_argument("--skip-unknown", action="store_true",
                        help="skip tokens of the prefix that are not in the vocabulary, instead of an error")
    parser.add_argument("--seed", metavar="S", default="0", help="seed of the sampling (default 0)")


def run(arguments: argparse.Namespace) -> None:
    """Print the prefix and, token by token, its continuation."""
    trained = load_run(arguments.folder)
    pieces = generate(trained.model, trained.vocab, arguments.prefix, as_int(arguments.length),
                      temperature=as_float(arguments.temperature), top_k=as_int(arguments.top_k),
                      seed=as_int(arguments.seed), skip_unknown=arguments.skip_unknown)
    sys.stdout.write(arguments.prefix)
    for piece in pieces:
        sys.stdout.write(piece)
        sys.stdout.flush()
    print()
