"""The parameters of any block: by name, and where they are."""

from typing import Iterator, Optional, Tuple, Union

from gluon_deeprnn import mxnet_private
from gluon_deeprnn.devices import Context, as_context
from gluon_deeprnn.errors import InputError
from mxnet.gluon import HybridBlock, Parameter


def named_parameters(block: HybridBlock, prefix: str = "") -> Iterator[Tuple[str, Parameter]]:
    """The parameters of ``block`` and of its children, each named by the path of attributes that leads to it."""
    seen = set()
    for path, parameter in _paths(block, prefix):
        if id(parameter) not in seen:  # tied parameters go by their first name
            seen.add(id(parameter))
            yield path, parameter


def _paths(block: HybridBlock, prefix: str) -> Iterator[Tuple[str, Parameter]]:
    for name, parameter in mxnet_private.own_parameters(block).items():
        yield prefix + name, parameter
    for name, child in mxnet_private.children(block).items():
        yield from _paths(child, f"{prefix}{name}.")


def context_of(block: HybridBlock, device: Optional[Union[str, Context]] = None) -> Context:
    """Where the parameters of ``block`` are; a ``device`` that was asked for has to be there.

    Raises
    ------
    ValueError
        When it is not.
    """
    places = next(parameter for _, parameter in named_parameters(block)).list_ctx()
    if device is None:
        return places[0]
    ctx = as_context(device)
    if ctx not in places:
        raise InputError("device", f"where the model's parameters are, {places[0]}", str(ctx),
                         "move them: model.collect_params().reset_ctx(device)")
    return ctx
