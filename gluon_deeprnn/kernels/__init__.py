"""Recurrent layers and layer normalisation on the CPU by operators of our own, compiled at installation.

They compute what MXNet's operators do, to within rounding, in less time (see ``benchmarks/README.md``).  `layer` takes
ours where it is the faster of the two, for up to 256 hidden units, and MXNet's elsewhere: in larger layers, on a GPU,
in a graph that is exported, and where ours was not compiled.

``layer.cc`` and ``layer_norm.cc`` have the arithmetic, ``cells/`` that of a step of each cell, ``operator.cc`` the
operators, ``abi.cc`` the interface to MXNet.  ``writing.cc`` has plain functions that read and write tokens, all layers
at a time, without MXNet (`gluon_deeprnn.kernels.writing`).  They are compiled for AVX-512, AVX2 or NEON;
`gluon_deeprnn.kernels.libraries` chooses one at its first use.
"""

import itertools
import json
from typing import Any, Dict, List, Tuple

from gluon_deeprnn import runtime
from gluon_deeprnn.graph import device_of, is_array
from gluon_deeprnn.kernels.libraries import loaded as loaded
from gluon_deeprnn.kernels.libraries import why_not as why_not
from mxnet import autograd

_uses = itertools.count()

_MOST_HIDDENS = {"lstm": (192, 512), "gru": (256, 512), "rnn_tanh": (256, 512), "rnn_relu": (256, 512)}
"""The largest layer that trains, and that only predicts, faster by our operator than by MXNet's."""


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
    if is_array(inputs) or "one_hot" not in inputs.name:  # the graph is long, and this is asked for every layer
        return False
    graph = json.loads(inputs.tojson())
    return graph["nodes"][graph["heads"][0][0]]["op"] in ("one_hot", "_npx_one_hot")
