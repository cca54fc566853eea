"""Predictors of runs: the network as it is, learning while it reads, or in a mixture with n-grams."""

import dataclasses
import math
from typing import Any, Callable, Dict, NamedTuple, Optional

from gluon_deeprnn import _checks, runtime
from gluon_deeprnn.data import TextData
from gluon_deeprnn.errors import InputError
from gluon_deeprnn.prediction import (
    DynamicPredictor,
    LearnedMixture,
    Mixture,
    NetworkPredictor,
    NGrams,
    Predictor,
    gradient_statistics,
    log_probs_of,
)
from gluon_deeprnn.prediction.contexts import letters_of
from gluon_deeprnn.runs.run import Run
import numpy

_FIRST_RATE, _NUM_RATES = 1e-4, 8
_TRIED_ON = 4000
_LEARNED_FROM = 10_000

Progress = Callable[[str, int], Callable[[], None]]
"""Called with what begins and its number of tokens; what it returns is called after each token."""


def _silent(what: str, num_tokens: int) -> Callable[[], None]:
    return lambda: None


@dataclasses.dataclass
class RunPredictors:
    """Makes predictors of a run that have read its validation data, which stand before its test data.

    Dynamic evaluation begins with the validation data, so does the counting of the n-grams, and there the weights of
    the mixture are learned.  The network without either reads nothing beforehand.

    Parameters
    ----------
    run : Run
    data : TextData
        The run's own data.
    dynamic, mixture : bool, default False
        Whether the network learns from what it has predicted, and whether it is mixed with n-grams.
    lr : float, optional
        The learning rate of dynamic evaluation; default: 1e-4, doubled up to 7 times as long as that is better for the
        first 4,000 tokens of the validation data.
    progress : callable, optional

    Raises
    ------
    ValueError
        For a run on records or with tokens of sources.

    Examples
    --------
    >>> from gluon_deeprnn.runs.predictors import RunPredictors
    >>> RunPredictors(None, None, lr=0.1)
    Traceback (most recent call last):
    ...
    gluon_deeprnn.errors.InputError: lr must be omitted without dynamic evaluation; got 0.1
    """

    run: Run
    data: TextData
    dynamic: bool = False
    mixture: bool = False
    lr: Optional[float] = None
    progress: Progress = _silent

    def __post_init__(self) -> None:
        if self.lr is not None and not self.dynamic:
            raise InputError("lr", "omitted without dynamic evaluation", self.lr)
        if self.lr is not None:
            _checks.positive("lr", self.lr)
        self._statistics: Any = None
        self._ngrams: Optional[NGrams] = None
        if self.run is not None and self.run.config.records != "none":
            raise InputError("records", "none for dynamic evaluation, a mixture or a proof", self.run.config.records)
        if self.run is not None and self.run.config.source_token:
            raise InputError("source_token", "False for dynamic evaluation, a mixture or a proof", True)

    @property
    def reads_first(self) -> numpy.ndarray:
        """The tokens that a new predictor has read: those of the validation data, if there are test data too."""
        if not (self.dynamic or self.mixture) or self.data.protocol != "book":
            return numpy.empty(0, dtype="int32")
        return self.data.indices("val")

    def new(self, num_tokens: int = 0) -> Predictor:
        """A new predictor.

        Parameters
        ----------
        num_tokens : int, default 0
            How many tokens it will be given, of which the n-grams of a mixture need memory.

        Raises
        ------
        ValueError
            For a mixture whose n-grams would need more memory than there is.
        """
        num_tokens = _checks.integer("num_tokens", num_tokens, at_least=0)
        if self.mixture:
            self._check_memory(len(self.reads_first) + num_tokens)
        predictor = self._mixture() if self.mixture else self._network()
        self._read(predictor, self.reads_first)
        return predictor

    def learned(self) -> LearnedMixture:
        """A mixture to generate text with, which has read the first 10,000 tokens of the validation data.

        Raises
        ------
        ValueError
            If its n-grams would need more memory than there is.
        """
        tokens = self.data.indices("val")[:_LEARNED_FROM]
        self._check_memory(len(tokens))
        mixture = self._mixture()
        self._read(mixture, tokens)
        return mixture.learned()

    def _check_memory(self, num_read: int) -> None:
        num_counted = len(self.data.indices("train"))
        runtime.check_memory("text", f"{num_counted:,} tokens of training data and {num_read:,} that a mixture reads",
                             NGrams.memory(len(self.run.vocab), num_counted, num_read))

    def _mixture(self) -> Mixture:
        if self._ngrams is None:
            vocab = self.run.vocab
            letters = letters_of(vocab.idx_to_token, are_bytes=vocab.tokenizer.reads_bytes)
            self._ngrams = NGrams(self.data.indices("train"), letters)
        return Mixture([self._network()], self._ngrams.copy())

    def _read(self, predictor: Predictor, tokens: numpy.ndarray) -> None:
        on_token = self.progress("reading the validation data", len(tokens))
        if isinstance(predictor, Mixture):
            predictor.read(tokens, on_token=on_token)
        else:
            log_probs_of(predictor, tokens, on_token=on_token)

    def _network(self) -> Predictor:
        if not self.dynamic:
            return NetworkPredictor(self.run.model)
        if self._statistics is None:
            self._statistics = gradient_statistics(self.run.model, self.data.indices("train"))
        if self.lr is None:
            self.lr = self._best_rate()
        return self._learning(self.lr)

    def _learning(self, lr: float) -> DynamicPredictor:
        return DynamicPredictor(self.run.model, self._statistics, lr=lr)

    def _best_rate(self) -> float:
        tokens = self.data.indices("val")[:_TRIED_ON]
        best, best_lr = -math.inf, _FIRST_RATE
        for lr in (_FIRST_RATE * 2**i for i in range(_NUM_RATES)):
            on_token = self.progress(f"trying learning rate {lr:g}", len(tokens))
            try:
                found = float(log_probs_of(self._learning(lr), tokens, on_token=on_token).sum())
            except InputError:  # at this rate the model diverges
                break
            if found <= best:
                break
            best, best_lr = found, lr
        return best_lr


class Reading(NamedTuple):
    """How well a text is predicted.

    Attributes
    ----------
    log_probs : dict
        For ``network``, ``mixture``, ``dynamic`` and ``dynamic mixture`` the log-probability of each token, (n,), in
        nats.
    contexts : numpy.ndarray
        For each token the number of tokens of the longest context that had occurred, (n,).
    """

    log_probs: Dict[str, numpy.ndarray]
    contexts: numpy.ndarray


def read_by_all(run: Run, data: TextData, tokens: numpy.ndarray, progress: Progress = _silent) -> Reading:
    """Predict a text by all predictors of a run; see `RunPredictors` for the parameters and errors."""
    predictors = RunPredictors(run, data, progress=progress)
    found, contexts = {}, []
    for name in ("network", "mixture", "dynamic", "dynamic mixture"):
        predictors.dynamic, predictors.mixture = name.startswith("dynamic"), name.endswith("mixture")
        predictor = predictors.new(len(tokens))
        on_token = progress(name, len(tokens))
        found[name] = numpy.empty(len(tokens))
        for i, token in enumerate(tokens.tolist()):
            if name == "mixture" and isinstance(predictor, Mixture):
                contexts.append(predictor.longest_context)
            found[name][i] = predictor.log_probs()[token]
            predictor.observe(token)
            on_token()
    return Reading(found, numpy.array(contexts))
