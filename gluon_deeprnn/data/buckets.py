"""Batches of whole records, in groups of similar length, for truncated backpropagation through time within them."""

from typing import Iterator, List, NamedTuple, Optional, Tuple

from gluon_deeprnn import _checks
from gluon_deeprnn.data.batches import PADDING, Batch, checked_text
from gluon_deeprnn.data.evaluated_text import EvaluatedText
from gluon_deeprnn.errors import Described, InputError
import numpy

NUM_SHAPES = 8
"""The maximum number of batch shapes of a source."""

_PADDED_INPUT = 0  # any index: the outputs of these steps have no targets, and no step of the same record follows


class _Epoch(NamedTuple):
    """The batches of an epoch: the groups of records, and the group and the chunk of each batch."""

    groups: List[numpy.ndarray]
    group_of: numpy.ndarray
    chunk_of: numpy.ndarray


class Records:
    """A batch source of records, each read on its own, from the initial state and its beginning to its end token.

    Groups of ``batch_size`` records of similar length are padded to the longest of the group, and cut into chunks of at
    most ``num_steps``; the state is carried from chunk to chunk of a group.  Three records, of 3, 2 and 5 letters, with
    ``batch_size=3`` and ``num_steps=4``; ``<`` and ``>`` are the beginning and the end, and a dot is padding::

              record 0   record 1   record 2
        x 0   < a d a    < e d .    < a l a n    y is x shifted by one token, to > at the last; -1 at padding
        x 1   .          .          n

    The number of steps of a chunk that ends a group is rounded up, so that at most 8 shapes of batches occur.  The
    group that is not full has padded columns, so all batches have the same batch size.

    Parameters
    ----------
    tokens : numpy.ndarray
        Indices, int32, one dimension: the records, one after the other, each with its beginning and its end token.
    begin : int
        Index of the beginning token.
    batch_size, num_steps : int
        Number of records in a group, and of steps in a chunk.
    shuffle : bool, default False
        Whether in each epoch to shuffle the groups, and the records between groups of similar length.
    seed : int, default 0
        Seed of the shuffling.
    text : EvaluatedText, optional
        What the tokens stand for, so that `gluon_deeprnn.evaluate` can compute bits per character.

    Attributes
    ----------
    batch_size : int
        The number of columns: that given, or the number of records if there are fewer.
    tokens : numpy.ndarray
        The records, one after the other.
    begin : int
        Index of the beginning token.
    num_records : int
        The number of records.
    padded : bool
        True: targets of -1 are padding.

    Raises
    ------
    ValueError
        "tokens must be records that begin with token 1 and have at least one more; got ...".

    Source
    ------
    Sutskever, Vinyals and Le, "Sequence to Sequence Learning with Neural Networks", 2014 (minibatches of sentences of
    similar length).

    Examples
    --------
    >>> import numpy
    >>> from gluon_deeprnn.data import Records
    >>> tokens = numpy.array([1, 5, 6, 2, 1, 7, 2], dtype='int32')  # 1 begins and 2 ends a record
    >>> (x, y), = Records(tokens, 1, batch_size=2, num_steps=8).batches()
    >>> x.T.tolist(), y.T.tolist()
    ([[1, 7, 0], [1, 5, 6]], [[7, 2, -1], [5, 6, 2]])
    """

    padded = True

    def __init__(self, tokens: numpy.ndarray, begin: int, *, batch_size: int, num_steps: int, shuffle: bool = False,
                 seed: int = 0, text: Optional[EvaluatedText] = None) -> None:
        self.text = checked_text(text)
        batch_size = _checks.integer("batch_size", batch_size, at_least=1)
        self.num_steps = _checks.integer("num_steps", num_steps, at_least=1)
        self.tokens = _checks.indices("tokens", tokens, 2**31).astype(numpy.int32)
        self.begin = _checks.integer("begin", begin, at_least=0)
        self._shuffle = _checks.flag("shuffle", shuffle)
        self._seed = _checks.integer("seed", seed, at_least=0)
        self._starts = numpy.flatnonzero(self.tokens == begin)
        self._lengths = numpy.diff(self._starts, append=len(tokens)) - 1  # numbers of targets
        if not len(self._starts) or self._starts[0] or not self._lengths.min():
            raise InputError("tokens", f"records that begin with token {begin} and have at least one more",
                             Described(f"{len(tokens)} tokens with {len(self._starts)} beginnings"))
        self.num_records = len(self._starts)
        self.batch_size = min(batch_size, self.num_records)
        self._unit = -(-num_steps // NUM_SHAPES)
        self._planned: Optional[Tuple[int, _Epoch]] = None
        self._num_batches = len(self._epoch(0).group_of)
        self._next_epoch = 0

    def __len__(self) -> int:
        """The number of batches per epoch, the same in each epoch."""
        return self._num_batches

    @property
    def num_tokens(self) -> int:
        """The number of targets per epoch: every token and the end of every record."""
        return int(self._lengths.sum())

    def continues(self, epoch: int, batch: int) -> bool:
        """Whether a batch continues the records of the batch before it, so that its state is carried over."""
        return batch < len(self) and bool(self._epoch(epoch).chunk_of[batch])

    def batches(self, epoch: int = 0, start: int = 0) -> Iterator[Batch]:
        """Iterate over the batches of an epoch from batch ``start``: (x, y), each (steps, batch_size), int32."""
        groups, group_of, chunk_of = self._epoch(epoch)
        for group, chunk in zip(group_of[start:], chunk_of[start:]):
            yield self._batch(groups[group], int(chunk) * self.num_steps)

    def __iter__(self) -> Iterator[Batch]:
        """Iterate over the batches of the next epoch, counted from the first call."""
        self._next_epoch += 1
        return self.batches(self._next_epoch - 1)

    def _epoch(self, epoch: int) -> _Epoch:
        if self._planned is None or self._planned[0] != epoch:
            self._planned = epoch, self._plan(epoch)
        return self._planned[1]

    def _plan(self, epoch: int) -> _Epoch:
        rng = numpy.random.default_rng([self._seed, epoch])
        order, length = numpy.arange(self.num_records), self._lengths
        if self._shuffle:
            order, length = rng.permutation(self.num_records), self._classes()
        order = order[numpy.argsort(length[order], kind="stable")]
        # The group that is not full has the shortest records, where padded columns cost least.
        groups = numpy.split(order, range(self.num_records % self.batch_size or self.batch_size, self.num_records,
                                          self.batch_size))
        if self._shuffle:
            groups = [groups[i] for i in rng.permutation(len(groups))]
        num_chunks = numpy.array([-(-self._lengths[group].max() // self.num_steps) for group in groups])
        group_of = numpy.repeat(numpy.arange(len(groups)), num_chunks)
        return _Epoch(groups, group_of, numpy.arange(len(group_of)) - (numpy.cumsum(num_chunks) - num_chunks)[group_of])

    def _classes(self) -> numpy.ndarray:
        """For each record the number of its class of similar lengths; the longer, the wider the class.

        The records of a class are in random order between the groups.  They have equal numbers of chunks, so that the
        number of chunks of each group, and with it the number of batches, is the same in all epochs.
        """
        num_chunks = -(-self._lengths // self.num_steps)
        in_last = self._lengths - (num_chunks - 1) * self.num_steps
        return num_chunks * (NUM_SHAPES + 1) - (-in_last // (num_chunks * self._unit))

    def _batch(self, group: numpy.ndarray, first: int) -> Batch:
        """The steps of a group from step ``first``, at most ``num_steps`` of them."""
        starts, lengths = numpy.zeros((2, self.batch_size), dtype=numpy.int64)
        starts[:len(group)], lengths[:len(group)] = self._starts[group], self._lengths[group]
        left = lengths.max() - first
        steps = first + numpy.arange(min(-(-left // self._unit) * self._unit, self.num_steps))[:, None]
        real = steps < lengths  # (T, N)
        at = numpy.where(real, starts + steps, 0)
        x = numpy.where(real, self.tokens[at], numpy.int32(_PADDED_INPUT))
        return x, numpy.where(real, self.tokens[at + 1], numpy.int32(PADDING))
