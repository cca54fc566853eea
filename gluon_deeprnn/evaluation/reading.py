"""Texts as tokens: their indices and their places in the text; in records, if the vocabulary has boundaries."""

from typing import List, NamedTuple, Tuple

from gluon_deeprnn import _checks
from gluon_deeprnn.data import Vocab
from gluon_deeprnn.data.evaluated_text import spelled_nats
from gluon_deeprnn.data.records import RECORDS, clean_records
import numpy


class Tokens(NamedTuple):
    """The tokens of a record.

    Attributes
    ----------
    indices : numpy.ndarray
        (n,), in the vocabulary.
    spans : numpy.ndarray
        (n, 2), where they are in the text.
    characters : numpy.ndarray
        (n,), float64, their numbers of characters.
    spelled : numpy.ndarray
        (n,), float64, the code length of the spelling of unknown tokens, in nats; 0 for the others.
    """

    indices: numpy.ndarray
    spans: numpy.ndarray
    characters: numpy.ndarray
    spelled: numpy.ndarray


def read(vocab: Vocab, text: str, records: str) -> Tuple[str, List[Tokens]]:
    """Clean and tokenize a text: the cleaned text, and the tokens of all of it or of each of its records.

    Without boundaries the whole text is read, and the characters are those of `gluon_deeprnn.evaluate`.  With
    boundaries, records without a token are left out, and the last token of a record is ``<eos>``, which stands for the
    separator after the record.
    """
    kind = RECORDS[_checks.one_of("records", records, RECORDS)]
    if vocab.end_index is None:
        text = vocab.clean(text)
        return text, [_tokens(vocab, text, 0)]
    found, tokens, start = [], [], 0
    for record in clean_records(text, records, vocab.cleaning):
        read_so = _tokens(vocab, record, start)
        if len(read_so.indices):
            found.append(record)
            tokens.append(read_so)
            start += len(record) + len(kind.separator)
    text = kind.separator.join(found)
    return text, [_ended(vocab, record, vocab.end_index, len(kind.separator), len(text)) for record in tokens]


def _tokens(vocab: Vocab, text: str, start: int) -> Tokens:
    """The tokens of a cleaned text that begins at ``start``."""
    tokens, spans = vocab.tokenizer.split(text), vocab.tokenizer.spans(text)
    spelled = spelled_nats(vocab, tokens)
    indices = numpy.where(spelled > 0, vocab.unknown_index, vocab.encode(tokens)).astype("int32")
    return Tokens(indices, numpy.array(spans, dtype="int64").reshape(-1, 2) + start,
                  vocab.tokenizer.characters(tokens).astype("float64"), spelled)


def _ended(vocab: Vocab, record: Tokens, end_index: int, separator: int, length: int) -> Tokens:
    """A record with its end, which stands for ``separator`` characters, in a text of ``length`` characters."""
    indices, spans, characters, spelled = record
    if not vocab.tokenizer.reads_bytes:  # the first word of a record has no space before it
        characters = (spans[:, 1] - spans[:, 0]).astype("float64")
    end = [[spans[-1, 1], min(spans[-1, 1] + separator, length)]]
    return Tokens(numpy.append(indices, end_index).astype("int32"), numpy.concatenate([spans, end]),
                  numpy.append(characters, float(separator)), numpy.append(spelled, 0.0))
