"""Text generation by sampling or greedy decoding."""

import itertools
from typing import Any, Iterator, List, NamedTuple, Optional, Sequence, Union

from gluon_deeprnn import _checks
from gluon_deeprnn.data import Vocab
from gluon_deeprnn.devices import Context
from gluon_deeprnn.errors import InputError
from gluon_deeprnn.generation.beam import BeamSearch
from gluon_deeprnn.generation.continuation import Continuation
from gluon_deeprnn.generation.copies import RunLimit
from gluon_deeprnn.generation.options import DecodingOptions, stop_strings
from gluon_deeprnn.generation.steps import STEPS
from gluon_deeprnn.generation.stopping import ShownText
from gluon_deeprnn.generation.writer import Writer


def generate(model: Any, vocab: Any, prefix: str, length: int, *, temperature: float = 0.7, top_k: int = 0,
             top_p: float = 1, min_p: float = 0, repetition_penalty: float = 1, beam: int = 0,
             length_penalty: float = 0, no_copy: Optional[RunLimit] = None, stop: Union[str, Sequence[str]] = (),
             seed: int = 0, skip_unknown: bool = False, source: Optional[str] = None,
             device: Optional[Union[str, Context]] = None) -> Iterator[str]:
    """Generate the continuation of a prefix, token by token.

    On the CPU the compiled library samples them without MXNet.  Where it cannot (see
    ``gluon_deeprnn.models.plain.plain_model``), MXNet's graphs do, and the model is hybridized for it, if it is not
    already.  Several tokens are sampled per call; the text does not depend on their number.  A model of records begins
    with the beginning of a record, and its text ends with the record.

    Parameters
    ----------
    model : RNNLM, RNNLMScratch or LearnedMixture
        The language model; or its mixture with n-grams (`gluon_deeprnn.prediction.Mixture.learned`), without a beam.
    vocab : Vocab
        The vocabulary with which it was trained; the prefix is cleaned and tokenized like its texts.
    prefix : str
        The text to continue: at least one token, all in ``vocab``; for a model of records, and with a source, it can
        be empty.
    length : int
        Number of tokens to generate, if the text does not end before.
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
        The logits of a mixture are log-probabilities, which are all negative.
    beam : int, default 0
        Instead of sampling, search for the most likely continuation with this number of hypotheses; 0: sample.  The
        options of sampling, from ``temperature`` to ``min_p`` and ``seed``, must then have their defaults.  The text is
        yielded as far as all hypotheses agree.  1 is greedy decoding.
    length_penalty : float, default 0
        Hypotheses that have finished are compared by the sum of their log-probabilities divided by
        ((5 + length) / 6) ** length_penalty; above 0 longer ones become better (Wu et al., "Google's Neural Machine
        Translation System: Bridging the Gap between Human and Machine Translation", 2016).
    no_copy : RunLimit, optional
        Never copy a longer run of the training text than this limit, such as ``TrainingText.of(data).limit(12)``: the
        tokens that would make one, together with the end of the prefix, are not sampled.  Where that leaves no token
        the text ends.  The tokens are then sampled one per call.
    stop : str or sequence of str, optional
        The text ends before the first of these strings, which the tokens of ``vocab`` can make.
    seed : int, default 0
        Seed of the sampling.  The same seed generates the same text.
    skip_unknown : bool, default False
        Skip tokens of the prefix that are not in the vocabulary, instead of raising an error.
    source : str, optional
        Write like this text: its token is read before the prefix.  For a vocabulary with tokens of sources.
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
    text = Continuation(model, vocab, temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p,
                        repetition_penalty=repetition_penalty, beam=beam, length_penalty=length_penalty,
                        no_copy=no_copy, seed=seed, source=source, device=device)
    text.read(prefix, skip_unknown=skip_unknown)
    return text.write(length, stop, last=True)


def generate_many(model: Any, vocab: Any, prefix: str, length: int, num_samples: int, *, temperature: float = 0.7,
                  top_k: int = 0, top_p: float = 1, min_p: float = 0, repetition_penalty: float = 1, beam: int = 0,
                  length_penalty: float = 0, no_copy: Optional[RunLimit] = None,
                  stop: Union[str, Sequence[str]] = (), seed: int = 0, skip_unknown: bool = False,
                  source: Optional[str] = None, device: Optional[Union[str, Context]] = None) -> List[str]:
    """Generate several continuations of a prefix in one batch, which is much faster than one after another.

    Parameters
    ----------
    model, vocab, prefix, length, temperature, top_k, top_p, min_p, repetition_penalty, beam, length_penalty, no_copy
        As for `gluon_deeprnn.generate`.
    num_samples : int
        Number of continuations, at least 1; with a beam, at most its width.
    stop, skip_unknown, source, device
        As for `gluon_deeprnn.generate`.
    seed : int, default 0
        Continuation i is the one that `gluon_deeprnn.generate` generates with ``seed + i``.

    Returns
    -------
    list of str
        The continuations, without the prefix; with a beam the best ones, the best first.

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
    options = DecodingOptions(temperature, top_k, top_p, min_p, repetition_penalty, seed, beam, length_penalty)
    return [sample.text for sample in samples(model, vocab, prefix, length, num_samples, options, no_copy=no_copy,
                                              stop=stop, skip_unknown=skip_unknown, source=source, device=device)]


class Sample(NamedTuple):
    """A continuation of a prefix: its text, and the indices of its tokens."""

    text: str
    tokens: List[int]


def samples(model: Any, vocab: Any, prefix: str, length: int, num_samples: int, options: DecodingOptions, *,
            no_copy: Optional[RunLimit] = None, stop: Union[str, Sequence[str]] = (), skip_unknown: bool = False,
            source: Optional[str] = None, device: Optional[Union[str, Context]] = None) -> List[Sample]:
    """Generate continuations as `generate_many` does, with their tokens."""
    length = _checks.integer("length", length, at_least=0)
    num_samples = _checks.integer("num_samples", num_samples, at_least=1)
    if options.beam and num_samples > options.beam:
        raise InputError("num_samples", f"at most the width of the beam, {options.beam}", num_samples)
    writer = Writer(model, vocab, options, device, 1 if options.beam else num_samples, no_copy, source)
    stop = stop_strings(stop, vocab)
    writer.read(writer.encode(prefix, skip_unknown=skip_unknown))
    if options.beam:
        return [_Text(vocab, stop).sample(each.tokens) for each in BeamSearch(writer, length, stop, num_samples).run()]
    found = [_Text(vocab, stop) for _ in range(num_samples)]
    tokens = writer.tokens(length)
    while not all(text.shown.ended for text in found):
        rows = list(itertools.islice(tokens, STEPS))
        if not rows:
            break
        writer.keep(len(rows))
        for text, column in zip(found, zip(*rows)):
            text.add(column)
    return [text.sample() for text in found]


class _Text:
    """One of several texts while its tokens are sampled; those after its end are ignored."""

    def __init__(self, vocab: Vocab, stop: Sequence[str]) -> None:
        self.shown = ShownText(vocab, stop)
        self._pieces: List[str] = []
        self._tokens: List[int] = []

    def add(self, tokens: Sequence[int]) -> None:
        self._pieces.append(self.shown.extend(tokens))
        self._tokens.extend(tokens)

    def sample(self, tokens: Sequence[int] = ()) -> Sample:
        self.add(tokens)
        self._pieces.append(self.shown.finish(last=True))
        return Sample("".join(self._pieces), self._tokens[:self.shown.num_shown])
