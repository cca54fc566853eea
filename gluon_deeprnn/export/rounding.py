"""Parameters as float16 or int8: the rounded numbers, and what they cost on a text."""

import dataclasses
import logging
from typing import Any, Dict, NamedTuple, Optional

from gluon_deeprnn.data.evaluated_text import text_of
from gluon_deeprnn.export import checking
from gluon_deeprnn.export.forward import nll_of
from gluon_deeprnn.models.interchange import Arrays, Layer, Weights
import numpy

DTYPES = ("float32", "float16", "int8")
_LOSS_ON = 2000  # tokens
_log = logging.getLogger(__name__)


class Rounded(NamedTuple):
    """An array as it is stored.

    Attributes
    ----------
    stored : numpy.ndarray
        float32, float16 or int8.
    scales : numpy.ndarray or None
        (rows, 1), by which the rows of int8 are multiplied.
    """

    stored: numpy.ndarray
    scales: Optional[numpy.ndarray]

    @property
    def read(self) -> numpy.ndarray:
        """The numbers that a reader has, as float32."""
        return self.stored.astype("float32") if self.scales is None else self.stored * self.scales


def rounded(array: numpy.ndarray, dtype: str) -> Rounded:
    """An array in a dtype; only matrices are rounded to 8 bits, with a scale for each row.

    Examples
    --------
    >>> from gluon_deeprnn.export.rounding import rounded
    >>> import numpy
    >>> rounded(numpy.array([[1.27, 0.5]]), 'int8').stored
    array([[127,  50]], dtype=int8)
    """
    if dtype == "int8" and array.ndim == 2:
        scales = numpy.maximum(abs(array).max(1, keepdims=True), 1e-12).astype("<f4") / numpy.float32(127)
        return Rounded(numpy.rint(array / scales).astype("int8"), scales)
    return Rounded(array.astype("<f2" if dtype == "float16" else "<f4"), None)


def named(weights: Weights) -> Arrays:
    """The arrays of a model under the names of ``model.js``."""
    found: Arrays = {} if weights.embedding is None else {"embedding": weights.embedding}
    for i, layer in enumerate(weights.layers):
        found.update({f"layer{i}.{name}": array for name, array in layer.arrays.items()})
    for i, norm in enumerate(weights.norms):
        found.update({f"norm{i + 1}.{name}": array for name, array in norm.items()})
    return {**found, "output": weights.output, "bias": weights.bias, "first_state": weights.first_state}


def read_back(weights: Weights, dtype: str) -> Weights:
    """The same weights with the numbers that a reader of rounded ones has."""
    arrays = {name: rounded(array, dtype).read for name, array in named(weights).items()}
    layers = [Layer(layer.computes, layer.gates, {name: arrays[f"layer{i}.{name}"] for name in layer.arrays})
              for i, layer in enumerate(weights.layers)]
    norms = [{name: arrays[f"norm{i + 1}.{name}"] for name in norm} for i, norm in enumerate(weights.norms)]
    return dataclasses.replace(weights, layers=layers, norms=norms, embedding=arrays.get("embedding"),
                               output=arrays["output"], bias=arrays["bias"], first_state=arrays["first_state"])


def loss(run: Any, weights: Weights, dtype: str) -> Optional[Dict[str, str]]:
    """Bits per character on a text that the run was not trained on, ``exact`` and ``stored``.

    None for float32, and for a model that was imported, of which there is no text.
    """
    if dtype == "float32":
        return None
    if getattr(getattr(run, "stored", None), "imported", ()):
        _log.info("rounded to %s; what that costs was not measured, since the run has no text", dtype)
        return None
    written = checking.written_passage_of(run, _LOSS_ON)
    tokens, text = run.vocab.encode(written), text_of(run.vocab, written)
    found = {name: f"{text.bits_per_character(nll_of(each, tokens)):.3f}"
             for name, each in (("exact", weights), ("stored", read_back(weights, dtype)))}
    _log.info("rounded to %s: %s bits per character, %s before, on %d tokens", dtype, found["stored"], found["exact"],
              len(tokens))
    return found
