"""Where the n-grams of a text occur in another one, for texts of many millions of tokens."""

from gluon_deeprnn import _checks
import numpy

GAP = -1
"""In a sequence of tokens: here one text ends and another begins."""

_BASE = 0x9E3779B97F4A7C15  # odd, so that no power of it is 0 modulo 2**64
_FACTORS = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB  # of splitmix64
_CHUNK = 1 << 20  # tokens that are hashed at a time: their hashes fit into the processor's cache


class NgramIndex:
    """The n-grams of a sequence of tokens, sorted by a hash.

    An entry has 64 bits: the hash in its upper ones, the position in its lower ones, so that one array is sorted.  What
    is found is compared with the tokens themselves; the answers are exact whatever the hashes are.

    Parameters
    ----------
    tokens : numpy.ndarray
        Indices, one dimension; `GAP` between texts: no n-gram contains it.
    n : int
        The number of tokens, at least 1.

    Source
    ------
    Karp and Rabin, "Efficient Randomized Pattern-Matching Algorithms", 1987 (polynomial hashes).

    Examples
    --------
    >>> import numpy
    >>> from gluon_deeprnn.generation.ngrams import NgramIndex
    >>> index = NgramIndex(numpy.array([7, 8, 9, 7, 8, 7]), 2)
    >>> index.first(numpy.array([7, 8, 9, 9]))
    array([ 0,  1, -1])
    >>> index.all(numpy.array([7, 8]))
    array([0, 3])
    """

    def __init__(self, tokens: numpy.ndarray, n: int) -> None:
        self.n = _checks.integer("n", n, at_least=1)
        self.tokens = tokens
        num = max(len(tokens) - n + 1, 0)
        self._positions = numpy.uint64((1 << max(num, 1).bit_length()) - 1)  # the bits of a position
        self._entries = numpy.empty(num, dtype=numpy.uint64)
        filled = 0
        for start in range(0, num, _CHUNK):
            piece = tokens[start:start + _CHUNK + n - 1]
            places = numpy.flatnonzero(ngrams_without_gap(piece, n)).astype(numpy.uint64)
            entries = (self._hashes(piece)[places] | places + numpy.uint64(start))
            self._entries[filled:filled + len(entries)] = entries
            filled += len(entries)
        self._entries = self._entries[:filled]
        self._entries.sort()

    def _hashes(self, tokens: numpy.ndarray) -> numpy.ndarray:
        """The hash of each n-gram, with zeros for the bits of a position."""
        return ngram_hashes(tokens, self.n) & ~self._positions

    def first(self, text: numpy.ndarray) -> numpy.ndarray:
        """For each n-gram of a text the lowest position where it occurs in the tokens, or -1; int64."""
        hashes = self._hashes(text) if len(text) >= self.n else numpy.empty(0, dtype=numpy.uint64)
        found = numpy.full(len(hashes), -1)
        left = numpy.argsort(hashes)  # neighbouring n-grams are looked up in neighbouring entries: in the cache
        entry = numpy.searchsorted(self._entries, hashes[left])
        while len(left):  # once, unless different n-grams have the same hash
            inside = entry < len(self._entries)
            left, entry = left[inside], entry[inside]
            same = self._entries[entry] & ~self._positions == hashes[left]
            left, entry = left[same], entry[same]
            places = (self._entries[entry] & self._positions).astype(numpy.int64)
            equal = self._are_equal(places, text, left)
            found[left[equal]] = places[equal]
            left, entry = left[~equal], entry[~equal] + 1
        return found

    def all(self, ngram: numpy.ndarray) -> numpy.ndarray:
        """All positions where an n-gram, (n,), occurs in the tokens, sorted; int64."""
        key, = self._hashes(ngram)
        first = int(numpy.searchsorted(self._entries, key))
        end = int(numpy.searchsorted(self._entries, key | self._positions, side="right"))
        places = (self._entries[first:end] & self._positions).astype(numpy.int64)
        for i in range(self.n):
            places = places[self.tokens[places + i] == ngram[i]]
        return places

    def _are_equal(self, places: numpy.ndarray, text: numpy.ndarray, starts: numpy.ndarray) -> numpy.ndarray:
        """Whether the n-grams at these places of the tokens equal those at these starts of the text."""
        equal = numpy.ones(len(places), dtype=bool)
        for i in range(self.n):
            equal &= self.tokens[places + i] == text[starts + i]
        return equal


def ngrams_without_gap(tokens: numpy.ndarray, n: int) -> numpy.ndarray:
    """For each n-gram of a sequence of tokens, whether it is of one text."""
    gaps = numpy.concatenate([[0], numpy.cumsum(tokens == GAP)])
    return gaps[n:] == gaps[:-n]


def ngram_hashes(tokens: numpy.ndarray, n: int) -> numpy.ndarray:
    """A hash of each n-gram: a polynomial in the hashes of its tokens, modulo 2**64, from those of its halves."""
    hashes, length, power = _token_hashes(tokens), 1, _BASE  # of ``length`` tokens each; _BASE ** length
    joined, done = hashes, 0
    while True:
        if n & length:
            joined = _joined(joined, hashes, done, power) if done else hashes
            done += length
        if done == n:
            return joined
        hashes = _joined(hashes, hashes, length, power)
        length, power = length * 2, power * power % 2**64


def _joined(left: numpy.ndarray, right: numpy.ndarray, offset: int, power: int) -> numpy.ndarray:
    """The hashes of n-grams of two parts, of which the right one begins ``offset`` tokens after the left one."""
    num = len(right) - offset
    return left[:num] * numpy.uint64(power) + right[offset:]


def _token_hashes(tokens: numpy.ndarray) -> numpy.ndarray:
    """A hash of each token (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014)."""
    hashes = tokens.astype(numpy.int64).astype(numpy.uint64) * numpy.uint64(_BASE)
    for factor, shift in zip(_FACTORS, (30, 27)):
        hashes ^= hashes >> numpy.uint64(shift)
        hashes *= numpy.uint64(factor)
    return hashes
