"""Parameters of models: their default initialization, and the flat parameter of a fused layer."""

import inspect
import math
import re
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from gluon_deeprnn.errors import InputError
from gluon_deeprnn.models.initializers import Drawn
from mxnet import gluon, init, np
import numpy

Draw = Callable[[Tuple[int, ...]], np.ndarray]

_GLUONS_OWN = [inspect.signature(function).parameters[name].default for function, name in (
    (gluon.Block.initialize, "init"), (gluon.ParameterDict.initialize, "init"),
    (gluon.Parameter.initialize, "default_init"))]
"""What Gluon passes on if a user gives no initializer."""


def check_dtype(dtype: Any) -> None:
    """Check that a dtype is that of the models.

    Raises
    ------
    ValueError
        "dtype must be float32, in which these models compute; got 'float64'".
    """
    if str(numpy.dtype(dtype)) != "float32":
        raise InputError("dtype", "float32, in which these models compute", str(dtype),
                         "gluon_deeprnn.models.weights.parameter_arrays returns the parameters as NumPy arrays")


class DrawnParameter(gluon.Parameter):
    """A parameter with an initialization of its own, which an initializer that a user gives replaces.

    As for Gluon's layers, ``initialize(init.Xavier())`` of any block that contains the parameter initializes weights by
    it and biases to zero; an initializer as the attribute ``init`` of the parameter, or given to the parameter's own
    ``initialize``, is preferred to it.

    Parameters
    ----------
    name : str
        As for a Gluon parameter.
    draw : callable
        ``draw(shape)`` returns the initial values.
    is_bias : bool, default False
        Whether Gluon would name it a bias.
    **options
        As for a Gluon parameter.
    """

    def __init__(self, name: str, draw: Draw, *, is_bias: bool = False, **options: Any) -> None:
        self._default, self._is_bias = Drawn(draw), is_bias
        super().__init__(name, init=self._default, **options)

    def initialize(self, init: Any = None, ctx: Any = None, default_init: Any = _GLUONS_OWN[-1],
                   force_reinit: bool = False) -> None:
        """Allocate and initialize the values, now or when the shape is known; as in Gluon.

        Parameters
        ----------
        init : str, mxnet.init.Initializer, mxnet.init.Load or mxnet.init.Mixed, optional
            The initializer; default: the attribute ``init`` if a user has set it, else ``default_init`` if a user has
            given it to the block, else the parameter's own.
        ctx : mxnet.context.Context or list of these, optional
            As in Gluon.
        default_init : optional
            What the block was given.
        force_reinit : bool, default False
            Whether to initialize again.
        """
        if init is None:
            init = self.init
        if init is not self._default:
            init = self._applied(init)
        elif not any(default_init is each for each in _GLUONS_OWN):
            init = _Given(default_init, self)
        super().initialize(init, ctx, force_reinit=force_reinit)

    def _applied(self, given: Any) -> Any:
        """The initializer for the values, from one that was given for this parameter."""
        return given

    def cast(self, dtype: Any) -> None:
        """Refuse any dtype but float32."""
        check_dtype(dtype)

    def named_parts(self, shape: Tuple[int, ...]) -> List[Tuple[str, Tuple[int, ...], bool]]:
        """The name and the shape of each part that an initializer is applied to, and whether it is a bias."""
        return [(self.name, shape, self._is_bias)]

    def adjust(self, parts: Sequence[np.ndarray]) -> None:
        """Set what an initializer does not determine."""


class _Given(init.Initializer):
    """A user's initializer, applied to the named parts of a parameter."""

    def __init__(self, given: Any, parameter: DrawnParameter) -> None:
        super().__init__()
        is_function = callable(given) and not isinstance(given, init.Initializer)  # init.Load and init.Mixed
        self._given = given if is_function else init.create(given)
        self._parameter = parameter

    def _init_weight(self, _: Any, array: np.ndarray) -> None:
        parts = [self._initialized(*each) for each in self._parameter.named_parts(array.shape)]
        self._parameter.adjust(parts)
        array[:] = np.concatenate([part.reshape(-1) for part in parts]).reshape(array.shape)

    def _initialized(self, name: str, shape: Tuple[int, ...], is_bias: bool) -> np.ndarray:
        part, described = np.zeros(shape), init.InitDesc(name)
        if not isinstance(self._given, init.Initializer):
            self._given(described, part)
        elif is_bias:
            self._given._init_bias(described, part)
        else:
            self._given._init_weight(described, part)
        return part


class FlatParameter(DrawnParameter):
    """The weights of a fused layer in the layout of its operator: one vector with named parts.

    A single vector avoids a copy of all weights at each call of the operator (95 ms for ten million weights).

    Parameters
    ----------
    name : str
        As for a Gluon parameter.
    draw : callable
        ``draw(shape)`` returns the initial values.
    num_gates, num_hiddens : int
        Number of gates G and of hidden units H.
    adjust : callable
        ``adjust(parts)`` sets what a user's initializer does not determine, such as the bias of a forget gate.
    **options
        As for a Gluon parameter.
    """

    def __init__(self, name: str, draw: Draw, num_gates: int, num_hiddens: int, adjust: Callable[[Any], None],
                 **options: Any) -> None:
        super().__init__(name, draw, **options)
        self._gates_and_hiddens, self._adjust = (num_gates, num_hiddens), adjust

    def adjust(self, parts: Sequence[np.ndarray]) -> None:
        """Set what an initializer does not determine."""
        self._adjust(parts)

    def _applied(self, given: Any) -> Any:
        return _Given(given, self)

    def parts(self, size: Optional[int] = None) -> Dict[str, Tuple[int, ...]]:
        """The names and shapes of the parts, in the order of the vector."""
        num_gates, num_hiddens = self._gates_and_hiddens
        rows = num_gates * num_hiddens
        num_inputs = (self.shape[0] if size is None else size) // rows - num_hiddens - 2
        return {"i2h_weight": (rows, num_inputs), "h2h_weight": (rows, num_hiddens), "i2h_bias": (rows,),
                "h2h_bias": (rows,)}

    def named_parts(self, shape: Tuple[int, ...]) -> List[Tuple[str, Tuple[int, ...], bool]]:
        """The name, the shape and the kind of each part; Gluon's layers have parameters of these names."""
        prefix = self.name[:-len("weights")]
        return [(prefix + name, each, len(each) == 1) for name, each in self.parts(math.prod(shape)).items()]

    def check_selected(self, select: str) -> None:
        """Check that a pattern of names does not match some of the parts only.

        Raises
        ------
        ValueError
            If it matches the name of a part, but not that of the parameter.
        """
        pattern = re.compile(select)
        matched = [name for name, _, _ in self.named_parts((0,)) if pattern.match(name)]
        if matched and not pattern.match(self.name):
            raise InputError(
                "select", f"a pattern that matches {self.name}, which holds all weights and biases of a fused layer",
                select, "Trainer leaves biases out of weight decay by itself; gluon_deeprnn.models.as_scratch makes "
                "layers with separate parameters, such as W_xh and b_h")
