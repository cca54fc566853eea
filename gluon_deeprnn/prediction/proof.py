"""A number that nobody can fake: a text is coded under a model, and decoded again."""

import dataclasses
import lzma
import math
from typing import Any, Callable, Optional, Tuple

from gluon_deeprnn import _checks
from gluon_deeprnn.errors import Described, InputError
from gluon_deeprnn.prediction.predictor import Predictor
from gluon_deeprnn.prediction.range_coder import Decoder, Encoder
import numpy

_ORDERS = (4, 5, 6, 8, 12, 16)
_MEMORY = 256 << 20


@dataclasses.dataclass(frozen=True)
class Proof:
    """A text as a code.

    Attributes
    ----------
    code : bytes
        From it and the predictor the text was decoded again.
    log_probs : numpy.ndarray
        The log-probability of each token, in nats, (n,), as of `gluon_deeprnn.prediction.log_probs_of`.
    """

    code: bytes
    log_probs: numpy.ndarray

    @property
    def claimed_bytes(self) -> float:
        """The size of the code according to the negative log-likelihood."""
        return -float(self.log_probs.sum()) / math.log(2) / 8


def prove(new_predictor: Callable[[], Predictor], tokens: Any, *,
          on_token: Optional[Callable[[], None]] = None) -> Proof:
    """Code a text under a predictor, and decode it with another one that is only given what was decoded.

    Parameters
    ----------
    new_predictor : callable
        Returns a predictor, each time in the same state.
    tokens : array_like
        The indices of the text, (n,).
    on_token : callable, optional
        Called after each token that was coded or decoded, to show progress.

    Raises
    ------
    ValueError
        If the text that was decoded is another one: the predictor's numbers are not reproducible.

    Examples
    --------
    >>> from gluon_deeprnn.prediction import Mixture, NGrams
    >>> from gluon_deeprnn.prediction.proof import prove
    >>> proof = prove(lambda: Mixture([], NGrams([], letters=[0, 1, 2, 3])), [0, 1, 2, 3] * 50)
    >>> len(proof.code), round(proof.claimed_bytes, 1)
    (2, 1.9)
    """
    encoder, predictor = Encoder(), new_predictor()
    text = _checks.indices("tokens", numpy.asarray(tokens), predictor.vocab_size).tolist()
    found = numpy.empty(len(text))
    for i, token in enumerate(text):
        log_probs = predictor.log_probs()
        found[i] = log_probs[token]
        encoder.encode(token, log_probs)
        predictor.observe(token)
        if on_token is not None:
            on_token()
    code = encoder.finish()
    decoder, predictor = Decoder(code), new_predictor()
    for i, token in enumerate(text):
        decoded = decoder.decode(predictor.log_probs())
        if decoded != token:
            raise InputError("predictions", "reproducible, so that the code can be decoded",
                             Described(f"another token at place {i} of {len(text)}"))
        predictor.observe(decoded)
        if on_token is not None:
            on_token()
    return Proof(code, found)


def xz_bytes(before: bytes, text: bytes) -> int:
    """What a text adds to the size of the text before it, compressed by xz -9e."""
    return _xz(before + text) - _xz(before)


def _xz(data: bytes) -> int:
    return len(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME))


def ppmd_bytes(before: bytes, validation: bytes, text: bytes) -> Tuple[int, int]:
    """What a text adds to the size of the texts before it, compressed by PPMd with 256 MB; and its order.

    The order is the best of 4, 5, 6, 8, 12 and 16 for ``validation``, which stands between the other two.

    Raises
    ------
    ValueError
        Without the package pyppmd.
    """
    try:
        import pyppmd
    except ImportError:
        raise InputError("pyppmd", "installed to compare with PPMd", Described("no such package"),
                         "pip install pyppmd") from None

    def size(data: bytes, order: int) -> int:
        encoder = pyppmd.Ppmd7Encoder(order, _MEMORY)
        return len(encoder.encode(data)) + len(encoder.flush())

    known = before + validation
    order = min(_ORDERS, key=lambda each: size(known, each) - size(before, each)) if validation else 6
    return size(known + text, order) - size(known, order), order
