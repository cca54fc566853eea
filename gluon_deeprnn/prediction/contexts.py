"""What stands before a token: the last few tokens, and the words that they end. Each context is a number."""

from typing import Dict, List, NamedTuple, Sequence

from gluon_deeprnn import _checks
import numpy

ORDERS = (0, 1, 2, 3, 4, 5, 6, 8, 12)
"""How many of the last tokens a context consists of."""

_MASK = (1 << 64) - 1
_FACTOR = 0x9E3779B97F4A7C15
_WORD, _BEFORE, _SECOND = 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x27D4EB2F165667C5
NUM_OF_WORDS = 4
"""Contexts of words: what there is of the present word, alone, after the word before it, after the one before that, and
after both."""

LOWER = (*range(-1, len(ORDERS) - 1), 2, 3, 3, 4)
"""For each context a shorter one, whose distribution its own is interpolated with; -1: the uniform distribution."""


class _Words(NamedTuple):
    """Hashes of what there is of the present word and of the two words before it; 0 for no word. And its length."""

    present: int = 0
    before: int = 0
    second: int = 0
    length: int = 0

    def after(self, letter: int) -> "_Words":
        """After another token: a letter, or 0 for what ends a word."""
        if letter:
            return _Words((self.present * _FACTOR + letter) & _MASK, self.before, self.second, self.length + 1)
        return _Words(0, self.present, self.before) if self.present else self

    def contexts(self) -> List[int]:
        present, before, second = self.present * _WORD, self.before * _BEFORE, self.second * _SECOND
        return [present & _MASK, (present + before + 1) & _MASK, (present + second + 2) & _MASK,
                (present + before + second + 3) & _MASK]


class Contexts:
    """The contexts of the next token of a text that grows.

    Parameters
    ----------
    letters : sequence of int
        For each token of the vocabulary the number of its letter, alike for capitals; 0 for what is between words.

    Examples
    --------
    >>> from gluon_deeprnn.prediction.contexts import Contexts
    >>> one, other = Contexts([0, 1, 2]), Contexts([0, 1, 2])
    >>> for token in [1, 0, 2, 1]:
    ...     one.add(token)
    >>> for token in [2, 0, 2, 1]:
    ...     other.add(token)
    >>> [int(a == b) for a, b in zip(one.numbers(), other.numbers())]
    [1, 1, 1, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0]
    """

    def __init__(self, letters: Sequence[int]) -> None:
        self._letters = letters
        self._last: List[int] = []  # from the nearest on
        self._words = _Words()

    def numbers(self) -> List[int]:
        """A number of 64 bits for each of `ORDERS`, and for each of the contexts of words.

        Where there are not as many tokens yet the context is what there is: that of a lower order.
        """
        found, number, factor, used = [], 0, 1, 0
        for order in ORDERS:
            for token in self._last[used:order]:
                factor = factor * _FACTOR & _MASK
                number = (number + (token + 1) * factor) & _MASK
            used = order
            found.append(number)
        return found + self._words.contexts()

    @property
    def word_length(self) -> int:
        """The number of letters that there are of the present word."""
        return self._words.length

    def add(self, token: int) -> None:
        """Go on: the next token is this one."""
        self._last = [token, *self._last[:ORDERS[-1] - 1]]
        self._words = self._words.after(self._letters[token])

    def after(self, token: int) -> "Contexts":
        """Those after a further token; these stay as they are."""
        found = Contexts(self._letters)
        found._last, found._words = self._last, self._words
        found.add(token)
        return found


def contexts_of(tokens: numpy.ndarray, letters: Sequence[int]) -> List[numpy.ndarray]:
    """What `Contexts.numbers` would be before each token of a text: for each kind of context (n,), uint64."""
    with numpy.errstate(over="ignore"):
        found, number, factor, used = [], numpy.zeros(len(tokens), "uint64"), numpy.uint64(1), 0
        plus_one = tokens.astype("uint64") + numpy.uint64(1)
        for order in ORDERS:
            number = number.copy()
            for distance in range(used + 1, order + 1):
                factor = factor * numpy.uint64(_FACTOR)
                number[distance:] += plus_one[:-distance] * factor
            used = order
            found.append(number)
    words, of_words = _Words(), numpy.empty((len(tokens), NUM_OF_WORDS), "uint64")
    for i, token in enumerate(tokens.tolist()):
        of_words[i] = words.contexts()
        words = words.after(letters[token])
    return found + list(of_words.T)


def letters_of(tokens: Sequence[str]) -> List[int]:
    """For each token the number of its letter, alike for capitals, or 0 if it is none: for ``Contexts``.

    Parameters
    ----------
    tokens : sequence of str
        The tokens of a vocabulary of characters or bytes.

    Examples
    --------
    >>> from gluon_deeprnn.prediction.contexts import letters_of
    >>> letters_of(['<unk>', 'a', 'B', ' ', 'A', 'b'])
    [0, 1, 2, 0, 1, 2]
    """
    numbers: Dict[str, int] = {}
    found = []
    for token in _checks.sequence("tokens", tokens, str, "a sequence of strings"):
        letter = token.lower()
        is_letter = len(token) == 1 and (token.isalnum() or ord(token) > 127)
        found.append(numbers.setdefault(letter, len(numbers) + 1) if is_letter else 0)
    return found
