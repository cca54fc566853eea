"""Reads files of MXNet 1.x without MXNet, which a damaged file can stop: ``.params``, and the graph in ``.json``."""

import dataclasses
import math
from pathlib import Path
import struct
from typing import Any, Dict, List, Mapping, Optional, Tuple

from gluon_deeprnn import storage
from gluon_deeprnn.errors import DamagedFileError, Described
import numpy

Arrays = Dict[str, numpy.ndarray]

_LIST, _V1, _V2, _V3 = 0x112, 0xF993FAC8, 0xF993FAC9, 0xF993FACA
_DTYPES = ("<f4", "<f8", "<f2", "<u1", "<i4", "<i1", "<i8", "?")
_MOST_BYTES, _MOST_JSON, _MOST_AXES = 2**32, 2**26, 32
_PARTS_OF_LAYER = {"rnn_tanh": 1, "rnn_relu": 1, "lstm": 4, "gru": 3}
"""The number of gates, by the mode of the operator."""


def read_params(path: Path) -> Arrays:
    """The arrays of a ``.params`` file, by name, without ``arg:`` and ``aux:`` before the names.

    Raises
    ------
    ValueError
        If it is not such a file, or damaged.
    """
    try:
        return _Reader(storage.read_file(path, _MOST_BYTES)).arrays()
    except (OSError, ValueError, struct.error, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else \
            "an end in the middle" if isinstance(error, struct.error) else str(error)
        raise DamagedFileError(str(path), "a .params file of MXNet 1.x", Described(reason)) from None


class _Reader:
    """Reads the list of arrays, and then the list of their names; memory is allocated only for bytes that are there."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def arrays(self) -> Arrays:
        if self._number("<Q") != _LIST:
            raise ValueError("a file that begins differently")
        self._number("<Q")
        found = [self._array() for _ in range(self._count())]
        names = [self._bytes(self._number("<Q")).decode("utf-8") for _ in range(self._count())]
        if len(names) != len(found):
            raise ValueError(f"{len(found)} arrays with {len(names)} names")
        names = [name.split(":", 1)[1] if name.startswith(("arg:", "aux:")) else name for name in names]
        if len(set(names)) != len(names) or self._at != len(self._content):
            raise ValueError("names that occur twice, or more than a list of arrays")
        return dict(zip(names, found))

    def _number(self, kind: str) -> int:
        found = struct.unpack_from(kind, self._content, self._at)[0]
        self._at += struct.calcsize(kind)
        return int(found)

    def _bytes(self, size: int) -> bytes:
        if size > len(self._content) - self._at:
            raise ValueError(f"{size} bytes declared, {len(self._content) - self._at} left")
        self._at += size
        return self._content[self._at - size:self._at]

    def _count(self) -> int:
        count = self._number("<Q")
        if count > len(self._content) - self._at:
            raise ValueError(f"{count} entries declared in {len(self._content)} bytes")
        return count

    def _array(self) -> numpy.ndarray:
        magic = self._number("<I")
        if magic in (_V2, _V3) and self._number("<i") != 0:
            raise ValueError("a sparse array")
        # Before the first of these magic numbers, an array began with the number of its axes, and sizes had 32 bits.
        axes = self._number("<i") if magic in (_V1, _V2, _V3) else magic
        if not 0 <= axes <= _MOST_AXES:
            raise ValueError(f"an array of {axes} axes")
        shape = tuple(self._number("<q" if magic in (_V1, _V2, _V3) else "<I") for _ in range(axes))
        if axes == 0 and magic != _V3:  # MXNet writes no more of such an array
            raise ValueError("an array without a shape")
        self._number("<q")  # the device on which it was
        kind = self._number("<i")
        if not 0 <= kind < len(_DTYPES) or min(shape, default=0) < 0:
            raise ValueError(f"an array of shape {shape} and kind {kind}")
        dtype = numpy.dtype(_DTYPES[kind])
        return numpy.frombuffer(self._bytes(math.prod(shape) * dtype.itemsize), dtype).reshape(shape).copy()


@dataclasses.dataclass(frozen=True)
class _Operator:
    """A recurrent operator of a graph: its attributes, and the parameter that it reads if it is a single array."""

    mode: str
    num_hiddens: int
    num_layers: int
    parameter: Optional[str]


def unpacked(path: Path, arrays: Mapping[str, numpy.ndarray]) -> Tuple[Arrays, Optional[str]]:
    """What a graph, a ``-symbol.json``, says about arrays.

    The operator ``RNN`` reads the weights of all its layers from one array.  Those that were stored as one are given
    the names of parts, ``l0_i2h_weight`` and so on.

    Returns
    -------
    arrays, activation
        The activation of plain RNNs, "tanh" or "relu"; None if the graph has no activations.

    Raises
    ------
    ValueError
        If the file is not a graph, or has layers that this package does not have: in both directions, or with
        projections.
    """
    try:
        graph = storage.parse_json(storage.read_file(path, _MOST_JSON).decode("utf-8"))
        nodes = [(str(node["op"]), str(node["name"]), node.get("attrs", node.get("param", {})), node["inputs"])
                 for node in graph["nodes"]]
        operators = [_operator(attributes, inputs, nodes) for op, _, attributes, inputs in nodes if op == "RNN"]
        others = {str(attributes["act_type"]) if op == "Activation" else op.strip("_").replace("npx_", "")
                  for op, _, attributes, _ in nodes if op == "Activation" or op.endswith(("relu", "LeakyReLU"))}
    except (KeyError, TypeError, IndexError, AttributeError, OverflowError, RecursionError, OSError,
            ValueError) as error:
        said = str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"
        raise DamagedFileError(str(path), "a graph of recurrent layers that MXNet wrote", Described(said)) from None
    found, parameters = dict(arrays), [each.parameter for each in operators if each.parameter]
    if len(set(parameters)) < len(parameters):
        raise DamagedFileError(str(path), "a graph of layers with parameters of their own", Described("shared ones"))
    for i, operator in enumerate(operators):
        if operator.parameter in found:
            vector = found.pop(operator.parameter)
            parts = _split(vector, operator, path)
            found.update({f"{i}.{operator.parameter}.{name}": part for name, part in parts.items()})
    of_operators = {operator.mode[4:] for operator in operators if operator.mode.startswith("rnn_")}
    activations = of_operators if operators else others - {"sigmoid"}
    if len(activations) > 1 or not activations <= {"relu", "tanh"}:
        raise DamagedFileError(str(path), "a graph of layers with one activation, tanh or relu",
                               Described(", ".join(sorted(activations))))
    return found, next(iter(activations), None)


def _operator(attributes: Mapping[str, str], inputs: List[Any], nodes: List[Any]) -> _Operator:
    mode = attributes["mode"]
    if mode not in _PARTS_OF_LAYER:
        raise ValueError(f"an operator of mode {mode}")
    for name in ("bidirectional", "projection_size", "lstm_state_clip_min", "lstm_state_clip_max"):
        if attributes.get(name, "None") not in ("None", "False", "0"):
            raise ValueError(f"layers with {name} {attributes[name]}")
    op, name, _, _ = nodes[inputs[1][0]]
    return _Operator(mode, int(attributes["state_size"]), int(attributes["num_layers"]), name if op == "null" else None)


def _split(vector: numpy.ndarray, operator: _Operator, path: Path) -> Arrays:
    """The parts of a vector: the weights of all layers, of the inputs and of the states, and then the biases."""
    hiddens, layers = operator.num_hiddens, operator.num_layers
    rows = _PARTS_OF_LAYER[operator.mode] * hiddens
    others = rows * (hiddens + 2) + (layers - 1) * rows * (2 * hiddens + 2)
    inputs = (vector.size - others) // rows if rows else 0
    if hiddens < 1 or not 1 <= layers <= vector.size or inputs < 1 or others + rows * inputs != vector.size:
        raise DamagedFileError(str(path), "the graph of these parameters", Described(
            f"{layers} layers of {hiddens} hidden units, and an array of {vector.size} numbers"))
    shapes = {}
    for i in range(layers):
        shapes[f"l{i}_i2h_weight"] = (rows, hiddens if i else inputs)
        shapes[f"l{i}_h2h_weight"] = (rows, hiddens)
    for i in range(layers):
        shapes[f"l{i}_i2h_bias"] = shapes[f"l{i}_h2h_bias"] = (rows,)  # type: ignore[assignment]
    ends = numpy.cumsum([math.prod(shape) for shape in shapes.values()])
    return {name: part.reshape(shape)
            for (name, shape), part in zip(shapes.items(), numpy.split(vector.ravel(), ends[:-1]))}
