"""Runs that were not trained here: a model of another program, without a text."""

from typing import Any, Dict, List

from gluon_deeprnn.data import Vocab
from gluon_deeprnn.models.cells import CELLS, cell_of_mode
from gluon_deeprnn.models.conversion import layer_as_scratch
from gluon_deeprnn.models.interchange import Weights
from gluon_deeprnn.models.weights import parameter_arrays, set_parameters
from gluon_deeprnn.runs.build import build_model, check_memory
from gluon_deeprnn.runs.config import RunConfig
from gluon_deeprnn.runs.folder import RunFolder
from gluon_deeprnn.runs.stored import StoredRun
import numpy


def config_of(weights: Weights, vocab: Vocab) -> RunConfig:
    """The settings of the model that has these weights."""
    computes = weights.layers[0].computes
    own: Dict[str, Any] = {"reset": "before", "implementation": "scratch"} if computes == "gru_reset_before" else \
        {"implementation": "scratch"} if CELLS[computes.split("_")[0]].fused_mode is None else {}
    if computes.startswith("rnn_"):
        own["activation"] = computes[len("rnn_"):]
    return RunConfig().with_settings(dict(
        protocol="book", streams="joined", cleaning=vocab.cleaning or "none", tokens=vocab.kind,
        model=cell_of_mode(computes).name, num_hiddens=weights.num_hiddens, num_layers=len(weights.layers),
        tied=weights.tied, layer_norm=bool(weights.norms), residual=weights.residual, skip=weights.skip,
        embedding=0 if weights.embedding is None else weights.embedding.shape[1],
        learned_state=bool(weights.first_state.any()), **own))


def parameters_of(weights: Weights, config: RunConfig) -> Dict[str, numpy.ndarray]:
    """The parameters of the model with these settings, by the names of this package."""
    found, cell = {}, CELLS[config.model]
    scratch = config.implementation == "scratch"
    for i, layer in enumerate(weights.layers):
        arrays = layer.arrays
        if scratch:
            arrays = layer_as_scratch(arrays, cell, second_biases=config.reset == "after")
        found.update({f"rnn.layer{i}.{name}": array for name, array in arrays.items()})
    for i, norm in enumerate(weights.norms):
        found.update({f"rnn.norm{i + 1}.{name}": array for name, array in norm.items()})
    if config.learned_state:
        found.update({f"rnn.first_state.state{i}": state[:, None] for i, state in enumerate(weights.first_state)})
    if weights.embedding is not None:
        found["embedding.weight"] = weights.embedding
    if scratch and weights.embedding is None:
        found.update({"W_hq": weights.output.T, "b_q": weights.bias})
    else:
        found["dense.bias"] = weights.bias
        if not config.tied:
            found["dense.weight"] = weights.output
    return {name: numpy.ascontiguousarray(array, dtype="float32") for name, array in found.items()}


def write_imported(out: Any, weights: Weights, vocab: Vocab, files: List[Dict[str, str]]) -> None:
    """Write the folder of a run with these weights.

    Parameters
    ----------
    out : str or path
        The folder.
    weights : Weights
    vocab : Vocab
    files : list of dict
        Name and SHA-1 of the files from which the weights are.

    Raises
    ------
    ValueError
        For a folder that contains a run or cannot be written, and a model that does not fit into memory.
    """
    folder, config = RunFolder(out), config_of(weights, vocab)
    folder.check_free()
    check_memory(config, len(vocab), training=False)
    model = build_model(config, len(vocab))
    set_parameters(model, parameters_of(weights, config))
    stored = StoredRun.new(config, [], None, vocab.to_json(), imported=tuple(files))
    with folder.held():
        folder.check_free()  # another process may have written a run meanwhile
        folder.begin(stored.as_dict(), stored.vocab)
        folder.write_model(parameter_arrays(model), {"run": stored.fingerprint})
