"""The recurrent layers, written out: read this file beside the equations.

Shapes: T steps, N sequences in a batch, D inputs, H hidden units.  Every layer is called
``outputs, state = layer(inputs, state)`` with inputs (T, N, D) and a state that is a list of arrays (N, H).

The product with the inputs needs no earlier state, so each layer computes it for all steps at once: one large product
is faster than T small ones.
"""

from typing import Any, List, Optional, Tuple

from gluon_deeprnn import _checks
from gluon_deeprnn.errors import InputError
from gluon_deeprnn.graph import GraphBlock, length, scan, split
from gluon_deeprnn.models.initializers import Drawn, Initial
from mxnet import np

ACTIVATIONS = ("tanh", "relu", "sigmoid", "softsign", "softrelu")
RESETS = ("after", "before")


class _LayerScratch(GraphBlock):
    """What the layers share: for each gate g the weights W_xg, (D, H), and W_hg, (H, H), and the biases b_g, (H,)."""

    num_states = 1
    gates: Tuple[str, ...]

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

    def _new_parameter(self, name: str, shape: Tuple[int, ...], draw: Any) -> None:
        setattr(self, name, self.params.get(name, shape=shape, init=Drawn(draw)))

    def _from_inputs(self, F: Any, inputs: Any, weights: Any) -> Any:
        """What the inputs give to each gate, side by side: X W_xg + b_g, (T, N, G * H)."""
        W = F.np.concatenate([weights[f"W_x{gate}"].T for gate in self.gates], axis=0)  # (G * H, D)
        b = F.np.concatenate([weights[f"b_{gate}"] for gate in self.gates], axis=0)  # (G * H,)
        return F.npx.fully_connected(inputs, W, b, num_hidden=self._rows, flatten=False)

    def _state_weights(self, F: Any, weights: Any) -> Any:
        """The weights that read the state, one under the other, transposed: (G * H, H).

        In training some are dropped for this call; laid out as the fused layers keep them, so that the same seed drops
        the same weights.
        """
        W = F.np.concatenate([weights[f"W_h{gate}"].T for gate in self.gates], axis=0)
        return F.npx.dropout(W, p=self.weight_dropout) if self.weight_dropout else W


class RNNScratch(_LayerScratch):
    r"""A plain recurrent layer.

    .. math:: H_t = \phi(X_t W_{xh} + H_{t-1} W_{hh} + b_h)

    Parameters
    ----------
    num_inputs, num_hiddens : int
        Sizes D and H, each at least 1.
    sigma : float, default 0.01
        Standard deviation of the initial weights.
    activation : str, default "tanh"
        The function phi: tanh, relu, sigmoid, softsign or softrelu.
    initial : Initial, optional
        Other initial weights.
    weight_dropout : float in [0, 1), default 0
        Share of W_hh that training sets to zero, drawn anew for each call.

    Source
    ------
    Dive into Deep Learning, section "Recurrent Neural Network Implementation from Scratch".

    Examples
    --------
    >>> from gluon_deeprnn.models.cells import RNNScratch
    >>> from mxnet import np
    >>> layer = RNNScratch(num_inputs=28, num_hiddens=32)
    >>> layer.initialize()
    >>> outputs, (H,) = layer(np.zeros((35, 4, 28)), [np.zeros((4, 32))])
    >>> outputs.shape, H.shape
    ((35, 4, 32), (4, 32))
    """

    gates = ("h",)

    def __init__(self, num_inputs: int, num_hiddens: int, sigma: float = 0.01, activation: str = "tanh", *,
                 initial: Optional[Initial] = None, weight_dropout: float = 0) -> None:
        super().__init__(num_inputs, num_hiddens, sigma, initial=initial, weight_dropout=weight_dropout)
        self.activation = _checks.one_of("activation", activation, ACTIVATIONS)

    @property
    def computes(self) -> str:
        """What it computes, as files say it."""
        return f"rnn_{self.activation}"

    def hybrid_forward(self, F: Any, inputs: Any, state: List[Any], mask: Any = None, **weights: Any) -> Any:
        """Compute what the class describes."""
        times_W_hh = Product(F, self._state_weights(F, weights), self._rows, length(state[0]))

        def step(X: Any, state: List[Any]) -> List[Any]:
            H, = state  # (N, H)
            return [F.npx.activation(times_W_hh(H, plus=X), act_type=self.activation)]

        return scan(F, step, self._from_inputs(F, inputs, weights), state, mask)


class LSTMScratch(_LayerScratch):
    r"""A layer of long short-term memory.

    .. math::

        I_t, F_t, O_t &= \sigma(X_t W_{xg} + H_{t-1} W_{hg} + b_g), \quad g = i, f, o \\
        \tilde C_t &= \tanh(X_t W_{xc} + H_{t-1} W_{hc} + b_c) \\
        C_t &= F_t \odot C_{t-1} + I_t \odot \tilde C_t \\
        H_t &= O_t \odot \tanh(C_t)

    Parameters
    ----------
    num_inputs, num_hiddens : int
        Sizes D and H, each at least 1.
    sigma : float, default 0.01
        Standard deviation of the initial weights.
    forget_bias : float, default 0
        Initial value of b_f; 1 makes the cell remember from the start.
    initial : Initial, optional
        Other initial weights.
    weight_dropout : float in [0, 1), default 0
        Share of the W_hg that training sets to zero, drawn anew for each call.

    Source
    ------
    Dive into Deep Learning, section "Long Short-Term Memory (LSTM)"; the bias: Gers, Schmidhuber and Cummins, 2000.

    Examples
    --------
    >>> from gluon_deeprnn.models.cells import LSTMScratch
    >>> from mxnet import np
    >>> layer = LSTMScratch(num_inputs=28, num_hiddens=32)
    >>> layer.initialize()
    >>> outputs, (H, C) = layer(np.zeros((35, 4, 28)), [np.zeros((4, 32)), np.zeros((4, 32))])
    >>> outputs.shape, C.shape
    ((35, 4, 32), (4, 32))
    """

    num_states = 2
    gates = ("i", "f", "c", "o")

    def __init__(self, num_inputs: int, num_hiddens: int, sigma: float = 0.01, *, forget_bias: float = 0,
                 initial: Optional[Initial] = None, weight_dropout: float = 0) -> None:
        super().__init__(num_inputs, num_hiddens, sigma, initial=initial, weight_dropout=weight_dropout)
        forget_bias = _checks.finite("forget_bias", forget_bias)
        if forget_bias:
            self.b_f.init = Drawn(lambda shape: np.full(shape, forget_bias))

    @property
    def computes(self) -> str:
        """What it computes, as files say it."""
        return "lstm"

    def hybrid_forward(self, F: Any, inputs: Any, state: List[Any], mask: Any = None, **weights: Any) -> Any:
        """Compute what the class describes."""
        times_W_h = Product(F, self._state_weights(F, weights), self._rows, length(state[0]))  # W_hi, W_hf, W_hc, W_ho

        def step(X: Any, state: List[Any]) -> List[Any]:
            H, C = state  # (N, H) each
            i, f, c, o = split(F, times_W_h(H, plus=X), 4, axis=1)  # (N, H) each
            C = sigmoid(F, f) * C + sigmoid(F, i) * tanh(F, c)
            return [sigmoid(F, o) * tanh(F, C), C]

        return scan(F, step, self._from_inputs(F, inputs, weights), state, mask)


class GRUScratch(_LayerScratch):
    r"""A layer of gated recurrent units, in either of the two forms that are in use.

    .. math::

        R_t, Z_t &= \sigma(X_t W_{xg} + H_{t-1} W_{hg} + b_g), \quad g = r, z \\
        \tilde H_t &= \tanh(X_t W_{xh} + b_h + R_t \odot (H_{t-1} W_{hh} + b_{hh})) \quad \text{(reset after)} \\
        \tilde H_t &= \tanh(X_t W_{xh} + b_h + (R_t \odot H_{t-1}) W_{hh}) \quad \text{(reset before)} \\
        H_t &= Z_t \odot H_{t-1} + (1 - Z_t) \odot \tilde H_t

    Parameters
    ----------
    num_inputs, num_hiddens : int
        Sizes D and H, each at least 1.
    sigma : float, default 0.01
        Standard deviation of the initial weights.
    reset : {"after", "before"}, default "after"
        Whether the reset gate acts after the product with W_hh, as in cuDNN, torch and the fused layers, or before it,
        as the book writes it.
    initial : Initial, optional
        Other initial weights.
    weight_dropout : float in [0, 1), default 0
        Share of the W_hg that training sets to zero, drawn anew for each call.

    Source
    ------
    Dive into Deep Learning, section "Gated Recurrent Units (GRU)"; Cho et al., 2014, reset before; its second form:
    Chung et al., 2014.

    Examples
    --------
    >>> from gluon_deeprnn.models.cells import GRUScratch
    >>> from mxnet import np
    >>> layer = GRUScratch(num_inputs=28, num_hiddens=32, reset="before")
    >>> layer.initialize()
    >>> outputs, (H,) = layer(np.zeros((35, 4, 28)), [np.zeros((4, 32))])
    >>> outputs.shape, H.shape
    ((35, 4, 32), (4, 32))
    """

    gates = ("r", "z", "h")

    def __init__(self, num_inputs: int, num_hiddens: int, sigma: float = 0.01, *, reset: str = "after",
                 initial: Optional[Initial] = None, weight_dropout: float = 0) -> None:
        super().__init__(num_inputs, num_hiddens, sigma, initial=initial, weight_dropout=weight_dropout)
        self.reset = _checks.one_of("reset", reset, RESETS)
        if reset == "after":
            with self.name_scope():
                self._new_parameter("b_hh", (num_hiddens,), self._initial.biases)

    @property
    def computes(self) -> str:
        """What it computes, as files say it."""
        return "gru" if self.reset == "after" else "gru with the reset before the product"

    def hybrid_forward(self, F: Any, inputs: Any, state: List[Any], mask: Any = None, **weights: Any) -> Any:
        """Compute what the class describes."""
        step = self._reset_after if self.reset == "after" else self._reset_before
        W_h = self._state_weights(F, weights)  # (3H, H): W_hr, W_hz, W_hh, transposed
        return scan(F, step(F, W_h, length(state[0]), weights), self._from_inputs(F, inputs, weights), state, mask)

    def _reset_after(self, F: Any, W_h: Any, batch_size: int, weights: Any) -> Any:
        times_W_h = Product(F, W_h, self._rows, batch_size)

        def step(X: Any, state: List[Any]) -> List[Any]:
            H, = state  # (N, H)
            X_r, X_z, X_h = split(F, X, 3, axis=1)  # (N, H) each
            H_r, H_z, H_h = split(F, times_W_h(H), 3, axis=1)  # (N, H) each
            R, Z = sigmoid(F, X_r + H_r), sigmoid(F, X_z + H_z)
            H_tilde = tanh(F, X_h + R * (H_h + weights["b_hh"]))
            return [Z * H + (1 - Z) * H_tilde]

        return step

    def _reset_before(self, F: Any, W_h: Any, batch_size: int, weights: Any) -> Any:
        times_W_hr, times_W_hz, times_W_hh = (
            Product(F, W, self.num_hiddens, batch_size) for W in split(F, W_h, 3, axis=0))

        def step(X: Any, state: List[Any]) -> List[Any]:
            H, = state  # (N, H)
            X_r, X_z, X_h = split(F, X, 3, axis=1)  # (N, H) each
            R, Z = sigmoid(F, times_W_hr(H, plus=X_r)), sigmoid(F, times_W_hz(H, plus=X_z))
            H_tilde = tanh(F, times_W_hh(R * H, plus=X_h))
            return [Z * H + (1 - Z) * H_tilde]

        return step


class Product:
    """A state times weights, plus what the inputs give, by the operators that are quickest for the batch.

    Forward and backward of the chapter's network, 1,024 sequences: with ``np.dot`` and ``+`` 26.9 ms, with
    ``elemwise_add``, whose backward copies nothing, 23.4 ms, with ``fully_connected`` too 19.1 ms; but for 32 sequences
    ``fully_connected`` takes 5.9 ms where ``np.dot`` takes 4.7.

    Parameters
    ----------
    F : module
        ``mxnet.ndarray`` or ``mxnet.symbol``.
    W : array or symbol
        The weights, transposed: (out, in).
    outputs : int
        How many outputs there are.
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
        # linalg_gemm would add in the same operator; its gradients are wrong, silently, in a static graph.
        # ``plus`` first: graphs run their operators in the order in which they are named, so that lower layers draw
        # their dropout before upper ones, as they do where nothing is compiled.
        return HW if plus is None else F.elemwise_add(plus.as_nd_ndarray(), HW.as_nd_ndarray()).as_np_ndarray()


def sigmoid(F: Any, x: Any) -> Any:
    """1 / (1 + exp(-x)), by the operator that is quickest."""
    return F.npx.activation(x, act_type="sigmoid")


def tanh(F: Any, x: Any) -> Any:
    """The hyperbolic tangent, by the operator that is quickest."""
    return F.npx.activation(x, act_type="tanh")
