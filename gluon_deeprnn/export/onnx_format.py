"""The format ONNX: a graph of the standard operators RNN, LSTM and GRU, with any number of steps and sequences."""

import json
from pathlib import Path
from typing import Any, Dict, List, Tuple

from gluon_deeprnn import storage
from gluon_deeprnn.errors import InputError, UnsupportedCellError
from gluon_deeprnn.export import checking
from gluon_deeprnn.export.named import description
from gluon_deeprnn.export.rounding import loss, read_back, rounded
from gluon_deeprnn.models.interchange import Layer, Weights, weights_of
from gluon_deeprnn.version import __version__
import numpy

OPSET, IR_VERSION = 17, 8
"""The first operator set with layer normalisation, and the file version that goes with it."""

_OPERATORS = {"lstm": "LSTM", "gru": "GRU", "gru_reset_before": "GRU"}
_ORDERS = {"lstm": "iofc", "gru": "zrh", "gru_reset_before": "zrh", "rnn": "h"}
_ACTIVATIONS = {"tanh": "Tanh", "relu": "Relu", "sigmoid": "Sigmoid", "softsign": "Softsign", "softrelu": "Softplus"}

_CHECK_PROGRAM = """
import sys, numpy, onnx, onnxruntime
tokens, found, path = sys.argv[1:]
onnx.checker.check_model(path, full_check=True)
session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
tokens = numpy.load(tokens)
shape = [size if isinstance(size, int) else tokens.shape[1] for size in session.get_inputs()[1].shape]
first = numpy.array(__import__("json").loads(session.get_modelmeta().custom_metadata_map["first_state"]), "float32")
state = numpy.ascontiguousarray(numpy.broadcast_to(first.reshape(shape[0], shape[1], 1, shape[3]), shape))
logits = []
for part in numpy.split(tokens, sorted({1, max(1, len(tokens) // 2)})):  # any number of steps, the state carried
    if not len(part):
        continue
    scores, state = session.run(["logits", "next_state"], {"tokens": part, "state": state})
    logits.append(scores)
numpy.savez(found, logits=numpy.concatenate(logits), state=state)
"""


class _Graph:
    """The nodes and constants of a graph that is built, each under a name of its own."""

    def __init__(self) -> None:
        from onnx import helper, numpy_helper

        self._helper, self._numpy = helper, numpy_helper
        self.nodes: List[Any] = []
        self.constants: Dict[str, Any] = {}

    def constant(self, name: str, array: Any) -> str:
        """A constant; its name."""
        self.constants[name] = self._numpy.from_array(numpy.asarray(array, order="C"), name)
        return name

    def matrix(self, name: str, array: numpy.ndarray, axis: int, dtype: str) -> str:
        """A constant matrix, the scales of whose rows, if it is rounded to int8, run along an axis; its name."""
        if dtype != "int8":
            return self.constant(name, array)
        rows = numpy.moveaxis(array, axis, 0)
        found = rounded(rows.reshape(len(rows), -1), dtype)
        stored = numpy.moveaxis(found.stored.reshape(rows.shape), 0, axis)
        scales = self.constant(f"{name}.scales", found.scales[:, 0])  # type: ignore[index]
        return self.node("DequantizeLinear", [self.constant(f"{name}.int8", stored), scales], [name], axis=axis)

    def node(self, operator: str, inputs: List[str], outputs: List[str], **attributes: Any) -> str:
        """An operator; the name of its first output."""
        name = f"{operator} {outputs[0]}"
        self.nodes.append(self._helper.make_node(operator, inputs, outputs, name=name, **attributes))
        return outputs[0]


def write(run: Any, path: Path, dtype: str = "float32") -> Tuple[Path, ...]:
    """Write the model; tokens (T, N), int32, and state (S, L, N, H) are its inputs, logits and next_state its outputs.

    The metadata has the vocabulary and the cleaning of the text, and the initial state.  With int8, matrices are stored
    as 8-bit integers with a scale for each row, and the metadata say how many bits per character that costs.
    """
    if checking.missing(["onnx"]):
        raise InputError("onnx", "installed for this format", None, "pip install onnx onnxruntime")
    weights = weights_of(run.model)
    model = model_of(weights, run.vocab, dtype, loss(run, weights, dtype))
    storage.replace_file(path, model.SerializeToString())
    return (path,)


def model_of(weights: Weights, vocab: Any, dtype: str = "float32", cost: Any = None) -> Any:
    """The model as an ``onnx.ModelProto``.

    Raises
    ------
    ValueError
        For the MGU, which ONNX does not have.
    """
    from onnx import TensorProto, helper

    graph = _Graph()
    num_states, num_layers, num_hiddens = weights.first_state.shape
    outputs = _inputs(graph, weights, dtype)
    last, of_layers = [], []
    for i, layer in enumerate(weights.layers):
        below = outputs
        if i and weights.norms:
            norm = [graph.constant(f"norm{i}.{name}", weights.norms[i - 1][name]) for name in ("gamma", "beta")]
            outputs = graph.node("LayerNormalization", [outputs, *norm], [f"normalised{i}"], axis=-1,
                                 epsilon=weights.epsilon)
        outputs, state = _layer(graph, layer, i, outputs, num_states, dtype)
        if i and weights.residual:
            outputs = graph.node("Add", [below, outputs], [f"residual{i}"])
        last.append(state)
        of_layers.append(outputs)
    if weights.skip and num_layers > 1:
        outputs = graph.node("Concat", of_layers, ["all_layers"], axis=-1)
    matrix = graph.matrix("output.weight", weights.output, 0, dtype)
    product = graph.node("MatMul", [outputs, graph.node("Transpose", [matrix], ["output.transposed"])], ["product"])
    graph.node("Add", [product, graph.constant("output.bias", weights.bias)], ["logits"])
    graph.node("Concat", last, ["next_state"], axis=1)  # (S, 1, N, H) each
    size = [num_states, num_layers, "N", num_hiddens]
    made = helper.make_graph(
        graph.nodes, "gluon_deeprnn",
        [helper.make_tensor_value_info("tokens", TensorProto.INT32, ["T", "N"]),
         helper.make_tensor_value_info("state", TensorProto.FLOAT, size)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["T", "N", weights.vocab_size]),
         helper.make_tensor_value_info("next_state", TensorProto.FLOAT, size)], list(graph.constants.values()))
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION,
                              producer_name="gluon_deeprnn", producer_version=__version__)
    helper.set_model_props(model, {
        "gluon_deeprnn": json.dumps(description(weights, vocab), ensure_ascii=False), "dtype": dtype,
        **({"bits_per_character": json.dumps(cost)} if cost else {}),
        "first_state": json.dumps(weights.first_state.ravel().tolist())})
    return model


def _inputs(graph: _Graph, weights: Weights, dtype: str) -> str:
    """The inputs of the first layer, (T, N, D): rows of the embedding, or one-hot vectors."""
    if weights.embedding is None:
        size = graph.constant("vocab_size", numpy.array(weights.vocab_size, "int32"))
        values = graph.constant("off_and_on", numpy.array([0, 1], "float32"))
        return graph.node("OneHot", ["tokens", size, values], ["one_hot"], axis=-1)
    table = graph.matrix("embedding", weights.embedding, 0, dtype)
    return graph.node("Gather", [table, "tokens"], ["embedded"], axis=0)


def _layer(graph: _Graph, layer: Layer, i: int, inputs: str, num_states: int, dtype: str) -> Tuple[str, str]:
    """A layer: the names of its outputs, (T, N, H), and of its last state, (S, 1, N, H)."""
    kind = layer.computes.split("_")[0] if layer.computes.startswith("rnn_") else layer.computes
    if kind not in _ORDERS:
        raise UnsupportedCellError("model", "of cells that ONNX has: rnn, lstm, gru", layer.computes)
    attributes: Dict[str, Any] = {"hidden_size": layer.arrays["h2h_weight"].shape[1]}
    if kind == "rnn":
        attributes["activations"] = [_ACTIVATIONS[layer.computes[4:]]]
    elif kind.startswith("gru"):
        attributes["linear_before_reset"] = int(kind == "gru")
    arrays = {name: _in_order(array, layer.gates, _ORDERS[kind]) for name, array in layer.arrays.items()}
    biases = numpy.concatenate([arrays["i2h_bias"], arrays["h2h_bias"]])
    given = [*(graph.matrix(f"layer{i}.{name}", arrays[f"{of}_weight"][None], 1, dtype)
               for name, of in (("W", "i2h"), ("R", "h2h"))), graph.constant(f"layer{i}.B", biases[None])]
    at = graph.constant(f"layer{i}.index", numpy.array(i))
    own = graph.node("Gather", ["state", at], [f"state{i}"], axis=1)  # (S, N, H)
    if num_states == 2:
        before = [f"hidden{i}", f"cell{i}"]  # (1, N, H) each
        graph.node("Split", [own, graph.constant(f"layer{i}.parts", numpy.array([1, 1]))], before, axis=0)
    else:
        before = [own]
    after = [f"next_hidden{i}", f"next_cell{i}"][:num_states]
    graph.node(_OPERATORS.get(kind, "RNN"), [inputs, *given, "", *before], [f"outputs{i}", *after], **attributes)
    direction = graph.constant("direction", numpy.array([1]))
    outputs = graph.node("Squeeze", [f"outputs{i}", direction], [f"hiddens{i}"])  # (T, 1, N, H) to (T, N, H)
    both = graph.node("Concat", after, [f"after{i}"], axis=0) if num_states == 2 else after[0]
    return outputs, graph.node("Unsqueeze", [both, direction], [f"last{i}"])


def _in_order(array: numpy.ndarray, gates: str, order: str) -> numpy.ndarray:
    """The rows of the gates in another order."""
    parts = dict(zip(gates, numpy.split(array, len(gates))))
    return numpy.concatenate([parts[gate] for gate in order])


def check(run: Any, path: Path) -> checking.Compared:
    """Compare the scores of the exported model in onnxruntime with ours."""
    if absent := checking.missing(["onnx", "onnxruntime"]):
        return checking.Compared(None, f"needs {' and '.join(absent)}: pip install {' '.join(absent)}")
    import onnx

    dtype = next((each.value for each in onnx.load(str(path)).metadata_props if each.key == "dtype"), "float32")
    return checking.compare(run.model, checking.passage_of(run), _CHECK_PROGRAM, [str(path)], "onnxruntime",
                            None if dtype == "float32" else read_back(weights_of(run.model), dtype))
