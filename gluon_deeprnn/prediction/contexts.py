"""How often each token has followed each context, in a text that may go on growing."""

from typing import Dict, List, Tuple

from gluon_deeprnn import _checks
from gluon_deeprnn.errors import InputError
import numpy

MOST_ORDER = 32

Sorted = Tuple[numpy.ndarray, List[numpy.ndarray]]


class ContextCounts:
    """Counts of the tokens that followed each context of 0 to ``order`` tokens, in a text and in what was added to it.

    The text is sorted once by its contexts, so that those that end alike lie side by side.  The counts of a context
    are made when they are first asked for.  The text that is added is another one: its first token has no context.

    Parameters
    ----------
    tokens : numpy.ndarray
        Indices of the text, (n,), int32.
    vocab_size : int
        The size V of the vocabulary.
    order : int
        The length of the longest contexts, from 0 to 32.

    Examples
    --------
    >>> import numpy
    >>> from gluon_deeprnn.prediction.contexts import ContextCounts
    >>> counts = ContextCounts(numpy.array([0, 1, 0, 2, 0, 1], dtype='int32'), vocab_size=3, order=2)
    >>> counts.add(0)  # a new text begins with token 0
    >>> counts.rows().tolist()  # after no context, after 0
    [[4.0, 2.0, 1.0], [0.0, 2.0, 1.0]]
    """

    def __init__(self, tokens: numpy.ndarray, vocab_size: int, order: int) -> None:
        self.vocab_size = _checks.integer("vocab_size", vocab_size, at_least=1)
        self.order = _checks.integer("order", order, at_least=0)
        if order > MOST_ORDER:
            raise InputError("order", f"at most {MOST_ORDER}", order)
        tokens = _checks.indices("tokens", tokens, vocab_size)
        self._next, self._before = _sorted_by_context(tokens, vocab_size, order)
        self._table = numpy.zeros((64, vocab_size), dtype="float32")
        self._places: Dict[bytes, int] = {}
        self._history = b""  # the last `order` tokens, 4 bytes each
        self._along: List[int] = []  # the places of the contexts of the next token, from the shortest

    def rows(self) -> numpy.ndarray:
        """The counts before the next token, (k, V): of the contexts of 0, 1, ... tokens that have occurred."""
        places = self._known()
        return self._table[places]

    def add(self, token: int) -> None:
        """Go on: the next token is this one."""
        places = self._known()
        length = len(self._history) // 4
        for k in range(len(places), length + 1):
            places.append(self._new(self._context(k)))
        self._table[places, token] += 1
        self._history = (self._history + int(token).to_bytes(4, "little"))[-4 * self.order:] if self.order else b""
        self._along = []

    def _known(self) -> List[int]:
        """The places in the table of the contexts that have occurred."""
        if self._along:
            return self._along
        history = self._history
        found, first, end = [], 0, len(self._next)  # the interval of the sorted text with this context
        searched = 0
        for k in range(len(history) // 4 + 1):
            context = history[len(history) - 4 * k:]
            place = self._places.get(context)
            if place is None:
                for j in range(searched, k):
                    token = int.from_bytes(history[len(history) - 4 * j - 4:len(history) - 4 * j], "little")
                    column = self._before[j][first:end]
                    first, end = (first + int(column.searchsorted(token)),
                                  first + int(column.searchsorted(token, "right")))
                searched = k
                if first == end and k:
                    break
                place = self._new(context)
                self._table[place] = numpy.bincount(self._next[first:end], minlength=self.vocab_size)
            found.append(place)
        self._along = found
        return found

    def _context(self, length: int) -> bytes:
        return self._history[len(self._history) - 4 * length:]

    def _new(self, context: bytes) -> int:
        """A place for the counts of a context, all 0."""
        place = self._places[context] = len(self._places)
        if place == len(self._table):
            self._table = numpy.concatenate([self._table, numpy.zeros_like(self._table)])
        return place


def _sorted_by_context(tokens: numpy.ndarray, vocab_size: int, order: int) -> Sorted:
    """The tokens, sorted by those before them from the nearest on, and for each distance the tokens before them."""
    dtype = numpy.min_scalar_type(vocab_size)
    before = [numpy.concatenate([numpy.full(min(k, len(tokens)), vocab_size), tokens[:-k]]).astype(dtype)
              for k in range(1, order + 1)]
    if not before:
        return tokens, []
    bits = int(vocab_size).bit_length()
    at_once = 64 // bits
    words = []
    for start in range(0, order, at_once):
        word = numpy.zeros(len(tokens), dtype="uint64")
        for column in before[start:start + at_once]:
            word = (word << numpy.uint64(bits)) | column
        words.append(word)
    places = numpy.lexsort(words[::-1])
    return tokens[places], [column[places] for column in before]
