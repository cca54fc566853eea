"""What a block is given: arrays, or the symbols that stand for them while a graph is compiled."""

from contextvars import ContextVar
from typing import Any, Optional

from gluon_deeprnn.devices import Context
from gluon_deeprnn.errors import InputError
from mxnet import symbol
from mxnet.ndarray import NDArray

compiled_for: ContextVar[Optional[Context]] = ContextVar("compiled_for", default=None)
"""Where the graph that is being compiled will run; None where it may run anywhere."""


def is_array(x: Any) -> bool:
    """Whether ``x`` is an array and not the symbol that stands for one while a graph is compiled."""
    return isinstance(x, NDArray)


def device_of(x: Any) -> Optional[Context]:
    """Where ``x`` is, or will be if it is a symbol; None in a graph that is not compiled for one device."""
    return x.ctx if is_array(x) else compiled_for.get()


def given_array(name: str, x: Any) -> bool:
    """The same for what a caller passed in, who could have passed anything.

    Raises
    ------
    ValueError
        When it is neither.
    """
    if not isinstance(x, (NDArray, symbol.Symbol)):
        raise InputError(name, "an mxnet.np.ndarray", x, "mxnet.np.array(x) makes one")
    return is_array(x)
