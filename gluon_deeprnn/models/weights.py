"""Reads and sets the parameters of a model as NumPy arrays by name."""

from typing import Any, Dict, Iterator, Mapping, Tuple

from gluon_deeprnn import mxnet_private
from gluon_deeprnn.errors import Described, InputError
from mxnet import cpu, gluon, np
import numpy


def parameter_arrays(model: Any) -> Dict[str, numpy.ndarray]:
    """A copy of every parameter of a model, by name; a fused layer's flat parameter is split into its named parts."""
    return _split(model, {name: parameter.data(parameter.list_ctx()[0]).asnumpy()
                          for name, parameter in model.named_parameters()})


def gradient_arrays(model: Any) -> Dict[str, numpy.ndarray]:
    """A copy of every parameter's gradient, by the names of ``parameter_arrays``."""
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
    """The arrays of a parameter as stored in files: name, shape, start and stop index in a flat parameter."""
    if not hasattr(parameter, "parts"):
        yield path, None, 0, 0
        return
    start = 0
    for part, shape in parameter.parts().items():
        size = int(numpy.prod(shape))
        yield path.rsplit(".", 1)[0] + "." + part if "." in path else part, shape, start, start + size
        start += size


def set_parameters(model: Any, arrays: Mapping[str, numpy.ndarray], *, allow_missing: bool = False,
                   ignore_extra: bool = False) -> None:
    """Set the parameters of a model to those that ``parameter_arrays`` returned for a model of the same architecture.

    Unknown numbers of input features are inferred from the arrays.

    Raises
    ------
    ValueError
        If names, shapes or dtypes differ; the model is then unchanged.
    """
    _know_inputs(model, arrays)
    parts = {whole: list(_parts(whole, parameter)) for whole, parameter in model.named_parameters()}
    parameters = dict(model.named_parameters())
    expected = {name: tuple(parameters[whole].shape if shape is None else shape)
                for whole, members in parts.items() for name, shape, _, _ in members}
    different = (set() if allow_missing else expected.keys() - arrays.keys()) \
        | (set() if ignore_extra else arrays.keys() - expected.keys())
    if different:
        raise InputError("parameters", "those of the model",
                         Described("different names: " + ", ".join(sorted(different))))
    parts = {whole: members for whole, members in parts.items() if all(name in arrays for name, _, _, _ in members)}
    for name, shape in ((name, expected[name]) for members in parts.values() for name, _, _, _ in members):
        array = arrays[name]
        if tuple(array.shape) != shape or array.dtype != numpy.float32:
            raise InputError(f"parameter {name}", f"float32 of shape {shape}",
                             Described(f"{array.dtype} of shape {tuple(array.shape)}"))
    for whole, members in parts.items():
        flat = numpy.concatenate([arrays[name].ravel() for name, _, _, _ in members])
        if not mxnet_private.has_values(parameters[whole]):
            parameters[whole].initialize(init="zeros", ctx=cpu(), force_reinit=True)
        parameters[whole].set_data(np.array(flat.reshape(parameters[whole].shape), dtype="float32"))


def _know_inputs(block: Any, arrays: Mapping[str, numpy.ndarray], path: str = "") -> None:
    """Set an unknown number of input features of cores from the shape of the first layer's weights."""
    weights = arrays.get(f"{path}layer0.i2h_weight")
    if getattr(block, "num_inputs", None) == 0 and weights is not None and weights.ndim == 2:
        block.know_inputs(int(weights.shape[1]))
    for name, child in mxnet_private.children(block).items():
        _know_inputs(child, arrays, f"{path}{name}.")
