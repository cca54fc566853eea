"""Hybridized blocks for sequences: one static graph for every input shape.

MXNet compiles a hybridized block once.  That one graph is slow for a recurrent network when its memory is not planned
(``static_alloc``, ``static_shape``), is planned again whenever the shape changes, and, when it unrolls a loop over
time, is wrong for every other number of steps.  `GraphBlock` keeps a graph per shape instead, so that hybridizing
changes the speed and nothing else.
"""

from collections import OrderedDict
import contextlib
import logging
from typing import Any, Dict, Iterator, List, Optional, Tuple
import warnings

from gluon_deeprnn import mxnet_private
from gluon_deeprnn.devices import Context
from gluon_deeprnn.errors import InputError
from gluon_deeprnn.graph.arrays import compiled_for
from gluon_deeprnn.graph.changes import Parts
from gluon_deeprnn.graph.parameters import named_parameters
from gluon_deeprnn.graph.threads import one_at_a_time
from gluon_deeprnn.mxnet_private import CompiledBlock
from mxnet import autograd, symbol
from mxnet.gluon import Parameter
import numpy

_GRAPHS_KEPT = 16
_MANY_CHANGES = 10

_log = logging.getLogger(__name__)


class GraphBlock(CompiledBlock):
    """A HybridBlock that, once hybridized, compiles a static graph for each combination of input shapes.

    Training and prediction have graphs of their own, since MXNet plans a graph anew whenever it changes between the
    two.  The memory of a graph stays allocated as long as the graph: the 16 used last are kept.

    A graph is made anew when the block, or one below it, has changed since: another child, another parameter, another
    value of an attribute.  (What was changed inside of an array or of an object of another kind is not seen; call
    ``hybridize()`` again then.)  Blocks can be called from several threads: they are compiled and called one at a time,
    and the engine computes meanwhile.

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

    def __init__(self, **kwargs: Any) -> None:
        self._graphs: OrderedDict[tuple, tuple] = OrderedDict()
        self._traced = Parts()
        self._num_changes = 0
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
            self._hybridize(active, children, static_alloc=static_alloc, static_shape=static_shape, **kwargs)

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
            if not isinstance(block, GraphBlock):
                mxnet_private.forget_graph(block)
            else:
                mxnet_private.forget_symbols(block)
        return {name: value for name, value in vars(self).items() if name not in _MADE_FOR_CALLS}

    def __setstate__(self, state: Dict[str, Any]) -> None:
        self._graphs, self._traced, self._num_changes = OrderedDict(), Parts(), 0
        self.__dict__.update(state)
        self.without_graph()

    def drop_graphs(self) -> None:
        """Make all graphs anew."""
        self._graphs.clear()
        self.without_graph()

    def call_compiled(self, *args: Any) -> Any:
        """Compute by the graph for inputs of these shapes."""
        if autograd.is_recording() and not autograd.is_training():
            # The backward pass of a compiled graph of four or more fused layers that ran in prediction mode fails.
            return self._interpreted(*args)
        self._drop_outdated_graphs()
        flat, structure = mxnet_private.flatten(args, "input")
        key = (autograd.is_recording(), autograd.is_training(), str(structure), str(flat[0].ctx),
               tuple((a.shape, a.dtype) for a in flat))
        graph = self._graphs.pop(key, None)
        self.set_graph(graph or ((), None, [], None, None))
        with contextlib.nullcontext() if graph else _learned_states_unused():
            outputs = super().call_compiled(*args)
        self._graphs[key] = self.graph()
        if len(self._graphs) > _GRAPHS_KEPT:
            self._graphs.popitem(last=False)
        return outputs

    def _drop_outdated_graphs(self) -> None:
        parts = Parts(self, _NOT_TRACED)
        if parts.are(self._traced):
            return
        self._traced = parts
        if self._graphs:
            self.drop_graphs()
            self._num_changes += 1
            if self._num_changes == _MANY_CHANGES:
                _log.warning("%s was compiled %d times, as an attribute of it, or of a block below it, changes between "
                             "calls; that takes long", type(self).__name__, _MANY_CHANGES)

    def _interpreted(self, *args: Any) -> Any:
        mxnet_private.set_hybridized(self, False)
        try:
            return self.forward(*args)
        finally:
            mxnet_private.set_hybridized(self, True)

    def infer_shape(self, *args: Any) -> None:
        """Fill in the sizes of parameters that wait for the first inputs.

        Gluon's own fails on a parameter that the graph has no use for, such as a learned initial state that is given
        as an argument.
        """
        inputs, outputs = self.make_graph(*args)
        flat, _ = mxnet_private.flatten(args, "input")
        shapes, _, _ = outputs.infer_shape(**{one.name: array.shape for one, array in zip(inputs, flat)})
        if shapes is None:
            raise InputError("inputs", "of sizes that fit the block", [array.shape for array in flat])
        found = dict(zip(outputs.list_arguments(), shapes))
        for parameter in self.collect_params().values():
            parameter.shape = found.get(parameter.name, parameter.shape)

    def make_graph(self, *args: Any) -> Any:
        """As in Gluon, but the inputs carry their shapes, so that `scan` can ask for the number of steps."""
        if not self.traced:
            flat, structure = mxnet_private.flatten(args, "input")
            self.set_input_structure(structure)
            inputs = [symbol.var(f"data{i}", shape=a.shape).as_np_ndarray() for i, a in enumerate(flat)]
            self.traced = inputs, self._trace_for(flat[0].ctx, inputs)
        return self.traced

    def _trace_for(self, device: Optional[Context], inputs: List[Any]) -> Any:
        token = compiled_for.set(device)
        try:
            return self.trace(symbol, inputs)
        finally:
            compiled_for.reset(token)

    def export(self, path: str, *args: Any, **kwargs: Any) -> Any:
        """As Gluon's: the graph for the last inputs, of MXNet's own operators only, so that it runs anywhere."""
        compiled = self.traced
        if compiled:
            self.traced = compiled[0], self._trace_for(None, compiled[0])
        try:
            return super().export(path, *args, **kwargs)
        finally:
            self.traced = compiled


_MADE_FOR_CALLS = {*CompiledBlock.GRAPH, "_graphs", "_traced", "_num_changes", "_samplers"}
_NOT_TRACED = {*_MADE_FOR_CALLS, *CompiledBlock.SETTINGS}


def _below(block: Any) -> Iterator[Any]:
    for child in mxnet_private.children(block).values():
        yield child
        yield from _below(child)


@contextlib.contextmanager
def _all_interpreted(block: Any) -> Iterator[None]:
    """Interpret a block and those below it for a moment, and keep their graphs."""
    compiled = [each for each in (block, *_below(block)) if mxnet_private.is_hybridized(each)]
    for each in compiled:
        mxnet_private.set_hybridized(each, False)
    try:
        yield
    finally:
        for each in compiled:
            mxnet_private.set_hybridized(each, True)


@contextlib.contextmanager
def _learned_states_unused() -> Iterator[None]:
    """Gluon warns of parameters without a use in the graph; a learned first state has its use outside."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Parameter (\S*firststate\S*(, )?)+ is not used")
        yield
