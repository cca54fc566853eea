"""Records: the independent pieces of a text, such as names one a line, or poems.

Each kind of records is a class with one instance in ``RECORDS``, under the name used in options and recipes.  To add
one, write a subclass of ``RecordKind`` and add an instance to ``RECORDS``.
"""

import abc
import hashlib
import itertools
import re
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence

from gluon_deeprnn import _checks
from gluon_deeprnn.data.cleaning import CLEANINGS
from gluon_deeprnn.data.positions import TEST_FRACTION, VAL_FRACTION, round_up
from gluon_deeprnn.data.tokenizers import Tokenizer
from gluon_deeprnn.data.vocab import BEGIN, END, UNKNOWN, Vocab
from gluon_deeprnn.errors import Advice, Argument, Described, InputError
import numpy

_LEAST_RECORDS = 20

LINE_ENDS = re.compile(r"\r\n|\r|\n")
"""Not those of splitlines(), which are form feeds and separators, too; a text that is read as bytes may have CRLF."""


class RecordKind(abc.ABC):
    r"""Splits a text into records.

    Attributes
    ----------
    about : str
        A short description of where the records are, for ``--help``.
    separator : str
        What separates records when several are printed.

    Examples
    --------
    >>> from gluon_deeprnn.data.records import RECORDS
    >>> RECORDS['line'].split('Ada\r\nAlan\n')
    ['Ada', 'Alan', '']
    >>> RECORDS['paragraph'].split('It was\nnight.\n\nIt rained.')
    ['It was night.', 'It rained.']
    >>> RECORDS['blank-line'].split('Roses\nViolets\n \nSugar')
    ['Roses\nViolets', 'Sugar']
    """

    about = ""
    separator = "\n\n"

    @abc.abstractmethod
    def split(self, text: str) -> List[str]:
        """The records of a text; some may be empty."""


class Whole(RecordKind):
    """No records: a text is read from its beginning to its end."""

    about = "the text is one whole"

    def split(self, text: str) -> List[str]:
        """The text itself."""
        return [text]


class Lines(RecordKind):
    """A record is a line."""

    about = "one on each line (names, tweets)"
    separator = "\n"

    def split(self, text: str) -> List[str]:
        """The lines of a text."""
        return LINE_ENDS.split(text)


class BlankLines(RecordKind):
    """Records are separated by blank lines."""

    about = "separated by blank lines, with their line breaks (poems, recipes)"

    def split(self, text: str) -> List[str]:
        """The groups of lines between blank lines."""
        groups = itertools.groupby(LINE_ENDS.split(text), key=lambda line: bool(line.strip()))
        return [self.join(list(lines)) for has_text, lines in groups if has_text]

    def join(self, lines: List[str]) -> str:
        """One record, from its lines."""
        return "\n".join(lines)


class Paragraphs(BlankLines):
    """Records are separated by blank lines; their line breaks are only those of the page."""

    about = "separated by blank lines, their lines joined by spaces (prose)"

    def join(self, lines: List[str]) -> str:
        """One record, from its lines."""
        return " ".join(line.strip() for line in lines)


RECORDS: Dict[str, RecordKind] = {
    "none": Whole(), "line": Lines(), "paragraph": Paragraphs(), "blank-line": BlankLines()}


class Record(NamedTuple):
    """A record: its cleaned text and the tokens of it."""

    text: str
    tokens: List[str]


def check_split(protocol: str, records: str, val_fraction: Any) -> float:
    """Return the fraction for validation as a float, if the protocol has a split by record, and by fractions: ``book``.

    Raises
    ------
    ValueError
        "protocol must be book for records line; got 'd2l' ...", "val_fraction must be a number from 0.001 to 0.5; got
        0", "val_fraction must be omitted for protocol d2l; got 0.1 ...".
    """
    found = _checks.number("val_fraction", val_fraction, "a number from 0.001 to 0.5", at_least=0.001, at_most=0.5)
    if protocol != "book" and found != VAL_FRACTION:
        raise InputError("val_fraction", f"omitted for protocol {protocol}", found,
                         "num_val is the number of its validation windows")
    if records != "none" and protocol != "book":
        raise InputError("protocol", f"book for records {records}", protocol, Advice(
            Argument("protocol", "book"), " splits them into training, validation and test records"))
    return found


def read_records(text: str, kind: str, cleaning: Optional[str], tokenizer: Tokenizer) -> List[Record]:
    r"""Split a text into records, clean and tokenize each; leave out those of white space only.

    Parameters
    ----------
    text : str
        The text.
    kind : {"line", "paragraph", "blank-line"}
        A key of `RECORDS`.
    cleaning : str or None
        How each record is cleaned, after the splitting; None: not at all.
    tokenizer : Tokenizer
        What splits a cleaned record into tokens.

    Examples
    --------
    >>> from gluon_deeprnn.data.records import read_records
    >>> from gluon_deeprnn.data.tokenizers import TOKENIZERS
    >>> [record.text for record in read_records('Ada!\n\n 1815 \nAlan M.', 'line', 'd2l', TOKENIZERS['char'])]
    ['ada', 'alan m']
    >>> [record.text for record in read_records('  Ada\t1815\t\n \nAlan', 'line', 'none', TOKENIZERS['char'])]
    ['  Ada\t1815\t', 'Alan']
    """
    texts = clean_records(text, kind, cleaning)
    return [Record(record, tokens) for record, tokens in zip(texts, map(tokenizer.split, texts)) if tokens]


def clean_records(text: str, kind: str, cleaning: Optional[str]) -> List[str]:
    """The cleaned records of a text, without those of white space only.

    A record is what stands there, also its indentation and empty columns, without line breaks at both ends.  Where the
    cleaning replaces characters by spaces, there are none at both ends.
    """
    cleaner = CLEANINGS[cleaning] if cleaning else None
    ends = "\r\n" if cleaner is None or cleaner.keeps_white_space else None
    records = ((cleaner(record) if cleaner else record).strip(ends) for record in RECORDS[kind].split(text))
    return [record for record in records if record.strip()]


def split_by_record(records: Sequence[Record], kind: str, val_fraction: float) -> Dict[str, List[Record]]:
    """Split records into ``train``, ``val`` and ``test``: a random part of the different records each.

    Identical records are in the same part.  The random order is that of the SHA-1 of the records, so the parts depend
    neither on the order of the file, which is often sorted, nor on a seed or the version of NumPy: models with
    different seeds are tested on the same records.

    Raises
    ------
    ValueError
        "text must be at least 20 different records of kind line; got 2, 100 with repetitions ...".
    """
    keys = ["\0".join(record.tokens) for record in records]
    different = sorted(set(keys), key=lambda key: hashlib.sha1(key.encode("utf-8", "surrogatepass")).digest())
    num, least = len(different), max(_LEAST_RECORDS, round_up(1 / val_fraction))
    if num < least:
        raise InputError("text", f"at least {least} different records of kind {kind}",
                         Described(f"{num}" if num == len(records) else f"{num}, {len(records)} with repetitions"),
                         f"{kind}: {RECORDS[kind].about}")
    num_test = round(num * TEST_FRACTION)
    held_out = num_test + round(num * val_fraction)
    part_of = {key: "test" if i < num_test else "val" if i < held_out else "train" for i, key in enumerate(different)}
    parts: Dict[str, List[Record]] = {"train": [], "val": [], "test": []}
    for key, record in zip(keys, records):
        parts[part_of[key]].append(record)
    return parts


def begin_of(vocab: Vocab, kind: str) -> int:
    """The index of the beginning token of a vocabulary.

    Raises
    ------
    ValueError
        If the vocabulary has no tokens for the beginning and the end of a record.
    """
    if vocab.begin_index is None:
        raise InputError("vocab", f"one with tokens for the beginning and the end of records of kind {kind}", vocab,
                         "Vocab(..., boundaries=True)")
    return vocab.begin_index


def encode_records(vocab: Vocab, records: Iterable[Record]) -> numpy.ndarray:
    """The token indices of records, one after the other, each from its beginning to its end token; int32."""
    tokens: List[str] = []
    for record in records:  # a token that is written like a boundary, in the text, is none
        tokens += [BEGIN, *(UNKNOWN if token in (BEGIN, END) else token for token in record.tokens), END]
    return vocab.encode(tokens)
