"""Simple models of the same text, beside which a perplexity has a meaning: uniform, unigram, n-gram."""

import dataclasses
from typing import List, NamedTuple, Optional, Tuple, Union

from gluon_deeprnn import _checks
from gluon_deeprnn.data import Apart, BatchSource, MixedStreams, Records, Stream, Windows
from gluon_deeprnn.errors import Described, InputError
from gluon_deeprnn.evaluation.perplexity import perplexity
import numpy

MAX_ORDER = 8
"""The largest order among which one is chosen."""

Text = Union[numpy.ndarray, BatchSource]

_DENSE = 4  # counts are in one table, instead of sorted, if it has at most this number of entries for each token


@dataclasses.dataclass(frozen=True)
class ReferencePerplexities:
    """The perplexities of simple models on a text.

    Attributes
    ----------
    uniform : float
        Of the uniform distribution: the size of the vocabulary.
    unigram : float
        Of the relative frequencies of the training text, smoothed.
    ngram : float
        Of the interpolated n-gram model.
    order : int
        The n of the n-gram model; with order 1 it is the unigram model.

    Examples
    --------
    >>> from gluon_deeprnn.evaluation import ReferencePerplexities
    >>> print(ReferencePerplexities(uniform=28.0, unigram=16.93, ngram=4.091, order=5))
    28.0 uniform, 16.9 unigram, 4.09 5-gram (perplexity)
    """

    uniform: float
    unigram: float
    ngram: float
    order: int

    def __str__(self) -> str:
        found = {"uniform": self.uniform, "unigram": self.unigram}
        if self.order > 1:
            found[f"{self.order}-gram"] = self.ngram
        return ", ".join(f"{_short(value)} {name}" for name, value in found.items()) + " (perplexity)"


def _short(value: float) -> str:
    """A perplexity with three digits, or without decimals from 100 on."""
    return f"{value:#.3g}" if value < 99.95 else f"{value:,.0f}"


class _Read(NamedTuple):
    """A text: its tokens, where nothing precedes a token, and the number of steps if it is read in windows."""

    tokens: numpy.ndarray
    starts: numpy.ndarray
    num_steps: Optional[int] = None


def references(train: Text, text: Text, vocab_size: int, *, order: Optional[int] = None,
               validation: Optional[Text] = None) -> ReferencePerplexities:
    """Compute the perplexities of the uniform, the unigram and an n-gram model on a text.

    All three are estimated on the training text, and predict what a language model predicts when it is evaluated on
    ``text``: every token but the first of an array or a stream, from the tokens before it; every token of a record but
    its beginning, from the tokens of the record; and every target of every window (protocol ``d2l``), from the tokens
    of the window.  Training windows count once each token that they cover.

    The n-gram model interpolates all orders with Witten-Bell smoothing (method C): with c(h, y), the count of token y
    after the context h, N(h) the sum of these counts, and T(h) the number of different tokens after h,
    p_k(y | h) = (c(h, y) + T(h) p_{k-1}(y | h')) / (N(h) + T(h)), where h are the k - 1 tokens before y, h' is h
    without the first of them, and p_0 is uniform.  p_1 is the unigram model.  If there are fewer tokens before y, or if
    h does not occur in the training text, p_k is p_{k-1}.

    Parameters
    ----------
    train : numpy.ndarray, Windows, Stream or Records
        The training text: token indices, one dimension, or a batch source.
    text : numpy.ndarray, Windows, Stream or Records
        The text that is predicted.
    vocab_size : int
        The number of tokens of the vocabulary.
    order : int, optional
        The order n of the n-gram model; default: that of 1 to 8 with the lowest perplexity on ``validation``.
    validation : numpy.ndarray, Windows, Stream or Records, optional
        The text by which the order is chosen; default: ``text`` itself.

    Returns
    -------
    ReferencePerplexities

    Raises
    ------
    ValueError
        "text must be at least 2 tokens long; got 1 tokens", and similar messages for other arguments.

    Source
    ------
    Witten and Bell, "The Zero-Frequency Problem: Estimating the Probabilities of Novel Events in Adaptive Text
    Compression", 1991; Cleary and Witten, "Data Compression Using Adaptive Coding and Partial String Matching", 1984
    (contexts of decreasing length).

    Examples
    --------
    >>> from gluon_deeprnn import Vocab
    >>> from gluon_deeprnn.evaluation import references
    >>> vocab = Vocab('time and space')
    >>> print(references(vocab.encode(list('time and space ' * 9)), vocab.encode(list('space and time')), len(vocab)))
    12.0 uniform, 10.3 unigram, 1.42 3-gram (perplexity)
    """
    vocab_size = _checks.integer("vocab_size", vocab_size, at_least=1)
    if order is not None:
        order = _checks.integer("order", order, at_least=1)
    learned, read = _read("train", train, vocab_size), _read("text", text, vocab_size)
    chosen_on = None if validation is None or order is not None else _read("validation", validation, vocab_size)
    joined = read if chosen_on is None else _Read(numpy.append(chosen_on.tokens, read.tokens),
                                                  numpy.append(chosen_on.starts, read.starts))
    rows = _log_probs(learned, joined, vocab_size, order or MAX_ORDER)
    split = len(joined.tokens) - len(read.tokens)
    perplexities = _perplexities([row[split:] for row in rows], read)
    if order is None:
        judged = perplexities if chosen_on is None else _perplexities([row[:split] for row in rows], chosen_on)
        order = 1 + int(numpy.argmin(judged[1:]))
    return ReferencePerplexities(perplexities[0], perplexities[1], perplexities[order], order)


def ngram_log_probs(train: Text, text: Text, vocab_size: int, order: int) -> numpy.ndarray:
    """Compute the log-probabilities of the tokens of a text by n-gram models of all orders up to one.

    Parameters
    ----------
    train, text, vocab_size
        As for `references`; windows are read as one stream.
    order : int
        The largest order.

    Returns
    -------
    numpy.ndarray
        (order + 1, n): log p_k of each predicted token, in nats, for k from 0, the uniform distribution.

    Source
    ------
    Witten and Bell, "The Zero-Frequency Problem: Estimating the Probabilities of Novel Events in Adaptive Text
    Compression", 1991.

    Examples
    --------
    >>> import numpy
    >>> from gluon_deeprnn.evaluation.references import ngram_log_probs
    >>> train = numpy.array([0, 1, 0, 1, 0, 1])  # predicted are 1 three times and 0 twice; after 0 only 1
    >>> numpy.exp(ngram_log_probs(train, numpy.array([0, 1]), 4, order=2)).round(4).tolist()
    [[0.25], [0.5], [0.875]]
    """
    vocab_size = _checks.integer("vocab_size", vocab_size, at_least=1)
    order = _checks.integer("order", order, at_least=1)
    read = _read("text", text, vocab_size)
    rows = _log_probs(_read("train", train, vocab_size), read, vocab_size, order)
    return numpy.stack([row[~read.starts] for row in rows])


def _read(name: str, text: Text, vocab_size: int) -> _Read:
    if not isinstance(text, (numpy.ndarray, Windows, Stream, Records, Apart, MixedStreams)):
        raise InputError(name, "an array of integers, or a batch source: Windows, Stream or Records", text)
    tokens = text if isinstance(text, numpy.ndarray) else text.tokens
    _checks.shape(name, tokens, (None,))
    tokens = _checks.indices(name, tokens, vocab_size).astype("int64")
    if len(tokens) < 2:
        raise InputError(name, "at least 2 tokens long", Described(f"{len(tokens)} tokens"))
    starts = tokens == text.begin if isinstance(text, Records) else numpy.arange(len(tokens)) == 0
    return _Read(tokens, starts, text.num_steps if isinstance(text, Windows) else None)


def _perplexities(rows: List[numpy.ndarray], text: _Read) -> List[float]:
    """The perplexity of each order on a text, from the log-probabilities of its tokens."""
    if text.num_steps is None:
        targets = ~text.starts
        return [perplexity(-float(row[targets].sum()), int(targets.sum())) for row in rows]
    num = len(text.tokens) - text.num_steps
    found = []
    for k in range(len(rows)):  # step s of a window, from 1, has s tokens before it, so the model of order s + 1
        sums = (rows[min(s + 1, k)][s:s + num].sum() for s in range(1, text.num_steps + 1))
        found.append(perplexity(-float(sum(sums)), num * text.num_steps))
    return found


def _log_probs(train: _Read, text: _Read, vocab_size: int, order: int) -> List[numpy.ndarray]:
    """For each order, from 0, the log-probability of each token of the text; the first ones have no meaning.

    A context is a number, from 0.  With the token after it, it is a key, whose number is that of the next place's
    context, which has one more token.  Only contexts that occur in both texts are followed.
    """
    p = numpy.full(len(text.tokens), 1 / vocab_size)
    rows = [numpy.log(p)]
    places, contexts = numpy.arange(len(train.tokens)), numpy.zeros(len(train.tokens), dtype="int64")
    at, context = numpy.arange(len(text.tokens)), numpy.zeros(len(text.tokens), dtype="int64")
    num_contexts = 1
    for _ in range(order):
        bound = num_contexts * vocab_size
        keys, key = contexts * vocab_size + train.tokens[places], context * vocab_size + text.tokens[at]
        found, counts = _counted(keys[~train.starts[places]], bound)
        count = numpy.append(counts, 0)[_index(key, found, bound)]  # c(h, y)
        kinds = numpy.bincount(found // vocab_size, minlength=num_contexts)[context]  # T(h)
        total = numpy.bincount(found // vocab_size, counts, minlength=num_contexts)[context]  # N(h)
        p[at] = (count + kinds * p[at]) / (total + kinds)
        rows.append(numpy.log(p))
        numbered = _counted(key, bound)[0]
        places, contexts = _following(places, _index(keys, numbered, bound), train.starts)
        at, context = _following(at, _index(key, numbered, bound), text.starts)
        num_contexts = len(numbered)
        followed = numpy.bincount(contexts, minlength=num_contexts)[context] > 0
        at, context = at[followed], context[followed]
    return rows


def _following(places: numpy.ndarray, numbers: numpy.ndarray, starts: numpy.ndarray,
               ) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """The places after these, with the numbers of their contexts; without those of number -1 and without starts."""
    kept = numbers >= 0
    places, numbers = places[kept] + 1, numbers[kept]
    if len(places) and places[-1] == len(starts):
        places, numbers = places[:-1], numbers[:-1]
    kept = ~starts[places]
    return places[kept], numbers[kept]


def _counted(keys: numpy.ndarray, bound: int) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """The different keys, all below ``bound``, in ascending order, and how often each occurs."""
    if bound > _DENSE * len(keys):
        return numpy.unique(keys, return_counts=True)
    counts = numpy.bincount(keys, minlength=bound)
    found = numpy.flatnonzero(counts)
    return found, counts[found]


def _index(keys: numpy.ndarray, found: numpy.ndarray, bound: int) -> numpy.ndarray:
    """The index of each key in ``found``, which is in ascending order; -1 if it is not there."""
    if not len(found):
        return numpy.full(len(keys), -1)
    if bound > _DENSE * len(keys):
        index = numpy.minimum(numpy.searchsorted(found, keys), len(found) - 1)
        return numpy.where(found[index] == keys, index, -1)
    table = numpy.full(bound, -1)
    table[found] = numpy.arange(len(found))
    return table[keys]
