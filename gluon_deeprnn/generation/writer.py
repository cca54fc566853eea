"""Samples several tokens per call on the device, for one or several sequences.

A token is sampled as the argmax of the logits plus Gumbel noise, with one noise value per logit, so that it depends
only on the logits and the generator of the noise (Gumbel, "Statistical Theory of Extreme Values and Some Practical
Applications", 1954; the "Gumbel-max trick").
"""

import types
from typing import Any, Iterator, List, Optional, Sequence, Union

from gluon_deeprnn.data import Vocab
from gluon_deeprnn.devices import Context
from gluon_deeprnn.errors import InputError
from gluon_deeprnn.graph import GraphBlock, context_of, one_at_a_time, unstack
from gluon_deeprnn.graph import length as length_of
from gluon_deeprnn.models.language_model import check_language_model, check_logits
from mxnet import np
import numpy

_PREFIX_STEPS = 32
_FIRST_STEPS, _STEPS = 8, 32  # fewer steps in the first call, for a short latency; more later, for throughput


class Writer:
    """Reads a prefix and generates its continuation, several steps per call, for one or several sequences."""

    def __init__(self, model: Any, vocab: Any, prefix: str, temperature: float, top_k: int, skip_unknown: bool,
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
        self._sampler = _sampler(model, top_k if top_k < len(vocab) else 0)
        self._temperature = temperature
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
        scale = np.array([1 / self._temperature if self._temperature else 1], dtype="float32", ctx=self._ctx)
        steps = _FIRST_STEPS
        while length > 0:
            noise = np.array(self._noise(steps, rngs), ctx=self._ctx)
            tokens, best, token, state = self._sampler(token, state, noise, scale, self._never)
            check_logits(best.asnumpy())
            yield tokens.asnumpy()[:length]
            length -= steps
            steps = _STEPS if length > _FIRST_STEPS else _FIRST_STEPS

    def _noise(self, steps: int, rngs: Sequence[numpy.random.Generator]) -> numpy.ndarray:
        """Gumbel noise, (steps, N, V), separate for each sequence and independent of the number of steps per call."""
        size = len(self._never)
        if self._temperature == 0:
            return numpy.zeros((steps, len(rngs), size), dtype="float32")
        return numpy.stack([rng.gumbel(size=(steps, size)) for rng in rngs], axis=1).astype("float32")


class Sampler(GraphBlock):
    """Several sampling steps in one graph: read a token, compute the logits, sample the next token, and so on."""

    def __init__(self, model: Any, top_k: int) -> None:
        super().__init__()
        self._top_k = top_k
        self.model = model

    def hybrid_forward(self, F: Any, token: Any, state: List[Any], noise: Any, scale: Any, never: Any) -> Any:
        """Return tokens, (K, N); the largest logit of each step; the last token, (N,); the state before that token."""
        tokens, best = [], []
        for gumbel in unstack(F, noise, length_of(noise)):  # (N, V)
            logits, state = self.model(F.np.expand_dims(token, 0), state)
            logits = F.np.squeeze(logits, axis=0)  # (N, V)
            best.append(F.np.max(logits, axis=-1))
            logits = logits + never
            if self._top_k:
                worst = F.npx.topk(logits, k=self._top_k, ret_typ="value", axis=-1)[:, -1:]  # (N, 1)
                logits = F.np.where(logits < worst, F.np.zeros_like(logits) - numpy.inf, logits)
            token = F.np.argmax(logits * scale + gumbel, axis=-1).astype("int32")  # (N,)
            tokens.append(token)
        return F.np.stack(tokens), F.np.stack(best), token, state


def _sampler(model: Any, top_k: int) -> Sampler:
    """The sampler of a model; stored with it, since compilation takes longer than the generation of a short text."""
    with one_at_a_time:
        kept = model.__dict__.setdefault("_samplers", types.SimpleNamespace(by_top_k={})).by_top_k
        if top_k not in kept:
            kept[top_k] = Sampler(model, top_k)
            kept[top_k].hybridize(children=False)
        return kept[top_k]
