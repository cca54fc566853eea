"""A mixture of networks and n-grams whose weights are learned while it reads."""

from typing import Any, List, Optional, Sequence

from gluon_deeprnn.errors import Described, InputError
from gluon_deeprnn.prediction.contexts import ORDERS
from gluon_deeprnn.prediction.ngrams import NUM_EXPERTS, NGrams
from gluon_deeprnn.prediction.predictor import Predictor, log_softmax
import numpy

_LEARNING_RATE, _HALVED_AFTER = 1e-3, 2000
_OF_NETWORKS, _OF_NGRAMS = 0.5, {3: 0.1, 4: 0.15, 5: 0.1, 8: 0.1, 9: 0.1}
"""Weights at the beginning: of all networks together, and of some of the n-grams."""

_CONFIDENCES = 12


class Mixture:
    """The normalised product of the predictions of networks and n-grams, each to the power of its weight.

    log p(s) = sum over i of w_i log p_i(s) + constant.  The weights w are sums of four vectors: one for all tokens, and
    three that are chosen by the longest context that has occurred, by how often it has and whether one token alone has
    followed it, and by the last token.  After each token, each vector moves against the gradient of its loss, at a rate
    that falls like 1 / t; so the mixture should read a part of the text before that of interest.

    Parameters
    ----------
    networks : sequence of Predictor
        They read the same text: `gluon_deeprnn.prediction.NetworkPredictor`, or others.
    ngrams : NGrams

    Source
    ------
    Mattern, "Mixing Strategies in Data Compression", 2012 (the geometric mixture); Mahoney, "Adaptive Weighing of
    Context Models for Lossless Data Compression", 2005 (weights chosen by contexts).

    Examples
    --------
    >>> from gluon_deeprnn.prediction import Mixture, NGrams, log_probs_of
    >>> mixture = Mixture([], NGrams([], letters=[0, 1, 2, 3]))
    >>> log_p = log_probs_of(mixture, [0, 1, 2, 3] * 100)
    >>> bool(log_p[:4].mean() < -1 and log_p[-4:].mean() > -0.01)
    True
    """

    def __init__(self, networks: Sequence[Predictor], ngrams: NGrams) -> None:
        if not isinstance(ngrams, NGrams):
            raise InputError("ngrams", "an NGrams", ngrams)
        self._networks, self._ngrams = list(networks), ngrams
        self.vocab_size = ngrams.vocab_size
        for network in self._networks:
            if network.vocab_size != self.vocab_size:
                raise InputError("networks", f"for the {self.vocab_size} tokens of the n-grams",
                                 Described(f"one for {network.vocab_size}"))
        size = len(self._networks) + NUM_EXPERTS
        first = numpy.zeros(size)
        first[:len(self._networks)] = _OF_NETWORKS / max(1, len(self._networks))
        for expert, weight in _OF_NGRAMS.items():
            first[len(self._networks) + expert] = weight * (1 if self._networks else 2)
        self._weights = [first[None], *(numpy.zeros((count, size))
                                        for count in (len(ORDERS), _CONFIDENCES, self.vocab_size + 1))]
        self._num_read, self._last = 0, self.vocab_size
        self._rows: List[int] = []
        self._inputs: Any = None  # the logarithms that are mixed, (M, V)
        self._log_probs: Optional[numpy.ndarray] = None

    def log_probs(self) -> numpy.ndarray:
        """The log-probabilities of the next token, in nats, (V,)."""
        if self._log_probs is None:
            self._rows = [0, *self._confidence(), self._last]
            self._inputs = numpy.concatenate([*(network.log_probs()[None] for network in self._networks),
                                              numpy.log(self._ngrams.distributions())])
            weights = sum(each[row] for each, row in zip(self._weights, self._rows))
            self._log_probs = log_softmax(weights @ self._inputs)
        return self._log_probs

    def observe(self, token: int) -> None:
        """Take the next token, and learn from it."""
        expected = numpy.exp(self.log_probs())
        gradient = self._inputs @ expected - self._inputs[:, token]
        rate = _LEARNING_RATE / (1 + self._num_read / _HALVED_AFTER)
        for each, row in zip(self._weights, self._rows):
            each[row] -= rate * gradient
        self._ngrams.observe(token)
        for network in self._networks:
            network.observe(token)
        self._last, self._log_probs = token, None
        self._num_read += 1

    def _confidence(self) -> List[int]:
        """Which of `ORDERS` is the longest that has occurred, and how often it has."""
        counts = self._ngrams.counts()[:len(ORDERS)]
        totals = counts.sum(1)
        longest = int(numpy.count_nonzero(totals)) - 1
        if longest < 0:
            return [0, 0]
        times = min(int(totals[longest]).bit_length() - 1, _CONFIDENCES // 2 - 1)
        return [longest, 2 * times + int(numpy.count_nonzero(counts[longest]) == 1)]
