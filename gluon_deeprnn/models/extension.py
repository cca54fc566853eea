"""Parameters of a language model for a larger vocabulary."""

import math
from typing import Any, Dict

from gluon_deeprnn.errors import Described, InputError
from gluon_deeprnn.models.weights import parameter_arrays
import numpy

_OUTPUT = ("dense.weight", "dense.bias", "W_hq", "b_q")
_OUTPUT_BIAS = ("dense.bias", "b_q")


def extend_vocabulary(model: Any, larger: Any, unknown: int) -> Dict[str, numpy.ndarray]:
    """The parameters of ``model`` for ``larger``, the same model with further tokens at the end of its vocabulary.

    The probability of the unknown token is shared equally between it and the new tokens, so that those of all other
    tokens stay as they were.  As inputs, the new tokens have the initial values of ``larger``; with tied weights all of
    them have the embedding of the unknown token.

    Parameters
    ----------
    model, larger : RNNLM or RNNLMScratch
        Models that differ in ``vocab_size`` only.
    unknown : int
        The index of the unknown token.

    Returns
    -------
    dict of str to numpy.ndarray
        For ``gluon_deeprnn.models.weights.set_parameters(larger, ...)``.

    Raises
    ------
    ValueError
        If the models differ in more than the size of the vocabulary.

    Examples
    --------
    >>> from gluon_deeprnn import GRU, RNNLM
    >>> from gluon_deeprnn.models.extension import extend_vocabulary
    >>> arrays = extend_vocabulary(RNNLM(GRU(8), vocab_size=5), RNNLM(GRU(8), vocab_size=7), unknown=0)
    >>> arrays['dense.weight'].shape
    (7, 8)
    """
    own, initial = parameter_arrays(model), parameter_arrays(larger)
    before, after = model.vocab_size, larger.vocab_size
    if own.keys() != initial.keys() or after < before:
        raise InputError("larger", "the same model with a larger vocabulary", Described(repr(larger)))
    return {name: _extended(name, own[name], initial[name], before, after, unknown, getattr(model, "tied", False))
            for name in own}


def _extended(name: str, own: numpy.ndarray, initial: numpy.ndarray, before: int, after: int, unknown: int,
              tied: bool) -> numpy.ndarray:
    """One array: its own values, followed along the axis of the vocabulary by those of the new tokens."""
    if own.shape == initial.shape:
        return own
    axes = [axis for axis in range(own.ndim) if (own.shape[axis], initial.shape[axis]) == (before, after)]
    if len(axes) != 1 or numpy.delete(own.shape, axes[0]).tolist() != numpy.delete(initial.shape, axes[0]).tolist():
        raise InputError("larger", "the same model with a larger vocabulary",
                         Described(f"{name} of shapes {own.shape} and {initial.shape}"))
    axis = axes[0]
    if name in _OUTPUT or (tied and name == "embedding.weight"):
        new = numpy.repeat(numpy.take(own, [unknown], axis=axis), after - before, axis=axis)
    else:
        new = numpy.take(initial, range(before, after), axis=axis)
    extended = numpy.concatenate([own, new], axis=axis)
    if name in _OUTPUT_BIAS:
        extended[[unknown, *range(before, after)]] -= math.log(after - before + 1)
    return extended
