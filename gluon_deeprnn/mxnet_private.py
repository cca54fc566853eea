"""All private names of MXNet 1.9.1 that this package relies on, in one file.

1.9.1 is MXNet's last release, so the names will not change.  ``tests/test_mxnet_private.py`` reports which of them are
missing from another build.  `gluon_deeprnn.runtime` imports this module right after MXNet.
"""

from contextvars import ContextVar
import functools
import threading
from typing import Any, Callable, Dict, Iterator, List, Tuple

import mxnet
from mxnet import util
from mxnet.base import _LIB
from mxnet.gluon import Block, HybridBlock, Parameter
from mxnet.gluon.block import _flatten, _regroup
from mxnet.gluon.utils import _check_same_symbol_type
from mxnet.ndarray.register import _make_ndarray_function
from mxnet.symbol.register import _make_symbol_function
import numpy

library = _LIB
flatten, regroup, symbol_type = _flatten, _regroup, _check_same_symbol_type
make_ndarray_function, make_symbol_function = _make_ndarray_function, _make_symbol_function


BLOCK_ATTRIBUTES = ("_children", "_named_children", "_reg_params", "_params", "_forward_hooks", "_forward_pre_hooks",
                    "_scope")
"""The attributes in which a block keeps what it is made of."""


def children(block: Any) -> Dict[str, Any]:
    """The direct children of a block, by name."""
    return block._children


def has_hooks(block: Any) -> bool:
    """Whether functions of a user's are called before or after a block."""
    return bool(block._forward_hooks or block._forward_pre_hooks)


def own_parameters(block: Any) -> Dict[str, Parameter]:
    """The parameters that are attributes of a block, by name."""
    return block._reg_params


def has_values(parameter: Parameter) -> bool:
    """Whether a parameter has been allocated and initialized."""
    return parameter._data is not None


def waits_for_shape(parameter: Parameter) -> bool:
    """Whether initialization of a parameter is deferred until its shape is known."""
    return bool(parameter._deferred_init)


def is_initialized(parameter: Parameter) -> bool:
    """Whether a parameter has its values, or gets them when its shape is known."""
    return has_values(parameter) or waits_for_shape(parameter)


def finish_initialization(parameter: Parameter) -> None:
    """Complete the deferred initialization of a parameter whose shape is now known."""
    parameter._finish_deferred_init()


def has_new_gradient(array: Any) -> bool:
    """Whether a backward pass has written the gradient of an array since the last update."""
    return array._fresh_grad


def mark_gradient(array: Any, *, new: bool) -> None:
    """Set whether the next update of a Gluon trainer uses the gradient of an array."""
    array._fresh_grad = new


def update_counts(optimizer: Any) -> Dict[int, int]:
    """The number of updates of each parameter by an optimizer."""
    return optimizer._index_update_count


def is_hybridized(block: Any) -> bool:
    """Whether a block, of any Gluon class, is hybridized."""
    return getattr(block, "_active", False)


def set_hybridized(block: HybridBlock, hybridized: bool) -> None:
    """Switch between compiled and interpreted execution of a block, and keep its graph."""
    block._active = hybridized


def forget_graph(block: Any) -> None:
    """Delete the cached graph of one of Gluon's own blocks, since a graph cannot be copied."""
    if isinstance(block, HybridBlock):
        block._clear_cached_op()
    forget_symbols(block)


def forget_symbols(block: Any) -> None:
    """Delete the symbols of a block's parameters."""
    for parameter in block._reg_params.values():
        parameter._var = None  # a NumPy-mode symbol loses that mode when it is pickled


def numpy_mode_in_every_thread() -> None:
    """Start new threads in NumPy mode, as long as the importing thread is in that mode.

    MXNet has two thread-local switches, for arrays in Python and for shapes in C++; both are initially off.
    """
    here, is_on = threading.get_ident(), [True]

    class Current(threading.local):
        def __init__(self) -> None:
            util.set_np_shape(is_on[0])
            self.value = util._NumpyArrayScope(is_on[0])

        def __setattr__(self, name: str, value: Any) -> None:
            if threading.get_ident() == here and value._old_scope is None:  # set permanently, not for a `with` block
                is_on[0] = value._is_np_array
            super().__setattr__(name, value)

    util._NumpyArrayScope._current = Current()


def attribute_text(value: Any) -> str:
    """The text of an operator's attribute: ``str``, but NumPy 2's scalars inside tuples and lists are plain numbers.

    Examples
    --------
    >>> from gluon_deeprnn.mxnet_private import attribute_text
    >>> import numpy
    >>> attribute_text((None, [numpy.int64(3), 1.5]))
    '(None, [3, 1.5])'
    """
    text = str(value)
    return _with_plain_scalars(value) if "np." in text and isinstance(value, (tuple, list)) else text


def _with_plain_scalars(value: Any) -> str:
    if isinstance(value, numpy.generic) and not isinstance(value, str):
        return str(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_with_plain_scalars, value))}]"
    if isinstance(value, tuple):
        return f"({', '.join(map(_with_plain_scalars, value))}{',' if len(value) == 1 else ''})"
    return repr(str(value) if isinstance(value, str) else value)


def accept_numpy_scalars() -> None:
    """Let MXNet's operators and functions take NumPy scalars wherever they take Python numbers.

    MXNet writes an operator's attributes by ``str``, and its C++ parser refuses what NumPy 2 writes for a scalar inside
    a tuple, ``np.int64(3)``.  The modules that call the operators therefore get another ``str``.  Some of MXNet's
    functions accept only ``int`` or compare a size with ``()``; they get plain integers.
    """
    for module in (mxnet._ctypes.ndarray, mxnet._ctypes.symbol, mxnet.io.io):
        module.str = attribute_text
    for module, names in _ONLY_INT:
        for name in names:
            setattr(module, name, _given_plain_integers(getattr(module, name)))


def _given_plain_integers(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        return function(*map(_plain, arguments), **{name: _plain(value) for name, value in options.items()})
    return call


def _plain(value: Any) -> Any:
    if isinstance(value, numpy.integer):
        return int(value)
    return type(value)(map(_plain, value)) if type(value) in (tuple, list) else value


_SAMPLERS = ("uniform", "normal", "logistic", "gumbel", "rayleigh", "gamma", "beta", "exponential", "weibull", "pareto",
             "power", "choice", "chisquare", "lognormal")
_EXTENDED_SAMPLERS = ("bernoulli", "uniform_n", "normal_n")
_ONLY_INT: Tuple[Tuple[Any, Tuple[str, ...]], ...] = (
    (mxnet.ndarray.numpy.random, _SAMPLERS), (mxnet.symbol.numpy.random, _SAMPLERS),
    (mxnet.ndarray.numpy_extension.random, _EXTENDED_SAMPLERS),
    (mxnet.symbol.numpy_extension.random, _EXTENDED_SAMPLERS),
    (mxnet.ndarray.numpy, ("identity",)),
    (mxnet.symbol.numpy, ("identity", "split", "array_split", "hsplit", "vsplit", "dsplit")),
    (mxnet.ndarray.numpy.linalg, ("norm",)), (mxnet.symbol.numpy.linalg, ("norm",)),
    (mxnet.numpy, ("empty",)), (mxnet.ndarray, ("empty", "split_v2")), (mxnet.symbol, ("split_v2", "var", "Variable")),
    (Parameter, ("__init__",)),
)
"""Functions of MXNet that check for ``int`` or compare a size with ``()``, by the namespace they are called from."""


_reading_file: ContextVar[bool] = ContextVar("_reading_file", default=False)


def accept_names_of_earlier_versions() -> None:
    """Let `CompiledBlock` know when Gluon loads a file of parameters into a block that contains it."""
    load = Block.load_parameters

    @functools.wraps(load)
    def load_parameters(self: Block, *arguments: Any, **options: Any) -> None:
        token = _reading_file.set(True)
        try:
            load(self, *arguments, **options)
        finally:
            _reading_file.reset(token)

    Block.load_parameters = load_parameters


class ContainingBlock(Block):
    """A block whose children include the blocks in lists, tuples and dictionaries that are its attributes.

    Gluon's own blocks do not find them: ``collect_params``, ``hybridize``, ``apply``, ``cast`` and files lack them.
    """

    NOT_SEARCHED: Tuple[str, ...] = ()
    """Attributes whose blocks are no children."""

    @property
    def _children(self) -> Dict[str, Block]:
        children: Dict[str, Block] = self._named_children  # an AttributeError before Gluon has set it
        skipped = {*BLOCK_ATTRIBUTES, *self.NOT_SEARCHED}
        contained = {f"{attribute}.{path}": block for attribute, value in vars(self).items()
                     if attribute not in skipped for path, block in _blocks_in(value)}
        for name in [name for name in children if "." in name and name not in contained]:
            del children[name]
        children.update(contained)
        return children

    @_children.setter
    def _children(self, children: Dict[str, Block]) -> None:
        self.__dict__["_named_children"] = children


def _blocks_in(container: Any) -> Iterator[Tuple[str, Block]]:
    """The blocks in a container, at any depth, by path."""
    if isinstance(container, (list, tuple)):
        items: Any = enumerate(container)
    elif isinstance(container, dict):
        items = container.items()
    else:
        return
    for key, value in items:
        if isinstance(value, Block):
            yield str(key), value
        else:
            yield from ((f"{key}.{path}", block) for path, block in _blocks_in(value))


def named_in_files(block: Block) -> Dict[str, Parameter]:
    """The parameters of a block and its descendants by their names in files."""
    return block._collect_params_with_prefix()


def named_in_earlier_files(block: Block) -> Dict[str, Parameter]:
    """The same with the names of earlier versions, too."""
    token = _reading_file.set(True)
    try:
        return named_in_files(block)
    finally:
        _reading_file.reset(token)


def set_values(parameter: Parameter, array: Any, ctx: Any, *, cast_dtype: bool, dtype_source: str) -> None:
    """Set the values of a parameter, initialized or not, as Gluon does from a file."""
    parameter._load_init(array, ctx, cast_dtype=cast_dtype, dtype_source=dtype_source)


class CompiledBlock(HybridBlock):
    """A HybridBlock with public methods to read, replace and rebuild its compiled graph.

    Subclasses override `call_compiled`, `make_graph` and `drop_graphs`; the implementations here are Gluon's.
    """

    GRAPH = ("_cached_graph", "_cached_op", "_cached_op_args", "_in_format", "_out_format")
    """The attributes that make up a compiled graph."""

    SETTINGS = ("_active", "_flags", "_children")
    """Attributes that a graph does not depend on directly (it depends on the children, but not on their dict)."""

    def __init__(self, **kwargs: Any) -> None:
        self._cached_graph: Any = ()
        super().__init__(**kwargs)

    @property
    def hybridized(self) -> bool:
        """Whether calls are compiled instead of interpreted."""
        return self._active

    def graph(self) -> tuple:
        """The compiled graph."""
        return tuple(getattr(self, name) for name in self.GRAPH)

    def set_graph(self, graph: tuple) -> None:
        """Use another graph for the next call."""
        for name, value in zip(self.GRAPH, graph):
            setattr(self, name, value)

    def without_graph(self) -> None:
        """Return to the state before the first call."""
        HybridBlock._clear_cached_op(self)

    def call_compiled(self, *args: Any) -> Any:
        """Compute the outputs with the compiled graph."""
        return HybridBlock._call_cached_op(self, *args)

    def make_graph(self, *args: Any) -> Any:
        """Return the symbols of the inputs and of the outputs."""
        return HybridBlock._get_graph(self, *args)

    def drop_graphs(self) -> None:
        """Called when the graph is outdated."""
        self.without_graph()

    def name_in_files(self, name: str) -> str:
        """The name of a parameter, an attribute of the block, in files that Gluon writes; subclasses may override it.

        Files in which the parameter has the attribute's name are read, too.
        """
        return name

    def _collect_params_with_prefix(self, prefix: str = "") -> Dict[str, Parameter]:
        found = super()._collect_params_with_prefix(prefix)
        start = prefix + "." if prefix else ""
        renamed = {start + self.name_in_files(name): parameter for name, parameter in self._reg_params.items()}
        own = {start + name for name in self._reg_params}
        return {**renamed, **{name: each for name, each in found.items() if name not in own or _reading_file.get()}}

    def _call_cached_op(self, *args: Any) -> Any:
        return self.call_compiled(*args)

    def _get_graph(self, *args: Any) -> Any:
        return self.make_graph(*args)

    def _clear_cached_op(self) -> None:
        self.drop_graphs()

    def _hybridize(self, active: bool, children: bool, **kwargs: Any) -> None:
        """Gluon's ``hybridize``, of this block only or of its descendants too."""
        below: Any = self._children
        try:
            self._children: Any = below if children else type(below)()
            super().hybridize(active, **kwargs)
        finally:
            self._children = below

    @property
    def traced(self) -> Any:
        """The symbols of the compiled graph; () if there is none."""
        return self._cached_graph

    @traced.setter
    def traced(self, symbols: Any) -> None:
        self._cached_graph = symbols

    def set_input_structure(self, structure: Any) -> None:
        """Set how the flat inputs of the graph are nested."""
        self._in_format = structure

    def trace(self, F: Any, inputs: List[Any]) -> Any:
        """Return the symbol of the outputs of ``hybrid_forward`` for the symbols of the flat inputs."""
        params = {name: parameter.var() for name, parameter in self._reg_params.items()}
        with self.name_scope():
            outputs = self.hybrid_forward(F, *_regroup(inputs, self._in_format), **params)
        outputs, self._out_format = _flatten(outputs, "output")
        return F.Group(outputs, _check_same_symbol_type(outputs))
