"""The weights of a language model as other programs take them: NumPy arrays by name, whatever made the model."""

import dataclasses
from typing import Any, Dict, List, Optional

from gluon_deeprnn import mxnet_private
from gluon_deeprnn.errors import InputError
from gluon_deeprnn.models import RNNLM, RNNLMScratch
from gluon_deeprnn.models.cells import cell_of_mode
from gluon_deeprnn.models.conversion import layer_as_fused
from gluon_deeprnn.models.fused import FusedLayer, FusedStack
from gluon_deeprnn.models.scratch import StackedRNNScratch
from gluon_deeprnn.models.weights import parameter_arrays
import numpy

Arrays = Dict[str, numpy.ndarray]


@dataclasses.dataclass(frozen=True)
class Layer:
    """A recurrent layer.

    Attributes
    ----------
    computes : str
        Its cell, such as ``lstm``, ``gru``, ``gru_reset_before``, ``mgu`` or ``rnn_tanh``.
    gates : str
        The gates, in the order of the rows of the arrays.
    arrays : dict
        ``i2h_weight`` (G H, D), ``h2h_weight`` (G H, H), ``i2h_bias`` (G H,) and ``h2h_bias`` (G H,).
    """

    computes: str
    gates: str
    arrays: Arrays


@dataclasses.dataclass(frozen=True)
class Weights:
    """What a language model computes, and with which numbers.

    Attributes
    ----------
    layers : list of Layer
    norms : list of dict
        ``gamma`` and ``beta`` of the layer normalisation before each layer but the first; empty without.
    epsilon : float
        What it adds to the variance.
    residual, skip : bool
        Whether a layer's inputs are added to its outputs from the second layer on; whether the output layer reads the
        outputs of all layers.
    embedding : numpy.ndarray or None
        (V, D); None for one-hot inputs.
    tied : bool
        Whether the output layer has the embedding's weights.
    output, bias : numpy.ndarray
        (V, H), or (V, L H) with ``skip``, and (V,).
    first_state : numpy.ndarray
        (S, L, H): zeros, or the learned initial state.
    """

    layers: List[Layer]
    norms: List[Arrays]
    epsilon: float
    residual: bool
    skip: bool
    embedding: Optional[numpy.ndarray]
    tied: bool
    output: numpy.ndarray
    bias: numpy.ndarray
    first_state: numpy.ndarray

    @property
    def vocab_size(self) -> int:
        """The number of tokens V."""
        return len(self.bias)

    @property
    def num_hiddens(self) -> int:
        """The number of hidden units H of each layer."""
        return self.first_state.shape[2]


def weights_of(model: Any) -> Weights:
    """The weights of a language model.

    Parameters
    ----------
    model : RNNLM or RNNLMScratch
        On a stack of layers from scratch or fused layers; its parameters must be initialized.

    Returns
    -------
    Weights
        Copies, float32.

    Raises
    ------
    ValueError
        For another model.

    Examples
    --------
    >>> from gluon_deeprnn import GRU, RNNLM
    >>> from gluon_deeprnn.models.interchange import weights_of
    >>> found = weights_of(RNNLM(GRU(num_hiddens=8, num_layers=2), vocab_size=5))
    >>> [layer.computes for layer in found.layers], found.layers[0].arrays['i2h_weight'].shape
    (['gru', 'gru'], (24, 5))
    """
    if type(model) not in (RNNLM, RNNLMScratch) or not isinstance(model.rnn, (FusedStack, StackedRNNScratch)):
        raise InputError("model", "an RNNLM or RNNLMScratch on layers from scratch or fused layers", model)
    core, arrays = model.rnn, parameter_arrays(model)
    if not all(mxnet_private.has_values(parameter) for _, parameter in model.named_parameters()):
        raise InputError("model", "initialized", model)
    layers = [_layer(layer, {name.split(".", 2)[2]: array for name, array in arrays.items()
                             if name.startswith(f"rnn.layer{i}.")}) for i, layer in enumerate(core.layers)]
    norms = [{name: arrays[f"rnn.norm{i + 1}.{name}"] for name in ("gamma", "beta")} for i in range(len(core.norms))]
    if isinstance(model, RNNLM):
        output, bias = model.dense.weight.data().asnumpy(), model.dense.bias.data().asnumpy()
    else:
        output, bias = arrays["W_hq"].T, arrays["b_q"]
    return Weights(
        layers=layers, norms=norms, epsilon=float(core.norms[0].epsilon) if core.norms else 0.0,
        residual=core.residual, skip=core.skip,
        embedding=model.embedding.weight.data().asnumpy() if model.embedding_size else None,
        tied=bool(getattr(model, "tied", False)), output=numpy.ascontiguousarray(output), bias=bias,
        first_state=numpy.stack([state.asnumpy()[:, 0] for state in model.begin_state(1)]))


def _layer(layer: Any, arrays: Arrays) -> Layer:
    cell = cell_of_mode(layer.computes)
    if not isinstance(layer, FusedLayer):
        arrays = layer_as_fused(arrays, cell)
    names = ("i2h_weight", "h2h_weight", "i2h_bias", "h2h_bias")
    return Layer(layer.computes, "".join(cell.gates),
                 {name: numpy.ascontiguousarray(arrays[name]) for name in names})
