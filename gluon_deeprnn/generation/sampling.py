"""Text generation by sampling or greedy decoding."""

from typing import Any, Iterator, List, Optional, Sequence, Union

from gluon_deeprnn import _checks
from gluon_deeprnn.devices import Context
from gluon_deeprnn.generation.options import SamplingOptions, stop_strings
from gluon_deeprnn.generation.stopping import before
from gluon_deeprnn.generation.writer import Writer
import numpy


def generate(model: Any, vocab: Any, prefix: str, length: int, *, temperature: float = 0.7, top_k: int = 0,
             top_p: float = 1, min_p: float = 0, repetition_penalty: float = 1, stop: Union[str, Sequence[str]] = (),
             seed: int = 0, skip_unknown: bool = False,
             device: Optional[Union[str, Context]] = None) -> Iterator[str]:
    """Generate the continuation of a prefix, token by token.  The model is hybridized for it, if it is not already.

    Tokens are sampled on the device, up to 32 per call; the text does not depend on this number.

    Parameters
    ----------
    model : RNNLM or RNNLMScratch
        The language model.
    vocab : Vocab
        The vocabulary with which it was trained; the prefix is cleaned and tokenized like its texts.
    prefix : str
        The text to continue: at least one token, all in ``vocab``.
    length : int
        Number of tokens to generate.
    temperature : float, default 0.7
        Divides the logits: values below 1 make likely tokens more likely, 1 samples from the model's distribution, 0
        is greedy decoding.
    top_k : int, default 0
        Sample from the k most likely tokens only; 0 for all tokens.
    top_p : float in (0, 1], default 1
        Sample from the smallest set of tokens whose probabilities add up to at least ``top_p``, after ``top_k`` and
        ``min_p`` (Holtzman et al., "The Curious Case of Neural Text Degeneration", 2020).
    min_p : float in [0, 1), default 0
        Sample from the tokens that are at least ``min_p`` times as likely as the most likely one
        (Nguyen et al., "Turning Up the Heat: Min-p Sampling for Creative and Coherent LLM Outputs", 2024).
    repetition_penalty : float, default 1
        Divides the positive logits of tokens in the text so far, and multiplies the negative ones; above 1 they become
        less likely (Keskar et al., "CTRL: A Conditional Transformer Language Model for Controllable Generation", 2019).
    stop : str or sequence of str, optional
        The text ends before the first of these strings.
    seed : int, default 0
        Seed of the sampling.  The same seed generates the same text.
    skip_unknown : bool, default False
        Skip tokens of the prefix that are not in the vocabulary, instead of raising an error.
    device : str or mxnet.context.Context, optional
        The context of the computation; default: that of the parameters.

    Yields
    ------
    str
        The text to append for each new token (for words, with the space before it).  The unknown token is never
        sampled.

    Raises
    ------
    ValueError
        "prefix must be made of tokens in the vocabulary; got 'é'", and similar messages for other arguments.

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
    options, stop = SamplingOptions(temperature, top_k, top_p, min_p, repetition_penalty), stop_strings(stop)
    rng = numpy.random.default_rng(_checks.integer("seed", seed, at_least=0))
    writer = Writer(model, vocab, prefix, options, skip_unknown, device)
    return before(vocab.text(token for chunk in writer.chunks(length, [rng]) for token in chunk[:, 0]), stop)


def generate_many(model: Any, vocab: Any, prefix: str, length: int, num_samples: int, *, temperature: float = 0.7,
                  top_k: int = 0, top_p: float = 1, min_p: float = 0, repetition_penalty: float = 1,
                  stop: Union[str, Sequence[str]] = (), seed: int = 0, skip_unknown: bool = False,
                  device: Optional[Union[str, Context]] = None) -> List[str]:
    """Generate several continuations of a prefix in one batch, which is much faster than one after another.

    Parameters
    ----------
    model, vocab, prefix, length, temperature, top_k, top_p, min_p, repetition_penalty, stop, skip_unknown, device
        As for `gluon_deeprnn.generate`.
    num_samples : int
        Number of continuations, at least 1.
    seed : int, default 0
        Continuation i is the one that `gluon_deeprnn.generate` generates with ``seed + i``.

    Returns
    -------
    list of str
        The continuations, without the prefix.

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
    options, stop = SamplingOptions(temperature, top_k, top_p, min_p, repetition_penalty), stop_strings(stop)
    seed = _checks.integer("seed", seed, at_least=0)
    writer = Writer(model, vocab, prefix, options, skip_unknown, device)
    rngs = [numpy.random.default_rng(seed + i) for i in range(num_samples)]
    tokens = numpy.concatenate([numpy.empty((0, num_samples), dtype="int32"), *writer.chunks(length, rngs)])
    return ["".join(before(vocab.text(column), stop)) for column in tokens.T]
