"""What predicts a text one token at a time."""

from typing import Any, Callable, Optional, Protocol

from gluon_deeprnn import _checks
from gluon_deeprnn.errors import Described, InputError
import numpy


class Predictor(Protocol):
    """Predicts the next token from those that it has been given, one after the other.

    A predictor is causal by its interface: it has to say what it expects before it is told the token.

    Attributes
    ----------
    vocab_size : int
        The size V of the vocabulary.
    """

    vocab_size: int

    def log_probs(self) -> numpy.ndarray:
        """The log-probabilities of the next token, in nats, (V,), float64."""

    def observe(self, token: int) -> None:
        """Take the next token of the text."""


def log_probs_of(predictor: Predictor, tokens: Any, *,
                 on_token: Optional[Callable[[], None]] = None) -> numpy.ndarray:
    """The log-probability of each token of a text, before which the predictor has been given those before it.

    Parameters
    ----------
    predictor : Predictor
        It goes on from what it has been given so far.
    tokens : array_like
        Indices of the vocabulary, (n,).
    on_token : callable, optional
        Called after each token, to show progress.

    Returns
    -------
    numpy.ndarray
        In nats, (n,), float64.

    Raises
    ------
    ValueError
        For tokens that are not in the vocabulary, and for probabilities that are not numbers.

    Examples
    --------
    >>> from gluon_deeprnn.prediction import Mixture, NGrams, log_probs_of
    >>> log_probs_of(Mixture([], NGrams([], letters=[0, 1, 2, 3])), [3, 3, 3, 3, 3]).round(1).tolist()
    [-1.4, -0.3, -0.0, -0.0, -0.0]
    """
    indices = _checks.indices("tokens", numpy.asarray(tokens), predictor.vocab_size)
    _checks.shape("tokens", indices, (None,))
    found = numpy.empty(len(indices))
    for i, token in enumerate(indices.tolist()):
        found[i] = predictor.log_probs()[token]
        predictor.observe(token)
        if on_token is not None:
            on_token()
    if not numpy.isfinite(found).all():
        raise InputError("the model's log-probabilities", "finite numbers", Described(str(found.min())),
                         "its training diverged")
    return found


def log_softmax(logits: numpy.ndarray) -> numpy.ndarray:
    """The log-probabilities of logits, along the last axis, in double precision."""
    shifted = logits.astype("float64") - logits.max(-1, keepdims=True)
    return shifted - numpy.log(numpy.exp(shifted).sum(-1, keepdims=True))
