"""A scored text: the log-probabilities of its tokens, and their sums over its words and lines."""

import dataclasses
import functools
import math
import re
from typing import Any, Dict, Iterator, Optional, Sequence

from gluon_deeprnn import _checks
from gluon_deeprnn.data.evaluated_text import EvaluatedText
from gluon_deeprnn.errors import InputError
from gluon_deeprnn.evaluation.perplexity import Evaluation
import numpy

UNITS = ("token", "word", "line")
_WIDTH = 80
_WORD = re.compile(r"\S+\s?|\s+")
_WRAPPED = re.compile(rf".{{1,{_WIDTH}}}(?:\s+|$)|.{{{_WIDTH}}}", re.DOTALL)
_LONE_BYTE = re.compile("[\ud800-\udfff]")


@dataclasses.dataclass(frozen=True)
class Piece:
    r"""A token, a word or a line of a scored text.

    Attributes
    ----------
    text : str
        The piece, with the white space that belongs to it.  A byte that is part of a character is written ``\xNN``.
    start, end : int
        Offsets in the cleaned text.
    line : int
        The number of its line in the cleaned text, from 1.
    log_prob : float or None
        Sum of the log-probabilities of its tokens, in nats; None if none of them was predicted.
    spelled : float
        The code length of the spelling of its unknown tokens, in nats; 0 without one.
    characters : float
        Number of characters of the predicted tokens.
    known : bool
        Whether all of its tokens are in the vocabulary.
    """

    text: str
    start: int
    end: int
    line: int
    log_prob: Optional[float]
    spelled: float
    characters: float
    known: bool

    @property
    def bits(self) -> Optional[float]:
        """The surprisal: -log2 of the probability, of unknown tokens that of their spelling, too; None without one."""
        return None if self.log_prob is None else (self.spelled - self.log_prob) / math.log(2)  # 0 is never shown as -0

    @property
    def bits_per_character(self) -> Optional[float]:
        """The surprisal divided by the number of characters; None if there is no prediction."""
        return self.bits / self.characters if self.bits is not None and self.characters else None

    def as_dict(self) -> Dict[str, Any]:
        """The piece for JSON: text, start, end, line, log_prob, bits, known."""
        return {"text": self.text, "start": self.start, "end": self.end, "line": self.line, "log_prob": self.log_prob,
                "bits": self.bits, "known": self.known}


@dataclasses.dataclass(frozen=True, eq=False)
class ScoredText:
    r"""The log-probability of every token of a text; `score` returns it.

    A **word** is a run of characters other than white space, with the one space or line break after it: where a word
    ends is a part of its prediction (Pimentel and Meister, "How to Compute the Probability of a Word", 2024).  Further
    white space is a piece of its own.  White space that a tokenizer puts into one token with the word after it belongs
    to that word.  A **line** ends with a line break.  A text without line breaks, such as one whose cleaning removed
    them, is divided at spaces into lines of at most 80 characters.

    Attributes
    ----------
    name : str
        The name of the text.
    text : str
        The cleaned text.
    line_starts : numpy.ndarray
        The offset of the first character of each line.
    starts, ends : numpy.ndarray
        (n,), the offsets of each token in the cleaned text.
    unit : str
        What a token is; see `gluon_deeprnn.data.evaluated_text.EvaluatedText`.
    log_probs : numpy.ndarray
        (n,), float64, in nats; NaN for a token that nothing predicts, the first one.
    unpredicted : numpy.ndarray
        (n,), float64, what the log-probabilities leave out of the code length of each token, in nats: the spelling of
        unknown tokens, and for a token without a prediction the logarithm of the size of the vocabulary.
    characters : numpy.ndarray
        (n,), float64, the number of characters of each token, as in bits per character.
    known : numpy.ndarray
        (n,), bool, whether the token is in the vocabulary.
    """

    name: str
    text: str
    line_starts: numpy.ndarray
    starts: numpy.ndarray
    ends: numpy.ndarray
    unit: str
    log_probs: numpy.ndarray
    unpredicted: numpy.ndarray
    characters: numpy.ndarray
    known: numpy.ndarray

    @property
    def predicted(self) -> numpy.ndarray:
        """(n,), bool, whether the token has a prediction."""
        return ~numpy.isnan(self.log_probs)

    @property
    def bits(self) -> numpy.ndarray:
        """(n,), the surprisal of each token in bits, with its spelling if it is unknown; NaN without a prediction."""
        return (self.unpredicted - self.log_probs) / math.log(2)

    @property
    def nll(self) -> float:
        """Total negative log-likelihood of the predicted tokens, in nats."""
        return -math.fsum(self.log_probs[self.predicted])

    @property
    def num_tokens(self) -> int:
        """Number of predicted tokens."""
        return int(self.predicted.sum())

    @property
    def evaluation(self) -> Evaluation:
        """Total loss, perplexity and bits per character."""
        return Evaluation(self.nll, self.num_tokens, EvaluatedText(
            self.unit, len(self.known), int((~self.known).sum()), int(self.characters.sum()), len(self.text.split()),
            float(self.unpredicted.sum())))

    def pieces(self, by: str) -> Iterator[Piece]:
        """The tokens, words or lines, in order.

        Parameters
        ----------
        by : {"token", "word", "line"}
            What to divide the text into.
        """
        return {"token": self.tokens, "word": self.words, "line": self.lines}[_checks.one_of("by", by, UNITS)]()

    def tokens(self) -> Iterator[Piece]:
        """Iterate over the tokens."""
        spans, part = list(zip(self.starts.tolist(), self.ends.tolist())), 0
        for i, piece in enumerate(self._pieces(numpy.arange(len(spans)), self._places)):
            part = part + 1 if i and spans[i] == spans[i - 1] else 0
            if part or spans[i] in spans[i + 1:i + 2] or _LONE_BYTE.match(self.text[piece.start:piece.end]):
                byte = self.text[piece.start].encode("utf-8", "surrogateescape")[part]
                piece = dataclasses.replace(piece, text=f"\\x{byte:02x}")
            yield piece

    def words(self) -> Iterator[Piece]:
        """Iterate over the words."""
        starts = [word.start() for word in _WORD.finditer(self.text)]
        places = numpy.array([max(start, start + len(self.text[start:end].rstrip()) - 1)  # the last visible character
                              for start, end in zip(self.starts.tolist(), self.ends.tolist())], dtype="int64")
        return self._pieces(numpy.searchsorted(starts, places, side="right"), places)

    def lines(self) -> Iterator[Piece]:
        """Iterate over the lines."""
        return self._pieces(numpy.searchsorted(self.line_starts, self._places, side="right"), self._places)

    def whole(self) -> Piece:
        """The whole text as one piece."""
        return next(self._pieces(numpy.zeros(len(self.starts)), self._places))

    def excerpt(self, first_line: int = 1, num_lines: Optional[int] = None) -> "ScoredText":
        """The part of the text that begins with a line, with its own offsets and line numbers.

        Parameters
        ----------
        first_line : int, default 1
            The number of the line, from 1.
        num_lines : int, optional
            The number of lines, fewer if the text ends before; by default all that follow.
        """
        count = len(self.line_starts)
        first = _checks.integer("first_line", first_line, at_least=1) - 1
        if first >= count:
            raise InputError("first_line", f"a line of the text, 1 to {count}", first_line)
        after = count if num_lines is None else min(count, first + _checks.integer("num_lines", num_lines, at_least=1))
        bounds = [*self.line_starts.tolist(), len(self.text)]
        start, end = bounds[first], bounds[after]
        last = len(self.starts) if after == count else numpy.searchsorted(self._places, end)
        which = slice(numpy.searchsorted(self._places, start), last)
        return dataclasses.replace(
            self, text=self.text[start:end], line_starts=self.line_starts[first:after] - start,
            starts=numpy.maximum(self.starts[which] - start, 0), ends=self.ends[which] - start,
            log_probs=self.log_probs[which], unpredicted=self.unpredicted[which],
            characters=self.characters[which], known=self.known[which])

    def character_bits(self) -> numpy.ndarray:
        """(length of the text,): for each character, the bits of its token or tokens; NaN without a prediction."""
        bits = numpy.full(len(self.text), numpy.nan)
        for start, end, added in zip(self.starts.tolist(), self.ends.tolist(), self.bits.tolist()):
            if not math.isnan(added):
                bits[start:end] = numpy.nan_to_num(bits[start:end]) + added
        return bits

    def unknown_characters(self) -> numpy.ndarray:
        """(length of the text,), bool: whether a character's token is not in the vocabulary."""
        unknown = numpy.zeros(len(self.text), dtype=bool)
        for i in numpy.flatnonzero(~self.known):
            unknown[self.starts[i]:self.ends[i]] = True
        return unknown

    @functools.cached_property
    def _places(self) -> numpy.ndarray:
        """(n,), the offset of each token's last character, which says in which line the token is."""
        return numpy.maximum(self.ends - 1, self.starts)

    def _pieces(self, groups: numpy.ndarray, places: numpy.ndarray) -> Iterator[Piece]:
        """The pieces, each of the tokens of one number in ``groups``; in the line of ``places`` of its first token."""
        firsts = numpy.flatnonzero(numpy.diff(groups, prepend=-1)).tolist()
        lines = numpy.searchsorted(self.line_starts, places[firsts], side="right").tolist()
        log_probs, unpredicted, predicted, characters, known, starts, ends = (array.tolist() for array in (
            self.log_probs, self.unpredicted, self.predicted, self.characters, self.known, self.starts, self.ends))
        for first, after, line in zip(firsts, [*firsts[1:], len(places)], lines):
            text, which = self.text[starts[first]:ends[after - 1]], [i for i in range(first, after) if predicted[i]]
            log_prob, spelled = (math.fsum(nats[i] for i in which) for nats in (log_probs, unpredicted))
            yield Piece(_LONE_BYTE.sub("\N{REPLACEMENT CHARACTER}", text), starts[first], ends[after - 1], line,
                        log_prob if which else None, spelled, float(sum(characters[i] for i in which)),
                        all(known[first:after]))


def line_starts(text: str) -> numpy.ndarray:
    """The offset of the first character of each line of a text; see `ScoredText` for what a line is."""
    if "\n" in text.rstrip("\n"):
        starts = [0, *(found.end() for found in re.finditer("\n", text) if found.end() < len(text))]
    else:
        starts = [found.start() for found in _WRAPPED.finditer(text)]
    return numpy.array(starts, dtype="int64")


def joined(texts: Sequence[ScoredText]) -> ScoredText:
    """Join several scored texts to one, each beginning on a line of its own."""
    whole, shifts = "", []
    for scored in texts:
        if whole and not whole.endswith("\n"):
            whole += "\n"
        shifts.append(len(whole))
        whole += scored.text
    arrays = {name: numpy.concatenate([getattr(scored, name) + shift for scored, shift in zip(texts, shifts)])
              for name in ("line_starts", "starts", "ends")}
    for name in ("log_probs", "unpredicted", "characters", "known"):
        arrays[name] = numpy.concatenate([getattr(scored, name) for scored in texts])
    return ScoredText(", ".join(scored.name for scored in texts), whole, unit=texts[0].unit, **arrays)
