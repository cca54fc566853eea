"""n-grams that go on counting as they read: distributions of the next token after contexts of several kinds."""

import copy
from typing import Any, Dict, List, Optional, Sequence, Tuple

from gluon_deeprnn import _checks
from gluon_deeprnn.errors import Described, InputError
from gluon_deeprnn.prediction.contexts import LOWER, Contexts, contexts_of
import numpy

NUM_EXPERTS = len(LOWER)
MOST_TOKENS = 1024
"""The largest vocabulary: for each context that occurs the counts of all tokens are kept."""

_DISCOUNT = 0.4
"""Less than what is best for one n-gram alone: a mixture chooses by its weights how much each is trusted."""


class NGrams:
    """Interpolated n-grams with absolute discounting: counts of a text, then also of the text that is read.

    With the counts c of the tokens after a context, their sum N and the number K of tokens among them,
    p(s) = max(c(s) - d, 0) / N + d K / N q(s), where q is the distribution after a shorter context, d = 0.4, and p = q
    after a context that has not occurred.

    Parameters
    ----------
    tokens : array_like
        Indices of the text that is counted beforehand, (n,).
    letters : sequence of int
        For each of the V tokens of the vocabulary the number of its letter; see
        `gluon_deeprnn.prediction.contexts.letters_of`.  At most 1,024 tokens.

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
            raise InputError("the vocabulary", f"of at most {MOST_TOKENS:,} tokens, such as characters or bytes",
                             Described(f"{self.vocab_size:,} tokens"))
        text = numpy.asarray(tokens, dtype="int32")
        _checks.shape("tokens", text, (None,))
        _checks.indices("tokens", text, self.vocab_size)
        self._letters = tuple(letters)
        self._contexts = self.no_context()
        self._counted = [_sorted_by(numbers, text) for numbers in contexts_of(text, letters)]
        self._places: List[Dict[int, int]] = [{} for _ in self._counted]
        self._table = numpy.zeros((1024, self.vocab_size), dtype="float32")  # row 0 stays empty
        self._used = 1
        self._now: List[int] = []  # the rows of the contexts of the next token

    def no_context(self) -> Contexts:
        """The contexts of the first token of a text."""
        return Contexts(self._letters)

    def copy(self) -> "NGrams":
        """One with the counts of this one, which then counts for itself."""
        found = copy.copy(self)
        found._table, found._places = self._table.copy(), [dict(places) for places in self._places]
        found._contexts, found._now = copy.copy(self._contexts), []
        return found

    def counts(self) -> numpy.ndarray:
        """The counts of the tokens after each of the present contexts, (13, V), float32."""
        if not self._now:
            self._now = self._rows(self._contexts)
        return self._table[self._now]

    @property
    def word_length(self) -> int:
        """The number of letters that there are of the present word."""
        return self._contexts.word_length

    def counts_after(self, contexts: Contexts) -> numpy.ndarray:
        """As `counts`, after contexts of another text than that which is counted."""
        return self._table[self._rows(contexts)]

    def distributions(self, counts: Optional[numpy.ndarray] = None) -> numpy.ndarray:
        """The distribution after each of the contexts with these counts, or the present ones: (13, V), float64."""
        counts = (self.counts() if counts is None else counts).astype("float64")
        total = counts.sum(1, keepdims=True)
        kinds = numpy.count_nonzero(counts, axis=1)[:, None]
        numpy.maximum(total, 1, out=total)  # of a context that has not occurred: what is left is 1
        left = numpy.where(kinds > 0, _DISCOUNT * kinds / total, 1.0)
        found = numpy.maximum(counts - _DISCOUNT, 0) / total
        uniform = numpy.full(self.vocab_size, 1 / self.vocab_size)
        for i, lower in enumerate(LOWER):
            found[i] += left[i] * (uniform if lower < 0 else found[lower])
        return found

    def observe(self, token: int) -> None:
        """Count the next token."""
        self.counts()
        for kind, number in enumerate(self._contexts.numbers()):
            if not self._now[kind]:
                self._now[kind] = self._new(kind, number)
        self._table[self._now, token] += 1
        self._contexts.add(token)
        self._now = []

    def _rows(self, contexts: Contexts) -> List[int]:
        return [self._place(kind, number) for kind, number in enumerate(contexts.numbers())]

    def _place(self, kind: int, number: int) -> int:
        """The row of a context; 0 for one that has not occurred."""
        place = self._places[kind].get(number)
        if place is None:
            numbers, following = self._counted[kind]
            wanted = numpy.uint64(number)
            first, end = numbers.searchsorted(wanted), numbers.searchsorted(wanted, "right")
            if first == end:
                return 0
            place = self._new(kind, number)
            self._table[place] = numpy.bincount(following[first:end], minlength=self.vocab_size)
        return place

    def _new(self, kind: int, number: int) -> int:
        if self._used == len(self._table):
            self._table = numpy.concatenate([self._table, numpy.zeros_like(self._table)])
        self._places[kind][number] = self._used
        self._used += 1
        return self._used - 1


def _sorted_by(numbers: numpy.ndarray, tokens: numpy.ndarray) -> Tuple[numpy.ndarray, numpy.ndarray]:
    places = numpy.argsort(numbers, kind="stable")
    return numbers[places], tokens[places]
