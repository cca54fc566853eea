"""The parameters of a block: their names and their device."""

from typing import Iterator, Optional, Tuple, Union

from gluon_deeprnn import mxnet_private
from gluon_deeprnn.devices import Context, as_context
from gluon_deeprnn.errors import InputError
from mxnet.gluon import HybridBlock, Parameter


def named_parameters(block: HybridBlock, prefix: str = "") -> Iterator[Tuple[str, Parameter]]:
    """Iterate over the parameters of ``block`` and its descendants, each named by its path of attributes."""
    seen = set()
    for path, parameter in _paths(block, prefix):
        if id(parameter) not in seen:  # tied parameters have their first name
            seen.add(id(parameter))
            yield path, parameter


def _paths(block: HybridBlock, prefix: str) -> Iterator[Tuple[str, Parameter]]:
    for name, parameter in mxnet_private.own_parameters(block).items():
        yield prefix + name, parameter
    for name, child in mxnet_private.children(block).items():
        yield from _paths(child, f"{prefix}{name}.")


def context_of(block: HybridBlock, device: Optional[Union[str, Context]] = None) -> Context:
    """The context of the parameters of ``block``.

    Raises
    ------
    ValueError
        If ``device`` is given and the parameters are not on it.
    """
    places = next(parameter for _, parameter in named_parameters(block)).list_ctx()
    if device is None:
        return places[0]
    ctx = as_context(device)
    if ctx not in places:
        raise InputError("device", f"the context of the model's parameters, {places[0]}", str(ctx),
                         "move them: model.collect_params().reset_ctx(device)")
    return ctx
