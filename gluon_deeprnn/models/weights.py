"""Parameters as plain NumPy arrays, by name: out of a model and into one."""

from typing import Any, Dict, Iterator, Mapping, Tuple

from gluon_deeprnn._checks import Described, InputError
from gluon_deeprnn.models.fused import FlatParameter
from mxnet import gluon, np
import numpy


def parameter_arrays(model: Any) -> Dict[str, numpy.ndarray]:
    """A copy of every parameter of a model, by name; those of a fused layer by the names of their parts."""
    return _split(model, {name: parameter.data(parameter.list_ctx()[0]).asnumpy()
                          for name, parameter in model.named_parameters()})


def gradient_arrays(model: Any) -> Dict[str, numpy.ndarray]:
    """A copy of every parameter's gradient, by the names of `parameter_arrays`."""
    return _split(model, {name: parameter.grad(parameter.list_ctx()[0]).asnumpy()
                          for name, parameter in model.named_parameters()})


def shapes(arrays: Mapping[str, numpy.ndarray]) -> Dict[str, Tuple[int, ...]]:
    """The shape of every array."""
    return {name: tuple(array.shape) for name, array in arrays.items()}


def _split(model: Any, arrays: Dict[str, numpy.ndarray]) -> Dict[str, numpy.ndarray]:
    return {name: arrays[whole][start:stop].reshape(shape) if shape is not None else arrays[whole]
            for whole, parameter in model.named_parameters()
            for name, shape, start, stop in _parts(whole, parameter)}


def _parts(path: str, parameter: gluon.Parameter) -> Iterator[Tuple[str, Any, int, int]]:
    """The arrays that a parameter is in files: name, shape, and where it begins and ends in a flat parameter."""
    if not isinstance(parameter, FlatParameter):
        yield path, None, 0, 0
        return
    start = 0
    for part, shape in parameter.parts().items():
        size = int(numpy.prod(shape))
        yield path.rsplit(".", 1)[0] + "." + part if "." in path else part, shape, start, start + size
        start += size


def set_parameters(model: Any, arrays: Mapping[str, numpy.ndarray]) -> None:
    """Give a model the parameters that `parameter_arrays` took from one like it.

    Raises
    ------
    ValueError
        When names, shapes or types differ; the model is then unchanged.
    """
    parts = {whole: list(_parts(whole, parameter)) for whole, parameter in model.named_parameters()}
    parameters = dict(model.named_parameters())
    expected = {name: tuple(parameters[whole].shape if shape is None else shape)
                for whole, members in parts.items() for name, shape, _, _ in members}
    if expected.keys() != arrays.keys():
        different = sorted(expected.keys() ^ arrays.keys())
        raise InputError("parameters", "those of the model", Described("other names: " + ", ".join(different)))
    for name, shape in expected.items():
        array = arrays[name]
        if tuple(array.shape) != shape or array.dtype != numpy.float32:
            raise InputError(f"parameter {name}", f"float32 of shape {shape}",
                             Described(f"{array.dtype} of shape {tuple(array.shape)}"))
    for whole, members in parts.items():
        flat = numpy.concatenate([arrays[name].ravel() for name, _, _, _ in members])
        parameters[whole].set_data(np.array(flat.reshape(parameters[whole].shape), dtype="float32"))
