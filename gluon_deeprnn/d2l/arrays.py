"""The book's names for operations on arrays."""

from typing import Any, Callable

from gluon_deeprnn.devices import Context
from mxnet import np, npx


def _method(name: str) -> Callable[..., Any]:
    def call(x: np.ndarray, *arguments: Any, **options: Any) -> Any:
        return getattr(x, name)(*arguments, **options)
    call.__name__, call.__doc__ = name, f"Call the array's method ``{name}``."
    return call


abs = np.abs
arange = np.arange
argmax = _method("argmax")
astype = _method("astype")
batch_matmul = npx.batch_dot
concat = np.concatenate
cos = np.cos
cosh = np.cosh
exp = np.exp
expand_dims = np.expand_dims
eye = np.eye
int32 = np.int32
int64 = np.int64
float32 = np.float32
linspace = np.linspace
log = np.log
matmul = np.dot
meshgrid = np.meshgrid
normal = np.random.normal
numpy = _method("asnumpy")
ones = np.ones
ones_like = np.ones_like
rand = np.random.rand
randn = np.random.randn
reduce_mean = _method("mean")
reduce_sum = _method("sum")
repeat = _method("repeat")
reshape = _method("reshape")
sigmoid = npx.sigmoid
sin = np.sin
sinh = np.sinh
swapaxes = np.swapaxes
tanh = np.tanh
tensor = np.array
transpose = _method("transpose")
zeros = np.zeros
zeros_like = np.zeros_like


def stack(arrays: Any, axis: int = 0) -> np.ndarray:
    """Join arrays along a new axis.

    The outputs of this package's layers are one array; it is returned as it is, or with its first axis moved.

    Parameters
    ----------
    arrays : sequence of mxnet.np.ndarray, or one array
        Equal in shape.
    axis : int, default 0
        Position of the new axis.
    """
    if isinstance(arrays, np.ndarray):
        return arrays if axis == 0 else np.moveaxis(arrays, 0, axis)
    return np.stack(list(arrays), axis=axis)


def to(x: np.ndarray, device: Context) -> np.ndarray:
    """The array on a device; copied if it is on another."""
    return x.as_in_ctx(device)


def size(a: np.ndarray) -> int:
    """Number of elements."""
    return a.size
