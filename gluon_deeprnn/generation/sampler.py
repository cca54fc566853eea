"""The steps of generation on the device, as graphs: sampling several tokens per call.

A token is sampled as the argmax of the logits plus Gumbel noise, with one noise value per logit, so that it depends
only on the logits and the generator of the noise (Gumbel, "Statistical Theory of Extreme Values and Some Practical
Applications", 1954; the "Gumbel-max trick").
"""

import types
from typing import Any, Callable, List

from gluon_deeprnn.graph import GraphBlock, one_at_a_time, unstack
from gluon_deeprnn.graph import length as length_of
import numpy


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
                logits = penalized(F, logits, penalty, seen)
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


def penalized(F: Any, logits: Any, penalty: Any, seen: Any) -> Any:
    """The logits, (N, V), with those of the tokens that there were so far made smaller by a repetition penalty."""
    return F.np.where(seen > 0, F.np.where(logits > 0, logits / penalty, logits * penalty), logits)


def _without(F: Any, logits: Any, excluded: Any) -> Any:
    return F.np.where(excluded, F.np.zeros_like(logits) - numpy.inf, logits)


def step_block(kind: Callable[..., Any], model: Any, *options: Any) -> Any:
    """The block ``kind(model, *options)``; stored with the model, since compilation takes longer than a short text."""
    with one_at_a_time:
        kept = model.__dict__.setdefault("_samplers", types.SimpleNamespace(by_options={})).by_options
        key = (kind, *options)
        if key not in kept:
            kept[key] = kind(model, *options)
            kept[key].hybridize(children=False)
        return kept[key]
