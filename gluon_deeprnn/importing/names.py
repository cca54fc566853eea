"""From the names and shapes of foreign arrays to the parts of a language model.

========================================  ==========================================================
names                                     written by
========================================  ==========================================================
``STACK.weight_ih_l0``, ``bias_hh_l0``    torch: ``nn.RNN``, ``nn.LSTM``, ``nn.GRU``
``CELL.weight_ih``, ``bias_hh``           torch: ``nn.LSTMCell`` and so on
``STACK.l0_i2h_weight``, ``l0_h2h_bias``  MXNet: ``gluon.rnn``, gluonnlp, cells of ``mx.rnn``
``CELL_i2h_weight``                       MXNet: cells of ``gluon.rnn``
``CELL_i2h_f_weight``                     MXNet: ``mx.rnn.save_rnn_checkpoint``, an array per gate
``LAYER.W_xf``, ``W_hf``, ``b_f``         D2L, and this package: layers from scratch
========================================  ==========================================================

Layers are in the order of their names, in which numbers are compared as numbers.  Of the other matrices, one with as
many columns as the last layer has outputs is that of the output layer; a second one is the embedding, known by its
name or its shape.
"""

import dataclasses
import re
from typing import Any, Dict, List, Mapping, Optional, Tuple

from gluon_deeprnn.errors import Advice, Argument, Described, InputError
from gluon_deeprnn.models.cells import CELLS
from gluon_deeprnn.models.conversion import layer_as_fused
from gluon_deeprnn.models.interchange import Arrays, Layer, Weights
import numpy

_TORCH = re.compile(r"(.*?)(weight|bias)_(ih|hh)(?:_l(\d{1,9}))?")
_MXNET = re.compile(r"(.*?)(?:l(\d{1,9})_)?(i2h|h2h)(?:_([ifcorz]))?_(weight|bias)")
_SCRATCH = re.compile(r"(.*?)(W_x[ifcorzh]|W_h[ifcorzh]|b_(?:hh|[ifcorzh]))")
_REVERSE = re.compile(r".*(_reverse|(^|[._])r\d+_(i2h|h2h)(_[ifcorz])?_(weight|bias))")
_NORM = re.compile(r"((?:.*[._])?(?:layer)?norms?)[._]?(\d{1,9})[._](weight|gamma|bias|beta)", re.IGNORECASE)
_EMBEDDING = re.compile(r"(.*[._])?(embed|encoder|emb|wte)", re.IGNORECASE)
_OUTPUT = re.compile(r"W_hq|(.*[._])?(decoder|dense|linear|output|out|head|pred|cls|fc|fullyconnected)", re.IGNORECASE)

GIVEN = {"output": "output.weight", "bias": "output.bias", "embedding": "embedding.weight"}
"""Names that are these parts, whatever else would fit."""

_GATES = {"rnn": "h", "lstm": "ifco", "gru": "rzh", "mgu": "fh"}
_GATES_OF_MXNET = {"lstm": "ifco", "gru": "rzo"}
_CELL_OF_NUMBER = {1: "rnn", 3: "gru", 4: "lstm"}
EPSILON = 1e-5
"""Of layer normalisation, in torch, MXNet and this package."""

_MOST_LAYERS = 1000


@dataclasses.dataclass(frozen=True)
class Found:
    """A language model in foreign arrays.

    Attributes
    ----------
    weights : Weights
    names : dict
        For every part of the model, such as ``layer0.i2h_weight``, the names of the arrays of which it was made.
    """

    weights: Weights
    names: Dict[str, List[str]]


class _Arrays:
    """The arrays that are not yet used."""

    def __init__(self, arrays: Mapping[str, numpy.ndarray]) -> None:
        self.left = dict(arrays)
        self.names: Dict[str, List[str]] = {}

    def take(self, part: str, name: str) -> numpy.ndarray:
        """An array by its foreign name, which is part of ``part``."""
        self.names.setdefault(part, []).append(name)
        return self.left.pop(name)

    def matrices(self) -> List[str]:
        return [name for name, array in self.left.items() if array.ndim == 2]


def find(arrays: Mapping[str, numpy.ndarray], activation: str = "tanh", *, residual: bool = False) -> Found:
    """The language model in foreign arrays.

    Parameters
    ----------
    arrays : mapping of str to numpy.ndarray
    activation : {"tanh", "relu"}, default "tanh"
        That of plain RNNs, which the arrays do not tell.
    residual : bool, default False
        Whether layers have residual connections, which the arrays do not tell.

    Returns
    -------
    Found

    Raises
    ------
    ValueError
        If there are no recurrent layers, or arrays that have no place in a language model of this package.

    Examples
    --------
    >>> from gluon_deeprnn.importing.names import find
    >>> import numpy
    >>> found = find({'rnn.weight_ih_l0': numpy.zeros((12, 5)), 'rnn.weight_hh_l0': numpy.zeros((12, 4)),
    ...               'rnn.bias_ih_l0': numpy.zeros(12), 'rnn.bias_hh_l0': numpy.zeros(12),
    ...               'linear.weight': numpy.zeros((5, 4)), 'linear.bias': numpy.zeros(5)})
    >>> found.weights.layers[0].computes, found.names['output']
    ('gru', ['linear.weight'])
    """
    left = _Arrays({name: _numbers(name, array) for name, array in arrays.items()
                    if numpy.issubdtype(array.dtype, numpy.floating)})
    others = {name: array for name, array in arrays.items() if name not in left.left}
    backwards = [name for name in arrays if _REVERSE.fullmatch(name)]
    if backwards:
        raise InputError("the layers", "in one direction, as a language model needs", Described(", ".join(backwards)))
    layers = [_layer(left, i, names, activation) for i, names in enumerate(_by_layer(left.left))]
    if not layers:
        flat = any(array.ndim == 1 and name.endswith("parameters") for name, array in arrays.items())
        raise InputError("parameters", "those of a model with recurrent layers",
                         Described(", ".join(list(arrays)[:5]) or "none"),
                         "the -symbol.json file tells the layers of a flat array" if flat else None)
    hiddens = _same_width(layers)
    norms = _norms(left, len(layers), hiddens)
    first = left.take("first_state", "first_state") if "first_state" in left.left else None
    embedding, output, bias, tied = _ends(left, layers, hiddens)
    num_states = 2 if layers[0].computes == "lstm" else 1
    if first is None:
        first = numpy.zeros((num_states, len(layers), hiddens), "float32")
    if first.shape != (num_states, len(layers), hiddens):
        raise InputError("first_state", f"of shape {(num_states, len(layers), hiddens)}", first.shape)
    left.left.update(others)
    if left.left:
        raise InputError("parameters", "those of a language model of recurrent layers", Described(
            f"{len(left.left)} that do not fit: " + ", ".join(
                f"{name} {tuple(array.shape)}" for name, array in left.left.items())),
            Advice(_name("PART"), " says what an array is, ", _name(""), " leaves it out"))
    return Found(Weights(layers=layers, norms=norms, epsilon=EPSILON if norms else 0.0, residual=residual,
                         skip=len(layers) > 1 and output.shape[1] == len(layers) * hiddens, embedding=embedding,
                         tied=tied, output=output, bias=bias, first_state=first), left.names)


def _name(part: str) -> Argument:
    """The argument that says what an array is."""
    return Argument("name", f"THEIRS={part}", f"name={ {'THEIRS': part} }")


def _numbers(name: str, array: numpy.ndarray) -> numpy.ndarray:
    """An array as float32, if it has numbers, and all are finite."""
    with numpy.errstate(over="ignore"):
        found = array.astype("float32")
    if found.size == 0 or found.ndim == 0 or not numpy.isfinite(found).all():
        raise InputError(name, "an array of finite numbers", Described(f"shape {array.shape}, {array.dtype}"))
    return found


def _natural(name: str) -> Tuple[Any, ...]:
    """The key by which names are sorted: numbers in them are compared as numbers, and separators are ignored."""
    parts = [part.strip("._") for part in re.split(r"(\d{1,18})", name)]
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in parts if part)


def _by_layer(arrays: Mapping[str, numpy.ndarray]) -> List[Dict[str, str]]:
    """For each layer, in their order, the foreign names of its parts: ``i2h_weight``, ``i2h_f_weight``, ``W_xf``."""
    found: Dict[Tuple[Any, ...], Dict[str, str]] = {}
    for name in arrays:
        if match := _TORCH.fullmatch(name):
            stack, kind, of, number = match.groups()
            part = f"{ {'ih': 'i2h', 'hh': 'h2h'}[of]}_{kind}"
        elif match := _MXNET.fullmatch(name):
            stack, number, of, gate, kind = match.groups()
            part = f"{of}_{gate}_{kind}" if gate else f"{of}_{kind}"
        elif match := _SCRATCH.fullmatch(name):
            stack, part = match.groups()
            number = None
        else:
            continue
        found.setdefault((_natural(stack), int(number or 0)), {})[part] = name
    if len(found) > _MOST_LAYERS or len({tuple(part for _, part in key[0]) for key in found}) > 1:
        raise InputError("the layers", f"at most {_MOST_LAYERS}, of names that differ in numbers",
                         Described(", ".join(sorted({next(iter(names.values())) for names in found.values()}))),
                         Advice(_name("layer0.i2h_weight"), ", for each array, says their order"))
    return [found[key] for key in sorted(found)]


def _layer(left: _Arrays, i: int, names: Mapping[str, str], activation: str) -> Layer:
    """A layer from its parts; biases that it lacks are 0."""
    part = f"layer{i}"
    if any(name.startswith("W_x") for name in names):
        return _scratch_layer(left, part, names)
    gates = {name.split("_")[1] for name in names if name.count("_") == 2}
    cell = next((cell for cell, order in _GATES_OF_MXNET.items() if set(order) == gates), None)
    whole: Arrays = {}
    shapes = {part: left.left[theirs].shape for part, theirs in names.items()}
    for name in ("i2h_weight", "h2h_weight", "i2h_bias", "h2h_bias"):
        of, kind = name.split("_")
        pieces = [name] if cell is None else [f"{of}_{gate}_{kind}" for gate in _GATES_OF_MXNET[cell]]
        if all(piece in names for piece in pieces):
            if len({shapes[piece] for piece in pieces}) > 1:
                raise InputError(f"the arrays of {part}", "of the same shape for all gates", Described(str(shapes)))
            whole[name] = numpy.concatenate([left.take(f"{part}.{name}", names[piece]) for piece in pieces])
    if not {"i2h_weight", "h2h_weight"} <= whole.keys():
        raise InputError("parameters", f"complete: the weights of the inputs and of the states of {part}",
                         Described(", ".join(names.values())))
    rows, hiddens = whole["h2h_weight"].shape if whole["h2h_weight"].ndim == 2 else (0, 1)
    cell = _CELL_OF_NUMBER.get(rows // hiddens)
    if cell is None or rows % hiddens or whole["i2h_weight"].ndim != 2 or any(
            array.shape != (rows, *array.shape[1:]) or (name.endswith("bias") and array.ndim != 1)
            for name, array in whole.items()):
        raise InputError(f"the arrays of {part}", "of the shapes of an RNN, a GRU or an LSTM", Described(str(shapes)))
    for name in ("i2h_bias", "h2h_bias"):
        whole.setdefault(name, numpy.zeros(rows, "float32"))
    return Layer(f"rnn_{activation}" if cell == "rnn" else cell, _GATES[cell], whole)


def _scratch_layer(left: _Arrays, part: str, names: Mapping[str, str]) -> Layer:
    gates = {name[3:] for name in names if name.startswith("W_x")}
    cell = next((cell for cell, order in _GATES.items() if set(order) == gates), None)
    wanted_names = {f"{start}{gate}" for start in ("W_x", "W_h", "b_") for gate in gates}
    if cell is None or names.keys() - ({"b_hh"} if cell == "gru" else set()) != wanted_names:
        raise InputError(f"the arrays of {part}", "all those of one cell from scratch",
                         Described(", ".join(names.values())))
    arrays = {name: left.take(part, theirs) for name, theirs in names.items()}
    hiddens, inputs = arrays[f"b_{_GATES[cell][0]}"].size, arrays[f"W_x{_GATES[cell][0]}"].shape[0]
    wanted = {"W_x": (inputs, hiddens), "W_h": (hiddens, hiddens), "b_": (hiddens,)}
    if any(array.shape != wanted["b_" if name.startswith("b_") else name[:3]] for name, array in arrays.items()):
        raise InputError(f"the arrays of {part}", f"of the shapes {', '.join(map(str, wanted.values()))}",
                         Described(", ".join(f"{name} {array.shape}" for name, array in arrays.items())))
    # D2L resets the state before the product; only the GRU of this package's layers from scratch has a second bias.
    computes = {"rnn": "rnn_tanh", "gru": "gru" if "b_hh" in arrays else "gru_reset_before"}.get(cell, cell)
    return Layer(computes, _GATES[cell], layer_as_fused(arrays, CELLS[cell]))


def _same_width(layers: List[Layer]) -> int:
    """The number of hidden units of all layers."""
    widths = [layer.arrays["h2h_weight"].shape[1] for layer in layers]
    inputs = [layer.arrays["i2h_weight"].shape[1] for layer in layers]
    if len(set(widths)) > 1 or any(size != widths[0] for size in inputs[1:]):
        raise InputError("the layers", "of the same number of hidden units, each on the outputs of the one before",
                         Described(f"layers of {', '.join(map(str, widths))} hidden units on "
                                   f"{', '.join(map(str, inputs))} inputs"))
    if len({layer.computes for layer in layers}) > 1:
        raise InputError("the layers", "of the same cell", Described(", ".join(each.computes for each in layers)))
    return int(widths[0])


def _norms(left: _Arrays, num_layers: int, hiddens: int) -> List[Arrays]:
    """The layer normalisation before each layer but the first."""
    found: Dict[Any, Dict[str, str]] = {}
    for name in left.left:
        if match := _NORM.fullmatch(name):
            kind = {"weight": "gamma", "bias": "beta"}.get(match[3].lower(), match[3].lower())
            found.setdefault((_natural(match[1]), int(match[2])), {})[kind] = name
    if len(found) != num_layers - 1 or any(set(names) != {"gamma", "beta"} for names in found.values()) or any(
            left.left[name].shape != (hiddens,) for names in found.values() for name in names.values()):
        return []  # what is left is reported as not fitting
    return [{kind: left.take(f"norm{i + 1}", found[key][kind]) for kind in ("gamma", "beta")}
            for i, key in enumerate(sorted(found))]


def _ends(left: _Arrays, layers: List[Layer], hiddens: int,
          ) -> Tuple[Optional[numpy.ndarray], numpy.ndarray, numpy.ndarray, bool]:
    """The embedding or None, the weights and the bias of the output layer, and whether it is tied to the embedding."""
    inputs = layers[0].arrays["i2h_weight"].shape[1]
    for name in left.matrices():
        if name.rsplit(".", 1)[-1] == "W_hq":
            left.left[name] = left.left[name].T
    widths = {hiddens, len(layers) * hiddens}
    fitting = [name for name in left.matrices() if left.left[name].shape[1] in widths]
    fitting = [name for name in fitting if name == GIVEN["output"]] or fitting
    outputs = [name for name in fitting if not _EMBEDDING.match(name) or _OUTPUT.match(name)] or fitting
    outputs = [name for name in outputs if _OUTPUT.match(name)] or outputs
    if len(outputs) != 1:
        raise InputError("parameters", f"with one matrix of an output layer, of {hiddens} columns", Described(
            ", ".join(f"{name} {left.left[name].shape}" for name in outputs or left.matrices()) or "none"),
            Advice(_name("output"), " says which it is"))
    output = left.take("output", outputs[0])
    size = len(output)
    embeddings = [name for name in left.matrices() if left.left[name].shape == (size, inputs)]
    embeddings = [name for name in embeddings if name == GIVEN["embedding"]] or embeddings
    embedding = left.take("embedding", embeddings[0]) if len(embeddings) == 1 else None
    tied = embedding is not None and numpy.array_equal(embedding, output)
    if embedding is None and (inputs != size or (inputs == output.shape[1] and _EMBEDDING.match(outputs[0]))):
        if inputs != output.shape[1] or embeddings:
            raise InputError("parameters", f"with one embedding of shape {(size, inputs)}, or one-hot inputs",
                             Described(f"a first layer of {inputs} inputs and {size} tokens"),
                             Advice(_name("embedding"), " says which it is"))
        embedding, tied = output, True
        left.names["embedding"] = left.names["output"]
    biases = [name for name, array in left.left.items() if array.shape == (size,)
              and re.search(r"(bias|(^|[._])b_q)$", name)]
    biases = [name for name in biases if name == GIVEN["bias"]] or biases
    bias = left.take("bias", biases[0]) if len(biases) == 1 else numpy.zeros(size, "float32")
    return embedding, numpy.ascontiguousarray(output), bias, tied
