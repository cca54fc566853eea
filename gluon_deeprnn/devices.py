"""Devices: MXNet contexts by name, and the GPUs that MXNet can use."""

import ctypes
import functools
import logging
import re
from typing import Any, List, NamedTuple, Optional, Sequence, Union

from gluon_deeprnn._checks import did_you_mean, integer
from gluon_deeprnn.errors import Described, InputError
from mxnet import context as mx_context
from mxnet.base import MXNetError
from mxnet.context import Context as Context

_log = logging.getLogger(__name__)

MAJORS = range(5, 9)
"""The major compute capabilities for which MXNet's CUDA wheels have code: sm_50, 60, 70, 80 and 86, and no PTX.

Code runs on GPUs of the same major version whose minor version is not lower, so up to 8.9.
"""

Contexts = Union[str, Context, Sequence[Union[str, Context]]]
"""One or more contexts, as `as_contexts` takes them."""


def num_gpus() -> int:
    """The number of GPUs that MXNet can use; 0 with the CPU wheel."""
    try:
        return mx_context.num_gpus()
    except MXNetError:  # a GPU wheel without a driver
        return 0


class GPU(NamedTuple):
    """A GPU, as CUDA's driver describes it.

    Attributes
    ----------
    name : str
        Such as "NVIDIA A100".
    capability : tuple of int
        Its compute capability, major and minor version.
    """

    name: str
    capability: "tuple[int, int]"

    @property
    def has_code(self) -> bool:
        """Whether MXNet's CUDA wheels have code for it."""
        return self.capability[0] in MAJORS

    def __str__(self) -> str:
        return f"{self.name}, compute capability {self.capability[0]}.{self.capability[1]}"


_MAJOR, _MINOR = 75, 76  # attributes of CUDA's driver


@functools.lru_cache
def described_gpu(i: int) -> Optional[GPU]:
    """The ``i``-th GPU as CUDA's driver describes it; None if the driver does not."""
    try:
        driver: Any = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    device, name, numbers = ctypes.c_int(), ctypes.create_string_buffer(256), [ctypes.c_int(), ctypes.c_int()]
    calls = [driver.cuInit(0), driver.cuDeviceGet(ctypes.byref(device), i)]
    calls += [driver.cuDeviceGetName(name, len(name), device)]
    calls += [driver.cuDeviceGetAttribute(ctypes.byref(number), attribute, device)
              for number, attribute in zip(numbers, (_MAJOR, _MINOR))]
    return None if any(calls) else GPU(name.value.decode(errors="replace"), (numbers[0].value, numbers[1].value))


def usable_gpus() -> List[int]:
    """The numbers of the GPUs that MXNet can use: those for which it has code."""
    usable = []
    for i in range(num_gpus()):
        found = described_gpu(i)
        if found is None or found.has_code:
            usable.append(i)
        else:
            _log.warning("gpu(%d) is not used: %s", i, _no_code(found))
    return usable


def _no_code(gpu: GPU) -> str:
    return f"{gpu}: MXNet 1.9.1 has code for compute capabilities 5.0 to 8.9 only"


def try_gpu(i: int = 0) -> Context:
    """The ``i``-th GPU if there is one that MXNet can use, else the CPU.

    Parameters
    ----------
    i : int, default 0
        Index of the GPU, from 0.

    Returns
    -------
    mxnet.context.Context

    Source
    ------
    Dive into Deep Learning, section "GPUs".

    Examples
    --------
    >>> from gluon_deeprnn import try_gpu
    >>> try_gpu(999)
    cpu(0)
    """
    integer("i", i, at_least=0)
    return mx_context.gpu(i) if i in usable_gpus() else mx_context.cpu()


def try_all_gpus() -> List[Context]:
    """All GPUs that MXNet can use, or a list with the CPU only if there are none.

    Source
    ------
    Dive into Deep Learning, section "GPUs".
    """
    return [mx_context.gpu(i) for i in usable_gpus()] or [mx_context.cpu()]


def as_context(name: Union[str, Context] = "auto") -> Context:
    """Return the context of a name: ``cpu``, ``gpu``, ``gpu(1)``, or ``auto`` for the first GPU, else the CPU.

    Parameters
    ----------
    name : str or mxnet.context.Context, default "auto"

    Returns
    -------
    mxnet.context.Context

    Raises
    ------
    ValueError
        For any other name, and for a GPU that does not exist or for which MXNet has no code.

    Examples
    --------
    >>> from gluon_deeprnn.devices import as_context
    >>> as_context('cpu')
    cpu(0)
    """
    if isinstance(name, Context):
        name = f"{name.device_type}({name.device_id})"
    if name == "auto":
        usable = usable_gpus()
        return mx_context.gpu(usable[0]) if usable else mx_context.cpu()
    match = re.fullmatch(r"(cpu|gpu)(?:\((\d+)\))?", name) if isinstance(name, str) else None
    if match is None:
        raise InputError("ctx", "cpu, gpu, gpu(N) or auto", name, did_you_mean(name, ["cpu", "gpu", "auto"]))
    kind, number = match[1], int(match[2] or 0)
    if kind == "gpu" and number >= num_gpus():
        raise InputError("ctx", f"a context that this machine has ({num_gpus()} GPUs that MXNet can use)", name,
                         "use cpu or auto")
    found = described_gpu(number) if kind == "gpu" else None
    if found is not None and not found.has_code:
        raise InputError("ctx", "a GPU that MXNet can use", Described(f"{name}, {_no_code(found)}"), "use cpu or auto")
    return Context(kind, number)


def as_contexts(names: Contexts = "auto") -> List[Context]:
    """Return the contexts of a training: ``gpu(0),gpu(1)``, a sequence of contexts, or one context.

    Parameters
    ----------
    names : str, mxnet.context.Context or sequence of these, default "auto"
        Names as in `as_context`, in one string separated by commas.  Several contexts ``cpu(0),cpu(1)`` are parts of
        the same processor.

    Returns
    -------
    list of mxnet.context.Context

    Raises
    ------
    ValueError
        As `as_context`, and for a context that is given twice.

    Examples
    --------
    >>> from gluon_deeprnn.devices import as_contexts
    >>> as_contexts('cpu(0),cpu(1)')
    [cpu(0), cpu(1)]
    """
    if isinstance(names, str):
        several: Sequence[Union[str, Context]] = [name.strip() for name in names.split(",")]
    else:
        several = list(names) if isinstance(names, (list, tuple)) and names else [names]
    contexts = [as_context(name) for name in several]
    if len(set(contexts)) < len(contexts):
        raise InputError("ctx", "different contexts", names if isinstance(names, str) else list(map(str, contexts)))
    return contexts
