"""How often each token has followed each context, in sorted arrays: what has not occurred takes no memory."""

from typing import Any, Iterable, List, Sequence

import numpy

_KIND_BITS, _BITS = 4, 64
_KINDS = [kind << _BITS - _KIND_BITS for kind in range(1 << _KIND_BITS)]
BYTES = 12
"""What a pair of a context and a token takes: its number, and how often it has occurred."""


class Pairs:
    """How a context and the token after it are written as one number of 64 bits, a pair.

    Its first 4 bits are the kind of the context and its last ones the token.  Between them are the first bits of the
    context's own number: 53 bits with 100 tokens, 45 with 20,000.

    Parameters
    ----------
    vocab_size : int
        The number of tokens.

    Examples
    --------
    >>> from gluon_deeprnn.prediction.counts import Pairs
    >>> hex(Pairs(vocab_size=16).key(3, 0xabcdef0123456789) + 5)
    '0x3abcdef012345675'
    """

    def __init__(self, vocab_size: int) -> None:
        self._token_bits = (vocab_size - 1).bit_length()
        self._shift = _KIND_BITS + self._token_bits

    def key(self, kind: int, number: Any) -> Any:
        """The pair of a context with token 0: by the number of the context, or by those of many, an array of uint64."""
        return _KINDS[kind] | number >> self._shift << self._token_bits

    def keys(self, numbers: Sequence[int]) -> List[int]:
        """The same of one context of each kind."""
        shift, token_bits = self._shift, self._token_bits
        return [kind | number >> shift << token_bits for kind, number in zip(_KINDS, numbers)]

    def bounds(self, keys: List[int]) -> numpy.ndarray:
        """The pairs of some contexts with token 0, then the first number that is above all pairs of each: (2 m,)."""
        found = numpy.array([keys, keys], dtype="uint64")
        found[1] += numpy.uint64(1 << self._token_bits)
        return found.ravel()


class Counts:
    """How often pairs have occurred, at 12 bytes for each pair that has.

    Parameters
    ----------
    pairs : numpy.ndarray
        Pairs as of `Pairs`, (n,), uint64, each once and in ascending order; so those of a context stand together.
    counts : numpy.ndarray
        How often each has occurred, (n,), int32.

    Examples
    --------
    >>> import numpy
    >>> from gluon_deeprnn.prediction.counts import Counts
    >>> counts = Counts.of(numpy.array([13, 11, 13, 2], dtype="uint64"))
    >>> counts.pairs.tolist(), counts.counts.tolist()
    ([2, 11, 13], [1, 1, 2])
    >>> more = counts.and_of(numpy.array([11, 12], dtype="uint64"))
    >>> more.pairs.tolist(), more.counts.tolist()
    ([2, 11, 12, 13], [1, 2, 1, 2])
    """

    def __init__(self, pairs: numpy.ndarray, counts: numpy.ndarray) -> None:
        self.pairs, self.counts = pairs, counts

    @classmethod
    def of(cls, pairs: numpy.ndarray) -> "Counts":
        """Count pairs, (n,), uint64; they are sorted in place."""
        pairs.sort()
        first = numpy.flatnonzero(numpy.append(True, pairs[1:] != pairs[:-1])[:len(pairs)])
        return cls(pairs[first], numpy.diff(numpy.append(first, len(pairs))).astype("int32"))

    @classmethod
    def of_parts(cls, parts: Iterable[numpy.ndarray], most: int) -> "Counts":
        """Count pairs in parts, at most ``most`` in all; all pairs of a part are above those of the part before."""
        pairs, counts, used = numpy.empty(most, "uint64"), numpy.empty(most, "int32"), 0
        for part in parts:
            found = cls.of(part)
            end = used + len(found.pairs)
            pairs[used:end], counts[used:end] = found.pairs, found.counts
            used = end
        return cls(pairs[:used], counts[:used])  # the rest was never written, and the system has given no memory for it

    def and_of(self, pairs: numpy.ndarray) -> "Counts":
        """The counts of these pairs and of further ones, (m,), uint64, which are sorted in place."""
        more = self.of(pairs)
        places = self.pairs.searchsorted(more.pairs)
        known = places < len(self.pairs)
        known[known] = self.pairs[places[known]] == more.pairs[known]
        counts, new = self.counts.copy(), ~known
        counts[places[known]] += more.counts[known]
        return type(self)(numpy.insert(self.pairs, places[new], more.pairs[new]),
                          numpy.insert(counts, places[new], more.counts[new]))
