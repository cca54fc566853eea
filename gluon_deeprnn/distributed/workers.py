"""The workers of a training: sums over them, and messages from the first one to the others."""

import contextlib
import functools
import hashlib
import json
import logging
import os
from typing import Any, Dict, Iterator, Mapping, Optional, Sequence, Set, Tuple

from gluon_deeprnn.errors import Described, InputError, StoppedError
import mxnet
from mxnet import np
import numpy

_log = logging.getLogger(__name__)

_NUMBERS = (1024, 2**20)  # sizes of the arrays that messages are sent in
_LARGEST_DIFFERENCE = 1e-3


class Workers:
    """The processes that train one model together, each on its columns of every batch.

    All workers call the same methods in the same order; each call waits for the others.  Whatever is received was
    summed by the server and is the same, bit for bit, for all.

    Parameters
    ----------
    rank : int, default 0
        The number of this worker; worker 0 writes the files and shows the progress.
    size : int, default 1
        The number of workers.
    store : mxnet.kvstore.KVStore, optional
        The store that they have in common.

    Attributes
    ----------
    stopping : bool
        Whether all workers have agreed to stop.
    received : int
        How many times this worker has waited for the others and received what it waited for.
    is_waiting : bool
        Whether it waits for them now.
    """

    def __init__(self, rank: int = 0, size: int = 1, store: Any = None) -> None:
        self.rank, self.size, self._store = rank, size, store
        self._prepared: Set[str] = set()
        self._buffers: Dict[str, np.ndarray] = {}
        self.stopping, self.is_waiting, self.received = False, False, 0

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Inside the context this worker waits for the others."""
        self.is_waiting = True
        yield
        self.is_waiting, self.received = False, self.received + 1

    def prepare(self, name: str, shape: Tuple[int, ...]) -> str:
        """The key of the sums of arrays of this name and shape; the first time it waits for all workers."""
        key = f"{name} {'x'.join(map(str, shape))}"
        if key not in self._prepared:
            self._prepared.add(key)
            with self.waiting():
                self._store.init(key, np.zeros(shape))
        return key

    def add(self, key: str, arrays: Sequence[np.ndarray], out: np.ndarray, priority: int = 0) -> None:
        """Sum the arrays of all workers into ``out``; it does not wait for the result.

        Parameters
        ----------
        key : str
            A key of `prepare`.
        arrays : sequence of mxnet.np.ndarray
            The arrays of this worker, one for each of its contexts: for one key the same objects each time.  MXNet
            sends an only array without a copy, and orders the calls of one key by nothing but that array.
        out : mxnet.np.ndarray
            The sum over contexts and workers.
        priority : int, default 0
            Sums with a higher priority are sent first.
        """
        self._store.pushpull(key, list(arrays), out=out, priority=priority)

    def sum(self, name: str, array: np.ndarray) -> np.ndarray:
        """The sum of an array over all workers; it does not wait for the result."""
        key = self.prepare(name, array.shape)
        buffer = self._buffers.setdefault(key, np.zeros(array.shape))
        buffer[:] = array.as_in_ctx(buffer.ctx)
        self.add(key, [buffer], buffer)
        return buffer.copy()

    def total(self, name: str, values: numpy.ndarray) -> numpy.ndarray:
        """The sum of an array of numbers over all workers, in single precision."""
        if self.size == 1:
            return values
        total = self.sum(name, np.array(values, dtype="float32"))
        with self.waiting():
            return total.asnumpy()

    def any(self, flag: bool) -> bool:
        """Whether ``flag`` is true for any of the workers."""
        return bool(self.total("flag", numpy.array([flag], dtype="float32"))[0])

    def wait(self) -> None:
        """Wait for all workers."""
        self.any(False)

    def share(self, message: Optional[bytes] = None) -> bytes:
        """The message of worker 0; the other workers' arguments are ignored."""
        if self.size == 1:
            return message or b""
        mine = message or b"" if self.rank == 0 else b""
        length = int.from_bytes(self._of_first(len(mine).to_bytes(8, "little")), "little")
        size = 2 * _NUMBERS[length > 2 * _NUMBERS[0]]
        received = b"".join(self._of_first(mine[start:start + size].ljust(size, b"\0"))
                            for start in range(0, length, size))
        return received[:length]

    def _of_first(self, content: bytes) -> bytes:
        """An even number of bytes of worker 0; each two are a number that single precision represents."""
        numbers = numpy.frombuffer(content, "<u2").astype("float32")
        return self.total("message", numbers if self.rank == 0 else 0 * numbers).astype("<u2").tobytes()

    def share_json(self, content: Any = None) -> Any:
        """What worker 0 sends: plain lists, dicts, texts and numbers."""
        return content if self.size == 1 else json.loads(self.share(json.dumps(content).encode()))

    def share_arrays(self, arrays: Mapping[str, numpy.ndarray]) -> Dict[str, numpy.ndarray]:
        """The arrays of worker 0, by name."""
        if self.size == 1:
            return dict(arrays)
        about = [(name, array.dtype.str, array.shape) for name, array in arrays.items()]
        about = self.share_json(about)
        content = self.share(b"".join(numpy.ascontiguousarray(array).tobytes() for array in arrays.values()))
        found, start = {}, 0
        for name, dtype, shape in about:
            count = int(numpy.prod(shape))
            found[name] = numpy.frombuffer(content, dtype, count, start).reshape(shape).copy()
            start += found[name].nbytes
        return found

    def same(self, arrays: Mapping[str, numpy.ndarray], when: str) -> Optional[Dict[str, numpy.ndarray]]:
        """Compare the parameters of all workers by their checksums.

        Parameters
        ----------
        arrays : mapping of str to numpy.ndarray
            The parameters of this worker.
        when : str
            When they are compared, for the message.

        Returns
        -------
        dict of str to numpy.ndarray or None
            The parameters of worker 0, to be used, if those of other workers differ from them by rounding, as on
            machines with different processors; None if all are equal.

        Raises
        ------
        StoppedError
            If they differ by more.
        """
        if self.size == 1:
            return None
        digest = hashlib.sha256(b"".join(numpy.ascontiguousarray(array).tobytes() for array in arrays.values()))
        if len(numpy.unique(self._of_each(numpy.frombuffer(digest.digest(), "<u2")), axis=0)) == 1:
            return None
        first = self.share_arrays(arrays)
        found = [float(numpy.abs(arrays[name] - array).max() / max(float(numpy.abs(array).max()), 1e-30))
                 if array.shape == arrays[name].shape else numpy.inf for name, array in first.items()]
        largest = float(numpy.nan_to_num(numpy.max(found), nan=1e30, posinf=1e30))
        differences = self._of_each(numpy.array([min(largest, 1e30)]))[:, 0]
        farthest = int(differences.argmax())
        if differences.max() > _LARGEST_DIFFERENCE:
            raise StoppedError("workers", f"equal in their parameters {when}", Described(
                f"a relative difference of {differences.max():.1e} of worker {farthest} from worker 0"))
        _log.info("the parameters of worker %d differ by %.0e from those of worker 0 %s, as on different processors; "
                  "those of worker 0 are used", farthest, differences.max(), when)
        return first

    def _of_each(self, numbers: numpy.ndarray) -> numpy.ndarray:
        """The numbers of each worker, (size, count)."""
        rows = numpy.zeros((self.size, len(numbers)), dtype="float32")
        rows[self.rank] = numbers
        return self.total("rows", rows)


ALONE = Workers()
"""A training without others."""


@functools.cache
def joined() -> Workers:
    """The workers of this process: those that ``gluon-deeprnn launch`` has started with it, or it alone.

    It waits until all workers have come.

    Raises
    ------
    ValueError
        In a worker of ps-lite whose environment does not have its number.
    """
    if os.environ.get("DMLC_ROLE") != "worker":
        return ALONE
    rank, size = os.environ.get("GLUON_DEEPRNN_WORKER", ""), os.environ.get("DMLC_NUM_WORKER", "")
    if not size.isdigit() or not rank.isdigit() or int(rank) >= int(size):
        raise InputError("GLUON_DEEPRNN_WORKER", f"the number of this worker, below DMLC_NUM_WORKER={size}", rank)
    return Workers(int(rank), int(size), mxnet.kv.create("dist_sync")) if int(size) > 1 else ALONE
