"""`DataModule`: training and validation batches."""

from typing import Any, Iterator, List, Sequence

from gluon_deeprnn.d2l.oop import HyperParameters
from gluon_deeprnn.errors import Described, InputError
from mxnet import np
import numpy


class DataModule(HyperParameters):
    """Base class of the book's data; subclasses define ``get_dataloader``.

    Parameters
    ----------
    root : str, default "../data"
        Folder for downloads.
    num_workers : int, default 4
        Not used: batches are taken from arrays in memory.

    Source
    ------
    Dive into Deep Learning, section "Object-Oriented Design for Implementation".
    """

    def __init__(self, root: str = "../data", num_workers: int = 4) -> None:
        self.save_hyperparameters()

    def get_dataloader(self, train: bool) -> Any:
        """The training batches or the validation batches; subclasses must define it."""
        raise InputError(f"{type(self).__name__}.get_dataloader", "defined by the subclass", Described("none"))

    def train_dataloader(self) -> Any:
        """The training batches."""
        return self.get_dataloader(train=True)

    def val_dataloader(self) -> Any:
        """The validation batches."""
        return self.get_dataloader(train=False)

    def get_tensorloader(self, tensors: Sequence[np.ndarray], train: bool,
                         indices: slice = slice(0, None)) -> "ArrayLoader":
        """Batches of ``self.batch_size`` examples, shuffled if ``train``."""
        return ArrayLoader([tensor[indices] for tensor in tensors], self.batch_size, shuffle=train)


class ArrayLoader:
    """Batches of arrays in memory.

    Parameters
    ----------
    arrays : sequence of mxnet.np.ndarray
        Equal in the length of the first axis.
    batch_size : int
        Examples in a batch; the last one may have fewer.
    shuffle : bool
        Draw another order for each epoch, from NumPy's global generator.
    """

    def __init__(self, arrays: Sequence[np.ndarray], batch_size: int, shuffle: bool) -> None:
        self._arrays, self._batch_size, self._shuffle = arrays, batch_size, shuffle

    def __len__(self) -> int:
        return -(-len(self._arrays[0]) // self._batch_size)

    def __iter__(self) -> Iterator[List[np.ndarray]]:
        size = len(self._arrays[0])
        order = numpy.random.permutation(size) if self._shuffle else numpy.arange(size)
        for start in range(0, size, self._batch_size):
            chosen = np.array(order[start:start + self._batch_size], dtype="int64")
            yield [array.take(chosen, axis=0) for array in self._arrays]
