"""The inputs of a block: arrays, or symbols while a graph is compiled."""

from contextvars import ContextVar
from typing import Any, Optional

from gluon_deeprnn.devices import Context
from gluon_deeprnn.errors import InputError
from mxnet import symbol
from mxnet.ndarray import NDArray

compiled_for: ContextVar[Optional[Context]] = ContextVar("compiled_for", default=None)
"""The device for which a graph is being compiled; None if the graph is for any device."""


def is_array(x: Any) -> bool:
    """Whether ``x`` is an array, not a symbol."""
    return isinstance(x, NDArray)


def device_of(x: Any) -> Optional[Context]:
    """The device of ``x``; for a symbol, that of the graph being compiled, or None if it is for any device."""
    return x.ctx if is_array(x) else compiled_for.get()


def given_array(name: str, x: Any) -> bool:
    """Whether ``x``, an argument of the caller, is an array, not a symbol.

    Raises
    ------
    ValueError
        If it is neither.
    """
    if not isinstance(x, (NDArray, symbol.Symbol)):
        raise InputError(name, "an mxnet.np.ndarray", x, "convert it by mxnet.np.array(x)")
    return is_array(x)
