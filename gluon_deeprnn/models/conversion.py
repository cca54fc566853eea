"""Conversion of networks, with their weights, between layers from scratch and fused layers.

A fused layer stores the transposed matrices of the gates concatenated, in the order of its operator (the ``gates`` of
the cell; torch and cuDNN write g for an LSTM's c, and n for a GRU's h).  It has two biases where a layer from scratch
has one.

=====================  =====================================================================
fused                  from scratch
=====================  =====================================================================
i2h_weight, (G H, D)   the W_xg transposed, each (D, H)
h2h_weight, (G H, H)   the W_hg transposed, each (H, H)
i2h_bias, (G H,)       the b_g
h2h_bias, (G H,)       0, but for the cell's ``second_biases``, such as a GRU's b_hh; from fused to scratch, the other
                       b_g are the sum of both biases
=====================  =====================================================================
"""

from typing import Any, Dict, Mapping

from gluon_deeprnn import mxnet_private
from gluon_deeprnn.errors import InputError
from gluon_deeprnn.models.cells import CELLS, Cell, check_fused
from gluon_deeprnn.models.fused import FUSED, FusedStack
from gluon_deeprnn.models.language_model import RNNLM, RNNLMScratch
from gluon_deeprnn.models.scratch import StackedRNNScratch
from gluon_deeprnn.models.weights import parameter_arrays, set_parameters
import numpy

Arrays = Dict[str, numpy.ndarray]


def as_scratch(model: Any) -> Any:
    """Convert a network to layers from scratch, on the CPU.

    Parameters
    ----------
    model : RNN, LSTM, GRU or a language model on one of them
        The network; its parameters must be initialized and are copied.

    Returns
    -------
    StackedRNNScratch, RNNLMScratch or RNNLM
        A language model with an embedding or embedding dropout remains an `gluon_deeprnn.RNNLM`, on a stack from
        scratch.

    Raises
    ------
    ValueError
        For any other model, or if its parameters are not initialized.

    Examples
    --------
    >>> from gluon_deeprnn import GRU
    >>> from gluon_deeprnn.models import as_fused, as_scratch
    >>> from mxnet import np
    >>> fused = GRU(num_hiddens=32, num_layers=2, num_inputs=28)
    >>> fused.initialize()
    >>> scratch = as_scratch(fused)
    >>> scratch.cell, scratch.num_layers
    ('gru', 2)
    >>> x = np.random.normal(size=(5, 3, 28))
    >>> bool(abs(scratch(x)[0] - fused(x)[0]).max() < 1e-6)
    True
    >>> as_fused(scratch)
    GRU(num_hiddens=32, num_layers=2)
    """
    if isinstance(model, (RNNLM, RNNLMScratch)):
        return _language_model(model, as_scratch(model.rnn))
    if not isinstance(model, FusedStack):
        raise InputError("model", "an RNN, LSTM or GRU, or a language model on one", model)
    arrays, cell = _values(model), CELLS[model.cell]
    made = StackedRNNScratch(arrays["layer0.i2h_weight"].shape[1], model.num_hiddens, model.num_layers, cell=cell.name,
                             weight_dropout=model.weight_dropout, **_own_options(model, cell), **model.kit())
    return _filled(made, _by_layer(arrays, lambda layer: layer_as_scratch(layer, cell)))


def as_fused(model: Any) -> Any:
    """Convert a network to fused layers, on the CPU.

    Parameters
    ----------
    model : StackedRNNScratch or a language model on one
        The network; its parameters must be initialized and are copied.

    Returns
    -------
    RNN, LSTM, GRU or RNNLM

    Raises
    ------
    ValueError
        For any other model, if its parameters are not initialized, and for cells without a fused operator: a GRU that
        resets before the product, activations other than tanh and relu, and the MGU.

    Examples
    --------
    >>> from gluon_deeprnn import StackedRNNScratch
    >>> from gluon_deeprnn.models import as_fused
    >>> net = StackedRNNScratch(num_inputs=28, num_hiddens=32, num_layers=2, cell='lstm')
    >>> net.initialize()
    >>> as_fused(net)
    LSTM(num_hiddens=32, num_layers=2)
    """
    if isinstance(model, (RNNLM, RNNLMScratch)):
        return _language_model(model, as_fused(model.rnn))
    if not isinstance(model, StackedRNNScratch):
        raise InputError("model", "a StackedRNNScratch, or a language model on one", model)
    cell = CELLS[model.cell]
    check_fused(cell.name, model.layer_options)
    made = FUSED[cell.name](model.num_hiddens, model.num_layers, num_inputs=model.num_inputs,
                            weight_dropout=model.weight_dropout, **_own_options(model, cell, fused=True), **model.kit())
    return _filled(made, _by_layer(_values(model), lambda layer: layer_as_fused(layer, cell)))


def _own_options(model: Any, cell: Cell, *, fused: bool = False) -> Dict[str, Any]:
    """The cell-specific options that determine the computation, for another stack."""
    found = {}
    for name, option in cell.options.items():
        values = [own.get(name, option.default) for own in model.layer_options]
        if not option.initial and (option.is_free_when_fused or not fused):
            found[name] = values if option.per_layer else values[0]
    return found


def _values(model: Any) -> Arrays:
    if not all(mxnet_private.has_values(parameter) for _, parameter in model.named_parameters()):
        raise InputError("model", "initialized, with all sizes known", model,
                                 "call model.initialize(), and then the model once if num_inputs was not given")
    return parameter_arrays(model)


def _filled(model: Any, arrays: Arrays) -> Any:
    model.initialize()
    set_parameters(model, arrays)
    return model


def _by_layer(arrays: Mapping[str, numpy.ndarray], convert: Any) -> Arrays:
    """All arrays, with those of each ``layerN`` converted together."""
    layers: Dict[str, Arrays] = {}
    rest: Arrays = {}
    for path, array in arrays.items():
        first, name = path.split(".", 1)
        if first.startswith("layer"):
            layers.setdefault(first, {})[name] = array
        else:
            rest[path] = array
    converted = {f"{first}.{name}": array for first, layer in layers.items() for name, array in convert(layer).items()}
    return {**converted, **rest}


def layer_as_scratch(layer: Arrays, cell: Cell, *, second_biases: bool = True) -> Arrays:
    """The parameters of a layer from scratch, by name, from those of a fused layer.

    A layer without ``second_biases``, a GRU that resets before the product, has the sums of both.
    """
    parts = {name: numpy.split(array, len(cell.gates)) for name, array in layer.items()}
    made = {}
    for i, gate in enumerate(cell.gates):
        made[f"W_x{gate}"] = parts["i2h_weight"][i].T
        made[f"W_h{gate}"] = parts["h2h_weight"][i].T
        if second_biases and gate in cell.second_biases:
            made[f"b_{gate}"], made[cell.second_biases[gate]] = parts["i2h_bias"][i], parts["h2h_bias"][i]
        else:
            made[f"b_{gate}"] = parts["i2h_bias"][i] + parts["h2h_bias"][i]
    return made


def layer_as_fused(layer: Mapping[str, numpy.ndarray], cell: Cell) -> Arrays:
    """The parts of a fused layer's weights, in their order, from the parameters of a layer from scratch by name."""
    second = [layer.get(cell.second_biases.get(gate, ""), numpy.zeros_like(layer[f"b_{gate}"])) for gate in cell.gates]
    return {"i2h_weight": numpy.concatenate([layer[f"W_x{gate}"].T for gate in cell.gates]),
            "h2h_weight": numpy.concatenate([layer[f"W_h{gate}"].T for gate in cell.gates]),
            "i2h_bias": numpy.concatenate([layer[f"b_{gate}"] for gate in cell.gates]),
            "h2h_bias": numpy.concatenate(second)}


def _language_model(model: Any, core: Any) -> Any:
    """A language model with another core and the same input and output layers."""
    arrays = {name: array for name, array in parameter_arrays(model).items() if not name.startswith("rnn.")}
    arrays.update({f"rnn.{name}": array for name, array in parameter_arrays(core).items()})
    if isinstance(core, FusedStack) or model.embedding_size or model.embedding_dropout:
        if isinstance(model, RNNLMScratch):
            arrays["dense.weight"], arrays["dense.bias"] = arrays.pop("W_hq").T, arrays.pop("b_q")
            made = RNNLM(core, model.vocab_size, model.lr)
        else:
            made = RNNLM(core, model.vocab_size, model.lr, embedding=model.embedding_size,
                         embedding_dropout=model.embedding_dropout, tied=model.tied)
    else:
        arrays["W_hq"], arrays["b_q"] = arrays.pop("dense.weight").T, arrays.pop("dense.bias")
        made = RNNLMScratch(core, model.vocab_size, model.lr)
    set_parameters(made, arrays)
    return made
