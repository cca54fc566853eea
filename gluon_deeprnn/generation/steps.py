"""Steps of a language model for a writer: by MXNet's graphs, or without MXNet where the compiled library can."""

import math
from typing import Any, List, NamedTuple, Optional, Tuple, Union

from gluon_deeprnn.devices import Context
from gluon_deeprnn.errors import Described, InputError
from gluon_deeprnn.generation.options import DecodingOptions
from gluon_deeprnn.generation.sampler import Sampler, step_block
from gluon_deeprnn.graph import one_at_a_time
from gluon_deeprnn.kernels.writing import Choice
from gluon_deeprnn.models.language_model import check_logits
from gluon_deeprnn.models.plain import PlainModel, plain_model
from gluon_deeprnn.prediction.mixture import LearnedMixture, TextState
from mxnet import autograd, np
import numpy

PREFIX_STEPS = 32
FIRST_STEPS, STEPS = 8, 32
"""Fewer steps in the first call, for a short latency; more later, for throughput."""

MOST_STEPS = 256
_PRODUCTS = 2**22
"""The most steps in a call without MXNet, and the multiply-adds above which it has `STEPS`."""


class Point(NamedTuple):
    """What the next step depends on: the model's state before a token, and the token, (N,).

    The token is None before anything was read.  With a repetition penalty also which tokens there were so far, (N, V).
    """

    state: Any
    token: Any
    seen: Any


class GraphSteps:
    """Steps by MXNet's graphs, on any device: a list of arrays (L, N, H) is the state; seen is a list, of one array.

    Parameters
    ----------
    model : RNNLM, RNNLMScratch or another block
    options : DecodingOptions
    ctx : mxnet.context.Context
    """

    def __init__(self, model: Any, options: DecodingOptions, ctx: Context) -> None:
        self._model, self._ctx, self._options, self._size = model, ctx, options, model.vocab_size
        with one_at_a_time:
            if not model.hybridized:
                model.hybridize()
        self._sampler = step_block(Sampler, model, options.top_k if options.top_k < self._size else 0,
                                   options.top_p < 1, options.min_p > 0, options.repetition_penalty != 1)
        self._values = [self._array([value], "float32") for value in _values(options)]

    def renew(self) -> None:
        """Take the model's present parameters: a graph always does."""

    def begin(self, num_sequences: int) -> Point:
        """Where a text begins."""
        seen = []
        if self._options.repetition_penalty != 1:
            seen = [np.zeros((num_sequences, self._size), dtype="float32", ctx=self._ctx)]
        return Point(self._model.begin_state(num_sequences, self._ctx), None, seen)

    def read(self, point: Point, tokens: numpy.ndarray) -> Point:
        """The point after tokens, (T, N), of which the last one is not read yet."""
        state, token, seen = point
        read = tokens if token is None else numpy.concatenate([token.asnumpy()[None], tokens])
        for start in range(0, len(read) - 1, PREFIX_STEPS):
            piece = read[start:min(start + PREFIX_STEPS, len(read) - 1)]
            _, state = self._model(self._array(piece, "int32"), state)
        if seen:
            seen = [self._array(_with_seen(seen[0].asnumpy(), tokens), "float32")]
        return Point(state, self._array(read[-1], "int32"), seen)

    def num_steps(self, num_sequences: int, left: int, is_first: bool) -> int:
        """How many steps to compute in a call, of few different numbers: there is a graph for each."""
        return STEPS if left > FIRST_STEPS and not is_first else FIRST_STEPS

    def write(self, point: Point, num_steps: int, noise: Optional[numpy.ndarray],
              masks: numpy.ndarray) -> Tuple[numpy.ndarray, Point]:
        """Sample tokens, (T, N), after a point; the masks, (V,) or (N, V), are added to the logits."""
        state, token, seen = point
        if noise is None:
            noise = numpy.zeros((num_steps, len(token), self._size), dtype="float32")
        scale, *limits = self._values
        tokens, best, token, state, *seen = self._sampler(
            token, state, self._array(noise, "float32"), scale, self._array(masks, "float32"), *limits, *seen)
        check_logits(best.asnumpy())
        return tokens.asnumpy(), Point(state, token, seen)

    def again(self, point: Point, tokens: numpy.ndarray, noise: Optional[numpy.ndarray],
              masks: numpy.ndarray) -> Point:
        """The point after tokens, (T, N), that were sampled after a point with this noise."""
        for i in range(len(tokens)):
            _, point = self.write(point, 1, None if noise is None else noise[i:i + 1], masks)
        return point

    def _array(self, array: Any, dtype: str) -> np.ndarray:
        return np.array(array, dtype=dtype, ctx=self._ctx)


class PlainSteps:
    """Steps without MXNet, on the CPU: the state is (S, L, N, H), or None for the initial one, and seen an array or
    None, all of NumPy.

    Parameters
    ----------
    model : RNNLM or RNNLMScratch
    options : DecodingOptions
    ctx : mxnet.context.Context
    plain : PlainModel
        The model as it was last.
    """

    def __init__(self, model: Any, options: DecodingOptions, ctx: Context, plain: PlainModel) -> None:
        self._model, self._ctx, self._plain, self._size = model, ctx, plain, model.vocab_size
        self._penalizes = options.repetition_penalty != 1
        self._choice = Choice(
            1 / options.temperature if options.temperature else 1.0, options.repetition_penalty, options.top_p,
            math.log(options.min_p) if options.min_p > 0 else -math.inf, options.top_k)

    def renew(self) -> None:
        """Take the model's present parameters.

        Raises
        ------
        ValueError
            If the model is of another kind by now.
        """
        plain = plain_model(self._model, self._ctx)
        if plain is None or plain.first_state.shape != self._plain.first_state.shape:
            raise InputError("model", "of the layers, on the device and of the dtype with which the text was begun",
                             Described("another one"), "begin another text")
        self._plain = plain

    def begin(self, num_sequences: int) -> Point:
        """Where a text begins."""
        return Point(None, None, numpy.zeros((num_sequences, self._size), dtype="float32") if self._penalizes else None)

    def read(self, point: Point, tokens: numpy.ndarray) -> Point:
        """The point after tokens, (T, N), of which the last one is not read yet."""
        _, token, seen = point
        state, size = self._state(point, tokens.shape[1]), tokens.shape[1]
        read = tokens if token is None else numpy.concatenate([token[None], tokens])
        if len(read) > 1:
            if (read == read[:, :1]).all() and (state == state[:, :, :1]).all():  # as all texts begin
                state = numpy.repeat(self._plain.network.read(read[:-1, :1], state[:, :, :1]), size, axis=2)
            else:
                state = self._plain.network.read(read[:-1], state)
        return Point(state, numpy.array(read[-1], dtype="int32"),
                     None if seen is None else _with_seen(seen, tokens))

    def num_steps(self, num_sequences: int, left: int, is_first: bool) -> int:
        """How many steps to compute in a call: the more, the less it costs, but no more than a few milliseconds."""
        most = _PRODUCTS // (num_sequences * self._plain.network.products)
        return FIRST_STEPS if is_first else max(FIRST_STEPS, min(left, max(STEPS, min(MOST_STEPS, most))))

    def write(self, point: Point, num_steps: int, noise: Optional[numpy.ndarray],
              masks: numpy.ndarray) -> Tuple[numpy.ndarray, Point]:
        """Sample tokens, (T, N), after a point; the masks, (V,) or (N, V), are added to the logits."""
        state = self._state(point, len(point.token))
        tokens, largest, state, seen = self._plain.network.write(num_steps, self._choice, point.token, state, noise,
                                                                 masks, point.seen)
        check_logits(largest)
        return tokens, Point(state, tokens[-1], seen)

    def again(self, point: Point, tokens: numpy.ndarray, noise: Optional[numpy.ndarray],
              masks: numpy.ndarray) -> Point:
        """The point after tokens, (T, N), that were sampled after a point: they are read."""
        return self.read(point, tokens) if len(tokens) else point

    def _state(self, point: Point, num_sequences: int) -> numpy.ndarray:
        return numpy.repeat(self._plain.first_state, num_sequences, axis=2) if point.state is None else point.state


class _Given:
    """In the place of a model: logits that are computed already, (N, V)."""

    def __init__(self, vocab_size: int) -> None:
        self.vocab_size = vocab_size

    def __call__(self, token: Any, state: Any) -> Tuple[Any, Any]:
        return np.expand_dims(state, 0), state


class MixtureSteps:
    """Steps of a mixture of networks and n-grams: one token of each sequence after the other.

    The state is a list, of a `TextState` for each sequence; seen is as for `GraphSteps`.

    Parameters
    ----------
    mixture : LearnedMixture
    options : DecodingOptions
    """

    def __init__(self, mixture: LearnedMixture, options: DecodingOptions) -> None:
        if options.beam:
            raise InputError("beam", "omitted with a mixture", options.beam)
        self._mixture, self._options, size = mixture, options, mixture.vocab_size
        self._sampler = Sampler(_Given(size), options.top_k if options.top_k < size else 0, options.top_p < 1,
                                options.min_p > 0, options.repetition_penalty != 1)
        self._values = [np.array([value], dtype="float32") for value in _values(options)]

    def renew(self) -> None:
        """A mixture that has learned stays as it is."""

    def begin(self, num_sequences: int) -> Point:
        """Where a text begins."""
        seen = []
        if self._options.repetition_penalty != 1:
            seen = [np.zeros((num_sequences, self._mixture.vocab_size), dtype="float32")]
        return Point([self._mixture.begin()] * num_sequences, None, seen)

    def read(self, point: Point, tokens: numpy.ndarray) -> Point:
        """The point after tokens, (T, N), of which the last one is not read yet."""
        states, token, seen = point
        read = tokens if token is None else numpy.concatenate([token[None], tokens])
        for row in read[:-1]:
            states = self._after(states, row)
        if seen:
            seen = [np.array(_with_seen(seen[0].asnumpy(), tokens))]
        return Point(states, read[-1], seen)

    def num_steps(self, num_sequences: int, left: int, is_first: bool) -> int:
        """One: more in a call cost as much."""
        return 1

    def write(self, point: Point, num_steps: int, noise: Optional[numpy.ndarray],
              masks: numpy.ndarray) -> Tuple[numpy.ndarray, Point]:
        """Sample tokens, (T, N), after a point; the masks, (V,) or (N, V), are added to the logits."""
        states, token, seen = point
        scale, *limits = self._values
        written = numpy.empty((num_steps, len(token)), dtype="int32")
        for i in range(num_steps):
            states = self._after(states, token)
            logits = numpy.array([self._mixture.log_probs(state) for state in states], dtype="float32")  # (N, V)
            check_logits(logits.max(-1))
            rows = numpy.zeros_like(logits) if noise is None else noise[i]
            _, _, last, _, *seen = self._sampler(np.array(token, dtype="int32"), np.array(logits), np.array(rows[None]),
                                                 scale, np.array(masks), *limits, *seen)
            token = written[i] = last.asnumpy()
        return written, Point(states, token, seen)

    def again(self, point: Point, tokens: numpy.ndarray, noise: Optional[numpy.ndarray],
              masks: numpy.ndarray) -> Point:
        """The point after tokens, (T, N), that were sampled after a point: they are read."""
        return self.read(point, tokens) if len(tokens) else point

    def _after(self, states: List[TextState], tokens: numpy.ndarray) -> List[TextState]:
        """The states after a token of each sequence; sequences that are alike, as all begin, are computed once."""
        if all(state is states[0] for state in states) and (tokens == tokens[0]).all():
            return [self._mixture.after(states[0], int(tokens[0]))] * len(states)
        return [self._mixture.after(state, int(token)) for state, token in zip(states, tokens)]


Steps = Union[GraphSteps, PlainSteps, MixtureSteps]


def steps_of(model: Any, options: DecodingOptions, ctx: Context) -> Steps:
    """The faster steps that there are for a model: without MXNet where `plain_model` has one; those of a mixture.

    A beam search has its own graph, and in training mode MXNet's graphs apply dropout.
    """
    if isinstance(model, LearnedMixture):
        return MixtureSteps(model, options)
    plain = None if options.beam or autograd.is_training() or autograd.is_recording() else plain_model(model, ctx)
    return GraphSteps(model, options, ctx) if plain is None else PlainSteps(model, options, ctx, plain)


def _with_seen(seen: numpy.ndarray, tokens: numpy.ndarray) -> numpy.ndarray:
    """The flags, (N, V), with those of the tokens, (T, N), set."""
    flags = seen.copy()
    flags[numpy.arange(tokens.shape[1]), tokens] = 1
    return flags


def _values(options: DecodingOptions) -> List[float]:
    """What the logits are multiplied by; then top_p, log(min_p) and the repetition penalty, where they are used."""
    return [1 / options.temperature if options.temperature else 1.0,
            *([options.top_p] if options.top_p < 1 else []),
            *([math.log(options.min_p)] if options.min_p > 0 else []),
            *([options.repetition_penalty] if options.repetition_penalty != 1 else [])]
