"""Batches for truncated backpropagation through time: each batch continues the sequences of the previous batch."""

from typing import Iterator, Optional

from gluon_deeprnn import _checks
from gluon_deeprnn.data.batches import Batch, checked_text
from gluon_deeprnn.data.evaluated_text import EvaluatedText
from gluon_deeprnn.errors import Described, InputError
import numpy


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
    text : EvaluatedText, optional
        What the tokens stand for, so that `gluon_deeprnn.evaluate` can compute bits per character.

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

    def __init__(self, tokens: numpy.ndarray, *, batch_size: int, num_steps: int,
                 text: Optional[EvaluatedText] = None) -> None:
        self.text = checked_text(text)
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
            rows = slice(i, i + self.num_steps)
            yield numpy.ascontiguousarray(self._x[:, rows].T), numpy.ascontiguousarray(self._y[:, rows].T)

    def __iter__(self) -> Iterator[Batch]:
        """Iterate over all batches, in the order of the text."""
        return self.batches()
