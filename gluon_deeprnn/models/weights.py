"""Parameters as plain NumPy arrays, by name: out of a model and into one."""

from typing import Any, Dict, Mapping

from gluon_deeprnn._checks import Described, InputError
from mxnet import np
import numpy


def parameter_arrays(model: Any) -> Dict[str, numpy.ndarray]:
    """A copy of every parameter of a model, by name."""
    return {name: parameter.data(parameter.list_ctx()[0]).asnumpy() for name, parameter in model.named_parameters()}


def set_parameters(model: Any, arrays: Mapping[str, numpy.ndarray]) -> None:
    """Give a model the parameters that `parameter_arrays` took from one like it.

    Raises
    ------
    ValueError
        When names, shapes or types differ; the model is then unchanged.
    """
    expected = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    if expected.keys() != arrays.keys():
        different = sorted(expected.keys() ^ arrays.keys())
        raise InputError("parameters", "those of the model", Described("other names: " + ", ".join(different)))
    for name, shape in expected.items():
        array = arrays[name]
        if tuple(array.shape) != shape or array.dtype != numpy.float32:
            raise InputError(f"parameter {name}", f"float32 of shape {shape}",
                             Described(f"{array.dtype} of shape {tuple(array.shape)}"))
    for name, parameter in model.named_parameters():
        parameter.set_data(np.array(arrays[name], dtype="float32"))
