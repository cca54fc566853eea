"""Texts as tokens: their indices and their places in the text; in records, if the vocabulary has boundaries."""

import re
from typing import Callable, Dict, List, NamedTuple, Tuple

from gluon_deeprnn import _checks
from gluon_deeprnn.data import Vocab
import numpy

Record = Tuple[int, int, int]


def _lines(text: str) -> List[Record]:
    return [(found.start(), found.end(1), found.end()) for found in re.finditer(r"([^\n]+)\n?", text)]


RECORDS: Dict[str, Callable[[str], List[Record]]] = {
    "none": lambda text: [(0, len(text), len(text))],
    "line": _lines,
}
"""The records of a text by their kind: the first character of each, the end of its last one, the end of what ends it.

They matter for a vocabulary with boundaries only: each record is scored on its own, from ``<bos>``, and its end, which
is ``<eos>`` for the model, is the line break.
"""


class Tokens(NamedTuple):
    """The tokens of a record: indices, (n,); where they are in the text, (n, 2); numbers of characters, (n,)."""

    indices: numpy.ndarray
    spans: numpy.ndarray
    characters: numpy.ndarray


def _read(vocab: Vocab, text: str, record: Record) -> Tokens:
    start, end, after = record
    tokenizer, part = vocab.tokenizer, text[start:end]
    tokens = tokenizer.split(part)
    lengths = {token: tokenizer.characters_per_token([token]) for token in set(tokens)}
    indices, spans = vocab.encode(tokens), [(start + first, start + last) for first, last in tokenizer.spans(part)]
    characters = [lengths[token] for token in tokens]
    if vocab.end_index is not None:
        indices = numpy.append(indices, numpy.int32(vocab.end_index))
        spans.append((end, after))
        characters.append(after - end)
    return Tokens(indices, numpy.array(spans, dtype="int64").reshape(-1, 2), numpy.array(characters, dtype="float64"))


def read_records(vocab: Vocab, text: str, records: str) -> List[Tokens]:
    """The tokens of a cleaned text: of each of its records, if the vocabulary has boundaries, else of all of it."""
    kind = _checks.one_of("records", records, RECORDS)
    return [_read(vocab, text, record) for record in RECORDS["none" if vocab.begin_index is None else kind](text)]
