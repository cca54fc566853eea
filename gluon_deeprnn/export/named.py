"""What the formats torch, safetensors and ONNX say of a model, and its arrays under the names of torch."""

from typing import Any, Dict

from gluon_deeprnn.data import Vocab
from gluon_deeprnn.errors import UnsupportedCellError
from gluon_deeprnn.models.interchange import Arrays, Weights
import numpy

IN_TORCH = ("rnn_tanh", "rnn_relu", "lstm", "gru")
"""The cells that torch has."""

_OF_LAYERS = {"i2h_weight": "weight_ih_l0", "h2h_weight": "weight_hh_l0", "i2h_bias": "bias_ih_l0",
              "h2h_bias": "bias_hh_l0"}


def description(weights: Weights, vocab: Vocab) -> Dict[str, Any]:
    """What a program needs beside the arrays: the layers, and how a text becomes tokens and tokens a text."""
    return {"layers": [layer.computes for layer in weights.layers], "num_hiddens": weights.num_hiddens,
            "embedding": 0 if weights.embedding is None else weights.embedding.shape[1], "tied": weights.tied,
            "layer_norm": bool(weights.norms), "epsilon": weights.epsilon, "residual": weights.residual,
            "skip": weights.skip, "kind": vocab.kind, "cleaning": vocab.cleaning, "tokens": vocab.idx_to_token,
            "special": vocab.special, "begin": vocab.begin_index, "end": vocab.end_index,
            **({"pattern": vocab.tokenizer.pattern} if vocab.tokenizer.pattern else {})}


def torch_arrays(weights: Weights) -> Arrays:
    """The arrays under the names of the ``state_dict`` of ``torch_model.py``.

    Raises
    ------
    ValueError
        For cells that torch does not have: a GRU that resets before the product, the MGU, other activations.
    """
    found: Arrays = {}
    if weights.embedding is not None:
        found["embedding.weight"] = weights.embedding
    for i, layer in enumerate(weights.layers):
        if layer.computes not in IN_TORCH:
            raise UnsupportedCellError("model", f"of layers that torch has, {', '.join(IN_TORCH)}", layer.computes)
        found.update({f"layers.{i}.{theirs}": layer.arrays[ours] for ours, theirs in _OF_LAYERS.items()})
    for i, norm in enumerate(weights.norms):
        found.update({f"norms.{i}.weight": norm["gamma"], f"norms.{i}.bias": norm["beta"]})
    found.update({"output.weight": weights.output, "output.bias": weights.bias, "first_state": weights.first_state})
    return {name: numpy.ascontiguousarray(array, dtype="float32") for name, array in found.items()}
