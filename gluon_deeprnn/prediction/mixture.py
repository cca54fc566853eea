"""A mixture of networks and n-grams whose weights are learned while it reads."""

import collections
import copy
from typing import Any, Callable, Deque, List, NamedTuple, Optional, Sequence, Tuple

from gluon_deeprnn import _checks
from gluon_deeprnn.errors import Described, InputError
from gluon_deeprnn.prediction.contexts import ORDERS, Contexts
from gluon_deeprnn.prediction.network import NetworkPredictor
from gluon_deeprnn.prediction.ngrams import NUM_EXPERTS, Following, NGrams
from gluon_deeprnn.prediction.predictor import Predictor, log_probs_of, log_softmax
import numpy

_LEARNING_RATE, _HALVED_AFTER = 1e-3, 4000
_OF_NETWORKS, _OF_NGRAMS = 0.5, {3: 0.1, 4: 0.15, 5: 0.1, 8: 0.1, 9: 0.1}
"""Weights at the beginning: of all networks together, and of some of the n-grams."""

_CONFIDENCES, _LENGTHS, _OWN = 12, 12, 36
"""Numbers of vectors: by how often the longest context has occurred, by the letters of the present word, and by what
each of the predictions that are mixed is based on."""

_MOST_KEPT = 2**26  # bytes


class Mixture:
    """The normalised product of the predictions of networks and n-grams, each to the power of its weight.

    log p(s) = sum over i of w_i log p_i(s) + constant.  The weights w are sums of four vectors: one for all tokens, two
    that are chosen by how often the longest context has occurred and whether one token alone has followed it, and by
    the number of letters of the present word; and one whose elements are chosen one by one: for an n-gram by how often
    its context has occurred, and by how many different tokens have followed it, for a network by its largest
    probability.  After each token, each vector moves against the gradient of its loss, at a rate that falls
    like 1 / t; so the mixture should read a part of the text before that of interest (`read`).

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
        self._weights = _Weights(first, [_CONFIDENCES, _LENGTHS])
        self._num_learned = 0
        self._now: Optional[_Prediction] = None
        self._log_probs: Optional[numpy.ndarray] = None
        self._kept: Deque[Tuple[_Prediction, int]] = collections.deque(maxlen=0)

    def _predict(self) -> "_Prediction":
        if self._now is None:
            self._now = _predict([network.log_probs() for network in self._networks], self._ngrams,
                                 self._ngrams.following(), self._ngrams.word_length)
        return self._now

    def log_probs(self) -> numpy.ndarray:
        """The log-probabilities of the next token, in nats, (V,)."""
        if self._log_probs is None:
            self._log_probs = self._weights.mixed(self._predict())
        return self._log_probs

    @property
    def longest_context(self) -> int:
        """The number of tokens of the longest present context that has occurred before; see ``ORDERS``."""
        return ORDERS[self._ngrams.following().longest]

    def observe(self, token: int) -> None:
        """Take the next token, and learn from it."""
        prediction = self._predict()
        if self._kept.maxlen:
            self._kept.append((prediction._replace(inputs=prediction.inputs.astype("float32")), token))
        self._learn(prediction, self.log_probs(), token)
        self._ngrams.observe(token)
        for network in self._networks:
            network.observe(token)
        self._now = self._log_probs = None

    def read(self, tokens: Any, *, num_epochs: int = 4, on_token: Optional[Callable[[], None]] = None) -> numpy.ndarray:
        """Take the tokens of a text, and learn from them; then learn again from the same predictions.

        The networks and n-grams, which may learn too, take each token once; only the weights are learned again.  Of a
        long text they are learned again from its end, as much of it as fits into 64 MB.

        Parameters
        ----------
        tokens : array_like
            Indices of the vocabulary, (n,).
        num_epochs : int, default 4
            How many times each token is learned from.
        on_token : callable, optional
            Called after each token, to show progress.

        Returns
        -------
        numpy.ndarray
            The log-probability of each token when it was taken, in nats, (n,), float64.
        """
        num_epochs = _checks.integer("num_epochs", num_epochs, at_least=1)
        size = (len(self._networks) + NUM_EXPERTS) * self.vocab_size * numpy.dtype("float32").itemsize
        self._kept = collections.deque(maxlen=_MOST_KEPT // size if num_epochs > 1 else 0)
        found = log_probs_of(self, tokens, on_token=on_token)
        kept, self._kept = self._kept, collections.deque(maxlen=0)
        for _ in range(num_epochs - 1):
            for prediction, token in kept:
                self._learn(prediction, self._weights.mixed(prediction), token)
        return found

    def _learn(self, prediction: "_Prediction", log_probs: numpy.ndarray, token: int) -> None:
        self._weights.learn(prediction, log_probs, token, _LEARNING_RATE / (1 + self._num_learned / _HALVED_AFTER))
        self._num_learned += 1

    def learned(self) -> "LearnedMixture":
        """What it has learned by now, to generate text with: it begins a new text, and learns nothing more.

        Raises
        ------
        ValueError
            If one of the networks learns while it reads.
        """
        return LearnedMixture(self._networks, self._ngrams.copy(), self._weights.copy())


class TextState(NamedTuple):
    """What a text has been so far, for a `LearnedMixture`.

    Attributes
    ----------
    networks : list of tuple
        For each network the log-probabilities of the next token, and its state.
    contexts : Contexts
    """

    networks: List[Tuple[numpy.ndarray, Any]]
    contexts: Contexts


class LearnedMixture:
    """A mixture of which neither the weights nor the counts change, for texts that are generated.

    It is made by `Mixture.learned`; `gluon_deeprnn.generate` takes it in the place of a model.

    Attributes
    ----------
    vocab_size : int
        The size V of the vocabulary.
    """

    def __init__(self, networks: Sequence[Predictor], ngrams: NGrams, weights: "_Weights") -> None:
        self._networks = [network for network in networks if isinstance(network, NetworkPredictor)]
        if len(self._networks) < len(networks):
            raise InputError("networks", "NetworkPredictors, which do not learn, to generate text", networks)
        self._ngrams, self._weights, self.vocab_size = ngrams, weights, ngrams.vocab_size

    def begin(self) -> TextState:
        """Where a text begins."""
        unknown = numpy.full(self.vocab_size, -numpy.log(self.vocab_size))
        return TextState([(unknown, None) for _ in self._networks], self._ngrams.no_context())

    def after(self, state: TextState, token: int) -> TextState:
        """After a further token; ``state`` stays as it is."""
        networks = [network.after(before, token) for network, (_, before) in zip(self._networks, state.networks)]
        return TextState(networks, state.contexts.after(token))

    def log_probs(self, state: TextState) -> numpy.ndarray:
        """The log-probabilities of the next token, in nats, (V,)."""
        prediction = _predict([log_probs for log_probs, _ in state.networks], self._ngrams,
                              self._ngrams.following(state.contexts), state.contexts.word_length)
        return self._weights.mixed(prediction)


class _Prediction(NamedTuple):
    """The logarithms that are mixed, (M, V), and which weights mix them: of all vectors, and of each element."""

    inputs: numpy.ndarray
    vectors: List[int]
    own: numpy.ndarray


class _Weights:
    """The weights of a mixture: vectors of which some are chosen for each token; see `Mixture`."""

    def __init__(self, first: numpy.ndarray, counts: Sequence[int]) -> None:
        self._vectors = [first[None], *(numpy.zeros((count, len(first))) for count in counts)]
        self._own, self._elements = numpy.zeros((_OWN, len(first))), numpy.arange(len(first))

    def mixed(self, prediction: _Prediction) -> numpy.ndarray:
        """The log-probabilities of the mixture, (V,)."""
        weights = self._own[prediction.own, self._elements]
        for vectors, number in zip(self._vectors, prediction.vectors):
            weights += vectors[number]
        return log_softmax(weights @ prediction.inputs)

    def learn(self, prediction: _Prediction, log_probs: numpy.ndarray, token: int, rate: float) -> None:
        """Move the chosen weights against the gradient of the loss of a token."""
        step = rate * (prediction.inputs @ numpy.exp(log_probs) - prediction.inputs[:, token])
        for vectors, number in zip(self._vectors, prediction.vectors):
            vectors[number] -= step
        self._own[prediction.own, self._elements] -= step

    def copy(self) -> "_Weights":
        return copy.deepcopy(self)


def _predict(of_networks: List[numpy.ndarray], ngrams: NGrams, following: Following, word_length: int) -> _Prediction:
    """What is mixed, and by which weights."""
    inputs = numpy.empty((len(of_networks) + NUM_EXPERTS, ngrams.vocab_size))
    for row, log_probs in zip(inputs, of_networks):
        row[:] = log_probs
    numpy.log(ngrams.distributions(following), out=inputs[len(of_networks):])
    kinds = numpy.minimum(following.kinds, 3).astype("int64")
    times = numpy.frexp(following.totals)[1]  # 0 for 0, 1 for 1, 2 for 2 and 3, ...
    surest = [min(int(-4 * log_probs.max()), _CONFIDENCES - 1) for log_probs in of_networks]
    own = numpy.concatenate([numpy.array(surest, dtype="int64"), 4 * numpy.minimum(times, _OWN // 4 - 1) + kinds])
    longest, confidence = following.longest, 0
    if times[0]:
        confidence = 2 * min(int(times[longest]) - 1, _CONFIDENCES // 2 - 1) + int(kinds[longest] == 1)
    return _Prediction(inputs, [0, confidence, min(word_length, _LENGTHS - 1)], own)
