"""Hybridized blocks for sequences: one static graph per input shape.

MXNet compiles a hybridized block once.  For a recurrent network, this graph is slow unless its memory is planned
statically (``static_alloc``, ``static_shape``).  MXNet plans it again whenever the shape changes.  If the graph unrolls
a loop over time, it is wrong for any other number of steps.  ``GraphBlock`` therefore keeps one graph per shape, so
that hybridizing changes the speed, and the results by rounding only.
"""

from collections import Counter, OrderedDict
import contextlib
import json
import logging
from typing import Any, Dict, Iterator, List, Optional, Tuple
import warnings

from gluon_deeprnn import _checks, mxnet_private
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
_OPTIONS = ("inline_limit", "forward_bulk_size", "backward_bulk_size", "clear", "backend")
_SINGLE = ("float32", numpy.float32)

_log = logging.getLogger(__name__)


class GraphBlock(CompiledBlock):
    """A HybridBlock that, if hybridized, compiles a static graph for each combination of input shapes.

    Training and prediction use separate graphs, since MXNet plans a graph again whenever it switches between the two.
    The memory of a graph is allocated as long as the graph exists; the 16 most recently used graphs are kept.

    A graph is compiled again if the block or a descendant has changed: a child or a parameter was replaced, or an
    attribute was set to another value.  (Changes inside an array or another mutable object are not detected; call
    ``hybridize()`` again after them.)  Blocks can be called from several threads: they are compiled and called one at a
    time, while the engine computes asynchronously.

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
        self._fuses = True
        super().__init__(**kwargs)

    def __call__(self, *args: Any) -> Any:
        """Compute the outputs: with a compiled graph if the block is hybridized, else operator by operator."""
        with one_at_a_time:
            return super().__call__(*args)

    def hybridize(self, active: bool = True, *, static_alloc: bool = True, static_shape: Optional[bool] = None,
                  children: bool = True, fuse: bool = True, **kwargs: Any) -> None:
        """Compile this block (``active``) or interpret it; memory and shapes are static by default.

        Parameters
        ----------
        active : bool, default True
            False for interpreted execution.
        static_alloc : bool, default True
            As in Gluon.
        static_shape : bool, optional
            As in Gluon; default: the value of ``static_alloc``, without which it is not possible.
        children : bool, default True
            Whether to hybridize the descendants too, for separate calls of them.
        fuse : bool, default True
            Whether the graph may have this package's operators, each for many of MXNet's: a layer, from scratch too,
            for all steps; the input layer on tokens; output layer and loss.  False: MXNet's operators only.
        **kwargs
            ``inline_limit``, ``forward_bulk_size``, ``backward_bulk_size``, ``clear``, ``backend`` and the options of
            the backend, as in Gluon.

        Raises
        ------
        ValueError
            For another option, which MXNet would ignore, and for ``static_shape`` without ``static_alloc``.
        """
        if static_shape is None:
            static_shape = static_alloc
        elif static_shape and not static_alloc:
            raise InputError("static_shape", "False without static_alloc", static_shape)
        if not kwargs.get("backend"):
            for name in kwargs:
                _checks.one_of("option of hybridize", name, _OPTIONS)
        with one_at_a_time:
            self._fuses = _checks.flag("fuse", fuse)
            self._hybridize(active, children, static_alloc=static_alloc, static_shape=static_shape, **kwargs)

    @property
    def may_fuse(self) -> bool:
        """Whether its calls may be computed by this package's operators, each for many: hybridized with ``fuse``."""
        return mxnet_private.is_hybridized(self) and self._fuses

    def operators(self) -> Dict[str, int]:
        """The operators of the graph of the last call, by name, with their numbers; empty before the first call."""
        if not self.traced:
            return {}
        nodes = json.loads(self.traced[1].tojson())["nodes"]
        return dict(Counter(node["op"] for node in nodes if node["op"] != "null"))

    def named_parameters(self) -> Iterator[Tuple[str, Parameter]]:
        """Iterate over (name, parameter), each parameter once; its name is its path of attributes."""
        return named_parameters(self)

    def cast(self, dtype: Any) -> None:
        """Convert the parameters to another dtype: float32, or float64 (for tests).

        Raises
        ------
        ValueError
            For any other dtype: on the CPU, MXNet has no operators for it.
        """
        if str(numpy.dtype(dtype)) not in ("float32", "float64"):
            raise InputError("dtype", "float32 or float64", str(dtype))
        super().cast(dtype)

    def summary(self, *inputs: Any) -> None:
        """Print Gluon's table of the descendants and their output shapes for these inputs; hybridized or not."""
        with one_at_a_time, _all_interpreted(self):
            super().summary(*inputs)

    def __getstate__(self) -> Dict[str, Any]:
        # For copy and pickle: graphs are excluded, here and in descendants of Gluon's own classes; calls rebuild them.
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
        """Delete all graphs."""
        self._graphs.clear()
        self.without_graph()

    def call_compiled(self, *args: Any) -> Any:
        """Compute the outputs with the graph for inputs of these shapes."""
        if autograd.is_recording() and not autograd.is_training():
            # The backward pass fails for a compiled graph of four or more fused layers that was run in prediction mode.
            return self._interpreted(*args)
        self._drop_outdated_graphs()
        flat, structure = mxnet_private.flatten(args, "input")
        key = (autograd.is_recording(), autograd.is_training(), str(structure), str(flat[0].ctx),
               tuple((a.shape, a.dtype) for a in flat))
        graph = self._graphs.pop(key, None)
        self.set_graph(graph or ((), None, [], None, None))
        # Gluon takes the parameters on the current context if they are on several.
        with flat[0].ctx, contextlib.nullcontext() if graph else _learned_states_unused():
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
                _log.warning("%s was compiled %d times, since an attribute of it or of a child changes between calls; "
                             "compilation is slow", type(self).__name__, _MANY_CHANGES)

    def _interpreted(self, *args: Any) -> Any:
        mxnet_private.set_hybridized(self, False)
        try:
            return self.forward(*args)
        finally:
            mxnet_private.set_hybridized(self, True)

    def infer_shape(self, *args: Any) -> None:
        """Infer the shapes of parameters with deferred initialization from the first inputs.

        Gluon's implementation fails for a parameter that the graph does not use, such as a learned initial state that
        is passed as an argument.
        """
        inputs, outputs = self.make_graph(*args)
        flat, _ = mxnet_private.flatten(args, "input")
        shapes, _, _ = outputs.infer_shape(**{one.name: array.shape for one, array in zip(inputs, flat)})
        if shapes is None:
            raise InputError("inputs", "of shapes that match the block", [array.shape for array in flat])
        found = dict(zip(outputs.list_arguments(), shapes))
        for parameter in self.collect_params().values():
            parameter.shape = found.get(parameter.name, parameter.shape)

    def make_graph(self, *args: Any) -> Any:
        """As in Gluon, but the symbols of the inputs have shapes, from which ``scan`` reads the number of steps."""
        if not self.traced:
            flat, structure = mxnet_private.flatten(args, "input")
            self.set_input_structure(structure)
            inputs = [symbol.var(f"data{i}", shape=a.shape, dtype=a.dtype).as_np_ndarray() for i, a in enumerate(flat)]
            fuses = self._fuses and all(each.dtype in _SINGLE for each in self.collect_params().values())
            self.traced = inputs, self._trace_for(flat[0].ctx if fuses else None, inputs)
        return self.traced

    def _trace_for(self, device: Optional[Context], inputs: List[Any]) -> Any:
        token = compiled_for.set(device)
        try:
            return self.trace(symbol, inputs)
        finally:
            compiled_for.reset(token)

    def export(self, path: str, *args: Any, **kwargs: Any) -> Any:
        """As in Gluon: export the graph of the last call, with MXNet's own operators only, to run anywhere."""
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
    """Interpret a block and its descendants inside the context, and keep their graphs."""
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
    """Suppress Gluon's warning about unused parameters for a learned initial state, which is used outside the graph."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Parameter (\S*firststate\S*(, )?)+ is not used")
        yield
