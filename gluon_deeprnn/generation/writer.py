"""Reads tokens and samples their continuation, several steps per call, for one or several sequences."""

from collections import deque
from typing import Any, Deque, Iterator, List, NamedTuple, Optional, Sequence, Union

from gluon_deeprnn import _checks, runtime
from gluon_deeprnn.data import Vocab
from gluon_deeprnn.devices import Context
from gluon_deeprnn.errors import InputError
from gluon_deeprnn.generation.copies import RunLimit
from gluon_deeprnn.generation.options import DecodingOptions
from gluon_deeprnn.generation.steps import STEPS, Point, steps_of
from gluon_deeprnn.generation.stopping import NO_TOKEN
from gluon_deeprnn.graph import context_of
from gluon_deeprnn.models.language_model import check_language_model
from gluon_deeprnn.prediction.mixture import LearnedMixture
from mxnet import cpu
import numpy

_BYTES = 16  # of noise for each logit: in double precision, in single precision, and on the device
_ALWAYS_THERE = 2**24  # bytes: to ask how many there are takes as long as 50 characters of text


class _Call(NamedTuple):
    """A call that sampled tokens: the number of tokens before it, where it began, and its noise, (T, N, V)."""

    first: int
    began: Point
    noise: Optional[numpy.ndarray]


class Writer:
    """Reads tokens and samples the ones that follow, for N sequences; the state belongs to the tokens that were kept.

    The model's parameters are those that it has when tokens are read, and when the first token of a call of `tokens` is
    sampled; a model that was trained further in between is used as it is now, in the state in which it was.

    Tokens that were sampled but not kept are given again by the next call of `tokens`, and forgotten if other tokens
    are read instead.  The noise of a token depends on the seed and on the number of tokens that were given before it;
    that of a token that was given and forgotten is not used again, as the next token would depend on it.

    Parameters
    ----------
    model, vocab, device
        As for `gluon_deeprnn.generate`; the model can be a `LearnedMixture`, whose networks are where they are.
    options : DecodingOptions
    num_sequences : int, default 1
        The number of sequences N; the seed of sequence i is ``options.seed + i``.
    no_copy : RunLimit, optional
        The longest runs of the training text that may arise.
    source : str, optional
        The source whose token the texts begin with.

    Attributes
    ----------
    texts : list of list of int
        The tokens of each sequence that were read, or sampled and kept.
    """

    def __init__(self, model: Any, vocab: Any, options: DecodingOptions, device: Optional[Union[str, Context]],
                 num_sequences: int = 1, no_copy: Optional[RunLimit] = None, source: Optional[str] = None) -> None:
        is_mixture = isinstance(model, LearnedMixture)
        if not is_mixture:
            check_language_model(model)
        if not isinstance(vocab, Vocab):
            raise InputError("vocab", "a Vocab, the one with which the model was trained", vocab)
        if len(vocab) != model.vocab_size:
            raise InputError("vocab", f"of the model's size, {model.vocab_size} tokens", len(vocab))
        if no_copy is not None and not isinstance(no_copy, RunLimit):
            raise InputError("no_copy", "a RunLimit, such as TrainingText.of(data).limit(12)", no_copy)
        _check_memory("num_samples", num_sequences, len(vocab))
        _check_memory("beam", options.beam, len(vocab))
        self.model, self.ctx, self.vocab, self.options, self.no_copy = (
            model, cpu() if is_mixture else context_of(model, device), vocab, options, no_copy)
        source_token = None if source is None else vocab.source_index(source)
        self._begin = [index for index in (vocab.begin_index, source_token) if index is not None]
        never = [index for index in vocab.special if index != vocab.end_index]
        self.never = numpy.isin(numpy.arange(len(vocab)), never if len(vocab) > 1 else [])
        self._masks = numpy.where(self.never, -numpy.inf, 0).astype("float32")
        self._steps = steps_of(model, options, self.ctx)
        self._generators = [numpy.random.default_rng(options.seed + i) for i in range(num_sequences)]
        self._unused: Optional[numpy.ndarray] = None  # noise that was drawn, of tokens that were not given
        self._rows: Deque[List[int]] = deque()  # tokens, N each, that were sampled but not kept
        self._calls: List[_Call] = []  # the calls that sampled them
        self._num_given = self._num_kept = 0  # how many tokens were given, and kept
        self._point = Point(None, None, None)
        self.begin()

    def begin(self) -> None:
        """Forget what was read and written; begin with the beginning of a record, and the token of the source."""
        self.point()  # the random numbers go on after the tokens that were given
        sequences = len(self._generators)
        self._point = self._steps.begin(sequences)
        self.texts: List[List[int]] = [[] for _ in range(sequences)]
        self.read(self._begin)

    def encode(self, text: str, *, skip_unknown: bool = False) -> List[int]:
        """The indices of a text; it can be empty if there is a token before it, of a boundary or a source."""
        if text == "" and self._begin:
            _checks.flag("skip_unknown", skip_unknown)
            return []
        return self.vocab.encode_prefix(text, skip_unknown=skip_unknown).tolist()

    def read(self, indices: Sequence[int]) -> None:
        """Read tokens, the same ones for all sequences, after those that were kept."""
        if not indices:
            return
        self._steps.renew()
        point = self.point()
        tokens = numpy.repeat(numpy.array(indices, dtype="int32")[:, None], len(self.texts), axis=1)  # (T, N)
        self._point = self._steps.read(point, tokens)
        for text in self.texts:
            text.extend(int(index) for index in indices)

    def point(self) -> Point:
        """The state after the tokens that were kept; those that were not are forgotten."""
        calls, self._calls, self._rows = self._calls, [], deque()
        if calls:
            first, began, noise = calls[0]
            kept = self._num_kept - first  # none with a limit of copies: one token per call
            tokens = numpy.array([text[len(text) - kept:] for text in self.texts], dtype="int32").T  # (kept, N)
            self._point = self._steps.again(began, tokens, noise, self._masks)
            if noise is not None:
                left = [call.noise for call in calls if call.noise is not None]
                self._unused = numpy.concatenate([*left, *self._drawn()])[self._num_given - first:]
            self._num_given = self._num_kept
        return self._point

    def tokens(self, length: int) -> Iterator[List[int]]:
        """Sample tokens, N at a time, after those that were kept; `NO_TOKEN` where none is allowed."""
        is_first, start = True, self._num_kept
        for place in range(start, start + length):
            index = place - self._num_kept
            if index == len(self._rows):
                if is_first:
                    self._steps.renew()
                self._sample(start + length - place, is_first)
                is_first = False
            if place == self._num_given:
                self._num_given += 1
            yield self._rows[index]

    def keep(self, num: int) -> None:
        """Add the first ``num`` of the tokens that were sampled and not kept to the texts."""
        if num == 1:
            for text, token in zip(self.texts, self._rows.popleft()):
                text.append(token)
        else:
            for text, tokens in zip(self.texts, zip(*(self._rows.popleft() for _ in range(num)))):
                text.extend(tokens)
        self._num_kept += num
        if not self._rows:
            self._calls.clear()
        while len(self._calls) > 1 and self._calls[1].first <= self._num_kept:  # the earlier one is not needed any more
            del self._calls[0]

    def _sample(self, left: int, is_first: bool) -> None:
        """Sample more tokens, in one call; ``left`` are asked for."""
        steps = 1 if self.no_copy else self._steps.num_steps(len(self.texts), left, is_first)
        noise = self._noise(steps)
        call = _Call(self._num_kept + len(self._rows), self._point, noise)
        if self.no_copy:
            rows = [self._sample_within(self.no_copy, noise)]
        else:
            tokens, self._point = self._steps.write(self._point, steps, noise, self._masks)
            rows = tokens.tolist()
        self._calls.append(call)
        self._rows.extend(rows)

    def _sample_within(self, limit: RunLimit, noise: Optional[numpy.ndarray]) -> List[int]:
        """Sample a token for each sequence with which no run of the training text is longer than allowed."""
        masks = numpy.repeat(self._masks[None], len(self.texts), axis=0)
        blocked = numpy.zeros(len(self.texts), dtype=bool)
        for i, text in enumerate(self.texts):
            context = [*text[-limit.length:], *(row[i] for row in self._rows)]
            masks[i, limit.excluded(context)] = -numpy.inf
            blocked[i] = NO_TOKEN in context[-1:] or numpy.isneginf(masks[i]).all()
        if blocked.all():
            return [NO_TOKEN] * len(blocked)
        masks[blocked] = 0
        tokens, self._point = self._steps.write(self._point, 1, noise, masks)
        return numpy.where(blocked, NO_TOKEN, tokens[0]).tolist()

    def _noise(self, steps: int) -> Optional[numpy.ndarray]:
        """Gumbel noise, (steps, N, V), separate for each sequence and independent of the number of steps per call.

        None, for zeros, at temperature 0.
        """
        if self.options.temperature == 0:
            return None
        drawn = self._drawn()
        missing, size = steps - sum(map(len, drawn)), len(self.vocab)
        if missing > 0:
            fresh = numpy.empty((missing, len(self._generators), size), dtype="float32")
            for i, generator in enumerate(self._generators):
                fresh[:, i] = generator.gumbel(size=(missing, size))
            drawn.append(fresh)
        noise = drawn[0] if len(drawn) == 1 else numpy.concatenate(drawn)
        self._unused = noise[steps:]
        return noise[:steps]

    def _drawn(self) -> List[numpy.ndarray]:
        """Noise that was drawn and not used yet."""
        return [] if self._unused is None or not len(self._unused) else [self._unused]


def _check_memory(name: str, num: int, vocab_size: int) -> None:
    """Raise an error if a call with this number of sequences needs more memory than there is, mostly for the noise."""
    needed = num * vocab_size * STEPS * _BYTES
    if needed >= _ALWAYS_THERE:
        runtime.check_memory(name, str(num), needed)
