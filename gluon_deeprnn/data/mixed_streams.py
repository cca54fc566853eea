"""Batches of several texts, each cut into columns of its own, for truncated backpropagation through time."""

from typing import Any, Iterator, List, Optional, Sequence

from gluon_deeprnn import _checks
from gluon_deeprnn.data.batches import PADDING, Batch
from gluon_deeprnn.errors import Described, InputError
import numpy

_MOST_CHUNKS, _MOST_NAMED, _LEAST_COLUMNS = 16, 4, 8
"""The most batches that a column lasts, and one with a token for its text: to know the text saves a bit or two at the
beginning of a column, so from long columns a model hardly learns to use the token.  The least number of columns of a
text, unless they would be too short.
"""

_PADDED_INPUT = 0  # any index: these steps have no targets
_LARGEST_WEIGHT = 1000


class MixedStreams:
    """A batch source of several texts: every column of a batch is a piece of one of them.

    Each text is cut into columns of equal length, from a random place on in every epoch.  The columns of all texts, in
    random order, are read in groups of ``batch_size``: a group begins with the initial state, which is carried from
    batch to batch of the group.  So no state goes from one text to another, and every batch has columns of several
    texts.  Two texts, ``a b c ...`` and ``A B C ...``, with ``batch_size=3``, ``num_steps=2`` and columns of 4 rows::

                 group 0                        group 1
        x 0      d e    B C    h i       x 2    F G    l m    p q        y is x shifted by one letter
        x 1      f g    D E    j k       x 3    H I    n o    r s

    What is left of a text at its two ends, less than a column, is unused in that epoch.  A group that is not full has
    padded columns, so all batches have the same batch size.

    Parameters
    ----------
    texts : sequence of numpy.ndarray
        The tokens of each text: indices, int32, one dimension.
    weights : sequence of float, optional
        For each text, how often it is read in an epoch: 2 for twice, 0.5 for half of its columns, which are drawn anew
        in every epoch.  Default: once.
    begins : sequence of int, optional
        For each text, the token that is read before the first token of each of its columns, which is then a target.
        Default: none.
    batch_size, num_steps : int
        Number of columns in a group, and of rows in a batch.
    seed : int, default 0
        Seed of what is random.

    Attributes
    ----------
    batch_size : int
        The number of columns: that given, or the number of columns per epoch if there are fewer.
    num_rows : int
        The number of rows of a column.
    padded : bool
        Whether there is a group that is not full; its targets of -1 are padding.

    Raises
    ------
    ValueError
        "texts must be at least 65 tokens long each for num_steps=64; got 12 tokens", and similar messages.

    Examples
    --------
    >>> import numpy
    >>> from gluon_deeprnn.data.mixed_streams import MixedStreams
    >>> small, large = numpy.arange(40, dtype='int32'), numpy.arange(100, 200, dtype='int32')
    >>> mixture = MixedStreams([small, large], weights=[2, 1], batch_size=4, num_steps=4)
    >>> x, y = next(mixture.batches(epoch=0))
    >>> x.shape, (y == x + 1).all().item()
    ((4, 4), True)
    """

    def __init__(self, texts: Sequence[numpy.ndarray], *, weights: Optional[Sequence[float]] = None,
                 begins: Optional[Sequence[int]] = None, batch_size: int, num_steps: int, seed: int = 0) -> None:
        batch_size = _checks.integer("batch_size", batch_size, at_least=1)
        self.num_steps = _checks.integer("num_steps", num_steps, at_least=1)
        self._seed = _checks.integer("seed", seed, at_least=0)
        texts = _checks.sequence("texts", texts, numpy.ndarray, "a sequence of arrays, not empty")
        if not texts:
            raise InputError("texts", "a sequence of arrays, not empty", texts)
        self.tokens = numpy.concatenate([_checks.indices("texts", text, 2**31) for text in texts]).astype("int32")
        self._weights = numpy.array(check_weights("weights", weights or [1.0] * len(texts), len(texts)))
        self._begins = None if begins is None else _checks.indices("begins", numpy.array(begins), 2**31)
        if begins is not None and len(begins) != len(texts):
            raise InputError("begins", f"one token for each of the {len(texts)} texts", begins)
        unpredicted = 0 if begins is not None else 1  # the first token, if none is read before it
        sizes = numpy.array([len(text) for text in texts])
        self._first, self._left = numpy.cumsum(sizes) - sizes + unpredicted, sizes - unpredicted  # (texts,)
        if self._left.min() < num_steps:
            raise InputError("texts", f"at least {num_steps + unpredicted} tokens long each for num_steps={num_steps}",
                             Described(f"{sizes.min()} tokens"))
        longest = _MOST_CHUNKS if begins is None else _MOST_NAMED
        most = max(1, min(longest, int(self._left.min()) // num_steps // _LEAST_COLUMNS))
        self._num_chunks = min(range(most, most // 2, -1), key=lambda chunks: self._unused(batch_size, chunks))
        self.num_rows = self._num_chunks * num_steps
        self._per_pass, self._per_epoch = self._numbers(self.num_rows)
        self._num_columns = int(self._per_epoch.sum())
        self.batch_size = min(batch_size, self._num_columns)
        self.padded = self._num_columns % self.batch_size != 0
        self._next_epoch = 0

    def _numbers(self, num_rows: int) -> Any:
        """The number of columns of this length of each text: in all, and in an epoch."""
        per_pass = self._left // num_rows
        return per_pass, numpy.maximum(1, numpy.rint(self._weights * per_pass)).astype("int64")

    def _unused(self, batch_size: int, num_chunks: int) -> int:
        """The number of tokens that are left over in an epoch, and of the padding, for columns of some batches."""
        num_rows = num_chunks * self.num_steps
        num_columns = int(self._numbers(num_rows)[1].sum())
        left_over = (self._weights * (self._left % num_rows)).sum()
        return int(left_over) + -num_columns % min(batch_size, num_columns) * num_rows

    def __len__(self) -> int:
        """The number of batches per epoch, the same in each epoch."""
        return -(-self._num_columns // self.batch_size) * self._num_chunks

    @property
    def num_tokens(self) -> int:
        """The number of targets per epoch."""
        return self._num_columns * self.num_rows

    def continues(self, epoch: int, batch: int) -> bool:
        """Whether a batch continues the columns of the batch before it, so that its state is carried over."""
        return batch < len(self) and batch % self._num_chunks != 0

    def batches(self, epoch: int = 0, start: int = 0) -> Iterator[Batch]:
        """Iterate over the batches of an epoch from batch ``start``: (x, y), each (num_steps, batch_size), int32."""
        text_of, starts = self._columns(epoch)
        for batch in range(start, len(self)):
            group, chunk = divmod(batch, self._num_chunks)
            columns = slice(group * self.batch_size, (group + 1) * self.batch_size)
            rows = chunk * self.num_steps + numpy.arange(self.num_steps)
            at = starts[columns] + rows[:, None]  # (T, N), the places of the targets
            x, y = self.tokens[at - 1], self.tokens[at]  # before the very first token there is a token of `begins`
            if self._begins is not None and chunk == 0:
                x[0] = self._begins[text_of[columns]]
            missing = ((0, 0), (0, self.batch_size - x.shape[1]))
            yield (numpy.pad(x, missing, constant_values=_PADDED_INPUT),
                   numpy.pad(y, missing, constant_values=PADDING))

    def __iter__(self) -> Iterator[Batch]:
        """Iterate over the batches of the next epoch, counted from the first call."""
        self._next_epoch += 1
        return self.batches(self._next_epoch - 1)

    def _columns(self, epoch: int) -> Any:
        """The columns of an epoch in their order: the number of the text of each, and the place of its first target."""
        rng = numpy.random.default_rng([self._seed, epoch])
        text_of, starts = [], []
        for i, (first, left, most, needed) in enumerate(zip(self._first, self._left, self._per_pass, self._per_epoch)):
            while needed > 0:
                begin = first + rng.integers(left - most * self.num_rows + 1)
                drawn = numpy.arange(most) if needed >= most else rng.permutation(most)[:needed]
                starts.append(begin + drawn * self.num_rows)
                text_of.append(numpy.full(len(drawn), i))
                needed -= len(drawn)
        order = rng.permutation(self._num_columns)
        return numpy.concatenate(text_of)[order], numpy.concatenate(starts)[order]


def check_weights(name: str, weights: Any, num_texts: int) -> List[float]:
    """Return the weights of texts, if there is one for each.

    Raises
    ------
    ValueError
        "source_weights must be 2 numbers, one for each text; got [1.0]", and for numbers that are not above 0.
    """
    found = [_checks.number(name, weight, f"numbers above 0, at most {_LARGEST_WEIGHT}", above=0,
                            at_most=_LARGEST_WEIGHT) for weight in _checks.sequence(name, weights, object, "numbers")]
    if len(found) != num_texts:
        raise InputError(name, f"{num_texts} {'number' if num_texts == 1 else 'numbers'}, one for each text", found)
    return found
