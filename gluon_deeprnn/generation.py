"""Writing text: feed a prefix, then sample one token after the other with the state carried."""

from typing import Any, Callable, Iterator, Optional, Tuple, Union

from gluon_deeprnn import _checks
from gluon_deeprnn.data import Vocab
from gluon_deeprnn.devices import Context
from gluon_deeprnn.graph import check_language_model, context_of
from mxnet import np
import numpy

_PREFIX_STEPS = 32


def generate(model: Any, vocab: Any, prefix: str, length: int, *, temperature: float = 0.7, top_k: int = 0,
             seed: int = 0, skip_unknown: bool = False,
             device: Optional[Union[str, Context]] = None) -> Iterator[str]:
    """Continue a text, token by token, as they come.  The model is hybridized for it, if it was not.

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
    check_language_model(model)
    if not isinstance(vocab, Vocab):
        raise _checks.InputError("vocab", "a Vocab, the one that the model was trained with", vocab)
    indices = vocab.encode_prefix(prefix, skip_unknown=skip_unknown)
    if len(vocab) != model.vocab_size:
        raise _checks.InputError("vocab", f"of the model's size, {model.vocab_size} tokens", len(vocab))
    ctx = context_of(model, device)
    if not model.hybridized:
        model.hybridize()

    def read(tokens: numpy.ndarray, state: Any) -> Tuple[numpy.ndarray, Any]:
        logits, state = model(np.array(tokens[:, None], dtype="int32", ctx=ctx), state)  # (T, 1)
        return logits[-1, 0].asnumpy(), state

    return write(read, model.begin_state(1, ctx), vocab, indices, length, temperature, top_k, rng)


def write(read: Callable[[numpy.ndarray, Any], Tuple[numpy.ndarray, Any]], state: Any, vocab: Any,
          indices: numpy.ndarray, length: int, temperature: float = 0, top_k: int = 0,
          rng: Optional[numpy.random.Generator] = None) -> Iterator[str]:
    """Feed ``indices``, then draw tokens one by one; the loop under `generate`, for any model.

    ``read(tokens, state)`` reads some more tokens, (T,), and returns the scores of what follows the last, (V,), and the
    state behind it.
    """
    rng = rng or numpy.random.default_rng()
    for start in range(0, len(indices), _PREFIX_STEPS):
        scores, state = read(indices[start:start + _PREFIX_STEPS], state)
    for position in range(length):
        scores = scores.astype("float64")
        if len(scores) > 1:
            scores[vocab.unknown_index] = -numpy.inf
        token = sample(scores, temperature, top_k, rng)
        yield vocab.addition(token)
        if position + 1 < length:
            scores, state = read(numpy.array([token]), state)


def sample(scores: numpy.ndarray, temperature: float, top_k: int, rng: numpy.random.Generator) -> int:
    """Draw an index with probability softmax(scores / temperature), among the ``top_k`` best if that is not 0.

    It is drawn as the largest of the scores plus Gumbel noise, one number of noise for each score, so that the draw
    depends on nothing but the scores and the generator.

    Source
    ------
    Gumbel, "Statistical Theory of Extreme Values and Some Practical Applications", 1954; the "Gumbel-max trick".
    """
    if not numpy.isfinite(scores.max()):
        raise _checks.InputError("the model's scores", "finite numbers", _checks.Described(str(scores.max())),
                                 "its parameters were lost in training")
    if temperature == 0:
        return int(scores.argmax())
    noise = rng.gumbel(size=scores.shape)
    if 0 < top_k < len(scores):
        worst_kept = numpy.partition(scores, -top_k)[-top_k]
        scores = numpy.where(scores >= worst_kept, scores, -numpy.inf)
    return int((scores / temperature + noise).argmax())
