"""n-grams that go on counting as they read: distributions of the next token after contexts of several kinds."""

import copy
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from gluon_deeprnn import _checks
from gluon_deeprnn.errors import Described, InputError
from gluon_deeprnn.prediction.contexts import LOWER, ORDERS, Contexts, contexts_of
from gluon_deeprnn.prediction.counts import BYTES, Counts, Pairs
import numpy

NUM_EXPERTS = len(LOWER)
MOST_TOKENS = 2**20
"""The largest vocabulary: 40 bits are left for the context of a pair."""

_DISCOUNT = 0.4
"""Less than what is best for one n-gram alone: a mixture chooses by its weights how much each is trusted."""

_TABLE_BYTES, _FEWEST_ROWS = 2**25, 64
_MOST_RECENT = 2**14 * NUM_EXPERTS
"""The pairs that are observed before they are moved from the table to the sorted arrays."""

_BYTES_WHILE_COUNTING, _BYTES_OF_RECENT = 48, 200
"""For each token of a text its numbers for one kind of context; for each recent pair Python's integers."""


class Following(NamedTuple):
    """What has followed each of the contexts of a token.

    Attributes
    ----------
    counts : numpy.ndarray
        How often each token has, (13, V), float64.
    totals, kinds : numpy.ndarray
        How many tokens have, and how many different ones, (13,), float64.
    """

    counts: numpy.ndarray
    totals: numpy.ndarray
    kinds: numpy.ndarray

    @classmethod
    def of(cls, counts: numpy.ndarray) -> "Following":
        """With the sums of these counts."""
        ones = numpy.ones(counts.shape[1])
        return cls(counts, counts @ ones, numpy.minimum(counts, 1) @ ones)

    @property
    def longest(self) -> int:
        """Which of `ORDERS` is the longest that has occurred; 0 also if nothing has."""
        return max(0, int(numpy.count_nonzero(self.totals[:len(ORDERS)])) - 1)


class NGrams:
    """Interpolated n-grams with absolute discounting: counts of a text, then also of the text that is read.

    With the counts c of the tokens after a context, their sum N and the number K of tokens among them,
    p(s) = max(c(s) - d, 0) / N + d K / N q(s), where q is the distribution after a shorter context, d = 0.4, and p = q
    after a context that has not occurred.

    Counts are kept of what has occurred, at 12 bytes for each pair of a context and a token
    (``gluon_deeprnn.prediction.counts``).  The counts after recent contexts are rows of a table of at most 32 MB, or 64
    rows.

    Parameters
    ----------
    tokens : array_like
        Indices of the text that is counted beforehand, (n,).
    letters : sequence of int
        For each of the V tokens of the vocabulary the number of its letter; see
        `gluon_deeprnn.prediction.contexts.letters_of`.  At most 1,048,576 tokens.

    Source
    ------
    Ney, Essen and Kneser, "On Structuring Probabilistic Dependences in Stochastic Language Modelling", 1994.

    Examples
    --------
    >>> from gluon_deeprnn.prediction.ngrams import NGrams
    >>> ngrams = NGrams([1, 2, 1, 2, 1, 0], letters=[0, 1, 2])
    >>> ngrams.observe(1)
    >>> ngrams.distributions()[1].round(3).tolist()  # 2 has followed 1 twice, 0 once; 1 is frequent
    [0.238, 0.152, 0.61]
    """

    def __init__(self, tokens: Any, letters: Sequence[int]) -> None:
        self.vocab_size = _checks.integer("the size of the vocabulary", len(letters), at_least=1)
        if self.vocab_size > MOST_TOKENS:
            raise InputError("the vocabulary", f"of at most {MOST_TOKENS:,} tokens",
                             Described(f"{self.vocab_size:,} tokens"))
        text = numpy.asarray(tokens, dtype="int32")
        _checks.shape("tokens", text, (None,))
        _checks.indices("tokens", text, self.vocab_size)
        self._letters = tuple(letters)
        self._pairs = Pairs(self.vocab_size)
        self._counted = Counts.of_parts(self._pairs_of(text), NUM_EXPERTS * len(text))
        self._read = Counts.of(numpy.empty(0, "uint64"))  # of what was observed, but for the recent pairs
        self._contexts = self.no_context()
        self._possible = [True] * NUM_EXPERTS  # whether each of the present contexts can have occurred
        self._begin_table()

    @staticmethod
    def memory(vocab_size: int, num_counted: int, num_read: int) -> int:
        """The bytes that n-grams take at most which count so many tokens beforehand, and then read so many."""
        def num_pairs(num_tokens: int) -> int:
            of_words = (NUM_EXPERTS - len(ORDERS)) * num_tokens
            return of_words + sum(min(num_tokens, vocab_size**(order + 1)) for order in ORDERS)

        num_recent = min(_MOST_RECENT, NUM_EXPERTS * num_read)
        rows = min(_most_rows(vocab_size), max(_FEWEST_ROWS, num_recent))
        # Two times: the pairs are copied when some are added, and the table when it grows.
        return (BYTES * (num_pairs(num_counted) + 2 * num_pairs(num_read)) + 2 * 4 * rows * vocab_size
                + _BYTES_WHILE_COUNTING * num_counted + _BYTES_OF_RECENT * num_recent)

    def _pairs_of(self, text: numpy.ndarray) -> Iterator[numpy.ndarray]:
        for kind, numbers in enumerate(contexts_of(text, self._letters)):
            keys = self._pairs.key(kind, numbers)
            keys += text.astype("uint64")
            yield keys

    def _begin_table(self) -> None:
        self._table = numpy.zeros((_FEWEST_ROWS, self.vocab_size), "int32")  # doubled when it is full
        self._rows: Dict[int, int] = {}  # of contexts; ~token for one that only this token has followed, once, lately
        self._recent: List[int] = []  # the pairs that were observed since the table was empty
        self._used = 1  # row 0 stays empty
        self._keys: List[int] = []  # of the contexts of the next token
        self._now: List[int] = []  # their rows

    def no_context(self) -> Contexts:
        """The contexts of the first token of a text."""
        return Contexts(self._letters)

    def copy(self) -> "NGrams":
        """One with the counts of this one, which then counts for itself."""
        self._empty_table()
        found = copy.copy(self)
        found._contexts = copy.copy(self._contexts)
        found._begin_table()
        return found

    @property
    def word_length(self) -> int:
        """The number of letters that there are of the present word."""
        return self._contexts.word_length

    def following(self, contexts: Optional[Contexts] = None) -> Following:
        """What has followed the present contexts, or those of another text than that which is counted."""
        if contexts is None:
            self._find()
            rows = self._now
        else:
            rows = self._found(contexts, [True] * NUM_EXPERTS)[1]
        return Following.of(self._table[rows].astype("float64"))

    def distributions(self, following: Optional[Following] = None) -> numpy.ndarray:
        """The distributions after contexts, of which it is known what has followed, or the present ones: (13, V)."""
        counts, totals, kinds = self.following() if following is None else following
        divisors = numpy.maximum(totals, 1)
        left = (_DISCOUNT * kinds / divisors + (kinds == 0)).tolist()  # after what has not occurred everything
        found = counts - _DISCOUNT
        numpy.maximum(found, 0, out=found)
        found /= divisors[:, None]
        uniform, part = numpy.full(self.vocab_size, 1 / self.vocab_size), numpy.empty(self.vocab_size)
        rows = list(found)
        for row, share, lower in zip(rows, left, LOWER):
            row += numpy.multiply(uniform if lower < 0 else rows[lower], share, out=part)
        return found

    def observe(self, token: int) -> None:
        """Count the next token."""
        self._find()
        counts = self._table[self._now, token]
        # A context that has occurred ends in a token that has followed its other tokens, which are a context too; one
        # that ends in a word has occurred without the last letter.
        orders, is_letter = len(ORDERS), self._letters[token] > 0
        self._possible = [True, *(counts[:orders - 1] > 0).tolist(),
                          *(row > 0 or not is_letter for row in self._now[orders:])]
        self._table[self._now, token] = counts + 1
        self._table[0, token] = 0
        for key, row in zip(self._keys, self._now):
            if not row:
                self._rows[key] = ~token
        self._recent += [key + token for key in self._keys]
        self._contexts.add(token)
        self._now = []

    def _find(self) -> None:
        """Find the rows of the present contexts."""
        if not self._now:
            self._keys, self._now = self._found(self._contexts, self._possible)

    def _found(self, contexts: Contexts, possible: List[bool]) -> Tuple[List[int], List[int]]:
        """The pairs of contexts with token 0, and the rows of their counts: row 0 if a context has not occurred."""
        if self._used + NUM_EXPERTS > _most_rows(self.vocab_size) or len(self._recent) >= _MOST_RECENT:
            self._empty_table()
        keys, rows = self._pairs.keys(contexts.numbers()), self._rows
        unknown = [key for key, can_be in zip(keys, possible) if can_be and key not in rows]
        if unknown:
            wanted = self._pairs.bounds(unknown)
            for counts in (self._counted, self._read):
                bounds = counts.pairs.searchsorted(wanted).tolist()
                for key, first, end in zip(unknown, bounds, bounds[len(unknown):]):
                    if first < end:
                        row = rows.get(key) or self._new_row(key)
                        tokens = (counts.pairs[first:end] - numpy.uint64(key)).view("int64")
                        self._table[row][tokens] += counts.counts[first:end]
        found = [rows.get(key, 0) for key in keys]
        for i, row in enumerate(found):
            if row < 0:
                found[i] = self._new_row(keys[i])
                self._table[found[i], ~row] = 1
        return keys, found

    def _new_row(self, key: int) -> int:
        if self._used == len(self._table):
            more = min(self._used, _most_rows(self.vocab_size) - self._used)
            self._table = numpy.concatenate([self._table, numpy.zeros((more, self.vocab_size), "int32")])
        self._rows[key] = self._used
        self._used += 1
        return self._used - 1

    def _empty_table(self) -> None:
        """Move what was counted lately to the other counts."""
        if self._recent:
            self._read = self._read.and_of(numpy.array(self._recent, dtype="uint64"))
        self._table[:self._used] = 0
        self._rows, self._recent, self._used, self._now = {}, [], 1, []


def _most_rows(vocab_size: int) -> int:
    return max(_FEWEST_ROWS, _TABLE_BYTES // (4 * vocab_size))
