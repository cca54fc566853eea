"""Generate text with a trained model."""

import argparse
import sys
from typing import Any, Dict

from gluon_deeprnn.cli.arguments import as_float, as_int
from gluon_deeprnn.generation import generate, generate_many
from gluon_deeprnn.runs.run import load_run

SEPARATOR = "----"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("--run", metavar="DIR", dest="folder", required=True, help="the run folder")
    parser.add_argument("--prefix", metavar="TEXT", required=True, help="the text to continue")
    parser.add_argument("--length", metavar="N", default="200", help="number of tokens to generate (default 200)")
    parser.add_argument("--temperature", metavar="T", default="0.7",
                        help="sampling temperature; 1: the model's distribution, 0: greedy decoding (default 0.7)")
    parser.add_argument("--top-k", metavar="K", default="0",
                        help="sample from the K most likely tokens (default 0: all tokens)")
    parser.add_argument("--top-p", metavar="P", default="1",
                        help="sample from the smallest set of tokens with at least this probability (default 1: all)")
    parser.add_argument("--min-p", metavar="P", default="0",
                        help="sample from tokens at least P times as likely as the likeliest (default 0: all)")
    parser.add_argument("--repetition-penalty", metavar="R", default="1",
                        help="above 1, tokens that are in the text become less likely (default 1: off)")
    parser.add_argument("--stop", metavar="S", action="append", default=[],
                        help="end the text before this string (repeatable)")
    parser.add_argument("--num-samples", metavar="M", default="1",
                        help=f"number of texts, of seeds S, S + 1, ...; separated by a line {SEPARATOR} (default 1)")
    parser.add_argument("--skip-unknown", action="store_true",
                        help="skip tokens of the prefix that are not in the vocabulary, instead of an error")
    parser.add_argument("--seed", metavar="S", default="0", help="seed of the sampling (default 0)")


def run(arguments: argparse.Namespace) -> None:
    """Print the prefix and, token by token, its continuation."""
    trained = load_run(arguments.folder)
    of = trained.model, trained.vocab, arguments.prefix, as_int(arguments.length)
    options: Dict[str, Any] = {
        "temperature": as_float(arguments.temperature), "top_k": as_int(arguments.top_k),
        "top_p": as_float(arguments.top_p), "min_p": as_float(arguments.min_p),
        "repetition_penalty": as_float(arguments.repetition_penalty), "stop": arguments.stop,
        "seed": as_int(arguments.seed), "skip_unknown": arguments.skip_unknown}
    num_samples = as_int(arguments.num_samples)
    if num_samples != 1:
        texts = generate_many(*of, num_samples, **options)
        print(f"\n{SEPARATOR}\n".join(arguments.prefix + text for text in texts))
        return
    pieces = generate(*of, **options)
    sys.stdout.write(arguments.prefix)
    for piece in pieces:
        sys.stdout.write(piece)
        sys.stdout.flush()
    print()
