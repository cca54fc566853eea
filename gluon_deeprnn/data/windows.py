"""Batches of overlapping windows, each with a zero initial state, as in the chapter."""

from typing import Iterator, Optional, Tuple

from gluon_deeprnn import _checks
from gluon_deeprnn.data.batches import Batch, checked_text
from gluon_deeprnn.data.evaluated_text import EvaluatedText
from gluon_deeprnn.errors import Described, InputError
import numpy


def fit_windows(num_train: int, num_val: int, available: int) -> Tuple[int, int]:
    """The numbers of training and validation windows of a text with ``available``, in the same proportion."""
    if available >= num_train + num_val:
        return num_train, num_val
    fitting = min(max(1, round(available * (num_train / (num_train + num_val)))), available - 1)
    return fitting, available - fitting


class Windows:
    """A batch source of windows, one for each start position in a range of the text.

    Window i contains tokens i .. i + num_steps - 1; its targets are tokens i + 1 .. i + num_steps.  Windows are views
    of one array of tokens, so memory does not grow with ``num_steps``.

    Parameters
    ----------
    tokens : numpy.ndarray
        Indices of the whole text, int32, one dimension.
    first, num : int
        Index of the first window, and number of windows.
    batch_size, num_steps : int
        Number of windows in a batch, and of tokens in a window.
    shuffle : bool, default False
        Whether to shuffle the windows in each epoch.
    seed : int, default 0
        Seed of the shuffling.
    text : EvaluatedText, optional
        What the targets stand for, so that `gluon_deeprnn.evaluate` can compute bits per character.

    Attributes
    ----------
    tokens : numpy.ndarray
        The tokens that the windows cover together.

    Source
    ------
    Dive into Deep Learning, section "Language Models", partitioning sequences.

    Examples
    --------
    >>> import numpy
    >>> from gluon_deeprnn.data.windows import Windows
    >>> windows = Windows(numpy.arange(100, dtype='int32'), 0, 5, batch_size=3, num_steps=4)
    >>> [x.shape for x, y in windows]
    [(4, 3), (4, 2)]
    >>> x, y = next(iter(windows))
    >>> x[:, 1].tolist(), y[:, 1].tolist()
    ([1, 2, 3, 4], [2, 3, 4, 5])
    """

    def __init__(self, tokens: numpy.ndarray, first: int, num: int, *, batch_size: int, num_steps: int,
                 shuffle: bool = False, seed: int = 0, text: Optional[EvaluatedText] = None) -> None:
        self.text = checked_text(text)
        self.batch_size = _checks.integer("batch_size", batch_size, at_least=1)
        self.num_steps = _checks.integer("num_steps", num_steps, at_least=1)
        self.num_windows = _checks.integer("num", num, at_least=1)
        first = _checks.integer("first", first, at_least=0)
        tokens = _checks.indices("tokens", tokens, 2**31)
        needed = first + num + num_steps
        if len(tokens) < needed:
            raise InputError("tokens", f"at least {needed} tokens long",
                                     Described(f"{len(tokens)} tokens"))
        self.tokens = tokens[first:needed]
        view = numpy.lib.stride_tricks.sliding_window_view(tokens, num_steps + 1)  # (all windows, T + 1), no copy
        self._windows = view[first:first + num]
        self._shuffle = _checks.flag("shuffle", shuffle)
        self._seed = _checks.integer("seed", seed, at_least=0)
        self._next_epoch = 0

    def __len__(self) -> int:
        """The number of batches per epoch; the last one may be smaller."""
        return -(-self.num_windows // self.batch_size)

    @property
    def num_tokens(self) -> int:
        """The number of target tokens per epoch."""
        return self.num_windows * self.num_steps

    def continues(self, epoch: int, batch: int) -> bool:
        """False: every batch begins with the initial state."""
        return False

    def batches(self, epoch: int = 0, start: int = 0) -> Iterator[Batch]:
        """Iterate over the batches of an epoch from batch ``start``: (x, y), each (num_steps, batch_size), int32."""
        order = numpy.arange(self.num_windows)
        if self._shuffle:
            order = numpy.random.default_rng([self._seed, epoch]).permutation(self.num_windows)
        for i in range(start * self.batch_size, self.num_windows, self.batch_size):
            block = numpy.ascontiguousarray(self._windows[order[i:i + self.batch_size]].T)  # (T + 1, N)
            yield block[:-1], block[1:]

    def __iter__(self) -> Iterator[Batch]:
        """Iterate over the batches of the next epoch, counted from the first call."""
        self._next_epoch += 1
        return self.batches(self._next_epoch - 1)
