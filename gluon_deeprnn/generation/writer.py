"""Samples several tokens per call on the device, for one or several sequences.

A token is sampled as the argmax of the logits plus Gumbel noise, with one noise value per logit, so that it depends
only on the logits and the generator of the noise (Gumbel, "Statistical Theory of Extreme Values and Some Practical
Applications", 1954; the "Gumbel-max trick").
"""

import math
import types
from typing import Any, Iterator, List, Optional, Sequence, Tuple, Union

from gluon_deeprnn.data import Vocab
from gluon_deeprnn.devices import Context
from gluon_deeprnn.errors import InputError
from gluon_deeprnn.generation.options import SamplingOptions
from gluon_deeprnn.graph import GraphBlock, context_of, one_at_a_time, unstack
from gluon_deeprnn.graph import length as length_of
from gluon_deeprnn.models.language_model import check_language_model, check_logits
from mxnet import np
import numpy

_PREFIX_STEPS = 32
_FIRST_STEPS, _STEPS = 8, 32  # fewer steps in the first call, for a short latency; more later, for throughput


class Writer:
    """Reads a prefix and generates its continuation, several steps per call, for one or several sequences."""

    def __init__(self, model: Any, vocab: Any, prefix: str, options: SamplingOptions, skip_unknown: bool,
                 device: Optional[Union[str, Context]]) -> None:
        check_language_model(model)
        if not isinstance(vocab, Vocab):
            raise InputError("vocab", "a Vocab, the one with which the model was trained", vocab)
        self._indices = vocab.encode_prefix(prefix, skip_unknown=skip_unknown)
        if len(vocab) != model.vocab_size:
            raise InputError("vocab", f"of the model's size, {model.vocab_size} tokens", len(vocab))
        self._model, self._ctx = model, context_of(model, device)
        with one_at_a_time:
            if not model.hybridized:
                model.hybridize()
        self._sampler = _sampler(model, options.top_k if options.top_k < len(vocab) else 0, options.top_p < 1,
                                 options.min_p > 0, options.repetition_penalty != 1)
        self._options = options
        never = numpy.zeros(len(vocab), dtype="float32")
        if len(vocab) > 1:
            never[vocab.unknown_index] = -numpy.inf
        self._never = np.array(never, ctx=self._ctx)

    def chunks(self, length: int, rngs: Sequence[numpy.random.Generator]) -> Iterator[numpy.ndarray]:
        """Generate tokens in chunks, (steps, sequences); the noise of sequence i is drawn from rngs[i]."""
        streams = len(rngs)
        state = self._model.begin_state(streams, self._ctx)
        read = numpy.repeat(self._indices[:, None], streams, axis=1)  # (T, N)
        for start in range(0, len(read) - 1, _PREFIX_STEPS):
            piece = read[start:min(start + _PREFIX_STEPS, len(read) - 1)]
            _, state = self._model(np.array(piece, dtype="int32", ctx=self._ctx), state)
        token = np.array(read[-1], dtype="int32", ctx=self._ctx)
        scale, limits = self._limits()
        penalty = self._penalty(streams)
        steps = _FIRST_STEPS
        while length > 0:
            noise = np.array(self._noise(steps, rngs), ctx=self._ctx)
            tokens, best, token, state, *penalty[1:] = self._sampler(
                token, state, noise, scale, self._never, *limits, *penalty)
            check_logits(best.asnumpy())
            yield tokens.asnumpy()[:length]
            length -= steps
            steps = _STEPS if length > _FIRST_STEPS else _FIRST_STEPS

    def _limits(self) -> Tuple[np.ndarray, List[np.ndarray]]:
        """What the logits are multiplied by, and the values of top_p and of log(min_p) where they are used."""
        options = self._options
        values = [1 / options.temperature if options.temperature else 1.0]
        values += [options.top_p] if options.top_p < 1 else []
        values += [math.log(options.min_p)] if options.min_p > 0 else []
        scale, *limits = (np.array([value], dtype="float32", ctx=self._ctx) for value in values)
        return scale, limits

    def _penalty(self, streams: int) -> List[np.ndarray]:
        """The repetition penalty and which tokens there were so far, (N, V), where it is used."""
        if self._options.repetition_penalty == 1:
            return []
        seen = numpy.zeros((streams, len(self._never)), dtype="float32")
        seen[:, self._indices] = 1
        return [np.array([self._options.repetition_penalty], dtype="float32", ctx=self._ctx),
                np.array(seen, ctx=self._ctx)]

    def _noise(self, steps: int, rngs: Sequence[numpy.random.Generator]) -> numpy.ndarray:
        """Gumbel noise, (steps, N, V), separate for each sequence and independent of the number of steps per call."""
        size = len(self._never)
        if self._options.temperature == 0:
            return numpy.zeros((steps, len(rngs), size), dtype="float32")
        return numpy.stack([rng.gumbel(size=(steps, size)) for rng in rngs], axis=1).astype("float32")


class Sampler(GraphBlock):
    """Several sampling steps in one graph: read a token, compute the logits, sample the next token, and so on."""

    def __init__(self, model: Any, top_k: int, use_top_p: bool, use_min_p: bool, use_penalty: bool) -> None:
        super().__init__()
        self._top_k, self._use_top_p, self._use_min_p, self._use_penalty = top_k, use_top_p, use_min_p, use_penalty
        self.model = model

    def hybrid_forward(self, F: Any, token: Any, state: List[Any], noise: Any, scale: Any, never: Any,
                       *limits: Any) -> Any:
        """Return tokens, (K, N); the largest logit of each step; the last token, (N,); the state before that token.

        With a repetition penalty, also which tokens there were so far, (N, V).
        """
        left: List[Any] = list(limits)
        top_p: Any = left.pop(0) if self._use_top_p else None
        log_min_p: Any = left.pop(0) if self._use_min_p else None
        penalty: Any = left[0] if self._use_penalty else None
        seen: Any = left[1] if self._use_penalty else None
        tokens, best = [], []
        for gumbel in unstack(F, noise, length_of(noise)):  # (N, V)
            logits, state = self.model(F.np.expand_dims(token, 0), state)
            logits = F.np.squeeze(logits, axis=0)  # (N, V)
            best.append(F.np.max(logits, axis=-1))
            if self._use_penalty:
                logits = F.np.where(seen > 0, F.np.where(logits > 0, logits / penalty, logits * penalty), logits)
            logits = logits + never
            if self._top_k:
                worst = F.npx.topk(logits, k=self._top_k, ret_typ="value", axis=-1)[:, -1:]  # (N, 1)
                logits = _without(F, logits, logits < worst)
            logits = logits * scale
            if self._use_min_p:
                least = F.np.max(logits, axis=-1, keepdims=True) + log_min_p
                logits = _without(F, logits, logits < least)
            if self._use_top_p:
                logits = self._nucleus(F, logits, top_p)
            token = F.np.argmax(logits + gumbel, axis=-1).astype("int32")  # (N,)
            tokens.append(token)
            if self._use_penalty:
                seen = F.np.maximum(seen, F.npx.one_hot(token, self.model.vocab_size))
        return [F.np.stack(tokens), F.np.stack(best), token, state, *([seen] if self._use_penalty else [])]

    def _nucleus(self, F: Any, logits: Any, top_p: Any) -> Any:
        """Keep the smallest set of tokens whose probabilities add up to at least ``top_p``."""
        p = F.npx.softmax(logits, axis=-1)
        falling = F.npx.topk(p, k=self.model.vocab_size, ret_typ="value", axis=-1)  # (N, V)
        before = F.np.cumsum(falling, axis=1) - falling
        smallest = F.np.min(F.np.where(before < top_p, falling, F.np.ones_like(falling)), axis=-1, keepdims=True)
        return _without(F, logits, p < smallest)


def _without(F: Any, logits: Any, excluded: Any) -> Any:
    return F.np.where(excluded, F.np.zeros_like(logits) - numpy.inf, logits)


def _sampler(model: Any, *options: Any) -> Sampler:
    """The sampler of a model; stored with it, since compilation takes longer than the generation of a short text."""
    with one_at_a_time:
        kept = model.__dict__.setdefault("_samplers", types.SimpleNamespace(by_options={})).by_options
        if options not in kept:
            kept[options] = Sampler(model, *options)
            kept[options].hybridize(children=False)
        return kept[options]
