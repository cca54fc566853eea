"""Generate text with a trained model."""

import argparse
import dataclasses
import sys
from typing import Any, Dict, Optional, Tuple

from gluon_deeprnn import _checks
from gluon_deeprnn.cli.arguments import as_float, as_int, as_text
from gluon_deeprnn.cli.interactive import Writing, converse
from gluon_deeprnn.cli.predicted import shown
from gluon_deeprnn.cli.texts import add_source
from gluon_deeprnn.data.records import RECORDS
from gluon_deeprnn.errors import InputError
from gluon_deeprnn.generation import Continuation, RunLimit, TrainingText
from gluon_deeprnn.generation.options import DecodingOptions, stop_strings
from gluon_deeprnn.generation.sampling import samples
from gluon_deeprnn.runs.predictors import RunPredictors
from gluon_deeprnn.runs.run import Run, load_run

SEPARATOR = "----"

EXAMPLES = """\
examples:
  gluon-deeprnn generate --run runs/mine --prefix "It was" --length 500 --top-p 0.9
  gluon-deeprnn generate --run runs/mine --prefix "It was" --num-samples 3 --stop "."
  gluon-deeprnn generate --run runs/names --num-samples 10       a run on records
  gluon-deeprnn generate --run runs/mine --prefix "It was" --beam 8
  gluon-deeprnn generate --run runs/books --source emma.txt      like one of several texts
  gluon-deeprnn generate --run runs/mine --interactive
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("--run", metavar="DIR", dest="folder", required=True, help="the run folder")
    parser.add_argument("--prefix", metavar="TEXT",
                        help="the text to continue; can be omitted for a run on records, with --source and with "
                        "--interactive")
    add_source(parser, "write like this text of a run that was trained with --source-token")
    parser.add_argument("--length", metavar="N",
                        help="number of tokens to generate (default 200; for a run on records 1000)")
    parser.add_argument("--temperature", metavar="T",
                        help="sampling temperature; 1: the model's distribution, 0: greedy decoding (default 0.7)")
    parser.add_argument("--top-k", metavar="K", help="sample from the K most likely tokens (default 0: all tokens)")
    parser.add_argument("--top-p", metavar="P",
                        help="sample from the smallest set of tokens whose probabilities add up to at least P "
                             "(default 1: "
                        "all)")
    parser.add_argument("--min-p", metavar="P",
                        help="sample from tokens at least P times as likely as the most likely token (default 0: all)")
    parser.add_argument("--repetition-penalty", metavar="R",
                        help="above 1: tokens that already occur in the text become less likely (default 1: off)")
    parser.add_argument("--beam", metavar="B",
                        help="beam search with beam size B instead of sampling; 1: greedy decoding")
    parser.add_argument("--length-penalty", metavar="A",
                        help="with --beam: compare log-probabilities divided by ((5 + length) / 6) ** A; above 0 "
                        "favours longer texts (default 0)")
    parser.add_argument("--mixture", action="store_true",
                        help="mix the model with n-grams of the training text; takes a few seconds first")
    parser.add_argument("--stop", metavar="S", action="append", default=[],
                        help=r"end the text before this string (repeatable); \n is a line end, \t a tab, \\ a "
                             "backslash")
    parser.add_argument("--num-samples", metavar="M", default="1",
                        help="number of texts, of seeds S, S + 1, ..., or the M best with --beam; separated by a line "
                        f"{SEPARATOR}, records as in their file (default 1)")
    parser.add_argument("--skip-unknown", action="store_true",
                        help="skip tokens of the prefix that are not in the vocabulary, instead of an error")
    parser.add_argument("--seed", metavar="S", help="seed of the sampling (default 0)")
    parser.add_argument("--no-copy", metavar="N",
                        help="generate at most N consecutive tokens of the training text, counting the end of the "
                             "prefix; "
                        "the text ends if no other token is left")
    parser.add_argument("--copied", action="store_true",
                        help="print, on standard error, the longest sequence that also occurs in the training text, "
                             "and the "
                        "share of 12- and 20-grams that do")
    parser.add_argument("--interactive", action="store_true",
                        help="continue in turns: append each line of standard input to the text and go on; an empty "
                        "line goes on without new text, after the end of a record a line begins the next one; Ctrl-C "
                        "ends a turn and Ctrl-D the program")


def run(arguments: argparse.Namespace) -> None:
    """Print the prefix and, token by token, its continuation."""
    trained = load_run(arguments.folder)
    is_of_records = trained.vocab.begin_index is not None
    if arguments.source is not None:
        trained.vocab.source_index(arguments.source)
    elif arguments.prefix is None and not (is_of_records or arguments.interactive):
        raise InputError("prefix", "given, except for a run on records, with --source or with --interactive", None)
    if arguments.skip_unknown and not (arguments.prefix or arguments.interactive):
        raise InputError("skip_unknown", "omitted without a prefix", True)
    length = as_int(("1000" if is_of_records else "200") if arguments.length is None else arguments.length)
    num_samples = as_int(arguments.num_samples)
    if arguments.interactive and num_samples != 1:
        raise InputError("num_samples", "1 with --interactive", num_samples)
    options = _decoding_options(arguments)
    arguments.stop = stop_strings([as_text("stop", each) for each in arguments.stop], trained.vocab)
    if arguments.mixture and arguments.beam is not None:
        raise InputError("--beam", "omitted with --mixture", arguments.beam)
    training, no_copy = _training_text(arguments, trained)
    model = RunPredictors(trained, trained.data(), mixture=True, progress=shown).learned() if arguments.mixture \
        else trained.model
    if num_samples != 1:
        _write_many(trained, model, arguments, length, num_samples, options, no_copy, training)
        return
    text = Continuation(model, trained.vocab, **dataclasses.asdict(options), no_copy=no_copy,
                        source=arguments.source)
    writing = Writing(text, length, arguments.stop, training if arguments.copied else None)
    if arguments.interactive:
        converse(writing, arguments.prefix, skip_unknown=arguments.skip_unknown)
    else:
        text.read(arguments.prefix or "", skip_unknown=arguments.skip_unknown)
        writing.write(arguments.prefix or "", last=True)


def _write_many(trained: Run, model: Any, arguments: argparse.Namespace, length: Any, num_samples: Any,
                options: DecodingOptions, no_copy: Optional[RunLimit], training: Optional[TrainingText]) -> None:
    prefix = arguments.prefix or ""
    found = samples(model, trained.vocab, prefix, length, num_samples, options, no_copy=no_copy,
                    stop=arguments.stop, skip_unknown=arguments.skip_unknown, source=arguments.source)
    kind = trained.config.records
    between = f"\n{SEPARATOR}\n" if kind == "none" else RECORDS[kind].separator
    print(between.join(prefix + sample.text for sample in found), flush=True)
    if training is not None and arguments.copied:
        print(training.report([sample.tokens for sample in found]), file=sys.stderr)


def _decoding_options(arguments: argparse.Namespace) -> DecodingOptions:
    """The options that were given, checked."""
    given: Dict[str, Any] = {field.name: convert(getattr(arguments, field.name))
                             for field in dataclasses.fields(DecodingOptions)
                             for convert in [as_int if isinstance(field.default, int) else as_float]
                             if getattr(arguments, field.name) is not None}
    if "beam" in given:
        given["beam"] = _checks.integer("beam", given["beam"], at_least=1)
    options = DecodingOptions(**given)
    options.check_effect(given)
    return options


def _training_text(arguments: argparse.Namespace, trained: Run) -> Tuple[Optional[TrainingText], Optional[RunLimit]]:
    """The text that the run was trained on, and the limit for copies of it, if they are asked for."""
    if arguments.no_copy is None:
        return (TrainingText.of(trained.data()) if arguments.copied else None), None
    length = _checks.integer("no_copy", as_int(arguments.no_copy), at_least=1)
    training = TrainingText.of(trained.data())
    return training, training.limit(length)
