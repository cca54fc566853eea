"""What is computed on the CPU by operators of our own, compiled at installation.

They compute what MXNet's operators do, to within rounding, in less time (see ``benchmarks/README.md``):

- `layer`, a recurrent layer.  Ours is taken where it is the faster of the two, for up to 256 hidden units, 192 of an
  LSTM, and for up to 512 in prediction; MXNet's elsewhere: in larger layers, on a GPU, in a graph that is exported, and
  where ours was not compiled.
- `fused_layer`, a layer that is written step by step, in a graph.
- `cross_entropy` and `log_probs`, the output layer and its loss, in a graph.
- `layer_norm`; dropout of recurrent weights and penalties on outputs (`gluon_deeprnn.kernels.regularisation`).

``layer.cc``, ``cross_entropy.cc``, ``layer_norm.cc``, ``weight_dropout.cc`` and ``activity.cc`` have the arithmetic,
``cells/`` that of a step of each cell, ``operator.cc`` and the files ``*_operators.cc`` the operators, ``abi.cc`` the
interface to MXNet.  ``writing.cc`` reads and writes tokens without MXNet (`gluon_deeprnn.kernels.writing`).  They are
compiled for AVX-512, AVX2 or NEON; `gluon_deeprnn.kernels.libraries` chooses one at its first use.
"""

import itertools
from typing import Any, Dict, List, Optional, Tuple

from gluon_deeprnn import runtime
from gluon_deeprnn.devices import Context
from gluon_deeprnn.graph import as_int32, device_of, is_array, node_of, split
from gluon_deeprnn.kernels.libraries import loaded as loaded
from gluon_deeprnn.kernels.libraries import opened
from gluon_deeprnn.kernels.libraries import why_not as why_not
from gluon_deeprnn.kernels.trial.equations import GATES
from mxnet import autograd
import numpy

_uses = itertools.count()

_MOST_HIDDENS = {"lstm": (192, 512), "gru": (256, 512), "rnn_tanh": (256, 512), "rnn_relu": (256, 512)}
"""The largest layer that trains, and that only predicts, faster by our operator than by MXNet's."""

_MOST_EMBEDDED = 0.5
"""For a smaller vocabulary than this share of the tokens in a batch, each token's embedding is multiplied once."""


def arithmetic() -> Dict[str, Any]:
    """What the last digits of a result depend on: the number of threads, and whose operator computes the layers."""
    return {"threads": runtime.threads(), "layers": loaded() or "mxnet"}


def few_products() -> int:
    """Up to how many multiplications a call of our operators is computed by a single thread.

    Raises
    ------
    ValueError
        Where our operators are not used.
    """
    return opened().gluon_deeprnn_few_products()


def layer(F: Any, mode: str, num_hiddens: int, inputs: Any, weights: Any, state: List[Any]) -> Tuple[Any, List[Any]]:
    """One recurrent layer by the faster operator.

    In a graph, inputs that are one-hot vectors or embeddings of tokens are not computed: the layer reads the tokens.

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
    training, predicting = _MOST_HIDDENS[mode]
    if are_ours(inputs) and num_hiddens <= (training if autograd.is_recording() else predicting):
        return _ours(F, mode, num_hiddens, inputs, weights, state)
    state = [F.np.expand_dims(array, 0) for array in state]
    outputs, *state = F.npx.rnn(inputs, weights, *state, mode=mode, state_size=num_hiddens, num_layers=1,
                                state_outputs=True)
    return outputs, [F.np.squeeze(array, axis=0) for array in state]


def fuses(mode: str, device: Optional[Context]) -> bool:
    """Whether one operator computes a layer that is written step by step, in a graph for a device; None is any."""
    return mode in GATES and _is_ours(device)


def fused_layer(F: Any, mode: str, num_hiddens: int, inputs: Any, weights: Any,
                state: List[Any]) -> Tuple[Any, List[Any]]:
    """As `layer`, by our operator, for which `fuses` must hold."""
    return _ours(F, mode, num_hiddens, inputs, weights, state)


def cross_entropy(F: Any, logits: Any, targets: Any, row_weights: Any = None) -> Any:
    """The mean of -log p(target), or its weighted sum.

    In a graph for the CPU, the logits of a dense layer are computed together with it, a few rows at a time.

    Parameters
    ----------
    F : module
        ``mxnet.ndarray`` or ``mxnet.symbol``.
    logits : mxnet.np.ndarray or Symbol
        (T, N, V)
    targets : mxnet.np.ndarray or Symbol
        (T, N), int32
    row_weights : mxnet.np.ndarray or Symbol, optional
        (T, N), the weight of each prediction.

    Returns
    -------
    mxnet.np.ndarray or Symbol
        ()
    """
    dense = _dense_layer(logits)
    if dense is None:
        log_p = log_probs(F, logits, targets)
        return -(F.np.mean(log_p) if row_weights is None else F.np.sum(log_p * row_weights))
    return F.np.squeeze(_cross_entropy_of(F, dense, targets, row_weights))


def smoothed_cross_entropy(F: Any, logits: Any, targets: Any, smoothing: float,
                           row_weights: Any = None) -> Tuple[Any, Any]:
    """The loss for smoothed targets, and that of `cross_entropy`, which has no gradient.

    The smoothed target is ``1 - smoothing`` on the target token, and ``smoothing / V`` on each of the V tokens.

    Parameters
    ----------
    F, logits, targets, row_weights
        As for `cross_entropy`.
    smoothing : float in (0, 1)
        The share that is distributed.

    Returns
    -------
    minimized, mean
        () each
    """
    dense = _dense_layer(logits)
    if dense is not None:
        both = split(F, _cross_entropy_of(F, dense, targets, row_weights, smoothing), 2, axis=0)
        minimized, mean = (F.np.squeeze(loss) for loss in both)
    else:
        log_p = F.npx.log_softmax(logits, axis=-1)
        of_rows = [F.npx.pick(log_p, targets, axis=-1), F.np.mean(log_p, axis=-1)]  # (T, N) each
        mean, even = (-(F.np.mean(row) if row_weights is None else F.np.sum(row * row_weights)) for row in of_rows)
        minimized = (1 - smoothing) * mean + smoothing * even
    return minimized, F.BlockGrad(mean.as_nd_ndarray()).as_np_ndarray()


def _cross_entropy_of(F: Any, dense: List[Any], targets: Any, row_weights: Any, smoothing: float = 0) -> Any:
    """The losses of a dense layer's logits, (1,) or, with smoothing, (2,)."""
    trains, weighted = autograd.is_recording(), row_weights is not None
    arrays = [array.as_nd_ndarray() for array in dense]
    if trains:
        arrays = [own(F, array) for array in arrays]
    arrays += [array.as_nd_ndarray() for array in (as_int32(targets), *([row_weights] if weighted else []))]
    return F.gluon_deeprnn_cross_entropy(*arrays, trains=int(trains), weighted=int(weighted),
                                         smoothing=smoothing).as_np_ndarray()


def log_probs(F: Any, logits: Any, targets: Any) -> Any:
    """Log p(target), (T, N); see `cross_entropy`."""
    dense = None if autograd.is_recording() else _dense_layer(logits)
    if dense is None:
        return F.npx.pick(F.npx.log_softmax(logits, axis=-1), targets, axis=-1)
    arrays = [array.as_nd_ndarray() for array in (*dense, as_int32(targets))]
    return F.gluon_deeprnn_log_probs(*arrays).as_np_ndarray()


def layer_norm(F: Any, x: Any, gamma: Any, beta: Any, epsilon: float) -> Any:
    """Rows of ``x``, (..., H), with mean 0 and variance 1, times gamma, plus beta, by the faster operator."""
    if not are_ours(x):
        return F.npx.layer_norm(x, gamma, beta, axis=-1, eps=epsilon)
    arrays = [array.as_nd_ndarray() for array in (x, gamma, beta)]
    if autograd.is_recording():
        arrays = [own(F, array) for array in arrays]
    return F.gluon_deeprnn_layer_norm(*arrays, epsilon=epsilon).as_np_ndarray()


def are_ours(x: Any) -> bool:
    """Whether our operators can compute with ``x``."""
    if is_array(x) and x.dtype != numpy.float32:
        return False
    return _is_ours(device_of(x))


def _is_ours(device: Optional[Context]) -> bool:
    """Whether our operators compute on a device; it is None in a graph to run anywhere, or that has other numbers."""
    return device is not None and device.device_type == "cpu" and loaded() is not None


def _ours(F: Any, mode: str, num_hiddens: int, inputs: Any, weights: Any, state: List[Any]) -> Tuple[Any, List[Any]]:
    trains = autograd.is_recording()
    inputs, weights, vocab_size = _tokens(F, num_hiddens, inputs, weights)
    arrays = [array.as_nd_ndarray() for array in (inputs, weights, *state)]
    if trains:  # no gradient goes to tokens
        arrays = [array if vocab_size and i == 0 else own(F, array) for i, array in enumerate(arrays)]
    outputs, *state = F.gluon_deeprnn_layer(*arrays, cell=mode, trains=int(trains), vocab_size=vocab_size)
    return outputs.as_np_ndarray(), [array.as_np_ndarray() for array in state]


def own(F: Any, array: Any) -> Any:
    """The array for one use: our gradient overwrites what is there, and this identity's is added where it has to be."""
    if is_array(array):
        return F.identity(array)
    return F.identity(array, attr={"__use__": str(next(_uses))})  # or MXNet would make all uses' identities one


def _tokens(F: Any, num_hiddens: int, inputs: Any, weights: Any) -> Tuple[Any, Any, int]:
    """Inputs and weights of a layer, and the size of the vocabulary if the inputs are tokens, else 0.

    A one-hot vector selects a column of the weights.  The embedding of a token selects one of their product with all
    embeddings, which is computed if there are few.
    """
    if is_array(inputs) or not any(name in inputs.name for name in ("one_hot", "embedding")):  # long graphs read slowly
        return inputs, weights, 0
    node = node_of(inputs)
    if node.operator in ("one_hot", "_npx_one_hot"):
        is_plain = float(node.attributes.get("on_value", 1)) == 1 and float(node.attributes.get("off_value", 0)) == 0
        return (as_int32(node.inputs[0]), weights, int(node.attributes["depth"])) if is_plain else (inputs, weights, 0)
    (_, (shape,), _), (_, (size,), _) = inputs.infer_shape_partial(), weights.infer_shape_partial()
    if node.operator not in ("Embedding", "_npx_embedding") or not shape or not size or min(*shape, *size) <= 0:
        return inputs, weights, 0
    tokens, embeddings = node.inputs
    num_steps, batch_size, num_inputs = shape
    vocab_size = int(node.attributes["input_dim"])
    if vocab_size > _MOST_EMBEDDED * num_steps * batch_size:
        return inputs, weights, 0
    rows = size[0] // (num_inputs + num_hiddens + 2)
    i2h = weights[:rows * num_inputs].reshape(rows, num_inputs)
    columns = F.npx.fully_connected(i2h, embeddings, no_bias=True, num_hidden=vocab_size, flatten=False)
    return as_int32(tokens), F.np.concatenate([columns.reshape(-1), weights[rows * num_inputs:]], axis=0), vocab_size


def _dense_layer(logits: Any) -> Optional[List[Any]]:
    """The inputs of the dense layer that computes the logits: hidden states, weight and bias; None if none does."""
    if is_array(logits) or not are_ours(logits):
        return None
    node = node_of(logits)
    if node.operator not in ("FullyConnected", "_npx_fully_connected") or len(node.inputs) != 3 \
            or node.attributes.get("flatten") not in ("False", "0"):
        return None
    return node.inputs
