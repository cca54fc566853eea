"""Reads tokens and samples their continuation, several steps per call on the device, for one or several sequences."""

import math
from typing import Any, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Union

from gluon_deeprnn import _checks, runtime
from gluon_deeprnn.data import Vocab
from gluon_deeprnn.devices import Context
from gluon_deeprnn.errors import Described, InputError
from gluon_deeprnn.generation.copies import RunLimit
from gluon_deeprnn.generation.options import DecodingOptions
from gluon_deeprnn.generation.sampler import Sampler, step_block
from gluon_deeprnn.generation.stopping import NO_TOKEN
from gluon_deeprnn.graph import context_of, one_at_a_time
from gluon_deeprnn.models.language_model import check_language_model, check_logits
from mxnet import np
import numpy

_PREFIX_STEPS = 32
_BYTES = 16  # of noise for each logit: in double precision, in single precision, and on the device
_FIRST_STEPS, _STEPS = 8, 32  # fewer steps in the first call, for a short latency; more later, for throughput


class Point(NamedTuple):
    """What the next step depends on: the model's state before a token, (L, N, H) each, and the token, (N,).

    The token is None before anything was read.  With a repetition penalty also which tokens there were so far, (N, V).
    """

    state: List[np.ndarray]
    token: Any
    seen: List[np.ndarray]


class _Call(NamedTuple):
    """A call of the sampler: the number of tokens before it, where it began, and the generators of its noise then."""

    first: int
    began: Point
    generators: Sequence[Mapping[str, Any]]


class Writer:
    """Reads tokens and samples the ones that follow, for N sequences; the state belongs to the tokens that were kept.

    Tokens that were sampled but not kept are given again by the next call of `tokens`, and forgotten if other tokens
    are read instead.  The noise of a token depends on the seed and on the number of tokens that were given before it;
    that of a token that was given and forgotten is not used again, as the next token would depend on it.

    Parameters
    ----------
    model, vocab, device
        As for `gluon_deeprnn.generate`.
    options : DecodingOptions
    num_sequences : int, default 1
        The number of sequences N; the seed of sequence i is ``options.seed + i``.
    no_copy : RunLimit, optional
        The longest runs of the training text that may arise.

    Attributes
    ----------
    texts : list of list of int
        The tokens of each sequence that were read, or sampled and kept.
    """

    def __init__(self, model: Any, vocab: Any, options: DecodingOptions, device: Optional[Union[str, Context]],
                 num_sequences: int = 1, no_copy: Optional[RunLimit] = None) -> None:
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
            model, context_of(model, device), vocab, options, no_copy)
        with one_at_a_time:
            if not model.hybridized:
                model.hybridize()
        never = [vocab.unknown_index, *([] if vocab.begin_index is None else [vocab.begin_index])]
        self.never = numpy.isin(numpy.arange(len(vocab)), never if len(vocab) > 1 else [])
        self._masks = np.array(numpy.where(self.never, -numpy.inf, 0).astype("float32"), ctx=self.ctx)
        self._sampler = step_block(Sampler, model, options.top_k if options.top_k < len(vocab) else 0,
                                   options.top_p < 1, options.min_p > 0, options.repetition_penalty != 1)
        self._values = [np.array([value], dtype="float32", ctx=self.ctx) for value in _values(options)]
        self._generators = [numpy.random.default_rng(options.seed + i) for i in range(num_sequences)]
        self._rows: List[numpy.ndarray] = []  # tokens, (N,) each, that were sampled but not kept
        self._calls: List[_Call] = []  # the calls that sampled them
        self._num_given = self._num_kept = 0  # of the rows how many were given; how many tokens were kept
        self._point = Point([], None, [])
        self.begin()

    def begin(self) -> None:
        """Forget what was read and written; a vocabulary with boundaries begins with the beginning of a record."""
        self.point()  # the random numbers go on after the tokens that were given
        sequences = len(self._generators)
        seen = []
        if self.options.repetition_penalty != 1:
            seen = [np.zeros((sequences, len(self.vocab)), dtype="float32", ctx=self.ctx)]
        self._point = Point(self.model.begin_state(sequences, self.ctx), None, seen)
        self.texts: List[List[int]] = [[] for _ in range(sequences)]
        if self.vocab.begin_index is not None:
            self.read([self.vocab.begin_index])

    def encode(self, text: str, *, skip_unknown: bool = False) -> List[int]:
        """The indices of a text; it can be empty if the vocabulary has boundaries."""
        if text == "" and self.vocab.begin_index is not None:
            _checks.flag("skip_unknown", skip_unknown)
            return []
        return self.vocab.encode_prefix(text, skip_unknown=skip_unknown).tolist()

    def read(self, indices: Sequence[int]) -> None:
        """Read tokens, the same ones for all sequences, after those that were kept."""
        if not indices:
            return
        state, token, seen = self.point()
        read = numpy.repeat(numpy.array(indices, dtype="int32")[:, None], len(self.texts), axis=1)  # (T, N)
        if token is not None:
            read = numpy.concatenate([token.asnumpy()[None], read])
        for start in range(0, len(read) - 1, _PREFIX_STEPS):
            piece = read[start:min(start + _PREFIX_STEPS, len(read) - 1)]
            _, state = self.model(np.array(piece, dtype="int32", ctx=self.ctx), state)
        if seen:
            flags = seen[0].asnumpy()
            flags[:, list(indices)] = 1
            seen = [np.array(flags, ctx=self.ctx)]
        self._point = Point(state, np.array(read[-1], dtype="int32", ctx=self.ctx), seen)
        for text in self.texts:
            text.extend(int(index) for index in indices)

    def point(self) -> Point:
        """The state after the tokens that were kept; those that were not are forgotten."""
        calls, self._calls, self._rows = self._calls, [], []
        if calls:  # samples the same tokens again, up to the last one that was kept
            self._point = calls[0].began
            for generator, state in zip(self._generators, calls[0].generators):
                generator.bit_generator.state = state
            for _ in range(self._num_kept - calls[0].first):  # none with a limit of copies: one token per call
                self._sample(1, self._masks)
            self._noise(self._num_given)
            self._num_given = 0
        return self._point

    def tokens(self, length: int) -> Iterator[numpy.ndarray]:
        """Sample tokens, (N,) at a time, after those that were kept; `NO_TOKEN` where none is allowed."""
        steps, kept_before = _FIRST_STEPS, self._num_kept
        for given in range(length):
            index = given - (self._num_kept - kept_before)
            if index == len(self._rows):
                generators = [generator.bit_generator.state for generator in self._generators]
                self._calls.append(_Call(self._num_kept + index, self._point, generators))
                self._rows += [self._sample_within(self.no_copy)] if self.no_copy else self._sample(steps, self._masks)
                steps = _STEPS if length - given - steps > _FIRST_STEPS else _FIRST_STEPS
            self._num_given = max(self._num_given, index + 1)
            yield self._rows[index]

    def keep(self, num: int) -> None:
        """Add the first ``num`` of the tokens that were sampled and not kept to the texts."""
        if not num:
            return
        for row in self._rows[:num]:
            for text, token in zip(self.texts, row):
                text.append(int(token))
        del self._rows[:num]
        self._num_kept, self._num_given = self._num_kept + num, self._num_given - num
        if not self._rows:
            self._calls.clear()
        while len(self._calls) > 1 and self._calls[1].first <= self._num_kept:  # the earlier one is not needed any more
            del self._calls[0]

    def _sample_within(self, limit: RunLimit) -> numpy.ndarray:
        """Sample one token for each sequence, (N,), with which no run of the training text is longer than allowed."""
        masks = numpy.repeat(numpy.where(self.never, -numpy.inf, 0).astype("float32")[None], len(self.texts), axis=0)
        blocked = numpy.zeros(len(self.texts), dtype=bool)
        for i, text in enumerate(self.texts):
            context = [*text[-limit.length:], *(int(row[i]) for row in self._rows)]
            masks[i, limit.excluded(context)] = -numpy.inf
            blocked[i] = NO_TOKEN in context[-1:] or numpy.isneginf(masks[i]).all()
        if blocked.all():
            return numpy.full(len(blocked), NO_TOKEN)
        masks[blocked] = 0
        return numpy.where(blocked, NO_TOKEN, self._sample(1, np.array(masks, ctx=self.ctx))[0])

    def _sample(self, steps: int, masks: np.ndarray) -> List[numpy.ndarray]:
        """Sample the next tokens in one call; the masks, (V,) or (N, V), are added to the logits."""
        state, token, seen = self._point
        noise = np.array(self._noise(steps), ctx=self.ctx)
        scale, *limits = self._values
        tokens, best, token, state, *seen = self._sampler(token, state, noise, scale, masks, *limits, *seen)
        check_logits(best.asnumpy())
        self._point = Point(state, token, seen)
        return list(tokens.asnumpy())

    def _noise(self, steps: int) -> numpy.ndarray:
        """Gumbel noise, (steps, N, V), separate for each sequence and independent of the number of steps per call."""
        size = len(self.vocab)
        if self.options.temperature == 0:
            return numpy.zeros((steps, len(self._generators), size), dtype="float32")
        return numpy.stack([g.gumbel(size=(steps, size)) for g in self._generators], axis=1).astype("float32")


def _check_memory(name: str, num: int, vocab_size: int) -> None:
    """Raise an error if a call with this number of sequences needs more memory than there is, mostly for the noise."""
    needed, available = num * vocab_size * _STEPS * _BYTES, runtime.memory_bytes()
    if needed > available:
        raise InputError(name, f"small enough for this machine's {available / 1e9:.1f} GB of memory",
                         Described(f"{num}, which needs about {needed / 1e9:.1f} GB"))


def _values(options: DecodingOptions) -> List[float]:
    """What the logits are multiplied by; then top_p, log(min_p) and the repetition penalty, where they are used."""
    return [1 / options.temperature if options.temperature else 1.0,
            *([options.top_p] if options.top_p < 1 else []),
            *([math.log(options.min_p)] if options.min_p > 0 else []),
            *([options.repetition_penalty] if options.repetition_penalty != 1 else [])]
