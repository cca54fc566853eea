"""An n-gram model that goes on counting as it reads."""

from typing import Any

from gluon_deeprnn import _checks
from gluon_deeprnn.prediction.contexts import ContextCounts
import numpy


class NGram:
    """Interpolated n-grams with absolute discounting: counts of a text, then also of the text that is predicted.

    With the counts c of the tokens after the last k tokens, their sum N and the number T of tokens among them,
    p_k(s) = max(c(s) - d, 0) / N + d T / N p_(k-1)(s), and p_(-1) is uniform.

    Parameters
    ----------
    tokens : array_like
        Indices of the text that is counted beforehand, (n,).
    vocab_size : int
        The size V of the vocabulary.
    order : int, default 10
        The number of tokens that the last one is predicted from.
    discount : float in (0, 1), default 0.8

    Source
    ------
    Ney, Essen and Kneser, "On Structuring Probabilistic Dependences in Stochastic Language Modelling", 1994.

    Examples
    --------
    >>> from gluon_deeprnn.prediction.ngram import NGram
    >>> model = NGram([0, 1, 0, 1, 0, 2], vocab_size=3, order=2)
    >>> model.observe(0)
    >>> int(model.log_probs().argmax())  # 1 has followed 0 twice, 2 once
    1
    """

    def __init__(self, tokens: Any, vocab_size: int, order: int = 10, discount: float = 0.8) -> None:
        self._counts = ContextCounts(numpy.asarray(tokens, dtype="int32"), vocab_size, order)
        self.vocab_size, self.order = vocab_size, order
        self.discount = _checks.number("discount", discount, "a number in (0, 1)", above=0, below=1)

    def distributions(self) -> numpy.ndarray:
        """The distributions p_0 to p_k, (k + 1, V), of which k is the longest context that has occurred."""
        counts = self._counts.rows().astype("float64")
        total = counts.sum(1, keepdims=True)
        total[0] = max(total[0, 0], 1)  # where nothing was counted yet
        kinds = (counts > 0).sum(1, keepdims=True)
        discounted = numpy.maximum(counts - self.discount, 0) / total
        left = self.discount * kinds / total
        if not kinds[0]:
            left[0] = 1
        below = numpy.full(self.vocab_size, 1 / self.vocab_size)
        for k in range(len(counts)):
            below = discounted[k] = discounted[k] + left[k] * below
        return discounted

    def log_probs(self) -> numpy.ndarray:
        """The log-probabilities of the next token, in nats, (V,)."""
        return numpy.log(self.distributions()[-1])

    def observe(self, token: int) -> None:
        """Count the next token."""
        self._counts.add(token)
