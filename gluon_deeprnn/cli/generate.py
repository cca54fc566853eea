"""Continue a text with a trained model, as it is written."""

import argparse
import sys

from gluon_deeprnn.cli.arguments import as_float, as_int
from gluon_deeprnn.generation import generate
from gluon_deeprnn.runs.run import load_run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument("--run", metavar="DIR", dest="folder", required=True, help="the run folder")
    parser.add_argument("--prefix", metavar="TEXT", required=True, help="what to continue")
    parser.add_argument("--length", metavar="N", default="200", help="how many tokens to write (default 200)")
    parser.add_argument("--temperature", metavar="T", default="0.7",
                        help="below 1 likelier, 1 as the model believes, 0 the most likely (default 0.7)")
    parser.add_argument("--top-k", metavar="K", default="0", help="draw among the K most likely (default 0: all)")
    parser.add_argument("--skip-unknown", action="store_true",
                        help="leave out what the model does not know of the prefix, instead of refusing it")
    parser.add_argument("--seed", metavar="S", default="0", help="repeats the draw (default 0)")


def run(arguments: argparse.Namespace) -> None:
    """Write the prefix and, token by token, what follows it."""
    trained = load_run(arguments.folder)
    written = generate(trained.model, trained.vocab, arguments.prefix, as_int(arguments.length),
                       temperature=as_float(arguments.temperature), top_k=as_int(arguments.top_k),
                       seed=as_int(arguments.seed), skip_unknown=arguments.skip_unknown)
    sys.stdout.write(arguments.prefix)
    for piece in written:
        sys.stdout.write(piece)
        sys.stdout.flush()
    print()
