"""Batches for truncated backpropagation through time: each batch continues the sequences of the previous batch."""

from typing import Iterator

from gluon_deeprnn import _checks
from gluon_deeprnn.data.batches import Batch
from gluon_deeprnn.data.buckets import NUM_SHAPES
from gluon_deeprnn.errors import Described, InputError
import numpy

_SHARE_OF_HALVES = 0.05


class Stream:
    """A batch source that arranges a text in ``batch_size`` parallel columns and yields ``num_steps`` rows at a time.

    The alphabet in 3 columns with 4 steps per batch; the state of each column is carried from batch to batch::

              column 0   column 1   column 2
        x 0   a b c d    i j k l    q r s t      y is x shifted by one letter
        x 1   e f g h    m n o p    u v w x

    Tokens that do not fill a row of all columns are dropped (above, ``y`` is only a target, and ``z`` is unused); with
    one column no token is dropped.  The last batch is shorter if the number of rows is not a multiple of
    ``num_steps``.

    Parameters
    ----------
    tokens : numpy.ndarray
        Indices, int32, one dimension, at least ``batch_size + 1`` of them.
    batch_size, num_steps : int
        Number of columns, and of rows per batch.

    Attributes
    ----------
    tokens : numpy.ndarray
        The tokens that are read, without those that are dropped.

    Source
    ------
    Williams and Peng, "An Efficient Gradient-Based Algorithm for On-Line Training of Recurrent Network Trajectories",
    1990.

    Examples
    --------
    >>> import numpy
    >>> from gluon_deeprnn.data.bptt import Stream
    >>> for x, y in Stream(numpy.arange(26, dtype='int32'), batch_size=3, num_steps=4):
    ...     print(x[:, 0].tolist(), y[:, 2].tolist())
    [0, 1, 2, 3] [17, 18, 19, 20]
    [4, 5, 6, 7] [21, 22, 23, 24]
    """

    def __init__(self, tokens: numpy.ndarray, *, batch_size: int, num_steps: int) -> None:
        self.batch_size = _checks.integer("batch_size", batch_size, at_least=1)
        self.num_steps = _checks.integer("num_steps", num_steps, at_least=1)
        tokens = _checks.indices("tokens", tokens, 2**31)
        if len(tokens) < batch_size + 1:
            raise InputError("tokens", f"at least {batch_size + 1} tokens long for {batch_size} columns",
                                     Described(f"{len(tokens)} tokens"), "use a smaller batch_size")
        rows = (len(tokens) - 1) // batch_size
        self.tokens = tokens[:batch_size * rows + 1]
        self._x = self.tokens[:-1].reshape(batch_size, rows)
        self._y = self.tokens[1:].reshape(batch_size, rows)

    def __len__(self) -> int:
        """The number of batches per epoch; the last one may be shorter."""
        return -(-self._x.shape[1] // self.num_steps)

    @property
    def num_tokens(self) -> int:
        """The number of target tokens per epoch."""
        return self._x.size

    def continues(self, epoch: int, batch: int) -> bool:
        """Whether the state of the batch before it is carried over: in each batch of an epoch but the first."""
        return batch > 0

    def batches(self, epoch: int = 0, start: int = 0) -> Iterator[Batch]:
        """Iterate over the batches of an epoch from batch ``start``: (x, y), each (num_steps, batch_size), int32."""
        for i in range(start * self.num_steps, self._x.shape[1], self.num_steps):
            yield self._rows(i, i + self.num_steps)

    def __iter__(self) -> Iterator[Batch]:
        """Iterate over all batches, in the order of the text."""
        return self.batches()

    def _rows(self, begin: int, end: int) -> Batch:
        return numpy.ascontiguousarray(self._x[:, begin:end].T), numpy.ascontiguousarray(self._y[:, begin:end].T)


class RandomStream(Stream):
    """A `Stream` whose batches have random numbers of steps, so that gradients are truncated elsewhere in each epoch.

    A number of steps is drawn from a normal distribution with mean ``num_steps`` and a fourteenth of it as its standard
    deviation, or, with probability 0.05, it is half of ``num_steps``.  It is rounded to a multiple of an eighth of
    ``num_steps``, at most a quarter above or below, so that few shapes of batches occur; and a few numbers are changed
    such that every epoch has all rows in the same number of batches.  The last batch has the rest, at most an eighth of
    ``num_steps``.

    Parameters
    ----------
    tokens, batch_size, num_steps
        As for `Stream`.
    seed : int, default 0
        Seed of the numbers of steps; each epoch has other ones.

    Attributes
    ----------
    scales_rate : bool
        True: the trainer multiplies the learning rate by a batch's number of steps over ``num_steps``.

    Source
    ------
    Merity, Keskar and Socher, "Regularizing and Optimizing LSTM Language Models", 2018.

    Examples
    --------
    >>> import numpy
    >>> from gluon_deeprnn.data.bptt import RandomStream
    >>> source = RandomStream(numpy.arange(1000, dtype='int32'), batch_size=2, num_steps=64)
    >>> len(source), sum(len(x) for x, _ in source), max(len(x) for x, _ in source) <= 80
    (9, 499, True)
    """

    scales_rate = True

    def __init__(self, tokens: numpy.ndarray, *, batch_size: int, num_steps: int, seed: int = 0) -> None:
        super().__init__(tokens, batch_size=batch_size, num_steps=num_steps)
        self._seed = _checks.integer("seed", seed, at_least=0)
        self._unit = -(-num_steps // NUM_SHAPES)  # as for records
        rows = self._x.shape[1]
        self._last = rows % self._unit or self._unit
        self._units = (rows - self._last) // self._unit
        mean = num_steps / self._unit
        self._half, self._least, self._most = max(1, round(mean / 2)), max(1, round(0.75 * mean)), round(1.25 * mean)
        expected = (1 - _SHARE_OF_HALVES) * mean + _SHARE_OF_HALVES * self._half
        self._num = min(max(1, round(self._units / expected)), self._units)

    def __len__(self) -> int:
        """The number of batches, the same in each epoch."""
        return self._num + 1

    def batches(self, epoch: int = 0, start: int = 0) -> Iterator[Batch]:
        """Iterate over the batches of an epoch from batch ``start``: (x, y), each (steps, batch_size), int32."""
        ends = numpy.cumsum([*self._draw(epoch) * self._unit, self._last]).tolist()
        for begin, end in list(zip([0, *ends], ends))[start:]:
            yield self._rows(begin, end)

    def _draw(self, epoch: int) -> numpy.ndarray:
        """The lengths of all batches but the last, in units."""
        rng, mean = numpy.random.default_rng([self._seed, epoch]), self.num_steps / self._unit
        drawn = numpy.rint(rng.normal(mean, mean / 14, self._num)).clip(self._least, self._most)
        drawn = numpy.where(rng.random(self._num) < _SHARE_OF_HALVES, self._half, drawn).astype(int)
        while drawn.sum() != self._units:
            missing = self._units - drawn.sum()
            changed = drawn + numpy.sign(missing)
            free = numpy.flatnonzero((self._least <= changed) & (changed <= self._most))
            if not len(free):  # a text of few batches
                free = numpy.flatnonzero(changed > 0)
            where = rng.permutation(free)[:abs(missing)]
            drawn[where] = changed[where]
        return drawn
