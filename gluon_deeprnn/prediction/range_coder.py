"""A range coder: a text in as many bits as its model's negative log-likelihood, and back."""

from gluon_deeprnn import _checks
from gluon_deeprnn.errors import Described, InputError
import numpy

_WORD, _TOP = 1 << 64, 1 << 56
_TOTAL = 1 << 32
"""The sum of the frequencies: a probability is rounded by 2**-32, and none is 0."""


def frequencies(log_probs: numpy.ndarray) -> numpy.ndarray:
    """Whole numbers in proportion to probabilities, at least 1 each, with a sum of at most 2**32; (V,), int64."""
    return 1 + (numpy.exp(log_probs) * (_TOTAL - len(log_probs))).astype("int64")


class Encoder:
    """Encodes tokens under given distributions.

    Source
    ------
    Martin, "Range encoding: an algorithm for removing redundancy from a digitised message", 1979.

    Examples
    --------
    >>> import numpy
    >>> from gluon_deeprnn.prediction.range_coder import Decoder, Encoder
    >>> log_probs = numpy.log([0.9, 0.1])
    >>> encoder = Encoder()
    >>> for token in [0] * 90 + [1] * 10:
    ...     encoder.encode(token, log_probs)
    >>> code = encoder.finish()
    >>> len(code)  # 47 bits and what ends the code
    6
    >>> decoder = Decoder(code)
    >>> [decoder.decode(log_probs) for _ in range(100)] == [0] * 90 + [1] * 10
    True
    """

    def __init__(self) -> None:
        self._low, self._range, self._bytes = 0, _WORD - 1, bytearray()

    def encode(self, token: int, log_probs: numpy.ndarray) -> None:
        """Append a token, whose distribution is ``log_probs``, (V,), in nats."""
        counts = frequencies(log_probs)
        token = _checks.integer("token", token, at_least=0)
        if token >= len(counts):
            raise InputError("token", f"below {len(counts)}", token)
        each = self._range // _TOTAL
        self._low += each * int(counts[:token].sum())
        self._range = each * int(counts[token])
        self._carry()
        while self._range < _TOP:
            self._bytes.append(self._low >> 56)
            self._low = self._low << 8 & _WORD - 1
            self._range <<= 8

    def finish(self) -> bytes:
        """The code: as few bytes as end it; behind them a decoder reads zeros."""
        for num_bytes in range(9):
            unit = 1 << (64 - 8 * num_bytes)
            end = -(-self._low // unit) * unit
            if end < self._low + self._range:
                break
        self._low = end
        self._carry()
        return bytes(self._bytes) + self._low.to_bytes(8, "big")[:num_bytes]

    def _carry(self) -> None:
        """Move what is above 64 bits into the bytes that are written."""
        if self._low < _WORD:
            return
        self._low -= _WORD
        place = len(self._bytes) - 1
        while self._bytes[place] == 255:
            self._bytes[place] = 0
            place -= 1
        self._bytes[place] += 1


class Decoder:
    """Decodes what `Encoder` has encoded, under the same distributions.

    Parameters
    ----------
    code : bytes
    """

    def __init__(self, code: bytes) -> None:
        if not isinstance(code, bytes):
            raise InputError("code", "bytes", Described(type(code).__name__))
        self._code, self._place = code, 8
        self._value, self._range = int.from_bytes(code[:8].ljust(8, b"\0"), "big"), _WORD - 1

    def decode(self, log_probs: numpy.ndarray) -> int:
        """The next token, whose distribution is ``log_probs``, (V,), in nats."""
        ends = numpy.cumsum(frequencies(log_probs))
        each = self._range // _TOTAL
        token = int(numpy.searchsorted(ends, self._value // each, "right"))
        if token == len(ends):
            raise InputError("code", "of this model and text", Described("another one"))
        begin = int(ends[token - 1]) if token else 0
        self._value -= each * begin
        self._range = each * (int(ends[token]) - begin)
        while self._range < _TOP:
            following = self._code[self._place] if self._place < len(self._code) else 0
            self._value = (self._value << 8) + following
            self._place += 1
            self._range <<= 8
        return token
