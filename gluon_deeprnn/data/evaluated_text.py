"""The text that the tokens of a batch source stand for, and its code length.

Bits per character is the code length of a text, in bits, divided by its number of characters.  The predictions of a
model are most of the code.  Two things are missing: a token that nothing predicts, the first one of a stream, and the
spelling of tokens that are not in the vocabulary, of which a model only predicts that they are unknown.
"""

import dataclasses
import math
import re
from typing import Optional, Sequence

from gluon_deeprnn.data.records import RECORDS, Record
from gluon_deeprnn.data.vocab import Vocab
import numpy

_LONGEST_WORDS = 30


@dataclasses.dataclass(frozen=True)
class EvaluatedText:
    """The text that the tokens of a batch source stand for, as far as its code length depends on it.

    Attributes
    ----------
    unit : str
        What a token is: "character", "word", "byte", or "token" for words, punctuation marks and white space.
    num_tokens : int
        Number of tokens, those that nothing predicts included.
    num_unknown : int
        Number of these that are not in the vocabulary.
    num_characters : int
        Number of characters of the text.  A byte that is no part of a character in UTF-8 counts as one.
    num_words : int
        Number of words of the text, which are separated by white space.
    unpredicted : float
        What the predictions leave out of the code length, in nats: a first token that nothing predicts, with the same
        probability for all tokens of the vocabulary, and the spelling of unknown tokens.

    Examples
    --------
    >>> from gluon_deeprnn.data.evaluated_text import EvaluatedText
    >>> one = EvaluatedText("character", num_tokens=9, num_unknown=1, num_characters=9, num_words=2, unpredicted=13.9)
    >>> (one + one).num_characters, round(one.bits_per_character(nll=20), 2)
    (18, 5.43)
    """

    unit: str
    num_tokens: int
    num_unknown: int
    num_characters: int
    num_words: int
    unpredicted: float

    def __add__(self, other: "EvaluatedText") -> "EvaluatedText":
        return EvaluatedText(self.unit, *(getattr(self, field.name) + getattr(other, field.name)
                                          for field in dataclasses.fields(self)[1:]))

    def bits_per_character(self, nll: float) -> float:
        """The code length per character, in bits, if the predictions cost ``nll`` nats."""
        return (nll + self.unpredicted) / math.log(2) / self.num_characters

    def word_perplexity(self, nll: float) -> float:
        """The perplexity per word, whatever the tokens are: exp(code length / number of words); inf without words."""
        try:
            return math.exp((nll + self.unpredicted) / self.num_words)
        except (OverflowError, ZeroDivisionError):
            return math.inf

    @property
    def has_words(self) -> bool:
        """Whether white space separates words in this text: they have at most 30 characters in the mean."""
        return self.num_words > 0 and self.num_characters <= _LONGEST_WORDS * self.num_words

    @property
    def share_unknown(self) -> str:
        """How many tokens are unknown, such as "405 of 2,806 tokens unknown, 14.4%"; empty if none is."""
        if not self.num_unknown:
            return ""
        return (f"{self.num_unknown:,} of {self.num_tokens:,} tokens unknown, "
                f"{self.num_unknown / self.num_tokens:.1%}")


def total_of(texts: Sequence[EvaluatedText]) -> EvaluatedText:
    """The sum of one or more texts."""
    first, *others = texts
    return sum(others, first)


def text_of(vocab: Vocab, tokens: Sequence[str], *, num_predicted: Optional[int] = None) -> EvaluatedText:
    """The text of a stream of tokens.

    Parameters
    ----------
    vocab : Vocab
        The vocabulary of the model.
    tokens : sequence of str
        The tokens of the text, the first one included.
    num_predicted : int, optional
        The number of tokens that the model predicts; default: all but the first.

    Examples
    --------
    >>> from gluon_deeprnn import Vocab
    >>> from gluon_deeprnn.data.evaluated_text import text_of
    >>> text = text_of(Vocab('a cab'), list('a bad cab'))
    >>> text.num_characters, text.num_words, text.share_unknown
    (9, 3, '1 of 9 tokens unknown, 11.1%')
    """
    spelled = spelled_nats(vocab, tokens)
    num_predicted = len(tokens) - 1 if num_predicted is None else num_predicted
    joined = vocab.tokenizer.unsplit(tokens)
    return EvaluatedText(vocab.tokenizer.unit, len(tokens), int(numpy.count_nonzero(spelled)), len(joined),
                         len(joined.split()), (len(tokens) - num_predicted) * math.log(len(vocab)) + math.fsum(spelled))


def spelled_nats(vocab: Vocab, tokens: Sequence[str]) -> numpy.ndarray:
    """The code length of the spelling of each unknown token, in nats, (n,), float64; 0 for a known one.

    A token that is written like one for a boundary or a source is unknown.
    """
    nats = numpy.zeros(len(tokens))
    for i in numpy.flatnonzero(numpy.isin(vocab.encode(tokens), vocab.special)).tolist():
        nats[i] = vocab.spelling.nats(tokens[i])
    return nats


def text_of_windows(vocab: Vocab, tokens: Sequence[str], num_windows: int, num_steps: int) -> EvaluatedText:
    """The text of the targets of overlapping windows: each window's text without its first token, together.

    The first token of a window is given: it is neither predicted nor coded.

    Parameters
    ----------
    vocab : Vocab
        The vocabulary of the model.
    tokens : sequence of str
        The ``num_windows + num_steps`` tokens that the windows cover.
    num_windows, num_steps : int
        Number of windows, and of targets in each.
    """
    targets = list(tokens[1:num_windows + num_steps])
    times = numpy.convolve(numpy.ones(num_windows, "int64"), numpy.ones(num_steps, "int64"))  # as a target
    characters = vocab.tokenizer.characters(targets)
    spelled = spelled_nats(vocab, targets)
    words = [word.start() for word in re.finditer(r"\S+", vocab.tokenizer.unsplit(targets))]
    beginning = numpy.searchsorted(numpy.cumsum(characters), words, side="right")  # the token in which a word begins
    return EvaluatedText(vocab.tokenizer.unit, int(times.sum()), int(times[spelled > 0].sum()),
                         int(characters @ times), int(times[beginning].sum()), float(spelled @ times))


def text_of_records(vocab: Vocab, records: Sequence[Record], kind: str) -> EvaluatedText:
    """The text of records, each with the separator after it, which its end token stands for.

    Parameters
    ----------
    vocab : Vocab
        The vocabulary of the model.
    records : sequence of Record
        The records.
    kind : str
        A key of `gluon_deeprnn.data.records.RECORDS`.
    """
    spelled = spelled_nats(vocab, [token for record in records for token in record.tokens])
    return EvaluatedText(
        vocab.tokenizer.unit, len(spelled) + len(records), int(numpy.count_nonzero(spelled)),
        sum(len(record.text) for record in records) + len(records) * len(RECORDS[kind].separator),
        sum(len(record.text.split()) for record in records), math.fsum(spelled))
