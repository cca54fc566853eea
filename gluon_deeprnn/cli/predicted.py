"""Evaluation token by token: dynamic, as a mixture with n-grams, and as a code that can be decoded."""

import argparse
import dataclasses
import sys
from typing import Callable, List, Optional, Tuple

from gluon_deeprnn.cli.arguments import as_float
from gluon_deeprnn.cli.texts import described, read_given, say
from gluon_deeprnn.data import TextData
from gluon_deeprnn.data.evaluated_text import text_of
from gluon_deeprnn.errors import InputError
from gluon_deeprnn.evaluation import Evaluation
from gluon_deeprnn.prediction import log_probs_of
from gluon_deeprnn.prediction.proof import Proof, ppmd_bytes, prove, xz_bytes
from gluon_deeprnn.runs.predictors import RunPredictors
from gluon_deeprnn.runs.run import Run
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
    tokens, evaluated_on = tokens_to_predict(trained, data, arguments)
    proof: Optional[Proof] = None
    if arguments.prove:
        proof = prove(lambda: predictors.new(len(tokens)), trained.vocab, tokens,
                      on_token=shown("coding and decoding", 2 * len(tokens)))
        log_probs = proof.log_probs
    else:
        log_probs = log_probs_of(predictors.new(len(tokens)), trained.vocab.encode(tokens),
                                 on_token=shown("evaluating", len(tokens)))
    how = [*([f"dynamic, learning rate {predictors.lr:g}"] if arguments.dynamic else []),
           *(["mixed with n-grams"] if arguments.mixture else []),
           *(["all texts as one stream"] if len(trained.stored.texts) > 1 else []),
           *(["after the validation data"] if len(predictors.reads_first) else [])]
    print("; ".join([f"gluon-deeprnn: evaluated on {evaluated_on}", *how]), file=sys.stderr)
    # The perplexity is without the first token, as where nothing predicts it; the code length is of all tokens.
    text = text_of(trained.vocab, tokens, num_predicted=len(tokens))
    first = dataclasses.replace(text, unpredicted=text.unpredicted - float(log_probs[0]))
    say(Evaluation(-float(log_probs[1:].sum()), len(tokens) - 1, first))
    if proof is not None:
        _say_proof(data, proof, is_validation=data.protocol == "d2l" and not arguments.text)


def tokens_to_predict(trained: Run, data: TextData,
                      arguments: argparse.Namespace) -> Tuple[List[str], str]:
    """The tokens of the given texts, or of the run's own data, as they are written, and what they are."""
    sources = read_given(trained, arguments)
    if sources:
        return trained.tokens(sources), described(sources, trained.vocab)
    part, _ = data.held_out()
    return data.tokens("test" if part == "test" else "val"), f"the {part} data of the run"


def _say_proof(data: TextData, proof: Proof, *, is_validation: bool) -> None:
    """Print how many bytes the text takes, under the model and under other programs, which read the text before it."""
    text = proof.text.encode("utf-8", "surrogateescape")
    print(f"coded and decoded: {len(proof.code):,} bytes for {len(text):,} bytes of text "
          f"({proof.claimed_bytes:,.1f} by the code length)")
    before, validation = (data.vocab.tokenizer.unsplit(data.tokens(part)).encode("utf-8", "surrogateescape")
                          for part in ("train", "val"))
    if is_validation:
        validation = b""
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
