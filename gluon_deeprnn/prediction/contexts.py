"""What stands before a token: the last few tokens, and the words that they end. Each context is a number."""

from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence
import unicodedata

from gluon_deeprnn import _checks
import numpy

ORDERS = (0, 1, 2, 3, 4, 5, 6, 8, 12)
"""How many of the last tokens a context consists of."""

_MASK = (1 << 64) - 1
_FACTOR = 0x9E3779B97F4A7C15
_POWERS = [pow(_FACTOR, order + 1, 1 << 64) for order in ORDERS[1:]]
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
        self._last = [0] * ORDERS[-1]  # the last tokens plus one, from the nearest on; 0 where there is none yet
        self._numbers = [0] * len(ORDERS)  # for each order the sum of its last tokens plus one, times F, F**2, ...
        self._words = _Words()

    def numbers(self) -> List[int]:
        """A number of 64 bits for each of `ORDERS`, and for each of the contexts of words.

        Where there are not as many tokens yet the context is what there is: that of a lower order.
        """
        return self._numbers + self._words.contexts()

    @property
    def word_length(self) -> int:
        """The number of letters that there are of the present word."""
        return self._words.length

    def add(self, token: int) -> None:
        """Go on: the next token is this one."""
        plus_one, last = token + 1, self._last
        self._numbers = [0, *(((number + plus_one) * _FACTOR - last[order - 1] * power) & _MASK for number, order, power
                              in zip(self._numbers[1:], ORDERS[1:], _POWERS))]
        self._last = [plus_one, *last[:-1]]
        self._words = self._words.after(self._letters[token])

    def after(self, token: int) -> "Contexts":
        """Those after a further token; these stay as they are."""
        found = Contexts(self._letters)
        found._last, found._numbers, found._words = self._last, self._numbers, self._words
        found.add(token)
        return found


def contexts_of(tokens: numpy.ndarray, letters: Sequence[int]) -> Iterator[numpy.ndarray]:
    """For each kind of context its number before each token of a text, as of `Contexts.numbers`: (n,), uint64.

    They are computed one after the other, because all together take 13 times the memory of one.
    """
    number, factor, used = numpy.zeros(len(tokens), "uint64"), numpy.uint64(1), 0
    plus_one = tokens.astype("uint64") + numpy.uint64(1)
    for order in ORDERS:
        for distance in range(used + 1, order + 1):
            with numpy.errstate(over="ignore"):  # modulo 2**64
                factor = factor * numpy.uint64(_FACTOR)
            number[distance:] += plus_one[:-distance] * factor
        used = order
        yield number.copy()
    yield from _contexts_of_words(numpy.asarray(letters, "uint64")[tokens])


def _contexts_of_words(letters: numpy.ndarray) -> Iterator[numpy.ndarray]:
    """For each context of words its number before each token, of which the letters, (n,), uint64, are given."""
    num_tokens, inverse = len(letters), pow(_FACTOR, -1, 1 << 64)
    # The hash of the letters from j to i is F**i (S[i + 1] - S[j]), where S[i] is the sum of letter k / F**k for k < i.
    sums = numpy.zeros(num_tokens + 1, "uint64")
    numpy.cumsum(letters * _powers(inverse, num_tokens), out=sums[1:])
    begins = numpy.where(letters == 0, numpy.arange(1, num_tokens + 1), 0)  # the word after a token that is no letter
    begins = numpy.maximum.accumulate(numpy.append(0, begins))[:-1]
    present = (sums[:-1] - sums[begins]) * _powers(_FACTOR, num_tokens) * numpy.uint64(inverse)
    del sums, begins
    ended = (letters == 0) & (present != 0)
    words = numpy.append(numpy.zeros(2, "uint64"), present[ended])
    last = numpy.cumsum(ended) - ended  # in words: the second of the two before the present one
    present *= numpy.uint64(_WORD)
    yield present
    before, second = words[1:] * numpy.uint64(_BEFORE), words * numpy.uint64(_SECOND)
    yield present + before[last] + numpy.uint64(1)
    yield present + second[last] + numpy.uint64(2)
    yield present + before[last] + second[last] + numpy.uint64(3)


def _powers(factor: int, count: int) -> numpy.ndarray:
    """The powers of a factor from 0 on, modulo 2**64: (count,), uint64."""
    powers = numpy.full(count, factor, "uint64")
    powers[:1] = 1
    return numpy.multiply.accumulate(powers, out=powers)


def letters_of(tokens: Sequence[str], *, are_bytes: bool = False) -> List[int]:
    """For each token the number of its letter, alike for capitals, or 0 if it is none: for ``Contexts``.

    Letters are the characters of Unicode's categories L and M, letters and the marks on them; digits, punctuation
    marks, signs and white space are none.  Of bytes, letters are those of ASCII and all from 0x80 on: nearly all
    characters of several bytes are letters.  A token of several characters, such as a word, is none.

    Parameters
    ----------
    tokens : sequence of str
        The tokens of a vocabulary.
    are_bytes : bool, default False
        Whether its tokens are bytes, written as two hexadecimal digits.

    Examples
    --------
    >>> from gluon_deeprnn.prediction.contexts import letters_of
    >>> letters_of(['<unk>', 'a', 'B', ' ', 'A', 'b', '7', '\u201d', '\ud55c'])
    [0, 1, 2, 0, 1, 2, 0, 0, 3]
    >>> letters_of(['<unk>', '61', '41', '20', 'ed'], are_bytes=True)
    [0, 1, 1, 0, 2]
    """
    numbers: Dict[str, int] = {}
    letter_of = _letter_of_byte if are_bytes else _letter_of_character
    letters = [letter_of(token) for token in _checks.sequence("tokens", tokens, str, "a sequence of strings")]
    return [numbers.setdefault(letter, len(numbers) + 1) if letter else 0 for letter in letters]


def _letter_of_character(token: str) -> Optional[str]:
    return token.lower() if len(token) == 1 and unicodedata.category(token)[0] in "LM" else None


def _letter_of_byte(token: str) -> Optional[str]:
    if len(token) != 2:  # the unknown token
        return None
    byte = chr(int(token, 16))
    return byte.lower() if byte.isascii() and byte.isalpha() else None if byte.isascii() else token
