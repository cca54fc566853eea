"""The perplexity of a language model, independent of the batch size."""

import dataclasses
import math
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple, Union

from gluon_deeprnn import _checks, kernels, mxnet_private
from gluon_deeprnn.data.apart import Apart
from gluon_deeprnn.data.batches import PADDING, continues, is_padded
from gluon_deeprnn.data.evaluated_text import EvaluatedText
from gluon_deeprnn.devices import Context
from gluon_deeprnn.errors import Described, InputError
from gluon_deeprnn.graph import GraphBlock, context_of
from gluon_deeprnn.models.language_model import check_language_model
from gluon_deeprnn.models.plain import PlainModel, plain_reader
from mxnet import autograd, np
import numpy


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """The loss of a model on a text.

    Attributes
    ----------
    nll : float
        Total negative log-likelihood of the predicted tokens, in nats.
    num_tokens : int
        Number of predicted tokens.
    text : EvaluatedText, optional
        What the tokens stand for: characters, words, unknown tokens.  Without it only the perplexity is known.
    by_source : mapping of str to Evaluation
        The loss on each text, by its name, if the data is several texts that are read apart; else empty.

    Examples
    --------
    >>> from gluon_deeprnn.data.evaluated_text import EvaluatedText
    >>> from gluon_deeprnn.evaluation import Evaluation
    >>> print(Evaluation(nll=1000.0, num_tokens=800))
    perplexity 3.490 (800 tokens)
    >>> words = EvaluatedText("word", 801, num_unknown=80, num_characters=4000, num_words=790, unpredicted=1600)
    >>> print(Evaluation(nll=4800.0, num_tokens=800, text=words))
    perplexity 403.429 per word, 2.308 bits per character (4000 characters; 80 of 801 tokens unknown, 10.0%)
    """

    nll: float
    num_tokens: int
    text: Optional[EvaluatedText] = None
    by_source: Mapping[str, "Evaluation"] = dataclasses.field(default_factory=dict, compare=False)

    @property
    def perplexity(self) -> float:
        """exp(nll / num_tokens); inf if that overflows."""
        return perplexity(self.nll, self.num_tokens)

    @property
    def bits_per_character(self) -> float:
        """The code length of the text, in bits, divided by its number of characters; NaN if the text is not known.

        The code length is the negative log-likelihood and what it leaves out: a first token that nothing predicts,
        with the same probability for all tokens, and the spelling of unknown tokens
        (`gluon_deeprnn.data.spelling.Spelling`).  So models with different tokens can be compared.
        """
        return math.nan if self.text is None else self.text.bits_per_character(self.nll)

    @property
    def word_perplexity(self) -> float:
        """The perplexity per word, from the code length, whatever the tokens are; NaN if the text is not known."""
        return math.nan if self.text is None else self.text.word_perplexity(self.nll)

    def about_text(self) -> Dict[str, Any]:
        """The text for JSON: unit, tokens, unknown, characters, words, and word_ppl if white space separates words."""
        if self.text is None:
            return {}
        return {"unit": self.text.unit, "tokens": self.text.num_tokens, "unknown": self.text.num_unknown,
                "characters": self.text.num_characters, "words": self.text.num_words,
                "word_ppl": self.word_perplexity if self.text.has_words and self.word_perplexity < math.inf else None}

    def __str__(self) -> str:
        if self.text is None:
            return f"perplexity {self.perplexity:.3f} ({self.num_tokens} tokens)"
        per = "" if self.text.unit == "character" else f" per {self.text.unit}"
        about = "; ".join([f"{self.text.num_characters} characters", *filter(None, [self.text.share_unknown])])
        return f"perplexity {self.perplexity:.3f}{per}, {self.bits_per_character:.3f} bits per character ({about})"


def perplexity(nll: float, num_tokens: int) -> float:
    """The exponential of the mean negative log-likelihood, in nats, of ``num_tokens`` tokens.

    Source
    ------
    Dive into Deep Learning, section "Language Models", perplexity.
    """
    try:
        return math.exp(nll / num_tokens)
    except OverflowError:
        return math.inf


class LogProbs(GraphBlock):
    """A language model and the log-probabilities of given tokens in one graph: ``log_p, state = block(x, y, state)``.

    The log-probabilities are log p(y), in nats, shape (T, N).
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def hybrid_forward(self, F: Any, x: Any, y: Any, state: List[Any]) -> Any:
        """Compute the outputs; see the class."""
        logits, state = self.model(x, state)  # (T, N, V)
        return kernels.log_probs(F, logits, y), state


class MeanLoss(LogProbs):
    """A language model and its loss in one graph: ``loss, state = block(x, y, state)``.

    The loss is the mean over all tokens of the batch of -log p(y), in nats, shape ().  With ``weights``, (T, N), as a
    fourth argument it is the weighted sum: for padded batches.
    """

    def hybrid_forward(self, F: Any, x: Any, y: Any, state: List[Any], weights: Any = None) -> Any:
        """Compute the outputs; see the class."""
        logits, state = self.model(x, state)  # (T, N, V)
        return kernels.cross_entropy(F, logits, y, weights), state

    def of_batch(self, x: numpy.ndarray, y: numpy.ndarray, state: List[np.ndarray], *, padded: bool = False,
                 may_be_empty: bool = False) -> Tuple[np.ndarray, List[np.ndarray], int]:
        """The loss of a batch, the state after it, and the number of its targets.

        Parameters
        ----------
        x, y : numpy.ndarray
            Token indices and targets, (T, N).
        state : list of mxnet.np.ndarray
            The state before the batch, on the device of the computation.
        padded : bool, default False
            Whether targets of -1 are padding: they are excluded from the mean.
        may_be_empty : bool, default False
            Whether all targets may be padding, as in some of the columns of a batch; the loss is then 0.

        Raises
        ------
        ValueError
            For indices that are not in the vocabulary, and for a batch in which all is padding.
        """
        ctx, vocab_size = state[0].ctx, self.model.vocab_size
        if not padded:
            return (*self(on_device(x, ctx, vocab_size), on_device(y, ctx, vocab_size), state), x.size)
        real = y != PADDING
        count = int(real.sum())
        if not count and not may_be_empty:
            raise InputError("y", "targets of which at least one is not padding", Described(f"shape {y.shape}, all -1"))
        # MXNet's pick would take the probability of token 0 for a target of -1, without an error.
        targets = on_device(numpy.where(real, y, 0), ctx, vocab_size)
        weights = np.array(real / max(count, 1), dtype="float32", ctx=ctx)
        return (*self(on_device(x, ctx, vocab_size), targets, state, weights), count)


def evaluate(model: Any, batches: Any, *, device: Optional[Union[str, Context]] = None) -> Evaluation:
    """Evaluate a model on a batch source.

    On the CPU, a stream of one column, or of few in a small network, is read by the compiled library without MXNet.
    Where it cannot do that, or not faster (see ``gluon_deeprnn.models.plain``), model and loss are one graph.

    Parameters
    ----------
    model : RNNLM or RNNLMScratch
        The language model.
    batches : Windows, Stream, Records, Apart or another batch source
        The data.  A stream carries the state from batch to batch, windows have the initial state in every batch, and
        records and texts that are read apart have it at their beginning.  Bits per character need the text that the
        tokens stand for, which the batches of `gluon_deeprnn.TextData` know (their attribute ``text``).
    device : str or mxnet.context.Context, optional
        The context of the computation; default: that of the parameters.

    Returns
    -------
    Evaluation
        Total loss, perplexity and bits per character; every token has the same weight.

    Examples
    --------
    >>> import numpy
    >>> from gluon_deeprnn import RNNLM, GRU, evaluate
    >>> from gluon_deeprnn.data import Stream
    >>> model = RNNLM(GRU(num_hiddens=8), vocab_size=5)
    >>> for _, parameter in model.named_parameters():
    ...     parameter.set_data(parameter.data() * 0)  # the uniform model
    >>> print(evaluate(model, Stream(numpy.arange(101, dtype='int32') % 5, batch_size=1, num_steps=10)))
    perplexity 5.000 (100 tokens)
    """
    if not hasattr(batches, "batches"):
        raise InputError("batches", "a batch source, such as Windows or Stream", batches)
    if isinstance(model, MeanLoss):
        loss = model  # already hybridized by the caller; to hybridize it again would delete its graphs
    else:
        check_language_model(model)
        loss = MeanLoss(model)
        loss.hybridize(children=False)
    ctx = context_of(loss, device)
    if not isinstance(batches, Apart):
        return _evaluate(loss, batches, ctx)
    found = {name: _evaluate(loss, each, ctx) for name, each in batches.streams.items()}
    return Evaluation(math.fsum(each.nll for each in found.values()), sum(each.num_tokens for each in found.values()),
                      batches.text, found)


def _evaluate(loss: MeanLoss, batches: Any, ctx: Context) -> Evaluation:
    losses, counts = [], []
    state: Any = None
    reader: Any = None
    for i, (x, y) in enumerate(batches.batches()):
        if reader is None:
            reader = _reader(loss, ctx, x.shape[1], padded=is_padded(batches))
        if state is None or not continues(batches, 0, i):
            state = reader.begin_state(x.shape[1])
        mean, state, count = reader.of_batch(x, y, state)
        losses.append(mean)
        counts.append(count)
    return Evaluation(total_nll(losses, counts), sum(counts), getattr(batches, "text", None))


class _Graph(NamedTuple):
    """Reads batches by the graph of a model and its loss."""

    loss: MeanLoss
    ctx: Context
    padded: bool

    def begin_state(self, num_columns: int) -> List[np.ndarray]:
        return self.loss.model.begin_state(num_columns, self.ctx)

    def of_batch(self, x: numpy.ndarray, y: numpy.ndarray, state: List[np.ndarray]) -> Tuple[Any, Any, int]:
        return self.loss.of_batch(x, y, state, padded=self.padded)


class _Library(NamedTuple):
    """Reads batches by the compiled library without MXNet, one column after the other."""

    plain: PlainModel

    def begin_state(self, num_columns: int) -> numpy.ndarray:
        return numpy.repeat(self.plain.first_state, num_columns, axis=2)  # (S, L, N, H)

    def of_batch(self, x: numpy.ndarray, y: numpy.ndarray, state: numpy.ndarray) -> Tuple[Any, Any, int]:
        network = self.plain.network
        for tokens in (x, y):
            _checks.indices("tokens", tokens, network.vocab_size)
        columns = [network.score(x[:, n], y[:, n], state[:, :, n:n + 1]) for n in range(x.shape[1])]
        mean = -numpy.mean([log_p for log_p, _ in columns], dtype="float64")
        return mean, numpy.concatenate([last for _, last in columns], axis=2), x.size


def _reader(loss: MeanLoss, ctx: Context, num_columns: int, *, padded: bool) -> Union[_Graph, _Library]:
    """The faster way to read batches of this number of columns, of those that compute the same."""
    is_plain = type(loss) is MeanLoss and loss.may_fuse and not mxnet_private.has_hooks(loss)
    if padded or not is_plain or autograd.is_training() or autograd.is_recording():
        return _Graph(loss, ctx, padded)
    plain = plain_reader(loss.model, ctx, num_columns)
    return _Graph(loss, ctx, padded) if plain is None else _Library(plain)


def on_device(array: numpy.ndarray, ctx: Context, vocab_size: int) -> np.ndarray:
    """Return token indices as an MXNet array, after a check that they are below ``vocab_size``."""
    return np.array(_checks.indices("tokens", array, vocab_size), dtype="int32", ctx=ctx)


def total_nll(means: List[np.ndarray], counts: List[int]) -> float:
    """The sum of batch means times batch sizes, in double precision; waits for the means."""
    return math.fsum(float(mean.item()) * count for mean, count in zip(means, counts))
