"""Operations on sequences, for interpreted and compiled blocks: splitting, stacking and scanning."""

import contextlib
from contextvars import ContextVar
from typing import Any, Callable, Iterator, List, Optional, Tuple

from gluon_deeprnn.errors import Described, InputError
from gluon_deeprnn.graph.arrays import is_array
from mxnet import symbol

_known_length: ContextVar[Optional[int]] = ContextVar("_known_length", default=None)

def unstack(F: Any, x: Any, num: int) -> List[Any]:
    """Split ``x`` along its first axis into ``num`` arrays; the inverse of ``stack``."""
    return split(F, x, num, axis=0, squeeze_axis=True)


def split(F: Any, x: Any, num: int, *, axis: int, squeeze_axis: bool = False) -> List[Any]:
    """Split ``x`` into ``num`` equal parts along an axis; the inverse of ``concatenate``.

    ``np.split`` is one operator too, but its kernel takes 6 ms instead of 0.4 ms (32 parts of 1024 x 32).  Indexing
    allocates a full-sized array for each part in the backward pass.
    """
    parts = F.SliceChannel(x.as_nd_ndarray(), num_outputs=num, axis=axis, squeeze_axis=squeeze_axis)
    return [part.as_np_ndarray() for part in (parts if num > 1 else [parts])]


def zeros_like_batch(x: Any) -> Any:
    """Zeros (1, N, 1) for a symbol (T, N, ...) whose batch size N is unknown until the graph is run."""
    first = symbol.np.zeros_like(x[0:1]).astype("float32")  # (1, N, ...)
    return symbol.npx.reshape(first, (1, -2, -1)).max(axis=-1, keepdims=True)


@contextlib.contextmanager
def all_of_length(x: Any) -> Iterator[None]:
    """Inside the context, ``scan`` assumes the length of ``x``: each shape inference would traverse the whole graph."""
    if is_array(x):
        yield
        return
    token = _known_length.set(length(x))
    try:
        yield
    finally:
        _known_length.reset(token)


def length(x: Any) -> int:
    """The size of the first axis of an array or a symbol.

    Raises
    ------
    ValueError
        If it is unknown in the graph that is being compiled: its block is not a `gluon_deeprnn.graph.GraphBlock`.
    """
    if is_array(x):
        return x.shape[0]
    shape = x.infer_shape_partial()[1][0]
    if not shape or shape[0] <= 0:
        # MXNet has a loop operator for such graphs, but two of them in one static graph silently gave wrong results.
        raise InputError("inputs", "of a known number of steps inside a hybridized block", Described("an unknown one"),
                         "derive the block around it from gluon_deeprnn.graph.GraphBlock, not from HybridBlock")
    return shape[0]


def scan(F: Any, step: Callable[[Any, List[Any]], List[Any]], inputs: Any, state: List[Any],
         mask: Optional[Any] = None) -> Tuple[Any, List[Any]]:
    """Compute ``state = step(inputs[t], state)`` for t = 0, 1, ...; return the stacked first arrays of the states, and
    the last state.

    Where the ``mask``, (T, N, 1), is 0, the sequence has ended: its state is unchanged and its output is 0.
    """
    num_steps, outputs = (None if is_array(inputs) else _known_length.get()) or length(inputs), []
    masks = [None] * num_steps if mask is None else unstack(F, mask, num_steps)
    for x, m in zip(unstack(F, inputs, num_steps), masks):
        new = step(x, state)
        state = new if m is None else [F.np.where(m, a, b) for a, b in zip(new, state)]
        outputs.append(state[0] if m is None else F.np.where(m, state[0], F.np.zeros_like(state[0])))
    return F.np.stack(outputs), state
