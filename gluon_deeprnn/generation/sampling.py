"""Continue a text by sampling, or greedily."""

from typing import Any, Iterator, List, Optional, Union

from gluon_deeprnn import _checks
from gluon_deeprnn.devices import Context
from gluon_deeprnn.generation.writer import Writer
import numpy


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
        Divides the logits: below 1 likely tokens become likelier, 1 samples what the model believes, 0 always takes
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
    writer = Writer(model, vocab, prefix, temperature, top_k, skip_unknown, device)
    return vocab.text(token for chunk in writer.chunks(length, [rng]) for token in chunk[:, 0])


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
    writer = Writer(model, vocab, prefix, temperature, top_k, skip_unknown, device)
    rngs = [numpy.random.default_rng(seed + i) for i in range(num_samples)]
    chunks = list(writer.chunks(length, rngs))
    return ["".join(vocab.text(token for chunk in chunks for token in chunk[:, i])) for i in range(num_samples)]
