"""Several texts that are evaluated one by one, and what is checked of texts that are read apart."""

import dataclasses
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence

from gluon_deeprnn import _checks
from gluon_deeprnn.data.batches import Batch
from gluon_deeprnn.data.bptt import Stream
from gluon_deeprnn.data.evaluated_text import EvaluatedText, text_of, total_of
from gluon_deeprnn.data.mixed_streams import check_weights
from gluon_deeprnn.data.source import Source
from gluon_deeprnn.data.vocab import Vocab
from gluon_deeprnn.errors import Advice, Argument, Described, InputError
import numpy

STREAMS = ("joined", "separate")
_EVALUATION_STEPS = 128


def stream(tokens: numpy.ndarray, begin: Optional[int] = None, *, text: Optional[EvaluatedText] = None) -> Stream:
    """Token indices as one stream for evaluation: one column, carried state, every token but the first a target.

    With ``begin``, a token that is read before it, the first one is a target, too.  ``text`` is what they stand for.
    """
    read = tokens if begin is None else numpy.append(numpy.int32(begin), tokens)
    return Stream(read, batch_size=1, num_steps=_EVALUATION_STEPS, text=text)


def stream_of(vocab: Vocab, tokens: Sequence[str], begin: Optional[int] = None) -> Stream:
    """The tokens of a text as `stream`, with the text that they stand for."""
    num_predicted = len(tokens) - (begin is None)
    return stream(vocab.encode(tokens), begin, text=text_of(vocab, tokens, num_predicted=num_predicted))


class Apart:
    """A batch source of several texts, each a stream by itself, read from the initial state, one after the other.

    `gluon_deeprnn.evaluate` gives the loss of each text, and of all together.

    Parameters
    ----------
    streams : mapping of str to Stream
        The streams, by the names of their texts.

    Examples
    --------
    >>> import numpy
    >>> from gluon_deeprnn.data.apart import Apart, stream
    >>> texts = {'a': stream(numpy.arange(5, dtype='int32')), 'b': stream(numpy.arange(3, dtype='int32'), begin=9)}
    >>> source = Apart(texts)
    >>> [x[:, 0].tolist() for x, y in source], source.continues(0, 1), source.num_tokens
    ([[0, 1, 2, 3], [9, 0, 1]], False, 7)
    """

    batch_size = 1

    def __init__(self, streams: Mapping[str, Stream]) -> None:
        if not streams:
            raise InputError("streams", "a mapping of names to streams, not empty", streams)
        self.streams = dict(streams)
        self._firsts = {0, *numpy.cumsum([len(each) for each in self.streams.values()]).tolist()}

    def __len__(self) -> int:
        """The number of batches."""
        return sum(map(len, self.streams.values()))

    @property
    def num_tokens(self) -> int:
        """The number of targets."""
        return sum(each.num_tokens for each in self.streams.values())

    @property
    def text(self) -> Optional[EvaluatedText]:
        """What the tokens of all texts stand for; None if that is not known of each."""
        texts = [each.text for each in self.streams.values() if each.text is not None]
        return total_of(texts) if len(texts) == len(self.streams) else None

    @property
    def tokens(self) -> numpy.ndarray:
        """The tokens of all texts, (n,)."""
        return numpy.concatenate([each.tokens for each in self.streams.values()])

    def continues(self, epoch: int, batch: int) -> bool:
        """Whether a batch continues the text of the batch before it."""
        return batch not in self._firsts

    def batches(self, epoch: int = 0, start: int = 0) -> Iterator[Batch]:
        """Iterate over the batches from batch ``start``: (x, y), each (num_steps, 1), int32."""
        for each in self.streams.values():
            yield from each.batches(epoch, min(start, len(each)))
            start = max(0, start - len(each))

    def __iter__(self) -> Iterator[Batch]:
        """Iterate over all batches, in the order of the texts."""
        return self.batches()


def read_apart(vocab: Vocab, texts: Mapping[str, Sequence[str]], sources: Mapping[str, str]) -> Apart:
    """Texts as they are evaluated one by one.

    Parameters
    ----------
    vocab : Vocab
        The vocabulary.
    texts : mapping of str to sequence of str
        The tokens of each text, by its name.
    sources : mapping of str to str
        For some texts, by their names, the source whose token is read before them; the vocabulary must have it.

    Raises
    ------
    ValueError
        "text must be at least 2 tokens long; got 'a.txt', 1 tokens".
    """
    streams: Dict[str, Stream] = {}
    for name, tokens in texts.items():
        begin = vocab.source_index(sources[name]) if name in sources else None
        least = 2 if begin is None else 1
        if len(tokens) < least:
            raise InputError("text", f"at least {least} tokens long", Described(f"{name!r}, {len(tokens)} tokens"))
        streams[name] = stream_of(vocab, tokens, begin)
    return Apart(streams)


@dataclasses.dataclass(frozen=True)
class Reading:
    """How several texts are read; see `gluon_deeprnn.TextData`.

    Attributes
    ----------
    streams : {"joined", "separate"}
    weights : sequence of float
    token : bool
    val_from : sequence of str
    is_apart : bool
        Whether each text is read by itself.
    """

    streams: str = "joined"
    weights: Sequence[float] = ()
    token: bool = False
    val_from: Sequence[str] = ()
    is_apart: bool = False

    def of(self, sources: Sequence[Source], protocol: str, records: str) -> "Reading":
        """The same for these texts, checked; one text is read as it is without these settings.

        Raises
        ------
        ValueError
            "val_from must be one of a.txt, b.txt; got 'c.txt' ...", and the like.
        """
        _checks.one_of("streams", self.streams, STREAMS)
        _checks.flag("source_token", self.token)
        val_from = _checks.sequence("val_from", self.val_from, str, "a sequence of names")
        weights = _checks.sequence("source_weights", self.weights, object, "numbers, one for each text")
        check_streams(self.streams, protocol, records, weights=weights, token=self.token, val_from=val_from)
        names = [source.name for source in sources]
        for name in val_from:
            _checks.one_of("val_from", name, names)
        if self.streams == "separate" and len(set(names)) < len(names):
            raise InputError("sources", "texts of different names with streams separate", Described(", ".join(names)))
        if weights:
            check_weights("source_weights", weights, len(names))
        apart = self.streams == "separate" and (len(names) > 1 or self.token or bool(weights))
        return dataclasses.replace(self, weights=weights, val_from=val_from, is_apart=apart)

    def held_out(self, sources: Sequence[Source]) -> List[bool]:
        """For each text, whether it has a validation and a test part."""
        return [not self.val_from or source.name in self.val_from for source in sources]

    def tokens_of(self, sources: Sequence[Source]) -> List[str]:
        """The names of the texts that have a token."""
        return [source.name for source in sources] if self.token else []


def check_streams(streams: str, protocol: str, records: str, *, weights: Any, token: bool, val_from: Any) -> None:
    """Check that settings for several texts are given for a protocol, and with streams, that have them.

    Raises
    ------
    ValueError
        "streams must be joined for protocol d2l; got 'separate'", and the like.
    """
    kind = f"records {records}" if records != "none" else f"protocol {protocol}"
    given = {"source_weights": weights, "source_token": token, "val_from": val_from}
    if protocol != "book" or records != "none":
        if streams == "separate":
            raise InputError("streams", f"joined for {kind}", streams)
        for name, value in given.items():
            if value:
                raise InputError(name, f"omitted for {kind}", value,
                                 Advice("it is for whole texts with ", Argument("protocol", "book")))
    for name in ("source_weights", "source_token"):
        if given[name] and streams == "joined":
            raise InputError("streams", f"separate with {name}", streams)
