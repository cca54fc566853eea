"""A mixture of networks and n-grams whose weights are learned while it reads."""

from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

from gluon_deeprnn.errors import Described, InputError
from gluon_deeprnn.prediction.contexts import ORDERS, Contexts
from gluon_deeprnn.prediction.network import NetworkPredictor
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
            counts = self._ngrams.counts()
            self._rows = [0, *_confidence(counts), self._last]
            self._inputs = _inputs([network.log_probs() for network in self._networks], self._ngrams, counts)
            self._log_probs = _mixed(self._weights, self._rows, self._inputs)
        return self._log_probs

    @property
    def longest_context(self) -> int:
        """The number of tokens of the longest present context that has occurred before; see ``ORDERS``."""
        self.log_probs()
        return ORDERS[self._rows[1]]

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

    def learned(self) -> "LearnedMixture":
        """What it has learned by now, to generate text with: it begins a new text, and learns nothing more.

        Raises
        ------
        ValueError
            If one of the networks learns while it reads.
        """
        return LearnedMixture(self._networks, self._ngrams.copy(), [each.copy() for each in self._weights])


class TextState(NamedTuple):
    """What a text has been so far, for a `LearnedMixture`.

    Attributes
    ----------
    networks : list of tuple
        For each network the log-probabilities of the next token, and its state.
    contexts : Contexts
    last : int
        The last token; V for none.
    """

    networks: List[Tuple[numpy.ndarray, Any]]
    contexts: Contexts
    last: int


class LearnedMixture:
    """A mixture of which neither the weights nor the counts change, for texts that are generated.

    It is made by `Mixture.learned`; `gluon_deeprnn.generate` takes it in the place of a model.

    Attributes
    ----------
    vocab_size : int
        The size V of the vocabulary.
    """

    def __init__(self, networks: Sequence[Predictor], ngrams: NGrams, weights: List[numpy.ndarray]) -> None:
        self._networks = [network for network in networks if isinstance(network, NetworkPredictor)]
        if len(self._networks) < len(networks):
            raise InputError("networks", "NetworkPredictors, which do not learn, to generate text", networks)
        self._ngrams, self._weights, self.vocab_size = ngrams, weights, ngrams.vocab_size

    def begin(self) -> TextState:
        """Where a text begins."""
        unknown = numpy.full(self.vocab_size, -numpy.log(self.vocab_size))
        return TextState([(unknown, None) for _ in self._networks], self._ngrams.no_context(), self.vocab_size)

    def after(self, state: TextState, token: int) -> TextState:
        """After a further token; ``state`` stays as it is."""
        networks = [network.after(before, token) for network, (_, before) in zip(self._networks, state.networks)]
        return TextState(networks, state.contexts.after(token), token)

    def log_probs(self, state: TextState) -> numpy.ndarray:
        """The log-probabilities of the next token, in nats, (V,)."""
        counts = self._ngrams.counts_after(state.contexts)
        inputs = _inputs([log_probs for log_probs, _ in state.networks], self._ngrams, counts)
        return _mixed(self._weights, [0, *_confidence(counts), state.last], inputs)


def _inputs(of_networks: List[numpy.ndarray], ngrams: NGrams, counts: numpy.ndarray) -> numpy.ndarray:
    """The logarithms that are mixed, (M, V)."""
    return numpy.concatenate([*(log_probs[None] for log_probs in of_networks), numpy.log(ngrams.distributions(counts))])


def _mixed(weights: List[numpy.ndarray], rows: List[int], inputs: numpy.ndarray) -> numpy.ndarray:
    return log_softmax(sum(each[row] for each, row in zip(weights, rows)) @ inputs)


def _confidence(counts: numpy.ndarray) -> List[int]:
    """Which of `ORDERS` is the longest that has occurred, and how often it has."""
    of_orders = counts[:len(ORDERS)]
    totals = of_orders.sum(1)
    longest = int(numpy.count_nonzero(totals)) - 1
    if longest < 0:
        return [0, 0]
    times = min(int(totals[longest]).bit_length() - 1, _CONFIDENCES // 2 - 1)
    return [longest, 2 * times + int(numpy.count_nonzero(of_orders[longest]) == 1)]
