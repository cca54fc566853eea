"""Writing text: feed a prefix, then sample one token after the other with the state carried."""

import types
from typing import Any, Iterator, List, Optional, Sequence, Union

from gluon_deeprnn import _checks
from gluon_deeprnn.data import Vocab
from gluon_deeprnn.devices import Context
from gluon_deeprnn.errors import Described, InputError
from gluon_deeprnn.graph import GraphBlock, check_language_model, context_of, one_at_a_time, unstack
from gluon_deeprnn.graph import length as length_of
from mxnet import np
import numpy

_PREFIX_STEPS = 32
_FIRST_STEPS, _STEPS = 8, 32  # the first letters come soon, the others fast


def generate(model: Any, vocab: Any, prefix: str, length: int, *, temperature: float = 0.7, top_k: int = 0,
             seed: int = 0, skip_unknown: bool = False,
             device: Optional[Union[str, Context]] = None) -> Iterator[str]:
    """Continue a text, token by token, as they come.  The model is hybridized for it, if it was not.

    Tokens are drawn on the device, up to 32 in one call; the text does not depend on how many.

    Parameters
    ----------
    model : RNNLM or RNNLMScratch
        The language model.
    vocab : Vocab
        The vocabulary that it was trained with; the prefix is cleaned and split as its texts were.
    prefix : str
        What to continue; at least one token, each known to ``vocab``.
    length : int
        How many tokens to write.
    temperature : float, default 0.7
        Divides the scores: below 1 likely tokens become likelier, 1 samples what the model believes, 0 always takes
        the most likely one.
    top_k : int, default 0
        Only the k most likely tokens can be drawn; 0 for all of them.
    seed : int, default 0
        Repeats the draw.  The same seed writes the same text.
    skip_unknown : bool, default False
        Leave out what the vocabulary does not know of the prefix, instead of refusing it.
    device : str or mxnet.context.Context, optional
        Where to compute; where the parameters are when it is left out.

    Yields
    ------
    str
        What each new token adds to the text (for words, the space before it too).  The unknown token is never drawn.

    Raises
    ------
    ValueError
        "prefix must be made of tokens that the vocabulary knows; got 'é'", and likewise for the others.

    Examples
    --------
    >>> import mxnet as mx
    >>> from gluon_deeprnn import GRU, RNNLM, Vocab, generate
    >>> mx.random.seed(0)
    >>> vocab = Vocab('time machine')
    >>> model = RNNLM(GRU(num_hiddens=8), vocab_size=len(vocab))
    >>> len(''.join(generate(model, vocab, 'tim', 5, seed=1)))
    5
    """
    length = _checks.integer("length", length, at_least=0)
    temperature = _checks.not_negative("temperature", temperature)
    top_k = _checks.integer("top_k", top_k, at_least=0)
    rng = numpy.random.default_rng(_checks.integer("seed", seed, at_least=0))
    writer = _Writer(model, vocab, prefix, temperature, top_k, skip_unknown, device)
    return (vocab.addition(int(token)) for chunk in writer.chunks(length, [rng]) for token in chunk[:, 0])


def generate_many(model: Any, vocab: Any, prefix: str, length: int, num_samples: int, *, temperature: float = 0.7,
                  top_k: int = 0, seed: int = 0, skip_unknown: bool = False,
                  device: Optional[Union[str, Context]] = None) -> List[str]:
    """Continue a text in several ways at once: much faster than one after the other.

    Parameters
    ----------
    model, vocab, prefix, length, temperature, top_k, skip_unknown, device
        As for `generate`.
    num_samples : int
        How many continuations, at least 1.
    seed : int, default 0
        Continuation i is drawn as `generate` draws with ``seed + i``.

    Returns
    -------
    list of str
        What follows the prefix, without it.

    Examples
    --------
    >>> import mxnet as mx
    >>> from gluon_deeprnn import GRU, RNNLM, Vocab
    >>> from gluon_deeprnn.generation import generate_many
    >>> mx.random.seed(0)
    >>> vocab = Vocab('time machine')
    >>> model = RNNLM(GRU(num_hiddens=8), vocab_size=len(vocab))
    >>> [len(text) for text in generate_many(model, vocab, 'tim', 5, num_samples=3)]
    [5, 5, 5]
    """
    length = _checks.integer("length", length, at_least=0)
    num_samples = _checks.integer("num_samples", num_samples, at_least=1)
    temperature = _checks.not_negative("temperature", temperature)
    top_k = _checks.integer("top_k", top_k, at_least=0)
    seed = _checks.integer("seed", seed, at_least=0)
    writer = _Writer(model, vocab, prefix, temperature, top_k, skip_unknown, device)
    rngs = [numpy.random.default_rng(seed + i) for i in range(num_samples)]
    chunks = list(writer.chunks(length, rngs))
    return ["".join(vocab.addition(int(chunk[t, i])) for chunk in chunks for t in range(len(chunk)))
            for i in range(num_samples)]


class _Writer:
    """Reads a prefix and writes behind it, several steps in each call of the device, for one or several streams."""

    def __init__(self, model: Any, vocab: Any, prefix: str, temperature: float, top_k: int, skip_unknown: bool,
                 device: Optional[Union[str, Context]]) -> None:
        check_language_model(model)
        if not isinstance(vocab, Vocab):
            raise InputError("vocab", "a Vocab, the one that the model was trained with", vocab)
        self._indices = vocab.encode_prefix(prefix, skip_unknown=skip_unknown)
        if len(vocab) != model.vocab_size:
            raise InputError("vocab", f"of the model's size, {model.vocab_size} tokens", len(vocab))
        self._model, self._ctx = model, context_of(model, device)
        with one_at_a_time:
            if not model.hybridized:
                model.hybridize()
        self._draw = _drawing(model, top_k if top_k < len(vocab) else 0)
        self._temperature = temperature
        never = numpy.zeros(len(vocab), dtype="float32")
        if len(vocab) > 1:
            never[vocab.unknown_index] = -numpy.inf
        self._never = np.array(never, ctx=self._ctx)

    def chunks(self, length: int, rngs: Sequence[numpy.random.Generator]) -> Iterator[numpy.ndarray]:
        """The tokens that follow, some steps at a time, (steps, streams); noise for stream i is drawn by rngs[i]."""
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
            tokens, best, token, state = self._draw(token, state, noise, scale, self._never)
            _check_best(best.asnumpy())
            yield tokens.asnumpy()[:length]
            length -= steps
            steps = _STEPS if length > _FIRST_STEPS else _FIRST_STEPS

    def _noise(self, steps: int, rngs: Sequence[numpy.random.Generator]) -> numpy.ndarray:
        """Gumbel noise, (steps, N, V), each stream's own, the same however many steps are drawn at once."""
        size = len(self._never)
        if self._temperature == 0:
            return numpy.zeros((steps, len(rngs), size), dtype="float32")
        return numpy.stack([rng.gumbel(size=(steps, size)) for rng in rngs], axis=1).astype("float32")


class _Drawing(GraphBlock):
    """Several steps as one graph: read a token, score what follows, draw it, read that, ..."""

    def __init__(self, model: Any, top_k: int) -> None:
        super().__init__()
        self._top_k = top_k
        self.model = model

    def hybrid_forward(self, F: Any, token: Any, state: List[Any], noise: Any, scale: Any, never: Any) -> Any:
        """Tokens, (K, N); the best score of each step; the last token, (N,), and the state before it is read."""
        tokens, best = [], []
        for gumbel in unstack(F, noise, length_of(noise)):  # (N, V)
            logits, state = self.model(F.np.expand_dims(token, 0), state)
            scores = F.np.squeeze(logits, axis=0)  # (N, V)
            best.append(F.np.max(scores, axis=-1))
            scores = scores + never
            if self._top_k:
                worst = F.npx.topk(scores, k=self._top_k, ret_typ="value", axis=-1)[:, -1:]  # (N, 1)
                scores = F.np.where(scores < worst, F.np.zeros_like(scores) - numpy.inf, scores)
            token = F.np.argmax(scores * scale + gumbel, axis=-1).astype("int32")  # (N,)
            tokens.append(token)
        return F.np.stack(tokens), F.np.stack(best), token, state


def _drawing(model: Any, top_k: int) -> _Drawing:
    """The graphs that write with a model; kept with it, as compiling them takes longer than a short text."""
    with one_at_a_time:
        kept = model.__dict__.setdefault("_drawings", types.SimpleNamespace(by_top_k={})).by_top_k
        if top_k not in kept:
            kept[top_k] = _Drawing(model, top_k)
            kept[top_k].hybridize(children=False)
        return kept[top_k]


def _check_best(best: numpy.ndarray) -> None:
    if not numpy.isfinite(best).all():
        raise InputError("the model's scores", "finite numbers", Described(str(best.min())),
                                 "its parameters were lost in training")
