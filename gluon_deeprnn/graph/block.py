"""Hybridized blocks for sequences: one static graph for every input shape.

MXNet compiles a hybridized block once.  That one graph is slow for a recurrent network when its memory is not planned
(``static_alloc``, ``static_shape``), is planned again whenever the shape changes, and, when it unrolls a loop over
time, is wrong for every other number of steps.  `GraphBlock` keeps a graph per shape instead, so that hybridizing
changes the speed and nothing else.
"""

from collections import OrderedDict
import contextlib
import logging
import operator
import os
import threading
from typing import Any, Dict, Iterator, List, Optional, Tuple
import warnings

from gluon_deeprnn.devices import Context
from gluon_deeprnn.errors import InputError
from gluon_deeprnn.graph.arrays import compiled_for
from gluon_deeprnn.graph.parameters import named_parameters
from mxnet import autograd, symbol
from mxnet.gluon import HybridBlock, Parameter
from mxnet.gluon.block import _flatten, _regroup
from mxnet.gluon.utils import _check_same_symbol_type
import numpy

_GRAPHS_KEPT = 16
_MANY_CHANGES = 10

_log = logging.getLogger(__name__)

class GraphBlock(HybridBlock):
    """A HybridBlock that, once hybridized, compiles a static graph for each combination of input shapes.

    Training and prediction have graphs of their own, since MXNet plans a graph anew whenever it changes between the
    two.  The memory of a graph stays allocated as long as the graph: the 16 used last are kept.

    A graph is made anew when the block, or one below it, has changed since: another child, another parameter, another
    value of an attribute.  (What was changed inside of an array or of an object of another kind is not seen; call
    ``hybridize()`` again then.)  Blocks can be called from several threads: they are compiled and called one at a time,
    and the engine computes meanwhile.

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
        self._traced = _Parts()
        self._num_changes = 0
        self._cached_graph: Any = ()
        super().__init__(**kwargs)

    def __call__(self, *args: Any) -> Any:
        """Compute: by a graph where the block is hybridized, step by step where it is not."""
        with one_at_a_time:
            return super().__call__(*args)

    def hybridize(self, active: bool = True, *, static_alloc: bool = True, static_shape: bool = True,
                  children: bool = True, **kwargs: Any) -> None:
        """Compile (``active``) or interpret this block; static in memory and shape by default.

        Parameters
        ----------
        active : bool, default True
            False to interpret.
        static_alloc, static_shape : bool, default True
            As Gluon's.
        children : bool, default True
            The blocks below it as well, for when they are called by themselves.
        **kwargs
            As Gluon's.
        """
        with one_at_a_time:
            below: Any = self._children
            try:
                self._children: Any = below if children else OrderedDict()
                super().hybridize(active, static_alloc=static_alloc, static_shape=static_shape, **kwargs)
            finally:
                self._children = below

    @property
    def hybridized(self) -> bool:
        """Whether it is compiled, and not interpreted."""
        return self._active

    def named_parameters(self) -> Iterator[Tuple[str, Parameter]]:
        """Every parameter, once, under the path of attributes that leads to it."""
        return named_parameters(self)

    def cast(self, dtype: Any) -> None:
        """Turn the parameters into another type: float32, or float64, which MXNet's operators take for tests only.

        Raises
        ------
        ValueError
            For any other: on the CPU, MXNet has no operators for it.
        """
        if str(numpy.dtype(dtype)) not in ("float32", "float64"):
            raise InputError("dtype", "float32 or float64", str(dtype))
        super().cast(dtype)

    def summary(self, *inputs: Any) -> None:
        """Print a table of the blocks below and their outputs for these inputs, as Gluon's; hybridized or not."""
        with one_at_a_time, _all_interpreted(self):
            super().summary(*inputs)

    def __getstate__(self) -> Dict[str, Any]:
        # To copy and to pickle: graphs are left out, here and in Gluon's own blocks below, and made again when called.
        for block in (self, *_below(self)):
            if isinstance(block, HybridBlock) and not isinstance(block, GraphBlock):
                block._clear_cached_op()
            for parameter in block._reg_params.values():
                parameter._var = None  # a symbol in numpy mode is not one any more when it is read again
        return {name: value for name, value in vars(self).items() if name not in _MADE_FOR_CALLS}

    def __setstate__(self, state: Dict[str, Any]) -> None:
        self._graphs, self._traced, self._num_changes = OrderedDict(), _Parts(), 0
        self.__dict__.update(state)
        super()._clear_cached_op()

    def _clear_cached_op(self) -> None:
        self._graphs.clear()
        super()._clear_cached_op()

    def _call_cached_op(self, *args: Any) -> Any:
        if autograd.is_recording() and not autograd.is_training():
            # A compiled graph of four or more fused layers that ran in prediction mode fails on its way back.
            return self._interpreted(*args)
        self._drop_graphs_of_what_was()
        flat, structure = _flatten(args, "input")
        key = (autograd.is_recording(), autograd.is_training(), str(structure), str(flat[0].ctx),
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

    def _drop_graphs_of_what_was(self) -> None:
        parts = _Parts(self)
        if parts.are(self._traced):
            return
        self._traced = parts
        if self._graphs:
            self._clear_cached_op()
            self._num_changes += 1
            if self._num_changes == _MANY_CHANGES:
                _log.warning("%s was compiled %d times, as an attribute of it, or of a block below it, changes between "
                             "calls; that takes long", type(self).__name__, _MANY_CHANGES)

    def _interpreted(self, *args: Any) -> Any:
        self._active = False
        try:
            return self.forward(*args)
        finally:
            self._active = True

    def infer_shape(self, *args: Any) -> None:
        """Fill in the sizes of parameters that wait for the first inputs.

        Gluon's own fails on a parameter that the graph has no use for, such as a learned first state that is given
        from outside.
        """
        inputs, outputs = self._get_graph(*args)
        flat, _ = _flatten(args, "input")
        shapes, _, _ = outputs.infer_shape(**{one.name: array.shape for one, array in zip(inputs, flat)})
        if shapes is None:
            raise InputError("inputs", "of sizes that fit the block", [array.shape for array in flat])
        found = dict(zip(outputs.list_arguments(), shapes))
        for parameter in self.collect_params().values():
            parameter.shape = found.get(parameter.name, parameter.shape)

    def _get_graph(self, *args: Any) -> Any:
        # As in Gluon, but the inputs carry their shapes, so that `scan` can ask for the number of steps.
        if not self._cached_graph:
            flat, self._in_format = _flatten(args, "input")
            inputs = [symbol.var(f"data{i}", shape=a.shape).as_np_ndarray() for i, a in enumerate(flat)]
            self._cached_graph = inputs, self._trace(inputs, flat[0].ctx)
        return self._cached_graph

    def _trace(self, inputs: List[Any], device: Optional[Context]) -> Any:
        params = {name: parameter.var() for name, parameter in self._reg_params.items()}
        token = compiled_for.set(device)
        try:
            with self.name_scope():
                outputs = self.hybrid_forward(symbol, *_regroup(inputs, self._in_format), **params)
        finally:
            compiled_for.reset(token)
        outputs, self._out_format = _flatten(outputs, "output")
        return symbol.Group(outputs, _check_same_symbol_type(outputs))

    def export(self, path: str, *args: Any, **kwargs: Any) -> Any:
        """As Gluon's: the graph for the last inputs, of MXNet's own operators only, so that it runs anywhere."""
        compiled = self._cached_graph
        if compiled:
            self._cached_graph = compiled[0], self._trace(compiled[0], None)
        try:
            return super().export(path, *args, **kwargs)
        finally:
            self._cached_graph = compiled


class _Turn:
    """A lock that a thread can take several times, and that a forked process begins anew.

    A process is forked while nobody calls a block: MXNet would wait for ever.
    """

    def __init__(self) -> None:
        self._begin()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self.__enter__, after_in_parent=self.__exit__, after_in_child=self._begin)

    def _begin(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: Any) -> None:
        self._lock.release()


one_at_a_time = _Turn()
"""Held while a block is called or compiled: Gluon's blocks are not made for several threads."""

_MADE_FOR_CALLS = {*GraphBlock._COMPILED, "_graphs", "_traced", "_num_changes", "_drawings"}
_NOT_TRACED = {*_MADE_FOR_CALLS, "_active", "_flags", "_children"}


class _Parts:
    """Everything that a graph of a block is made from: the blocks below it, their parameters, their attributes."""

    def __init__(self, block: Any = None) -> None:
        self._members: List[Any] = []
        if block is not None:
            self._collect(block)

    def _collect(self, block: Any) -> None:
        members = self._members
        members.append(block)
        for name, value in vars(block).items():
            if name not in _NOT_TRACED:
                kind = type(value)
                if kind is dict or kind is OrderedDict:
                    members.extend(value.values())
                elif kind is list or kind is tuple:
                    members.extend(value)
                else:
                    members.append(value)
        for child in block._children.values():
            self._collect(child)

    def are(self, other: "_Parts") -> bool:
        """Whether all of them are the same objects; they are held, so that no other object can take their place."""
        return len(self._members) == len(other._members) and all(map(operator.is_, self._members, other._members))


def _below(block: Any) -> Iterator[Any]:
    for child in block._children.values():
        yield child
        yield from _below(child)


@contextlib.contextmanager
def _all_interpreted(block: Any) -> Iterator[None]:
    """Interpret a block and those below it for a moment, and keep their graphs."""
    compiled = [each for each in (block, *_below(block)) if getattr(each, "_active", False)]
    for each in compiled:
        each._active = False
    try:
        yield
    finally:
        for each in compiled:
            each._active = True


@contextlib.contextmanager
def _learned_states_unused() -> Iterator[None]:
    """Gluon warns of parameters without a use in the graph; a learned first state has its use outside."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Parameter (\S*firststate\S*(, )?)+ is not used")
        yield


def check_language_model(model: Any) -> None:
    """Refuse what is no language model: tokens in, scores and a state out.

    Raises
    ------
    ValueError
        "model must be a language model, such as RNNLM(GRU(32, 2), 28); got ...".
    """
    if not isinstance(model, GraphBlock) or not hasattr(model, "vocab_size") or not hasattr(model, "begin_state"):
        raise InputError("model", "a language model, such as RNNLM(GRU(32, 2), 28)", model)
