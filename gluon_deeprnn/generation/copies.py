"""What a generated text has copied from the training text: the longest run, and the share of its n-grams."""

import dataclasses
import functools
from typing import Any, Dict, Optional, Sequence, Tuple

from gluon_deeprnn import _checks
from gluon_deeprnn.data import TextData, Vocab
from gluon_deeprnn.errors import InputError
from gluon_deeprnn.generation.ngrams import GAP, NgramIndex, ngrams_without_gap
import numpy

SIZES = (12, 20)
"""The numbers of tokens of the n-grams that are counted."""

_UNKNOWN = -2  # an unknown token of a text: equal to no token of another one
_PLACES = 4096  # that are followed at a time
_UNITS = {"char": "characters", "byte": "bytes", "word": "words"}
_SHOWN = 80  # characters of a run that are printed


@dataclasses.dataclass(frozen=True)
class CopiedRun:
    """A sequence of tokens that also occurs in the training text.

    Attributes
    ----------
    length : int
        The number of tokens; 0 if there is no run at all.
    start, place : int
        The index of its first token in the text, and in the training text.
    text : str
        The run itself.
    """

    length: int
    start: int
    place: int
    text: str


@dataclasses.dataclass(frozen=True)
class CopyReport:
    """How much of a text occurs in the training text.

    Attributes
    ----------
    longest : CopiedRun
        The longest run.
    shares, held_out : dict of int to float
        The fraction of the n-grams of the text, and of the held-out text, that occur in the training text, by their
        number of tokens; without those of which a text has none.
    unit : str
        What the tokens are called.
    """

    longest: CopiedRun
    shares: Dict[int, float]
    held_out: Dict[int, float]
    unit: str

    def __str__(self) -> str:
        shown, run = self.longest.text, self.longest
        if len(shown) > _SHOWN:
            shown = shown[:_SHOWN // 2] + " ... " + shown[-_SHOWN // 2:]
        where = f" ({shown!r}, at {run.place:,} in the training text)" if run.length else ""
        parts = [f"longest copied sequence: {run.length} {self.unit}{where}"]
        for n in SIZES:
            first = len(parts) == 1
            share = f"{self.shares[n]:.0%}" if n in self.shares else "the text has none"
            reference = f" ({'held-out text: ' if first else ''}{self.held_out[n]:.0%})" if n in self.held_out else ""
            parts.append(f"{n}-grams{' that are in the training text' if first else ''}: {share}{reference}")
        return "; ".join(parts)


class TrainingText:
    """The text on which a model was trained, to look up what a generated text has copied from it.

    Tokens are compared.  An unknown token is equal to no other, and no run crosses the boundary of two records.  An
    index of the n-grams is made when they are first asked for; with 20 million characters that takes 2 seconds for each
    n, and the look-up of a generated text milliseconds (``python -m benchmarks.copies``).

    Parameters
    ----------
    tokens : numpy.ndarray
        Indices of the training text, one dimension.
    vocab : Vocab
    held_out : numpy.ndarray, optional
        Indices of a text on which the model was not trained, as a reference.

    Examples
    --------
    >>> from gluon_deeprnn import Vocab
    >>> from gluon_deeprnn.generation import TrainingText
    >>> vocab = Vocab('the time machine, by h. g. wells')
    >>> training = TrainingText(vocab.encode(list('the time machine, by h. g. wells')), vocab)
    >>> run = training.longest_run(vocab.encode(list('all the time, by chance')))
    >>> run.length, run.text, run.start, run.place
    (8, 'the time', 4, 0)
    >>> training.share([vocab.encode(list('the time'))], 5)
    1.0
    """

    def __init__(self, tokens: numpy.ndarray, vocab: Vocab, held_out: Optional[numpy.ndarray] = None) -> None:
        if not isinstance(vocab, Vocab):
            raise InputError("vocab", "a Vocab, the one with which the model was trained", vocab)
        self.vocab = vocab
        self._tokens = self._separated(_checks.indices("tokens", tokens, len(vocab)), unknown=GAP)
        self._held_out = None if held_out is None else _checks.indices("held_out", held_out, len(vocab))
        self._indices: Dict[int, NgramIndex] = {}

    @classmethod
    def of(cls, data: TextData) -> "TrainingText":
        """The training text of a run's data; what is held out is the test part, or the validation part without one."""
        if not isinstance(data, TextData):
            raise InputError("data", "a TextData, such as run.data()", data)
        held_out = "val" if data.test_dataloader() is None else "test"
        return cls(data.indices("train"), data.vocab, data.indices(held_out))

    def _checked(self, text: Any) -> numpy.ndarray:
        return _checks.indices("text", numpy.array(text, dtype=None if len(text) else "int64"), len(self.vocab))

    def _separated(self, tokens: Any, unknown: int = _UNKNOWN) -> numpy.ndarray:
        """The tokens, with `GAP` for boundaries and ``unknown`` for unknown ones; one more gap at the end."""
        found = numpy.append(tokens, GAP).astype("int16" if len(self.vocab) < 2**15 else "int32")
        found[found == self.vocab.unknown_index] = unknown
        for boundary in (self.vocab.begin_index, self.vocab.end_index):
            if boundary is not None:
                found[found == boundary] = GAP
        return found

    def ngrams(self, n: int) -> NgramIndex:
        """The index of the training text's n-grams."""
        if n not in self._indices:
            self._indices[n] = NgramIndex(self._tokens, n)
        return self._indices[n]

    def share(self, texts: Sequence[Any], n: int) -> Optional[float]:
        """The fraction of the n-grams of texts, indices each, that occur in the training text; None if there are none.

        An n-gram that occurs twice in the texts counts twice.
        """
        n = _checks.integer("n", n, at_least=1)
        tokens = numpy.concatenate([numpy.array([GAP]), *(self._separated(self._checked(text)) for text in texts)])
        if len(tokens) < n:
            return None
        counted = ngrams_without_gap(tokens, n)
        return float((self.ngrams(n).first(tokens)[counted] >= 0).mean()) if counted.any() else None

    def longest_run(self, text: Any) -> CopiedRun:
        """The longest run of a text, indices, that also occurs in the training text; the first of several."""
        tokens = self._separated(self._checked(text))
        for n in sorted(SIZES, reverse=True):
            starts = numpy.flatnonzero(self.ngrams(n).first(tokens) >= 0)
            if len(starts):
                return self._extended(tokens, starts, n)
        n, least = 0, min(SIZES)
        while n + 1 < least:  # n-grams of n tokens are found (or n is 0), of ``least`` tokens are not
            middle = (n + least) // 2
            n, least = (middle, least) if (self.ngrams(middle).first(tokens) >= 0).any() else (n, middle)
        if not n:
            return CopiedRun(0, 0, 0, "")
        places = self.ngrams(n).first(tokens)
        start = int(numpy.argmax(places >= 0))
        return self._run(tokens, n, start, int(places[start]))

    def _extended(self, tokens: numpy.ndarray, starts: numpy.ndarray, n: int) -> CopiedRun:
        """The longest run that begins with one of the n-grams at these starts, all of which occur in the text."""
        index, best = self.ngrams(n), (0, 0, 0)
        ends = numpy.flatnonzero(tokens == GAP)
        for start in starts.tolist():
            limit = int(ends[numpy.searchsorted(ends, start)]) - start
            if limit <= best[0]:
                continue
            places = index.all(tokens[start:start + n])
            for first in range(0, len(places), _PLACES):
                length, place = self._followed(tokens[start:start + limit], n, places[first:first + _PLACES], best[0])
                if length > best[0]:
                    best = length, start, place
                if best[0] >= limit:
                    break
        return self._run(tokens, *best)

    def _followed(self, text: numpy.ndarray, n: int, places: numpy.ndarray, known: int) -> Tuple[int, int]:
        """The length and the place of the longest run at the beginning of a text, if it is longer than ``known``.

        Its first n tokens stand at each of these places.
        """
        last = len(self._tokens) - 1  # a gap, which equals no token of the text
        if known >= n:
            places = places[self._tokens[numpy.minimum(places + known, last)] == text[known]]
        length = n
        while len(places) and length < len(text):
            going_on = places[self._tokens[numpy.minimum(places + length, last)] == text[length]]
            if not len(going_on):
                break
            places, length = going_on, length + 1
        return (length, int(places[0])) if len(places) else (0, 0)

    def _run(self, tokens: numpy.ndarray, length: int, start: int, place: int) -> CopiedRun:
        return CopiedRun(length, start, place, "".join(self.vocab.text(tokens[start:start + length])))

    def report(self, texts: Sequence[Any]) -> CopyReport:
        """What texts, indices each, have copied; the longest run of all of them, and the shares of their n-grams."""
        runs = [self.longest_run(text) for text in texts]
        longest = max(runs, key=lambda run: run.length, default=CopiedRun(0, 0, 0, ""))
        return CopyReport(longest, self._shares(texts), self._of_held_out, _UNITS.get(self.vocab.kind, "tokens"))

    @functools.cached_property
    def _of_held_out(self) -> Dict[int, float]:
        return self._shares([] if self._held_out is None else [self._held_out])

    def _shares(self, texts: Sequence[Any]) -> Dict[int, float]:
        shares = ((n, self.share(texts, n)) for n in SIZES)
        return {n: share for n, share in shares if share is not None}

    def limit(self, length: int) -> "RunLimit":
        """The option ``no_copy`` of `gluon_deeprnn.generate`: no run of more than ``length`` tokens of this text."""
        return RunLimit(self, length)


class RunLimit:
    """Which tokens must not follow, so that no run of the training text is longer than a number of tokens.

    Parameters
    ----------
    training : TrainingText
    length : int
        The number of tokens, at least 1.

    Examples
    --------
    >>> from gluon_deeprnn import Vocab
    >>> from gluon_deeprnn.generation import TrainingText
    >>> vocab = Vocab('abcabd')
    >>> limit = TrainingText(vocab.encode(list('abcabd')), vocab).limit(2)
    >>> vocab.to_tokens(limit.excluded(vocab.encode(list('cab'))))
    ['c', 'd']
    """

    def __init__(self, training: TrainingText, length: int) -> None:
        if not isinstance(training, TrainingText):
            raise InputError("training", "a TrainingText", training)
        self.length = _checks.integer("length", length, at_least=1)
        self._training = training
        self._after = functools.lru_cache(maxsize=1 << 16)(self._find)

    def excluded(self, text: Sequence[int]) -> numpy.ndarray:
        """The tokens with which a text would end in a run of more than ``length`` tokens; sorted indices."""
        return self._after(tuple(int(token) for token in text[-self.length:]))

    def _find(self, last: Tuple[int, ...]) -> numpy.ndarray:
        tokens = self._training._separated(numpy.array(last, dtype="int64"))[:-1]
        if len(tokens) < self.length or (tokens < 0).any():
            return numpy.empty(0, dtype="int64")
        index = self._training.ngrams(self.length)
        following = numpy.unique(index.tokens[index.all(tokens) + self.length])  # there is a gap at the end
        return following[following != GAP].astype("int64")
