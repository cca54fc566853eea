"""Evaluation token by token: dynamic, as a mixture with n-grams, and as a code that can be decoded."""

import argparse
import sys
from typing import Callable, Optional, Sequence, Tuple

from gluon_deeprnn.cli.arguments import as_float
from gluon_deeprnn.cli.texts import described, unknown_tokens
from gluon_deeprnn.data import TextData, read_texts
from gluon_deeprnn.errors import InputError
from gluon_deeprnn.evaluation import Evaluation
from gluon_deeprnn.prediction import log_probs_of
from gluon_deeprnn.prediction.proof import Proof, ppmd_bytes, prove, xz_bytes
from gluon_deeprnn.runs.predictors import RunPredictors
from gluon_deeprnn.runs.run import Run
import numpy
from tqdm import tqdm


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this kind of evaluation."""
    parser.add_argument("--dynamic", action="store_true",
                        help="dynamic evaluation: the model goes on learning from the text that it has predicted")
    parser.add_argument("--dynamic-lr", metavar="LR", help="its learning rate; default: chosen on validation data")
    parser.add_argument("--mixture", action="store_true",
                        help="mix the model with n-grams, of the training text and of the text that is read")
    parser.add_argument("--prove", action="store_true",
                        help="code the text under the model, decode it again, and print the number of bytes beside "
                             "those of xz and PPMd")


def is_asked(arguments: argparse.Namespace) -> bool:
    """Whether one of them is given."""
    return bool(arguments.dynamic or arguments.mixture or arguments.prove or arguments.dynamic_lr is not None)


def run(trained: Run, arguments: argparse.Namespace) -> None:
    """Evaluate token by token, by a predictor of the run."""
    lr = None if arguments.dynamic_lr is None else as_float(arguments.dynamic_lr)
    if lr is not None and not arguments.dynamic:
        raise InputError("--dynamic-lr", "omitted without --dynamic", lr)
    if arguments.source is not None:
        raise InputError("--source", "omitted with --dynamic, --mixture and --prove", arguments.source)
    data = trained.data()
    predictors = RunPredictors(trained, data, arguments.dynamic, arguments.mixture, lr, shown)
    tokens, per_token, evaluated_on = tokens_to_predict(trained, data, arguments.text)
    proof: Optional[Proof] = None
    if arguments.prove:
        proof = prove(lambda: predictors.new(len(tokens)), tokens,
                      on_token=shown("coding and decoding", 2 * len(tokens)))
        log_probs = proof.log_probs
    else:
        log_probs = log_probs_of(predictors.new(len(tokens)), tokens, on_token=shown("evaluating", len(tokens)))
    how = [*([f"dynamic, learning rate {predictors.lr:g}"] if arguments.dynamic else []),
           *(["mixed with n-grams"] if arguments.mixture else []),
           *(["all texts as one stream"] if len(trained.stored.texts) > 1 else []),
           *(["after the validation data"] if len(predictors.reads_first) else [])]
    print("; ".join([f"gluon-deeprnn: evaluated on {evaluated_on}", *how]), file=sys.stderr)
    # The first token counts neither here nor without these options, where nothing predicts it.
    print(Evaluation(-float(log_probs[1:].sum()), len(tokens) - 1, per_token))
    if proof is not None:
        _say_proof(trained, data, predictors, tokens, proof)


def tokens_to_predict(trained: Run, data: TextData,
                      paths: Optional[Sequence[str]]) -> Tuple[numpy.ndarray, float, str]:
    """The tokens of texts, or of the run's own data, the characters per token, and what they are."""
    if paths:
        sources = read_texts(paths, raw=trained.vocab.tokenizer.reads_bytes)
        found, per_token, unknown = trained.stream(sources)
        return found.tokens, per_token, described(sources, trained.vocab) + unknown_tokens(unknown, len(found.tokens))
    part, _, per_token = data.held_out()
    return data.indices("test" if part == "test" else "val"), per_token, f"the {part} data of the run"


def _say_proof(trained: Run, data: TextData, predictors: RunPredictors, tokens: numpy.ndarray, proof: Proof) -> None:
    """Print how many bytes the text takes, under the model and under other programs."""
    print(f"coded and decoded: {len(proof.code):,} bytes for {len(tokens):,} tokens "
          f"({proof.claimed_bytes:,.1f} by the log-likelihood)")
    before, validation, text = ("".join(trained.vocab.text(part)).encode() for part in (
        data.indices("train"), predictors.reads_first if len(predictors.reads_first) else data.indices("val"), tokens))
    print(f"xz: {xz_bytes(before + validation, text):,} bytes more than for the text before")
    try:
        num_bytes, order = ppmd_bytes(before, validation, text)
    except InputError as error:
        print(f"gluon-deeprnn: {error}", file=sys.stderr)
    else:
        print(f"PPMd, order {order}: {num_bytes:,} bytes more")


def shown(what: str, num_tokens: int) -> Callable[[], None]:
    """A progress bar on a terminal."""
    bar = tqdm(total=num_tokens, desc=what, leave=False, disable=None, unit="token", delay=2)

    def on_token() -> None:
        bar.update()
        if bar.n == num_tokens:
            bar.close()
    return on_token
