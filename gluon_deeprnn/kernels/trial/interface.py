"""A compiled library as MXNet and this package call it, by the standard library alone."""

from array import array
import ctypes
import math
from typing import Any, Dict, List, Sequence, Tuple

Numbers = Sequence[float]
Shape = Tuple[int, ...]


class Tokens(List[int]):
    """Indices of tokens: numbers without a gradient."""


class NetworkWeights(ctypes.Structure):
    """As in ``writing.h``."""

    _fields_ = (*((name, ctypes.c_int32) for name in ("vocab_size", "embedding_size", "num_layers", "num_hiddens",
                                                      "is_residual", "has_skip")),
                ("epsilon", ctypes.c_float), ("cells", ctypes.POINTER(ctypes.c_char_p)),
                ("layers", ctypes.POINTER(ctypes.c_void_p)), ("norms", ctypes.POINTER(ctypes.c_void_p)),
                *((name, ctypes.c_void_p) for name in ("embedding", "output", "bias")))


class Choice(ctypes.Structure):
    """As in ``writing.h``."""

    _fields_ = (*((name, ctypes.c_float) for name in ("scale", "penalty", "top_p", "log_min_p")),
                ("top_k", ctypes.c_int32))


class Batch(ctypes.Structure):
    """As in ``writing.h``."""

    _fields_ = (("first", ctypes.c_int32), ("count", ctypes.c_int32), ("batch_size", ctypes.c_int32))


def with_types(library: ctypes.CDLL) -> ctypes.CDLL:
    """The library, with the types of its functions for reading and writing tokens."""
    whole, place = ctypes.c_int, ctypes.c_void_p
    library.gluon_deeprnn_network_new.argtypes = [place, place]
    library.gluon_deeprnn_network_delete.argtypes = [place]
    library.gluon_deeprnn_network_read.argtypes = [place, place, whole, place, place, place]
    library.gluon_deeprnn_network_write.argtypes = [place, place, whole, *[place] * 5, whole, *[place] * 4]
    library.gluon_deeprnn_network_score.argtypes = [place, whole, *[place] * 5]
    library.gluon_deeprnn_network_logits.argtypes = [place, whole, *[place] * 4]
    return library


class Library:
    """The operators of a library, called as MXNet calls them.

    Parameters
    ----------
    path : str
        The library's file.
    """

    def __init__(self, path: str) -> None:
        self._library = self.functions = with_types(ctypes.CDLL(path))
        if not self._library.initialize(10901):
            raise ValueError("it is not made for MXNet 1.9.1")
        self._operators: Dict[bytes, Any] = {}
        for index in range(self._library._opRegSize()):
            name, found = ctypes.c_char_p(), ctypes.c_void_p()
            others = [ctypes.byref(ctypes.c_void_p()) for _ in range(14)]
            self._library._opRegGet(index, ctypes.byref(name), *others[:10], ctypes.byref(found), *others[10:])
            self._operators[name.value or b""] = found

    def use(self, name: bytes, attributes: Dict[bytes, bytes]) -> ctypes.c_void_p:
        """One use of an operator; it is not given back."""
        count, state = len(attributes), ctypes.c_void_p()
        texts = ctypes.c_char_p * count
        self._must(self._library._opCallCreateOpState(
            self._operators[name], texts(*attributes), texts(*attributes.values()), count, b"cpu", 0, None, None, 0,
            None, ctypes.byref(state)))
        return state

    def compute(self, forward: bool, state: ctypes.c_void_p, inputs: Sequence[Tuple[Numbers, Shape]],
                outputs: Sequence[Shape]) -> List[array]:
        """The forward or the backward pass of a use."""
        results = [array("f", [math.nan]) * math.prod(shape) for shape in outputs]
        given = [(_array(numbers), shape) for numbers, shape in inputs]
        unused: List[None] = [None] * 17
        self._must(self._library._opCallFStatefulCompute(
            int(forward), state, *_passed(given), *unused[:4], len(given), *_passed(list(zip(results, outputs))),
            *unused[:4], len(outputs), *unused))
        return results

    def _must(self, done: int) -> None:
        if not done:
            text = ctypes.c_char_p()
            self._library._msgGet(0, ctypes.byref(text))
            raise ValueError((text.value or b"an operator failed").decode())


def _array(numbers: Numbers) -> array:
    """Tokens as int32, all else as float32."""
    return array("i" if isinstance(numbers, Tokens) else "f", numbers)


def _passed(arrays: Sequence[Tuple[array, Shape]]) -> Tuple[Any, Any, Any]:
    """Shapes, numbers of axes and addresses, as the interface takes them."""
    count = len(arrays)
    shapes = [(ctypes.c_int64 * len(shape))(*shape) for _, shape in arrays]
    pointers = (ctypes.POINTER(ctypes.c_int64) * count)(
        *(ctypes.cast(shape, ctypes.POINTER(ctypes.c_int64)) for shape in shapes))
    return (pointers, (ctypes.c_int * count)(*(len(shape) for _, shape in arrays)),
            (ctypes.c_void_p * count)(*(numbers.buffer_info()[0] for numbers, _ in arrays)))


def describe(path: str) -> str:
    """What ``processor.any.so`` says of the processor: its name, a line end, the libraries that it can run."""
    ask = ctypes.CDLL(path).gluon_deeprnn_processor
    ask.restype = ctypes.c_char_p
    return ask().decode("ascii", "replace")
