"""Texts as tokens: their indices and their places in the text; in records, if the vocabulary has boundaries."""

from typing import List, NamedTuple, Tuple

from gluon_deeprnn import _checks
from gluon_deeprnn.data import Vocab
from gluon_deeprnn.data.records import RECORDS, clean_records
import numpy


class Tokens(NamedTuple):
    """The tokens of a record: indices, (n,); where they are in the text, (n, 2); numbers of characters, (n,)."""

    indices: numpy.ndarray
    spans: numpy.ndarray
    characters: numpy.ndarray


def read(vocab: Vocab, text: str, records: str) -> Tuple[str, List[Tokens]]:
    """Clean and tokenize a text: the cleaned text, and the tokens of all of it or of each of its records.

    Without boundaries the whole text is read, and the characters are those of `gluon_deeprnn.evaluate`.  With
    boundaries, records without a token are left out, and the last token of a record is ``<eos>``, one character.
    """
    kind = RECORDS[_checks.one_of("records", records, RECORDS)]
    if vocab.begin_index is None:
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
    return text, [_ended(vocab, record, min(record.spans[-1, 1] + len(kind.separator), len(text))) for record in tokens]


def _tokens(vocab: Vocab, text: str, start: int) -> Tokens:
    """The tokens of a cleaned text that begins at ``start``."""
    tokens, spans = vocab.tokenizer.split(text), vocab.tokenizer.spans(text)
    lengths = {token: vocab.tokenizer.characters_per_token([token]) for token in set(tokens)}
    return Tokens(vocab.encode(tokens), numpy.array(spans, dtype="int64").reshape(-1, 2) + start,
                  numpy.array([lengths[token] for token in tokens], dtype="float64"))


def _ended(vocab: Vocab, record: Tokens, after: int) -> Tokens:
    """A record with its end, up to ``after``; a token that is written like a boundary is unknown."""
    indices, spans, characters = record
    boundaries = [index for index in (vocab.begin_index, vocab.end_index) if index is not None]
    if not vocab.tokenizer.reads_bytes:  # the first word of a record has no space before it
        characters = (spans[:, 1] - spans[:, 0]).astype("float64")
    indices = numpy.where(numpy.isin(indices, boundaries), vocab.unknown_index, indices)
    return Tokens(numpy.append(indices, boundaries[-1]).astype("int32"),
                  numpy.concatenate([spans, [[spans[-1, 1], after]]]), numpy.append(characters, 1.0))
