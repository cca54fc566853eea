"""Devices: MXNet contexts by name, and the GPU if there is one."""

import re
from typing import List, Sequence, Union

from gluon_deeprnn._checks import did_you_mean, integer
from gluon_deeprnn.errors import InputError
from mxnet import context as mx_context
from mxnet.base import MXNetError
from mxnet.context import Context as Context

Contexts = Union[str, Context, Sequence[Union[str, Context]]]
"""One or more contexts, as `as_contexts` takes them."""


def num_gpus() -> int:
    """The number of GPUs that MXNet can use; 0 with the CPU wheel."""
    try:
        return mx_context.num_gpus()
    except MXNetError:  # a GPU wheel without a driver
        return 0


def try_gpu(i: int = 0) -> Context:
    """The ``i``-th GPU if there is one, else the CPU.

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
    return mx_context.gpu(i) if num_gpus() > i else mx_context.cpu()


def try_all_gpus() -> List[Context]:
    """All GPUs that MXNet can use, or a list with the CPU only if there are none.

    Source
    ------
    Dive into Deep Learning, section "GPUs".
    """
    return [mx_context.gpu(i) for i in range(num_gpus())] or [mx_context.cpu()]


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
        For any other name, and for a GPU that does not exist.

    Examples
    --------
    >>> from gluon_deeprnn.devices import as_context
    >>> as_context('cpu')
    cpu(0)
    """
    if isinstance(name, Context):
        name = f"{name.device_type}({name.device_id})"
    if name == "auto":
        return try_gpu()
    match = re.fullmatch(r"(cpu|gpu)(?:\((\d+)\))?", name) if isinstance(name, str) else None
    if match is None:
        raise InputError("ctx", "cpu, gpu, gpu(N) or auto", name, did_you_mean(name, ["cpu", "gpu", "auto"]))
    kind, number = match[1], int(match[2] or 0)
    if kind == "gpu" and number >= num_gpus():
        raise InputError("ctx", f"a context that this machine has ({num_gpus()} GPUs that MXNet can use)", name,
                         "use cpu or auto")
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
