"""The surprisal of a text under a language model: -log2 of the probability of every token, given those before it."""

import math
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from gluon_deeprnn import _checks
from gluon_deeprnn.data import Source, Vocab
from gluon_deeprnn.data.records import RECORDS
from gluon_deeprnn.devices import Context
from gluon_deeprnn.errors import Described, InputError
from gluon_deeprnn.evaluation.perplexity import LogProbs, on_device
from gluon_deeprnn.evaluation.reading import Tokens, read
from gluon_deeprnn.evaluation.scored import ScoredText, line_starts
from gluon_deeprnn.graph import context_of
from gluon_deeprnn.models.language_model import check_language_model
from gluon_deeprnn.models.plain import plain_model
import numpy

_NUM_STEPS, _MULTIPLE, _COLUMNS = 128, 16, 64
"""The most steps in a call; what their number is a multiple of, to compile few graphs; the most columns in a call."""


def score(model: Any, vocab: Vocab, text: str, *, records: str = "none", source: Optional[str] = None,
          device: Optional[Union[str, Context]] = None) -> ScoredText:
    r"""Compute the log-probability of every token of a text, given all the tokens before it.

    The text is read as one stream: the state is carried from its beginning to its end.  Nothing predicts its first
    token, so that one has no log-probability and is left out of all sums and means, but for the code length of the
    whole text in its ``evaluation``.  With a vocabulary that has tokens
    for the beginning and the end of a record, each record is scored on its own, and all of its tokens are predicted:
    the first one after ``<bos>``, and ``<eos>`` after the last one.

    Parameters
    ----------
    model : RNNLM or RNNLMScratch
        The language model.
    vocab : Vocab
        The vocabulary with which it was trained.  The text is cleaned and tokenized like that of the vocabulary.
        Tokens that are not in it are scored as the unknown token and its spelling, and marked.
    text : str
        The text, at least 2 tokens long.
    records : {"none", "line", "paragraph", "blank-line"}, default "none"
        What a record is, for a vocabulary with boundaries.
    source : str, optional
        For a vocabulary with tokens of sources, the one whose token is read before the text; its first token then has
        a prediction, too.
    device : str or mxnet.context.Context, optional
        The context of the computation; default: that of the parameters.

    Returns
    -------
    ScoredText
        The log-probabilities in nats, by token; as `Piece` by token, word or line.

    Raises
    ------
    ValueError
        "text must be at least 2 tokens long; got 1 tokens", and similar messages for other arguments.

    Source
    ------
    Shannon, "Prediction and Entropy of Printed English", 1951; Hale, "A Probabilistic Earley Parser as a
    Psycholinguistic Model", 2001 (surprisal).

    Examples
    --------
    >>> from gluon_deeprnn import GRU, RNNLM, Vocab
    >>> from gluon_deeprnn.evaluation import score
    >>> vocab = Vocab('a cab')
    >>> model = RNNLM(GRU(num_hiddens=8), vocab_size=len(vocab))
    >>> for _, parameter in model.named_parameters():
    ...     parameter.set_data(parameter.data() * 0)  # the uniform model of 5 tokens
    >>> scored = score(model, vocab, 'a cab')
    >>> [(word.text, round(word.bits, 2)) for word in scored.words()]
    [('a ', 2.32), ('cab', 6.97)]
    >>> print(scored.evaluation)
    perplexity 5.000, 2.322 bits per character (5 characters)
    """
    if not isinstance(text, str):
        raise InputError("text", "a string", text)
    return score_texts(model, vocab, [Source("text", text, "")], records=records,
                       sources=None if source is None else {"text": source}, device=device)[0]


def score_texts(model: Any, vocab: Vocab, texts: Sequence[Source], *, carried: bool = True, records: str = "none",
                sources: Optional[Mapping[str, str]] = None,
                device: Optional[Union[str, Context]] = None) -> List[ScoredText]:
    """Score several texts; see `score`.

    Parameters
    ----------
    model, vocab, records, device
        As for `score`.
    texts : sequence of Source
        The texts.
    carried : bool, default True
        Whether a text continues the one before it, as in `gluon_deeprnn.evaluate`; otherwise each text is read from the
        initial state, and each one's first token has no prediction.  Records are always scored on their own.
    sources : mapping of str to str, optional
        For texts, by their names, the source whose token is read before them.  With it no text continues another.

    Returns
    -------
    list of ScoredText

    Examples
    --------
    >>> from gluon_deeprnn import GRU, RNNLM, Vocab
    >>> from gluon_deeprnn.data import Source
    >>> from gluon_deeprnn.evaluation import score_texts
    >>> vocab = Vocab('a cab')
    >>> model = RNNLM(GRU(num_hiddens=8), vocab_size=len(vocab))
    >>> texts = [Source('first', 'a cab', ''), Source('second', 'a cab', '')]
    >>> for carried in (True, False):
    ...     print([scored.num_tokens for scored in score_texts(model, vocab, texts, carried=carried)])
    [4, 5]
    [4, 4]
    """
    check_language_model(model)
    if not isinstance(vocab, Vocab) or len(vocab) != model.vocab_size:
        raise InputError("vocab", f"a Vocab of the model's size, {model.vocab_size} tokens", vocab)
    read_texts = _checks.sequence("texts", texts, Source, "a sequence of Source, not empty")
    if not read_texts:
        raise InputError("texts", "a sequence of Source, not empty", texts)
    carried = _checks.flag("carried", carried)
    _checks.one_of("records", records, RECORDS)
    ctx = context_of(model, device)
    begins = _begins(vocab, read_texts, sources)
    cleaned, tokenized = zip(*(read(vocab, source.text, records) for source in read_texts))
    log_probs = iter(_predicted(model, vocab, tokenized, begins, carried and not sources, ctx))
    found = []
    for source, text, tokens in zip(read_texts, cleaned, tokenized):
        indices, spans, characters, spelled = (numpy.concatenate(arrays) for arrays in zip(*tokens))
        of_text = numpy.fromiter(log_probs, "float64", len(indices))
        unpredicted = spelled + numpy.isnan(of_text) * math.log(len(vocab))
        found.append(ScoredText(
            source.name, text, line_starts(text), spans[:, 0], spans[:, 1], vocab.tokenizer.unit, of_text, unpredicted,
            characters, indices != vocab.unknown_index))
    return found


def _begins(vocab: Vocab, texts: Sequence[Source], sources: Optional[Mapping[str, str]]) -> List[List[int]]:
    """For each text, the tokens that are read before it, or before each of its records: none, or one."""
    named = {} if sources is None else _checks.mapping("sources", sources)
    if vocab.begin_index is not None:
        if named:
            raise InputError("sources", "omitted for a model of records", named)
        return [[vocab.begin_index] for _ in texts]
    return [[vocab.source_index(named[text.name])] if text.name in named else [] for text in texts]


def _predicted(model: Any, vocab: Vocab, texts: Sequence[List[Tokens]], begins: Sequence[List[int]], carried: bool,
               ctx: Context) -> numpy.ndarray:
    """The log-probabilities of all tokens of all texts; NaN for those that nothing predicts."""
    pieces: List[Tuple[List[int], numpy.ndarray]] = []
    for text, begin in zip(texts, begins):
        if vocab.begin_index is not None:
            pieces += [(begin, record.indices) for record in text]
            if not text:
                raise InputError("text", "at least 1 tokens long", Described("0 tokens"))
        else:
            pieces.append((begin, numpy.concatenate([tokens.indices for tokens in text])))
    if carried and vocab.begin_index is None:
        pieces = [([], numpy.concatenate([indices for _, indices in pieces]))]
    for begin, indices in pieces:
        if len(begin) + len(indices) < 2:
            raise InputError("text", f"at least {2 - len(begin)} tokens long", Described(f"{len(indices)} tokens"))
    sequences = [numpy.append(numpy.array(begin, dtype="int32"), indices) for begin, indices in pieces]
    log_probs = _log_probs(model, sequences, ctx)
    return numpy.concatenate([log_p if begin else numpy.append(math.nan, log_p)
                              for (begin, _), log_p in zip(pieces, log_probs)])


def _log_probs(model: Any, sequences: List[numpy.ndarray], ctx: Context) -> List[numpy.ndarray]:
    """For each sequence, read from the initial state: log p of each of its indices but the first, float64."""
    plain = plain_model(model, ctx) if len(sequences) == 1 else None  # the graph is faster for many columns
    if plain is None:
        found = _by_graph(model, sequences, ctx)
    else:
        log_p, _ = plain.network.score(sequences[0][:-1], sequences[0][1:], plain.first_state)
        found = {0: log_p.astype("float64")}
    for values in found.values():
        if not numpy.isfinite(values).all():
            raise InputError("the model's log-probabilities", "finite numbers", Described(str(values.min())),
                             "its training diverged")
    return [found[i] for i in range(len(sequences))]


def _by_graph(model: Any, sequences: List[numpy.ndarray], ctx: Context) -> Dict[int, numpy.ndarray]:
    """The log-probabilities of each sequence, by MXNet's graph."""
    block = LogProbs(model)
    block.hybridize(children=False)
    found: Dict[int, numpy.ndarray] = {}
    by_length = sorted(range(len(sequences)), key=lambda i: len(sequences[i]))  # columns of similar length in one batch
    for first in range(0, len(by_length), _COLUMNS):
        columns = by_length[first:first + _COLUMNS]
        num_steps = len(sequences[columns[-1]]) - 1
        padded = numpy.zeros((-(-num_steps // _MULTIPLE) * _MULTIPLE + 1, len(columns)), dtype="int32")
        for column, i in enumerate(columns):  # the padding is after the sequence, so that it changes nothing before it
            padded[:len(sequences[i]), column] = sequences[i]
        state, parts = model.begin_state(len(columns), ctx), []
        for start in range(0, num_steps, _NUM_STEPS):
            rows = on_device(padded[start:start + _NUM_STEPS + 1], ctx, model.vocab_size)
            log_p, state = block(rows[:-1], rows[1:], state)
            parts.append(log_p)
        values = numpy.concatenate([part.asnumpy() for part in parts]).astype("float64")  # (T, N)
        for column, i in enumerate(columns):
            found[i] = values[:len(sequences[i]) - 1, column]
    return found
