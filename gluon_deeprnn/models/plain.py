"""Language models without MXNet: the weights of those that the compiled library reads and writes tokens with."""

import math
from typing import Any, Iterator, List, Mapping, NamedTuple, Optional, Tuple
import weakref

from gluon_deeprnn import kernels, mxnet_private
from gluon_deeprnn.devices import Context
from gluon_deeprnn.graph import one_at_a_time
from gluon_deeprnn.kernels import writing
from gluon_deeprnn.models.cells import CELLS, cell_of_mode
from gluon_deeprnn.models.conversion import layer_as_fused
from gluon_deeprnn.models.fused import GRU, LSTM, RNN, FusedLayer
from gluon_deeprnn.models.language_model import RNNLM, RNNLMScratch
from gluon_deeprnn.models.scratch import StackedRNNScratch
from gluon_deeprnn.models.stack import PARTS
from mxnet import gluon
import numpy

_KNOWN = {RNNLM, RNNLMScratch, RNN, LSTM, GRU, StackedRNNScratch, FusedLayer, *PARTS, gluon.nn.Dense,
          gluon.nn.Embedding, *(cell.scratch for cell in CELLS.values())}
"""What a model may consist of: a subclass may compute something else."""

_MOST_READ = 2**21
"""For so many weights, times the square of the number of columns, a text is read as fast as by a graph; measured.

A graph takes one layer after the other through many steps of all columns, so that weights that leave the cache, and
columns, cost it less.  GRUs of 2 x 384, 128, 64 and 32 units are read faster here for up to 1, 3, 7 and 32 columns.
"""


class PlainModel(NamedTuple):
    """A language model with the parameters that it had.

    Attributes
    ----------
    network : Network
        Its layers.
    first_state : numpy.ndarray
        The initial state, (S, L, 1, H).
    """

    network: writing.Network
    first_state: numpy.ndarray


class _Kept(NamedTuple):
    description: Tuple[Any, ...]
    arrays: List[numpy.ndarray]
    plain: PlainModel


_kept: "weakref.WeakKeyDictionary[Any, _Kept]" = weakref.WeakKeyDictionary()


def plain_model(model: Any, ctx: Context) -> Optional[PlainModel]:
    """A language model, with its present parameters, as the compiled library computes it; None where MXNet has to.

    That is on a GPU, for cells that the library does not have, for blocks of a user's own or with hooks, for float64,
    with ``GLUON_DEEPRNN_KERNELS=mxnet``, and where the library was not compiled.

    The parameters are compared with those of the call before, bit by bit: training tells nobody that it changes them.

    Parameters
    ----------
    model : RNNLM, RNNLMScratch or another block
    ctx : mxnet.context.Context
        Where it is to be computed.

    Returns
    -------
    PlainModel or None

    Examples
    --------
    >>> import mxnet
    >>> from gluon_deeprnn import GRU, RNNLM, StackedRNNScratch
    >>> from gluon_deeprnn.models.plain import plain_model
    >>> plain_model(RNNLM(StackedRNNScratch(28, 32, 2, cell='mgu'), 28), mxnet.cpu()) is None
    True
    """
    if ctx.device_type != "cpu" or kernels.loaded() is None or not _is_known(model):
        return None
    with one_at_a_time:
        arrays = {id(parameter): parameter.data(ctx).asnumpy() for _, parameter in model.named_parameters()}
        values = list(arrays.values())
        if any(array.dtype != numpy.float32 for array in values):
            return None
        kept, description = _kept.get(model), _description(model)
        if kept is None or kept.description != description or not all(map(_are_same, kept.arrays, values)):
            first_state = numpy.stack([array.asnumpy() for array in model.begin_state(1, ctx)])
            plain = PlainModel(writing.Network(_weights(model, arrays)), first_state)
            kept = _kept[model] = _Kept(description, values, plain)
        return kept.plain


def plain_reader(model: Any, ctx: Context, num_columns: int = 1) -> Optional[PlainModel]:
    """As `plain_model`, to read a text in columns, one after the other; None also where a graph reads it faster.

    It depends on the sizes only, so that a training that is resumed takes the same way.

    Parameters
    ----------
    model, ctx
        As for `plain_model`.
    num_columns : int, default 1

    Returns
    -------
    PlainModel or None

    Examples
    --------
    >>> import mxnet
    >>> from gluon_deeprnn import GRU, RNNLM
    >>> from gluon_deeprnn.models.plain import plain_reader
    >>> plain_reader(RNNLM(GRU(32, 2), 28), mxnet.cpu(), num_columns=1024) is None
    True
    """
    if not _is_known(model) or _num_read(model) * num_columns**2 > _MOST_READ:
        return None
    return plain_model(model, ctx)


def _num_read(model: Any) -> int:
    """The weights of the recurrent layers that are read for a token: of those of one-hot inputs, hardly any."""
    layers = model.rnn.layers
    sizes = [math.prod(parameter.shape) for layer in layers for parameter in layer.collect_params().values()]
    one_hot = 0 if model.embedding_size else model.vocab_size * writing.GATES[layers[0].computes]
    return sum(sizes) - one_hot * model.rnn.num_hiddens


def _is_known(model: Any) -> bool:
    """Whether a model computes what its classes say, by cells that the library has."""
    if type(model) not in (RNNLM, RNNLMScratch):
        return False
    blocks = list(_blocks(model))
    if not all(type(block) in _KNOWN and not mxnet_private.has_hooks(block) for block in blocks):
        return False
    dense = [block for block in blocks if isinstance(block, gluon.nn.Dense)]
    return (all(layer.computes in writing.GATES for layer in model.rnn.layers)
            and all(each.act is None and each.bias is not None for each in dense))


def _blocks(block: Any) -> Iterator[Any]:
    yield block
    for child in mxnet_private.children(block).values():
        yield from _blocks(child)


def _description(model: Any) -> Tuple[Any, ...]:
    """What a model computes, beside its parameters."""
    core = model.rnn
    return ([layer.computes for layer in core.layers], core.residual, core.skip, core.layer_norm, model.embedding_size,
            [norm.epsilon for norm in core.norms])


def _are_same(one: numpy.ndarray, other: numpy.ndarray) -> bool:
    return one.shape == other.shape and numpy.array_equal(one.view("uint32"), other.view("uint32"))


def _weights(model: Any, arrays: Mapping[int, numpy.ndarray]) -> writing.Weights:
    """A model's weights, from its parameters by ``id``."""
    core = model.rnn
    if isinstance(model, RNNLM):
        output, bias = arrays[id(model.dense.weight)], arrays[id(model.dense.bias)]
    else:
        output, bias = arrays[id(model.W_hq)].T, arrays[id(model.b_q)]
    return writing.Weights(
        cells=[layer.computes for layer in core.layers], layers=[_flat(layer, arrays) for layer in core.layers],
        norms=[arrays[id(parameter)] for norm in core.norms for parameter in (norm.gamma, norm.beta)],
        epsilon=core.norms[0].epsilon if core.norms else 0.0, is_residual=core.residual,
        embedding=arrays[id(model.embedding.weight)] if model.embedding_size else None, output=output, bias=bias,
        has_skip=core.skip)


def _flat(layer: Any, arrays: Mapping[int, numpy.ndarray]) -> numpy.ndarray:
    """The weights of a layer in the order of cuDNN."""
    if isinstance(layer, FusedLayer):
        return arrays[id(layer.weights)]
    own = {name: arrays[id(parameter)] for name, parameter in mxnet_private.own_parameters(layer).items()}
    return numpy.concatenate([part.ravel() for part in layer_as_fused(own, cell_of_mode(layer.computes)).values()])
