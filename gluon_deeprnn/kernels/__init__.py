"""Recurrent layers and layer normalisation on the CPU by operators of our own, compiled at installation.

They compute what MXNet's operators do, to within rounding, in less time (see ``benchmarks/README.md``).  `layer` takes
ours where it is the faster of the two, for up to 256 hidden units, and MXNet's elsewhere: in larger layers, on a GPU,
in a graph that is exported, and where ours was not compiled.

``layer.cc`` and ``layer_norm.cc`` have the arithmetic, ``operator.cc`` the operators.  They are compiled twice, for
AVX-512 and for AVX2; the wider that the processor has is loaded, at its first use.

Environment variable, read at that time:

``GLUON_DEEPRNN_KERNELS``
    ``mxnet`` leaves our operator out; ``avx2`` or ``avx512`` ask for one of the two.
"""

import ctypes
import functools
import itertools
import json
import os
from pathlib import Path
import platform
from typing import Any, Dict, FrozenSet, List, Optional, Tuple

from gluon_deeprnn import runtime
from gluon_deeprnn._checks import InputError
from gluon_deeprnn.graph import device_of, is_array
from mxnet import autograd, ndarray, symbol
from mxnet.base import _LIB, OpHandle, c_str, check_call, mx_uint
from mxnet.ndarray.register import _make_ndarray_function
from mxnet.symbol.register import _make_symbol_function

_NEEDS = {"avx512": {"avx512f", "avx512vl", "avx512dq", "avx512bw", "fma"}, "avx2": {"avx2", "fma"}}
"""The processor's features that each library was compiled for, the faster library first."""

_uses = itertools.count()

_MOST_HIDDENS = {"lstm": (192, 512), "gru": (256, 512), "rnn_tanh": (256, 512), "rnn_relu": (256, 512)}
"""The largest layer that trains, and that only predicts, faster by our operator than by MXNet's."""


def _processor() -> FrozenSet[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line.split(":", 1)[1] for line in lines if line.startswith("flags")), "").split())


@functools.cache
def loaded() -> Optional[str]:
    """The instructions that our operator uses, "avx512" or "avx2"; None where MXNet's operator does all the work.

    Raises
    ------
    ValueError
        "GLUON_DEEPRNN_KERNELS must be mxnet, or one that is compiled and that the processor can run: ...".
    """
    asked = os.environ.get("GLUON_DEEPRNN_KERNELS", "")
    if asked == "mxnet":
        return None
    folder, features = Path(__file__).parent, _processor()
    usable = [name for name, needs in _NEEDS.items() if needs <= features and (folder / f"layer.{name}.so").exists()]
    if asked and asked not in usable:
        raise InputError("GLUON_DEEPRNN_KERNELS", f"mxnet, or one that is compiled and that the processor can run: "
                         f"{', '.join(usable) or 'none'}", asked)
    for name in [asked] if asked else usable[:1]:
        _load(folder / f"layer.{name}.so")
        return name
    return None


def _load(library: Path) -> None:
    """As ``mxnet.library.load``, which makes Python functions for all of MXNet's operators again and takes 0.5 s."""
    check_call(_LIB.MXLoadLib(c_str(str(library)), mx_uint(0)))
    for name in ("gluon_deeprnn_layer", "gluon_deeprnn_layer_norm"):
        handle = OpHandle()
        check_call(_LIB.NNGetOpHandle(c_str(name), ctypes.byref(handle)))
        for module, make in ((ndarray, _make_ndarray_function), (symbol, _make_symbol_function)):
            setattr(module, name, make(handle, name, name))


def why_not() -> str:
    """What has to be done for our operator to be used, for a person to read."""
    if os.environ.get("GLUON_DEEPRNN_KERNELS") == "mxnet":
        return "GLUON_DEEPRNN_KERNELS=mxnet asks for it"
    if platform.system() != "Linux" or not any(needs <= _processor() for needs in _NEEDS.values()):
        return "ours needs Linux and a processor with AVX2"
    return "ours was not compiled: install g++, then this package again"


def arithmetic() -> Dict[str, Any]:
    """What the last digits of a result depend on: the number of threads, and whose operator computes the layers."""
    return {"threads": runtime.threads(), "layers": loaded() or "mxnet"}


def layer(F: Any, mode: str, num_hiddens: int, inputs: Any, weights: Any, state: List[Any]) -> Tuple[Any, List[Any]]:
    """One recurrent layer by the faster operator.

    Parameters
    ----------
    F : module
        ``mxnet.ndarray`` or ``mxnet.symbol``.
    mode : {"rnn_tanh", "rnn_relu", "lstm", "gru"}
        What it computes.
    num_hiddens : int
        Its size H.
    inputs : mxnet.np.ndarray or Symbol
        (T, N, D)
    weights : mxnet.np.ndarray or Symbol
        All weights in the order of cuDNN, flat.
    state : list of mxnet.np.ndarray or Symbol
        (N, H): the hidden state and, for an LSTM, the memory.

    Returns
    -------
    outputs, state
        (T, N, H), and the state after the last step.
    """
    if _is_ours(mode, num_hiddens, inputs):
        return _ours(F, mode, inputs, weights, state)
    state = [F.np.expand_dims(array, 0) for array in state]
    outputs, *state = F.npx.rnn(inputs, weights, *state, mode=mode, state_size=num_hiddens, num_layers=1,
                                state_outputs=True)
    return outputs, [F.np.squeeze(array, axis=0) for array in state]


def layer_norm(F: Any, x: Any, gamma: Any, beta: Any, epsilon: float) -> Any:
    """Rows of ``x``, (..., H), with mean 0 and variance 1, times gamma, plus beta, by the faster operator."""
    device = device_of(x)
    if device is None or device.device_type != "cpu" or loaded() is None:
        return F.npx.layer_norm(x, gamma, beta, axis=-1, eps=epsilon)
    arrays = [array.as_nd_ndarray() for array in (x, gamma, beta)]
    if autograd.is_recording():
        arrays = [_own(F, array) for array in arrays]
    return F.gluon_deeprnn_layer_norm(*arrays, epsilon=epsilon).as_np_ndarray()


def _is_ours(mode: str, num_hiddens: int, inputs: Any) -> bool:
    device = device_of(inputs)  # not known in a graph that has to run anywhere
    training, predicting = _MOST_HIDDENS[mode]
    return (device is not None and device.device_type == "cpu"
            and num_hiddens <= (training if autograd.is_recording() else predicting) and loaded() is not None)


def _ours(F: Any, mode: str, inputs: Any, weights: Any, state: List[Any]) -> Tuple[Any, List[Any]]:
    trains = autograd.is_recording()
    arrays = [array.as_nd_ndarray() for array in (inputs, weights, *state)]
    if trains:
        arrays = [_own(F, array) for array in arrays]
    outputs, *state = F.gluon_deeprnn_layer(*arrays, cell=mode, trains=int(trains),
                                            d_inputs=int(not _is_one_hot(inputs)))
    return outputs.as_np_ndarray(), [array.as_np_ndarray() for array in state]


def _own(F: Any, array: Any) -> Any:
    """The array for one use: our gradient overwrites what is there, and this identity's is added where it has to be."""
    if is_array(array):
        return F.identity(array)
    return F.identity(array, attr={"__use__": str(next(_uses))})  # or MXNet would make all uses' identities one


def _is_one_hot(inputs: Any) -> bool:
    """Whether that is what the graph will feed: no gradient goes through it."""
    if is_array(inputs):
        return False
    graph = json.loads(inputs.tojson())
    return graph["nodes"][graph["heads"][0][0]]["op"] in ("one_hot", "_npx_one_hot")
