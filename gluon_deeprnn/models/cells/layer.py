"""The base class of the layers from scratch: their parameters, and the fastest operators for them.

Shapes: T steps, N sequences in a batch, D inputs, H hidden units.  Every layer is called
``outputs, state = layer(inputs, state)`` with inputs (T, N, D) and a state that is a list of arrays (N, H).

The product of inputs and weights does not depend on the state, so each layer computes it for all steps at once: one
large product is faster than T small ones.
"""

from typing import Any, ClassVar, List, Mapping, Optional, Tuple

from gluon_deeprnn import _checks, kernels
from gluon_deeprnn.devices import Context
from gluon_deeprnn.errors import InputError
from gluon_deeprnn.graph import device_of, is_array, length, scan
from gluon_deeprnn.kernels import regularisation
from gluon_deeprnn.models.initializers import Initial
from gluon_deeprnn.models.parameters import Draw, DrawnParameter
from gluon_deeprnn.models.saved import SavedBlock


class LayerScratch(SavedBlock):
    """Base class with the weights W_xg, (D, H), and W_hg, (H, H), and the biases b_g, (H,), for each gate g.

    Parameters
    ----------
    num_inputs, num_hiddens : int
        Sizes D and H, each at least 1.
    sigma : float, default 0.01
        Standard deviation of the initial weights.
    initial : Initial, optional
        A different initialization.
    weight_dropout : float in [0, 1), default 0
        Probability that an element of the W_hg is set to zero in training; sampled for each call.

    Shapes
    ------
    inputs : (T, N, D)
    state : a list of arrays (N, H), as many as ``num_states``
    outputs : (T, N, H) and the next state
    """

    num_states = 1
    gates: Tuple[str, ...]
    second_biases: ClassVar[Mapping[str, str]] = {}
    """Gates with a bias of their own for the product with the state, and that parameter's name."""

    def __init__(self, num_inputs: int, num_hiddens: int, sigma: float = 0.01, *, initial: Optional[Initial] = None,
                 weight_dropout: float = 0) -> None:
        super().__init__()
        self.num_inputs = _checks.integer("num_inputs", num_inputs, at_least=1)
        self.num_hiddens = _checks.integer("num_hiddens", num_hiddens, at_least=1)
        self.weight_dropout = _checks.fraction("weight_dropout", weight_dropout)
        if not isinstance(initial, (Initial, type(None))):
            raise InputError("initial", "an Initial", initial)
        self._initial = initial or Initial(num_hiddens, "normal", sigma=sigma)
        self._rows = len(self.gates) * num_hiddens
        with self.name_scope():
            for gate in self.gates:
                self._new_parameter(f"W_x{gate}", (num_inputs, num_hiddens), self._initial.inputs)
                self._new_parameter(f"W_h{gate}", (num_hiddens, num_hiddens), self._initial.recurrent)
                self._new_parameter(f"b_{gate}", (num_hiddens,), self._initial.biases)

    def name_in_files(self, name: str) -> str:
        """The name of a parameter in Gluon's files, with the cell: other cells can have parameters of its shape."""
        return f"{self.computes}_{name}"

    def _new_parameter(self, name: str, shape: Tuple[int, ...], draw: Draw) -> None:
        made = DrawnParameter(self.params.prefix + name, draw, is_bias=len(shape) == 1, shape=shape)
        self.params.update({made.name: made})
        setattr(self, name, made)

    def hybrid_forward(self, F: Any, inputs: Any, state: List[Any], mask: Any = None, **weights: Any) -> Any:
        """Compute the outputs: step by step, or in a graph by one operator if there is one for the cell."""
        if mask is None and not is_array(inputs) and self.fuses(device_of(inputs)):
            return kernels.fused_layer(F, self.computes, self.num_hiddens, inputs, self._flat(F, weights), state)
        return scan(F, self._step(F, weights, length(state[0])), self._from_inputs(F, inputs, weights), state, mask)

    def fuses(self, device: Optional[Context]) -> bool:
        """Whether one operator computes all steps in a graph for a device; otherwise the graph has a part for each."""
        return kernels.fuses(self.computes, device)

    def _step(self, F: Any, weights: Any, batch_size: int) -> Any:
        """The function ``step(X, state)`` of one step; X is what `_from_inputs` has computed for it, (N, G * H)."""
        raise NotImplementedError

    def _flat(self, F: Any, weights: Any) -> Any:
        """All weights as the fused layers have them; see `gluon_deeprnn.models.conversion`."""
        biases = [weights[f"b_{gate}"] for gate in self.gates]
        second = [weights[self.second_biases[gate]] if gate in self.second_biases else F.np.zeros_like(bias)
                  for gate, bias in zip(self.gates, biases)]
        inputs = [weights[f"W_x{gate}"].T.reshape(-1) for gate in self.gates]
        return F.np.concatenate([*inputs, self._state_weights(F, weights).reshape(-1), *biases, *second], axis=0)

    def _from_inputs(self, F: Any, inputs: Any, weights: Any) -> Any:
        """The contributions of the inputs to all gates, concatenated: X W_xg + b_g, (T, N, G * H)."""
        W = F.np.concatenate([weights[f"W_x{gate}"].T for gate in self.gates], axis=0)  # (G * H, D)
        b = F.np.concatenate([weights[f"b_{gate}"] for gate in self.gates], axis=0)  # (G * H,)
        return F.npx.fully_connected(inputs, W, b, num_hidden=self._rows, flatten=False)

    def _state_weights(self, F: Any, weights: Any) -> Any:
        """The transposed recurrent weights, concatenated: (G * H, H).

        Weight dropout is applied in training.  The layout is that of the fused layers, so that the same seed drops the
        same weights.
        """
        W = F.np.concatenate([weights[f"W_h{gate}"].T for gate in self.gates], axis=0)
        if not self.weight_dropout:
            return W
        W = regularisation.weight_dropout(F, W.reshape(-1), self.weight_dropout, self._rows * self.num_hiddens,
                                          before=False)
        return W.reshape(self._rows, self.num_hiddens)


class Product:
    """The product of a state and weights, plus the inputs' contribution, by the fastest operators for the batch size.

    Forward and backward pass of the chapter's network with 1,024 sequences: 26.9 ms with ``np.dot`` and ``+``; 23.4 ms
    with ``elemwise_add``, whose backward pass does not copy; 19.1 ms with ``fully_connected`` as well.  But with 32
    sequences ``fully_connected`` takes 5.9 ms and ``np.dot`` 4.7 ms.

    Parameters
    ----------
    F : module
        ``mxnet.ndarray`` or ``mxnet.symbol``.
    W : array or symbol
        The transposed weights, (out, in).
    outputs : int
        Number of outputs.
    batch_size : int
        N.
    """

    _LARGE = 256

    def __init__(self, F: Any, W: Any, outputs: int, batch_size: int) -> None:
        self._F, self._outputs, self._large = F, outputs, batch_size >= self._LARGE
        self._W = W if self._large else W.T

    def __call__(self, H: Any, plus: Optional[Any] = None) -> Any:
        """H W + plus, (N, out)."""
        F = self._F
        if self._large:
            HW = F.npx.fully_connected(H, self._W, no_bias=True, flatten=False, num_hidden=self._outputs)
        else:
            HW = F.np.dot(H, self._W)
        # linalg_gemm fuses product and sum, but silently computes wrong gradients in a static graph.
        # ``plus`` is the first operand: a graph runs its operators in the order of the operands, so that lower layers
        # sample their dropout masks before upper layers, as in interpreted execution.
        return HW if plus is None else F.elemwise_add(plus.as_nd_ndarray(), HW.as_nd_ndarray()).as_np_ndarray()


def sigmoid(F: Any, x: Any) -> Any:
    """1 / (1 + exp(-x)), by the fastest operator."""
    return F.npx.activation(x, act_type="sigmoid")


def tanh(F: Any, x: Any) -> Any:
    """The hyperbolic tangent, by the fastest operator."""
    return F.npx.activation(x, act_type="tanh")
