"""A text, its vocabulary, and the batches for training, validation and testing."""

import dataclasses
import itertools
import os
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

from gluon_deeprnn import _checks
from gluon_deeprnn.data.apart import Apart, Reading, read_apart, stream, stream_of
from gluon_deeprnn.data.bptt import Stream
from gluon_deeprnn.data.buckets import Records
from gluon_deeprnn.data.cleaning import CLEANINGS, check_kept, clean, share_kept
from gluon_deeprnn.data.evaluated_text import EvaluatedText, text_of_records, text_of_windows
from gluon_deeprnn.data.files import read_texts
from gluon_deeprnn.data.mixed_streams import MixedStreams
from gluon_deeprnn.data.positions import VAL_FRACTION, check_parts, cut_by_position, refuse_length
from gluon_deeprnn.data.records import (
    RECORDS,
    begin_of,
    check_split,
    encode_records,
    read_records,
    split_by_record,
)
from gluon_deeprnn.data.source import Source
from gluon_deeprnn.data.tokenizers import TOKENIZERS, Tokenizer, tokenizer_for
from gluon_deeprnn.data.vocab import Vocab
from gluon_deeprnn.data.windows import Windows, fit_windows
from gluon_deeprnn.errors import InputError
import numpy

PROTOCOLS = ("d2l", "book")

BatchSource = Union[Windows, Stream, Records, MixedStreams, Apart]


class TextData:
    """Texts, split into training, validation and test data.

    Parameters
    ----------
    sources : sequence of Source
        The texts, in order.
    batch_size, num_steps : int
        Number of sequences in a training batch, and of tokens in each sequence.
    protocol : {"d2l", "book"}, default "d2l"
        ``d2l``: overlapping windows, the first ``num_train`` for training and the next ``num_val`` for validation, each
        with a zero initial state; there is no test data.  ``book``: each text is split by position: the last 10% for
        testing, the 5% before them for validation, the rest for training by truncated backpropagation through time.
    cleaning : {"none", "d2l", "unicode"}, default "d2l"
        See `gluon_deeprnn.data.clean`.
    tokens : {"char", "word", "byte"}, default "char"
        The kind of tokens; words of an uncleaned text include punctuation marks and line ends
        (``gluon_deeprnn.data.words``).
    records : {"none", "line", "paragraph", "blank-line"}, default "none"
        The independent pieces of the texts, if there are any: lines, or what blank lines separate (for ``paragraph``
        with its line breaks replaced by spaces).  Each is cleaned on its own and read from the initial state, with
        tokens for its beginning and its end.  85% of the different records are for training, 5% for validation and 10%
        for testing, a random choice that depends on the records only.  For ``protocol="book"``.
    min_freq : int, default 0
        Tokens that occur less often are mapped to the unknown token.
    num_train, num_val : int, default 10000 and 5000
        Number of windows of the ``d2l`` protocol.  A text with fewer windows is split in the same proportion.
    vocab : Vocab, optional
        The vocabulary.  By default it is built from the whole text (``d2l``, as in the book) or from the training data
        (``book``).
    seed : int, default 0
        Seed of the order of the windows, of the records, or of the columns of separate texts.
    streams : {"joined", "separate"}, default "joined"
        How several texts are read (``book``).  ``joined``: one after the other, as one stream.  ``separate``: each by
        itself, in training in columns of one text each (`gluon_deeprnn.data.MixedStreams`), else as a stream.
    source_weights : sequence of float, optional
        For separate texts, how often each is read in an epoch: 2 for twice, 0.5 for a random half of its columns.
    source_token : bool, default False
        For separate texts: read a token that names the text before the first token of each stream and column.
    val_from : sequence of str, optional
        The names of the texts with a validation and a test part; the others are for training as a whole (``book``).
    val_fraction : float, default 0.05
        The fraction of the validation data, just before the test data (``book``).

    Attributes
    ----------
    vocab : Vocab
    sources : list of Source
    kept : dict of str to float
        For each text, the fraction of its file's characters, not counting white space, that is kept: without what is in
        `Source.left_out`, and what the cleaning removes.
    num_tokens : int
        Total number of tokens of all texts.
    num_records : dict of str to int
        Number of records in the parts ``train``, ``val`` and ``test``; empty without records.
    num_train, num_val : int
        Number of windows that are used (``d2l``).

    Raises
    ------
    ValueError
        "text must be at least 35 tokens long ...; got 12 tokens", "text must be one of which cleaning d2l keeps at
        least half; got ...", and similar messages for other arguments.

    Source
    ------
    Dive into Deep Learning, section "Language Models" (``d2l``).

    Examples
    --------
    >>> from gluon_deeprnn import TextData
    >>> from gluon_deeprnn.data import Source
    >>> data = TextData([Source('fox', 'The quick brown fox jumps over the lazy dog. ' * 9, '')], 16, 8)
    >>> data.num_train, data.num_val, len(data.vocab)
    (259, 129, 28)
    >>> x, y = next(iter(data.train_dataloader()))
    >>> x.shape
    (8, 16)
    """

    stream = staticmethod(stream)

    def __init__(self, sources: Sequence[Source], batch_size: int, num_steps: int, *, protocol: str = "d2l",
                 cleaning: str = "d2l", tokens: str = "char", records: str = "none", min_freq: int = 0,
                 num_train: int = 10000, num_val: int = 5000, vocab: Optional[Vocab] = None, seed: int = 0,
                 streams: str = "joined", source_weights: Sequence[float] = (), source_token: bool = False,
                 val_from: Sequence[str] = (), val_fraction: float = VAL_FRACTION) -> None:
        self.batch_size = _checks.integer("batch_size", batch_size, at_least=1)
        self.num_steps = _checks.integer("num_steps", num_steps, at_least=1)
        self.protocol = _checks.one_of("protocol", protocol, PROTOCOLS)
        self.records = _checks.one_of("records", records, RECORDS)
        self._val_fraction = check_split(protocol, records, val_fraction)
        self.cleaning = _checks.one_of("cleaning", cleaning, CLEANINGS)
        if not isinstance(vocab, (Vocab, type(None))):
            raise InputError("vocab", "None or a Vocab", vocab)
        kind = tokenizer_for(tokens, self.cleaning, None if vocab is None else vocab.kind)
        tokenizer = TOKENIZERS[kind]
        self.seed = _checks.integer("seed", seed, at_least=0)
        min_freq = _checks.integer("min_freq", min_freq, at_least=0)
        self.num_train = _checks.integer("num_train", num_train, at_least=1)
        self.num_val = _checks.integer("num_val", num_val, at_least=1)
        self.sources = _checks.sequence("sources", sources, Source, "a sequence of Source, not empty")
        if not self.sources:
            raise InputError("sources", "a sequence of Source, not empty", sources)
        self._reading = Reading(streams, source_weights, source_token, val_from).of(self.sources, protocol, records)
        if vocab is not None and records != "none":
            begin_of(vocab, records)  # raises an error if it has no such tokens
        self.num_records: Dict[str, int] = {}
        self._texts: Dict[str, EvaluatedText] = {}
        # Composing characters would change bytes.
        options = {"cleaning": None if tokenizer.reads_bytes and cleaning == "none" else cleaning, "kind": kind}
        (self._read_texts if records == "none" else self._read_records)(tokenizer, vocab, min_freq, options)
        if vocab is None and len(self.vocab) == len(self.vocab.special):
            raise InputError("min_freq", "small enough for the vocabulary to have a token of the text", min_freq)

    def _read_texts(self, tokenizer: Tokenizer, vocab: Optional[Vocab], min_freq: int, options: Dict[str, Any]) -> None:
        cleaning = options["cleaning"]
        cleaned = [source.text if cleaning is None else clean(source.text, cleaning) for source in self.sources]
        self._check_kept(cleaned, vocab)
        texts = [tokenizer.split(text) for text in cleaned]
        self.num_tokens = sum(map(len, texts))
        if self.protocol == "d2l":
            parts = self._cut_into_windows(texts)
        else:
            cut = self._cut(texts)
            parts = {name: list(itertools.chain(*each)) for name, each in cut.items()}
            if not self._reading.is_apart:
                check_parts(parts, texts, self.batch_size, self._val_fraction)
        vocab_tokens = next(iter(parts.values()))  # the whole text, or the training data
        self.vocab = vocab or Vocab(vocab_tokens, min_freq, sources=self._reading.tokens_of(self.sources), **options)
        if self._reading.is_apart:  # of protocol book
            self._set_apart(cut)
        self._parts = {name: self.vocab.encode(part) for name, part in parts.items()}
        if self.protocol == "d2l":
            covered = parts["all"][self.num_train:self.num_train + self.num_val + self.num_steps]
            self._texts = {"val": text_of_windows(self.vocab, covered, self.num_val, self.num_steps)}
        elif not self._reading.is_apart:
            self._streams = {name: stream_of(self.vocab, parts[name]) for name in ("val", "test")}

    def _set_apart(self, cut: Dict[str, List[List[str]]]) -> None:
        """Set the streams of the texts, each by itself."""
        tokens, held_out = self._reading.tokens_of(self.sources), self._reading.held_out(self.sources)
        self._apart = {part: read_apart(self.vocab, {
            source.name: text for source, text, each in zip(self.sources, cut[part], held_out) if each},
            dict(zip(tokens, tokens))) for part in ("val", "test")}
        self._trained = [self.vocab.encode(text) for text in cut["train"]]
        self._begins = [self.vocab.source_index(name) for name in tokens] or None
        self.train_dataloader()  # raises an error if a text is too short

    def _read_records(self, tokenizer: Tokenizer, vocab: Optional[Vocab], min_freq: int, options: Dict[str, Any],
                      ) -> None:
        found = [read_records(source.text, self.records, options["cleaning"], tokenizer) for source in self.sources]
        self._check_kept(["".join(record.text for record in records) for records in found], vocab)
        everything = list(itertools.chain(*found))
        self.num_tokens = sum(len(record.tokens) for record in everything)
        parts = split_by_record(everything, self.records, self._val_fraction)
        self.num_records = {name: len(part) for name, part in parts.items()}
        vocab_tokens = [token for record in parts["train"] for token in record.tokens]
        self.vocab = vocab or Vocab(vocab_tokens, min_freq, boundaries=True, **options)
        self._parts = {name: encode_records(self.vocab, part) for name, part in parts.items()}
        self._texts = {name: text_of_records(self.vocab, parts[name], self.records) for name in ("val", "test")}

    def _check_kept(self, cleaned: List[str], vocab: Optional[Vocab]) -> None:
        self.kept = {source.name: share_kept(source.text, text, source.left_out.values())
                     for source, text in zip(self.sources, cleaned)}
        if vocab is None:  # with a given vocabulary, a model that was trained on such a text stays usable
            for source, text in zip(self.sources, cleaned):
                check_kept(source.name, source.text, self.cleaning, text)

    @classmethod
    def from_files(cls, paths: Sequence[Union[str, "os.PathLike[str]"]], batch_size: int, num_steps: int,
                   encoding: Optional[str] = None, **options: Any) -> "TextData":
        """Read files, folders and patterns (bytes with ``tokens="byte"``); `gluon_deeprnn.TextData` has the options.

        ``encoding`` is that of the files that are not UTF-8, see `gluon_deeprnn.data.read_texts`.
        """
        tokenizer = TOKENIZERS[_checks.one_of("tokens", options.get("tokens", "char"), TOKENIZERS)]
        return cls(read_texts(paths, raw=tokenizer.reads_bytes, encoding=encoding), batch_size, num_steps, **options)

    def _cut_into_windows(self, texts: List[List[str]]) -> Dict[str, List[str]]:
        whole = [token for text in texts for token in text]
        available = len(whole) - self.num_steps
        if available < 2:
            refuse_length(self.num_tokens, self.num_steps + 2, 3, "num_steps", self.num_steps)
        self.num_train, self.num_val = fit_windows(self.num_train, self.num_val, available)
        return {"all": whole}

    def train_dataloader(self) -> BatchSource:
        """The training batches."""
        if self.records != "none":
            return self._batches_of_records("train", shuffle=True)
        if self.protocol == "d2l":
            return Windows(self._parts["all"], 0, self.num_train, batch_size=self.batch_size, num_steps=self.num_steps,
                           shuffle=True, seed=self.seed)
        if self._reading.is_apart:
            return MixedStreams(self._trained, weights=self._reading.weights or None, begins=self._begins,
                           batch_size=self.batch_size, num_steps=self.num_steps, seed=self.seed)
        return Stream(self._parts["train"], batch_size=self.batch_size, num_steps=self.num_steps)

    def val_dataloader(self) -> BatchSource:
        """The validation batches."""
        if self.records != "none":
            return self._batches_of_records("val")
        if self.protocol == "d2l":
            return Windows(self._parts["all"], self.num_train, self.num_val, batch_size=self.batch_size,
                           num_steps=self.num_steps, text=self._texts["val"])
        return self._apart["val"] if self._reading.is_apart else self._streams["val"]

    def test_dataloader(self) -> Optional[BatchSource]:
        """The test data, as streams or as records; None if the protocol has no test data."""
        if self.records != "none":
            return self._batches_of_records("test")
        if self.protocol != "book":
            return None
        return self._apart["test"] if self._reading.is_apart else self._streams["test"]

    def _batches_of_records(self, part: str, *, shuffle: bool = False) -> Records:
        return Records(self._parts[part], begin_of(self.vocab, self.records), batch_size=self.batch_size,
                       num_steps=self.num_steps, shuffle=shuffle, seed=self.seed, text=self._texts.get(part))

    def held_out(self) -> Tuple[str, BatchSource]:
        """The data on which the trained model is evaluated: its name, test or validation, and its batches."""
        test = self.test_dataloader()
        return ("validation", self.val_dataloader()) if test is None else ("test", test)

    def held_out_texts(self) -> Tuple[str, List[Source]]:
        """The same data as cleaned texts, one of each source; that of windows is the text that they cover together.

        Their tokens are those of the data, also those that are not in the vocabulary.
        """
        tokenizer = self.vocab.tokenizer
        if self.records != "none":
            found = [read_records(source.text, self.records, self.vocab.cleaning, tokenizer) for source in self.sources]
            test = split_by_record(list(itertools.chain(*found)), self.records, self._val_fraction)["test"]
            kept, separator = {record.text for record in test}, RECORDS[self.records].separator
            joined = [separator.join(record.text for record in records if record.text in kept) for records in found]
            return "test", [dataclasses.replace(source, text=text)
                            for source, text in zip(self.sources, joined) if text]
        texts = [self.vocab.split(source.text) for source in self.sources]
        if self.protocol == "book":
            name, parts = "test", self._cut(texts)["test"]
        else:
            name, parts, start = "validation", [], self.num_train
            end = start + self.num_val + self.num_steps
            for text in texts:
                parts.append(text[max(0, start):max(0, end)])
                start, end = start - len(text), end - len(text)
        return name, [dataclasses.replace(source, text=tokenizer.unsplit(part))
                      for source, part in zip(self.sources, parts) if part]

    def _cut(self, texts: List[List[str]]) -> Dict[str, List[List[str]]]:
        """The parts of each text (``book``)."""
        return cut_by_position(texts, self._reading.held_out(self.sources), self._val_fraction)

    def tokens(self, part: str) -> List[str]:
        """The tokens of a part of texts without records as they are written, also the unknown ones; see `indices`."""
        texts = [self.vocab.split(source.text) for source in self.sources]
        if self.protocol == "book":
            cut = self._cut(texts)
            return list(itertools.chain(*cut[_checks.one_of("part", part, cut)]))
        return list(itertools.chain(*texts))[self._span(part)]

    def indices(self, part: str) -> numpy.ndarray:
        """The token indices of a part of the text, ``train``, ``val`` or ``test``, int32.

        With the ``d2l`` protocol, those that the windows of the part contain and no window of an earlier part does;
        there is no ``test`` part.
        """
        if self.protocol != "d2l":
            return self._parts[_checks.one_of("part", part, self._parts)]
        return self._parts["all"][self._span(part)]

    def _span(self, part: str) -> slice:
        """Where a part is in the whole text (``d2l``)."""
        end = self.num_train + self.num_steps
        spans = {"train": slice(end), "val": slice(end, end + self.num_val)}
        return spans[_checks.one_of("part", part, spans)]

    def opening(self, num_tokens: int = 6) -> str:
        """The first known tokens of the text, not counting white space, as a prefix; for records the empty prefix."""
        if self.records != "none":
            return ""
        whole = next(iter(self._parts.values())).tolist()
        known = [i != self.vocab.unknown_index and bool("".join(self.vocab.text([i])).strip()) for i in whole]
        rest = whole[known.index(True):] if True in known else whole
        first = itertools.takewhile(lambda i: i != self.vocab.unknown_index, rest[:num_tokens])
        return "".join(self.vocab.text(first)).strip()
