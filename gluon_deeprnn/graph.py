"""Hybridized blocks for sequences: one static graph for every input shape, and a loop over time that fits into one.

MXNet compiles a hybridized block once.  That one graph is slow for a recurrent network when its memory is not planned
(``static_alloc``, ``static_shape``), is planned again whenever the shape changes, and, when it unrolls a loop over
time, is wrong for every other number of steps.  `GraphBlock` keeps a graph per shape instead, so that hybridizing
changes the speed and nothing else.
"""

from collections import OrderedDict
import contextlib
from contextvars import ContextVar
from typing import Any, Callable, Iterator, List, Optional, Tuple, Union
import warnings

from gluon_deeprnn._checks import Described, InputError
from gluon_deeprnn.devices import Context, as_context
from mxnet import autograd, symbol
from mxnet.gluon import HybridBlock, Parameter
from mxnet.gluon.block import _flatten, _regroup
from mxnet.gluon.utils import _check_same_symbol_type
from mxnet.ndarray import NDArray

_GRAPHS_KEPT = 16

_compiled_for: ContextVar[Optional[Context]] = ContextVar("_compiled_for", default=None)


class GraphBlock(HybridBlock):
    """A HybridBlock that, once hybridized, compiles a static graph for each combination of input shapes.

    Training and prediction have graphs of their own, since MXNet plans a graph anew whenever it changes between the
    two.  The memory of a graph stays allocated as long as the graph: the 16 used last are kept.

    It relies on these of MXNet 1.9.1's own names: ``_get_graph``, ``_call_cached_op``, ``_clear_cached_op`` and the
    attributes that they set.

    Examples
    --------
    >>> import gluon_deeprnn
    >>> from mxnet import np
    >>> rnn = gluon_deeprnn.GRU(num_hiddens=8, num_layers=2)
    >>> rnn.initialize()
    >>> rnn.hybridize()
    >>> for num_steps in (5, 7):
    ...     outputs, state = rnn(np.zeros((num_steps, 3, 4)), rnn.begin_state(batch_size=3))
    ...     print(outputs.shape)
    (5, 3, 8)
    (7, 3, 8)
    """

    _COMPILED = ("_cached_graph", "_cached_op", "_cached_op_args", "_in_format", "_out_format")

    def __init__(self, **kwargs: Any) -> None:
        self._graphs: OrderedDict[tuple, tuple] = OrderedDict()
        self._cached_graph: Any = ()
        super().__init__(**kwargs)

    def hybridize(self, active: bool = True, *, static_alloc: bool = True, static_shape: bool = True,
                  **kwargs: Any) -> None:
        """Compile (``active``) or interpret this block and its children; static in memory and shape by default."""
        super().hybridize(active, static_alloc=static_alloc, static_shape=static_shape, **kwargs)

    @property
    def hybridized(self) -> bool:
        """Whether it is compiled, and not interpreted."""
        return self._active

    def named_parameters(self) -> Iterator[Tuple[str, Parameter]]:
        """Every parameter, once, under the path of attributes that leads to it."""
        return named_parameters(self)

    def _clear_cached_op(self) -> None:
        self._graphs.clear()
        super()._clear_cached_op()

    def _call_cached_op(self, *args: Any) -> Any:
        if autograd.is_recording() and not autograd.is_training():
            # A compiled graph of four or more fused layers that ran in prediction mode fails on its way back.
            return self._interpreted(*args)
        flat, structure = _flatten(args, "input")
        key = (autograd.is_recording(), autograd.is_training(), str(structure),
               tuple((a.shape, a.dtype) for a in flat))
        compiled = self._graphs.pop(key, ((), None, [], None, None))
        for name, value in zip(self._COMPILED, compiled):
            setattr(self, name, value)
        with contextlib.nullcontext() if compiled[1] else _learned_states_unused():
            outputs = super()._call_cached_op(*args)
        self._graphs[key] = tuple(getattr(self, name) for name in self._COMPILED)
        if len(self._graphs) > _GRAPHS_KEPT:
            self._graphs.popitem(last=False)
        return outputs

    def _interpreted(self, *args: Any) -> Any:
        self._active = False
        try:
            return self.forward(*args)
        finally:
            self._active = True

    def _get_graph(self, *args: Any) -> Any:
        # As in Gluon, but the inputs carry their shapes, so that `scan` can ask for the number of steps.
        if not self._cached_graph:
            flat, self._in_format = _flatten(args, "input")
            inputs = [symbol.var(f"data{i}", shape=a.shape).as_np_ndarray() for i, a in enumerate(flat)]
            self._cached_graph = inputs, self._traced(inputs, flat[0].ctx)
        return self._cached_graph

    def _traced(self, inputs: List[Any], device: Optional[Context]) -> Any:
        params = {name: parameter.var() for name, parameter in self._reg_params.items()}
        token = _compiled_for.set(device)
        try:
            with self.name_scope():
                outputs = self.hybrid_forward(symbol, *_regroup(inputs, self._in_format), **params)
        finally:
            _compiled_for.reset(token)
        outputs, self._out_format = _flatten(outputs, "output")
        return symbol.Group(outputs, _check_same_symbol_type(outputs))

    def export(self, path: str, *args: Any, **kwargs: Any) -> Any:
        """As Gluon's: the graph for the last inputs, of MXNet's own operators only, so that it runs anywhere."""
        compiled = self._cached_graph
        if compiled:
            self._cached_graph = compiled[0], self._traced(compiled[0], None)
        try:
            return super().export(path, *args, **kwargs)
        finally:
            self._cached_graph = compiled


@contextlib.contextmanager
def _learned_states_unused() -> Iterator[None]:
    """Gluon warns of parameters without a use in the graph; a learned first state has its use outside."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Parameter (\S*firststate\S*(, )?)+ is not used")
        yield


def named_parameters(block: HybridBlock, prefix: str = "") -> Iterator[Tuple[str, Parameter]]:
    """The parameters of ``block`` and of its children, each named by the path of attributes that leads to it."""
    seen = set()
    for path, parameter in _paths(block, prefix):
        if id(parameter) not in seen:  # tied parameters go by their first name
            seen.add(id(parameter))
            yield path, parameter


def _paths(block: HybridBlock, prefix: str) -> Iterator[Tuple[str, Parameter]]:
    for name, parameter in block._reg_params.items():
        yield prefix + name, parameter
    for name, child in block._children.items():
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


def is_array(x: Any) -> bool:
    """Whether ``x`` is an array and not the symbol that stands for one while a graph is compiled."""
    return isinstance(x, NDArray)


def device_of(x: Any) -> Optional[Context]:
    """Where ``x`` is, or will be if it is a symbol; None in a graph that is not compiled for one device."""
    return x.ctx if is_array(x) else _compiled_for.get()


def given_array(name: str, x: Any) -> bool:
    """The same for what a caller passed in, who could have passed anything.

    Raises
    ------
    ValueError
        When it is neither.
    """
    if not isinstance(x, (NDArray, symbol.Symbol)):
        raise InputError(name, "an mxnet.np.ndarray", x, "mxnet.np.array(x) makes one")
    return is_array(x)


def check_language_model(model: Any) -> None:
    """Refuse what is no language model: tokens in, scores and a state out.

    Raises
    ------
    ValueError
        "model must be a language model, such as RNNLM(GRU(32, 2), 28); got ...".
    """
    if not isinstance(model, GraphBlock) or not hasattr(model, "vocab_size") or not hasattr(model, "begin_state"):
        raise InputError("model", "a language model, such as RNNLM(GRU(32, 2), 28)", model)


def unstack(F: Any, x: Any, num: int) -> List[Any]:
    """The ``num`` parts of ``x`` along its first axis, as ``stack`` takes them."""
    return split(F, x, num, axis=0, squeeze_axis=True)


def split(F: Any, x: Any, num: int, *, axis: int, squeeze_axis: bool = False) -> List[Any]:
    """The ``num`` equal parts of ``x`` along an axis, as ``concatenate`` takes them.

    ``np.split`` is one operator too, but its kernel takes 6 ms where this one takes 0.4 (32 parts of 1024 x 32), and
    an index for each part costs a full-sized array for each in the backward pass.
    """
    parts = F.SliceChannel(x.as_nd_ndarray(), num_outputs=num, axis=axis, squeeze_axis=squeeze_axis)
    return [part.as_np_ndarray() for part in (parts if num > 1 else [parts])]


def length(x: Any) -> int:
    """The size of the first axis, of an array or of the symbol that stands for one.

    Raises
    ------
    ValueError
        When the graph that is being compiled does not know it: its block is no `GraphBlock`.
    """
    if is_array(x):
        return x.shape[0]
    shape = x.infer_shape_partial()[1][0]
    if not shape or shape[0] <= 0:
        # MXNet has a loop operator for such graphs; two of them in one static graph gave wrong numbers, silently.
        raise InputError("inputs", "of a known number of steps inside a hybridized block", Described("an unknown one"),
                         "derive the block around it from gluon_deeprnn.graph.GraphBlock, not from HybridBlock")
    return shape[0]


def scan(F: Any, step: Callable[[Any, List[Any]], List[Any]], inputs: Any, state: List[Any],
         mask: Optional[Any] = None) -> Tuple[Any, List[Any]]:
    """Run ``state = step(inputs[t], state)`` for t = 0, 1, ...; return the first arrays of all states and the last
    state.

    Where the ``mask``, (T, N, 1), is 0 a sequence has ended: its state stays what it was, and its output is 0.
    """
    num_steps, outputs = length(inputs), []
    masks = [None] * num_steps if mask is None else unstack(F, mask, num_steps)
    for x, m in zip(unstack(F, inputs, num_steps), masks):
        new = step(x, state)
        state = new if m is None else [F.np.where(m, a, b) for a, b in zip(new, state)]
        outputs.append(state[0] if m is None else F.np.where(m, state[0], F.np.zeros_like(state[0])))
    return F.np.stack(outputs), state
