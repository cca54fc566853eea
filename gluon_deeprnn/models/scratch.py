"""The chapter's stacked RNN, written out: read this file beside the equations.

Shapes: T steps, N sequences in a batch, D inputs, H hidden units, L layers.
"""

from typing import Any, List, Sequence, Union

from gluon_deeprnn import _checks
from gluon_deeprnn.graph import GraphBlock, scan, unstack
from gluon_deeprnn.models.core import RecurrentCore
from mxnet import init

ACTIVATIONS = ("tanh", "relu", "sigmoid", "softsign", "softrelu")


class RNNScratch(GraphBlock):
    r"""One recurrent layer: :math:`H_t = \phi(X_t W_{xh} + H_{t-1} W_{hh} + b_h)`.

    Parameters
    ----------
    num_inputs, num_hiddens : int
        Sizes D and H, each at least 1.
    sigma : float, default 0.01
        Standard deviation of the initial weights.
    activation : str, default "tanh"
        The function phi: tanh, relu, sigmoid, softsign or softrelu.

    Shapes
    ------
    inputs : (T, N, D)
    H : (N, H), the state before the first step
    outputs : (T, N, H) and the last state (N, H)

    Source
    ------
    Dive into Deep Learning, section "Recurrent Neural Network Implementation from Scratch".

    Examples
    --------
    >>> from gluon_deeprnn.models.scratch import RNNScratch
    >>> from mxnet import np
    >>> layer = RNNScratch(num_inputs=28, num_hiddens=32)
    >>> layer.initialize()
    >>> outputs, H = layer(np.zeros((35, 4, 28)), np.zeros((4, 32)))
    >>> outputs.shape, H.shape
    ((35, 4, 32), (4, 32))
    """

    def __init__(self, num_inputs: int, num_hiddens: int, sigma: float = 0.01, activation: str = "tanh") -> None:
        super().__init__()
        self.num_inputs = _checks.integer("num_inputs", num_inputs, at_least=1)
        self.num_hiddens = _checks.integer("num_hiddens", num_hiddens, at_least=1)
        self.sigma = _checks.not_negative("sigma", sigma)
        self.activation = _checks.one_of("activation", activation, ACTIVATIONS)
        normal = init.Normal(sigma)
        with self.name_scope():
            self.W_xh = self.params.get("W_xh", shape=(num_inputs, num_hiddens), init=normal)
            self.W_hh = self.params.get("W_hh", shape=(num_hiddens, num_hiddens), init=normal)
            self.b_h = self.params.get("b_h", shape=(num_hiddens,), init="zeros")

    def hybrid_forward(self, F: Any, inputs: Any, H: Any, W_xh: Any, W_hh: Any, b_h: Any) -> Any:
        """Compute what the class describes."""
        # X_t W_xh + b_h needs no earlier state: one large product for all steps is faster than T small ones.
        XW = F.npx.fully_connected(inputs, W_xh.T, b_h, num_hidden=self.num_hiddens, flatten=False)  # (T, N, H)

        def step(XW_t: Any, H: Any) -> Any:
            return F.npx.activation(XW_t + F.np.dot(H, W_hh), act_type=self.activation)  # (N, H)

        return scan(F, step, XW, H)  # (T, N, H), (N, H)


class StackedRNNScratch(RecurrentCore):
    r"""The chapter's deep RNN from scratch: the states of layer l are the inputs of layer l + 1.

    .. math:: H_t^{(l)} = \phi_l(H_t^{(l-1)} W_{xh}^{(l)} + H_{t-1}^{(l)} W_{hh}^{(l)} + b_h^{(l)}), \quad
              H_t^{(0)} = X_t

    It is a HybridBlock for any number of steps and any batch size, and all of its layers are trained (in the book's
    MXNet code none of them is, only the output layer).

    Parameters
    ----------
    num_inputs, num_hiddens, num_layers : int
        Sizes D, H and L, each at least 1.
    sigma : float, default 0.01
        Standard deviation of the initial weights.
    activation : str or sequence of str, default "tanh"
        One phi for all layers, or one for each: tanh, relu, sigmoid, softsign, softrelu.

    Shapes
    ------
    inputs : (T, N, D)
    state : a list of one array, (L, N, H); zeros when it is left out
    outputs : (T, N, H) and the next state

    Raises
    ------
    ValueError
        "num_hiddens must be a positive integer; got 0", and likewise for the others.

    Source
    ------
    Dive into Deep Learning, section "Deep Recurrent Neural Networks".

    Examples
    --------
    >>> from gluon_deeprnn import StackedRNNScratch
    >>> from mxnet import np
    >>> net = StackedRNNScratch(num_inputs=28, num_hiddens=32, num_layers=2)
    >>> net.initialize()
    >>> outputs, state = net(np.zeros((35, 4, 28)))
    >>> outputs.shape, state[0].shape
    ((35, 4, 32), (2, 4, 32))
    """

    def __init__(self, num_inputs: int, num_hiddens: int, num_layers: int, sigma: float = 0.01, *,
                 activation: Union[str, Sequence[str]] = "tanh") -> None:
        super().__init__(num_hiddens, num_layers)
        self.num_inputs = _checks.integer("num_inputs", num_inputs, at_least=1)
        activations = [activation] * num_layers if isinstance(activation, str) else list(activation)
        if len(activations) != num_layers:
            raise _checks.InputError("activation", f"one name, or one for each of the {num_layers} layers", activation)
        self.rnns: List[RNNScratch] = []
        with self.name_scope():
            for i in range(num_layers):
                self.rnns.append(RNNScratch(num_inputs if i == 0 else num_hiddens, num_hiddens, sigma, activations[i]))
                self.register_child(self.rnns[i], f"layer{i}")

    def hybrid_forward(self, F: Any, inputs: Any, state: List[Any]) -> Any:
        """Compute what the class describes."""
        outputs, last = inputs, []
        for rnn, H in zip(self.rnns, unstack(F, state[0], self.num_layers)):
            outputs, H = rnn(outputs, H)  # (T, N, H), (N, H)
            last.append(H)
        return outputs, [F.np.stack(last)]  # (T, N, H), [(L, N, H)]
