"""Weight initialization by name, for layers from scratch and fused layers."""

import math
from typing import Any, Callable, Optional, Tuple

from gluon_deeprnn import _checks
from mxnet import init, np, random
import numpy

INITIALIZERS = ("uniform", "normal", "xavier", "orthogonal")


class Initial:
    r"""Initialization of the weights of a recurrent layer.

    ========== =======================================================================================================
    name       each gate's matrix
    ========== =======================================================================================================
    uniform    uniform in :math:`\pm 1 / \sqrt{H}`, biases too; as in torch; the default of the fused layers
    normal     normal with standard deviation ``sigma``; as in the book; the default of the layers from scratch
    xavier     uniform in :math:`\pm \sqrt{6 / (n_{in} + n_{out})}` (Glorot and Bengio, 2010)
    orthogonal a random orthogonal matrix (Saxe, McClelland and Ganguli, 2014)
    ========== =======================================================================================================

    Biases are initialized to zero, except for "uniform".

    Parameters
    ----------
    num_hiddens : int
        Number of hidden units H.
    weights : str
        A name from the table, for the input weights.
    recurrent : str, optional
        A different one for the recurrent weights.
    sigma : float, default 0.01
        Standard deviation for "normal".

    Examples
    --------
    >>> from gluon_deeprnn.models.initializers import Initial
    >>> from mxnet import np
    >>> W = Initial(16, weights="orthogonal").recurrent((16, 16))
    >>> bool(abs(np.dot(W, W.T) - np.eye(16)).max() < 1e-5)
    True
    """

    def __init__(self, num_hiddens: int, weights: str = "uniform", recurrent: Optional[str] = None,
                 sigma: float = 0.01) -> None:
        self._num_hiddens = _checks.integer("num_hiddens", num_hiddens, at_least=1)
        self._weights = _checks.one_of("initializer", weights, INITIALIZERS)
        self._recurrent = _checks.one_of("recurrent_initializer", weights if recurrent is None else recurrent,
                                         INITIALIZERS)
        self._sigma = _checks.not_negative("sigma", sigma)

    def inputs(self, shape: Tuple[int, ...], num_gates: int = 1) -> np.ndarray:
        """Input weights of ``shape``: ``num_gates`` matrices, concatenated along the first axis."""
        return self._draw(self._weights, shape, num_gates)

    def recurrent(self, shape: Tuple[int, ...], num_gates: int = 1) -> np.ndarray:
        """Recurrent weights of ``shape``, likewise."""
        return self._draw(self._recurrent, shape, num_gates)

    def biases(self, shape: Tuple[int, ...]) -> np.ndarray:
        """Biases of ``shape``."""
        return self._uniform(shape) if self._weights == "uniform" else np.zeros(shape)

    def _uniform(self, shape: Tuple[int, ...]) -> np.ndarray:
        bound = 1 / math.sqrt(self._num_hiddens)
        return np.random.uniform(-bound, bound, shape)

    def _draw(self, name: str, shape: Tuple[int, ...], num_gates: int) -> np.ndarray:
        if name == "uniform":
            return self._uniform(shape)
        if name == "normal":
            return np.random.normal(0, self._sigma, shape)
        drawn = np.zeros((num_gates, shape[0] // num_gates, shape[1]))
        for gate in drawn:
            if name == "xavier":
                init.Xavier()._init_weight(name, gate)
            else:
                gate[:] = _orthogonal(gate.shape)
        return drawn.reshape(shape)


def _orthogonal(shape: Tuple[int, ...]) -> np.ndarray:
    # As init.Orthogonal, which passes sizes as NumPy integers; MXNet cannot parse these with NumPy 2.
    drawn = random.normal(0, 1, shape=shape).asnumpy()
    left, _, right = numpy.linalg.svd(drawn, full_matrices=False)
    return np.array(left if left.shape == drawn.shape else right)


class Drawn(init.Initializer):
    """Initializes a Gluon parameter with the values that ``draw(shape)`` returns."""

    def __init__(self, draw: Callable[[Tuple[int, ...]], np.ndarray]) -> None:
        super().__init__()
        self._draw = draw

    def _init_weight(self, _: Any, array: np.ndarray) -> None:
        array[:] = self._draw(array.shape)
