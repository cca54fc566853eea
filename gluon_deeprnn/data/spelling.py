"""How a token that is not in the vocabulary is spelled, and what that costs."""

import collections
import dataclasses
import functools
import math
from typing import Any, Container, Counter, Dict, Mapping

from gluon_deeprnn import _checks
from gluon_deeprnn.errors import InputError

NUM_CODE_POINTS = 0x110000
"""An escaped character is one of all code points of Unicode, with equal probabilities."""

ESCAPE, END = "escape", "end"
"""The symbols that are no characters."""


@dataclasses.dataclass(frozen=True)
class Spelling:
    """A fixed model of how a token is written that is not in the vocabulary: the unigram of characters, with an escape.

    With the counts n(c) of the characters of the training text, E tokens, K different characters and
    N = sum n(c) + E, the next character of a token is c with probability n(c) / (N + K), the token ends with
    probability E / (N + K), and with probability K / (N + K) there is an escape (Witten and Bell's method C), after
    which each of the 1,114,112 code points of Unicode has the same probability.  So every token has a finite code.

    A token of a vocabulary of characters is one character, so it needs no end (E = 0), and the characters in the
    vocabulary are left out of the counts, since an unknown token is none of them.

    Parameters
    ----------
    counts : mapping of str to int
        How often each character occurs.
    ends : int
        The number of tokens, whose ends are coded; 0 if each token is one character.

    Source
    ------
    Witten and Bell, "The Zero-Frequency Problem: Estimating the Probabilities of Novel Events in Adaptive Text
    Compression", 1991.

    Examples
    --------
    >>> from gluon_deeprnn.data.spelling import Spelling
    >>> spelling = Spelling.of_tokens({'in': 1, 'on': 2})  # 9 characters and ends, 3 kinds
    >>> {symbol: round(p, 3) for symbol, p in spelling.probabilities.items()}
    {'escape': 0.25, 'end': 0.25, 'i': 0.083, 'n': 0.25, 'o': 0.167}
    >>> round(spelling.nats('no'), 3)  # -log(0.25 * 0.167 * 0.25)
    4.564
    """

    counts: Mapping[str, int]
    ends: int

    @classmethod
    def of_tokens(cls, counts: Mapping[str, int]) -> "Spelling":
        """The spelling of tokens that occur this often."""
        characters: Counter[str] = collections.Counter()
        for token, count in counts.items():
            for character in token:
                characters[character] += count
        return cls(dict(characters), max(1, sum(counts.values())))

    @classmethod
    def of_characters(cls, counts: Mapping[str, int], known: Container[str]) -> "Spelling":
        """The spelling of single characters that are not ``known``."""
        return cls({character: count for character, count in counts.items()
                    if len(character) == 1 and character not in known}, 0)

    @functools.cached_property
    def probabilities(self) -> Dict[str, float]:
        """The probability of each symbol: ``ESCAPE``, ``END`` if ends are coded, and the sorted characters."""
        weights = {ESCAPE: max(len(self.counts), 1), **({END: self.ends} if self.ends else {}),
                   **{character: self.counts[character] for character in sorted(self.counts)}}
        total = sum(weights.values())
        return {symbol: weight / total for symbol, weight in weights.items()}

    def nats(self, token: str) -> float:
        """The code length of a token's spelling, in nats."""
        escape = self.probabilities[ESCAPE] / NUM_CODE_POINTS
        nats = -math.fsum(math.log(self.probabilities.get(character, escape)) for character in token)
        return nats - math.log(self.probabilities[END]) if self.ends else nats

    def as_dict(self) -> Dict[str, Any]:
        """The counts for JSON."""
        return {"characters": dict(self.counts), "ends": self.ends}

    @classmethod
    def from_dict(cls, stored: Any) -> "Spelling":
        """The spelling from the output of `as_dict`; ``ValueError`` if it is not one."""
        counts, ends = stored["characters"], _checks.integer("ends", stored["ends"], at_least=0)
        for character, count in _checks.mapping("characters", counts).items():
            _checks.integer(f"characters[{character!r}]", count, at_least=1)
            if len(_checks.text("characters", character)) != 1:
                raise InputError("characters", "single characters", character)
        return cls(dict(counts), ends)

    def __add__(self, other: "Spelling") -> "Spelling":
        return Spelling(dict(collections.Counter(self.counts) + collections.Counter(other.counts)),
                        self.ends + other.ends)
