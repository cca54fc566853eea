"""The concise models: a fused operator, ours or MXNet's, once for each layer, with dropout between them.

MXNet's own layers and dropout are not used because on the CPU they ignore dropout, and because their gradients
are wrong for several layers on its second CPU kernel (float64, or ``MXNET_USE_MKLDNN_RNN=0``).  An operator for each
layer is right everywhere, and as fast.
"""

from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

from gluon_deeprnn import _checks, kernels
from gluon_deeprnn.errors import InputError
from gluon_deeprnn.graph import GraphBlock
from gluon_deeprnn.models.initializers import Drawn, Initial
from gluon_deeprnn.models.scratch import per_layer
from gluon_deeprnn.models.stack import RecurrentStack
from mxnet import gluon, np

GATES = {"rnn": ("h",), "lstm": ("i", "f", "c", "o"), "gru": ("r", "z", "h")}
"""The gates of each cell in the order of the fused weights."""


class FlatParameter(gluon.Parameter):
    """The weights of a fused layer, as its operator takes them: one vector, of parts that have names.

    One vector spares the operator a copy of all weights at each call (95 ms for ten million of them).

    Parameters
    ----------
    name : str
        As for a Gluon parameter.
    num_gates, num_hiddens : int
        Number of gates G and size H.
    **options
        As for a Gluon parameter.
    """

    def __init__(self, name: str, num_gates: int, num_hiddens: int, **options: Any) -> None:
        super().__init__(name, **options)
        self._gates_and_hiddens = num_gates, num_hiddens

    def parts(self, size: Optional[int] = None) -> Dict[str, Tuple[int, ...]]:
        """Names and shapes of the parts, in their order."""
        num_gates, num_hiddens = self._gates_and_hiddens
        rows = num_gates * num_hiddens
        num_inputs = (self.shape[0] if size is None else size) // rows - num_hiddens - 2
        return {"i2h_weight": (rows, num_inputs), "h2h_weight": (rows, num_hiddens), "i2h_bias": (rows,),
                "h2h_bias": (rows,)}


class FusedLayer(GraphBlock):
    """One layer by a fused operator; its parts and their order are those of torch and cuDNN.

    Parameters
    ----------
    mode : {"rnn_tanh", "rnn_relu", "lstm", "gru"}
        What it computes.
    num_inputs, num_hiddens : int
        Sizes D (0 reads it off the first inputs) and H.
    initial : Initial
        How the weights begin.
    forget_bias : float, optional
        Initial bias of an LSTM's forget gate.
    weight_dropout : float in [0, 1), default 0
        Share of ``h2h_weight`` that training sets to zero, drawn anew for each call.
    """

    def __init__(self, mode: str, num_inputs: int, num_hiddens: int, initial: Initial, *,
                 forget_bias: Optional[float] = None, weight_dropout: float = 0) -> None:
        super().__init__()
        self.mode, self.num_hiddens = mode, num_hiddens
        self.weight_dropout = _checks.fraction("weight_dropout", weight_dropout)
        self.num_states = 2 if mode == "lstm" else 1
        self._initial, self._forget_bias = initial, forget_bias
        self._num_gates = len(GATES[mode.split("_")[0]])
        self._rows = self._num_gates * num_hiddens
        size = self._size(num_inputs) if num_inputs else -1
        name = self.params.prefix + "weights"
        self.weights = FlatParameter(name, self._num_gates, num_hiddens, shape=(size,), allow_deferred_init=True,
                                     init=Drawn(self._draw))
        self.params.update({name: self.weights})

    @property
    def computes(self) -> str:
        """What it computes, as files say it."""
        return self.mode

    def _size(self, num_inputs: int) -> int:
        size = self._rows * (num_inputs + self.num_hiddens + 2)
        if size >= 2**31:  # MXNet counts the elements of an operator's arrays in 32 bits
            raise InputError("num_hiddens", "small enough for fewer than 2**31 weights in a layer",
                                     self.num_hiddens)
        return size

    def know_inputs(self, num_inputs: int) -> None:
        """Take over the size of an input; weights that wait for it are drawn now."""
        self.weights.shape = (self._size(num_inputs),)
        if self.weights._deferred_init:
            self.weights._finish_deferred_init()

    def _draw(self, shape: Tuple[int, ...]) -> np.ndarray:
        inputs, recurrent, biases, _ = self.weights.parts(shape[0]).values()
        parts = self._initial.inputs(inputs, self._num_gates), self._initial.recurrent(recurrent, self._num_gates)
        i2h_bias, h2h_bias = self._initial.biases(biases), self._initial.biases(biases)
        if self._forget_bias is not None:
            forget = slice(self.num_hiddens, 2 * self.num_hiddens)  # gates in the order i, f, c, o
            i2h_bias[forget], h2h_bias[forget] = self._forget_bias, 0
        return np.concatenate([part.reshape(-1) for part in (*parts, i2h_bias, h2h_bias)])

    def hybrid_forward(self, F: Any, inputs: Any, state: List[Any], weights: Any) -> Any:
        """Outputs, (T, N, H), and the state after the last step, arrays (N, H)."""
        if self.weight_dropout > 0:
            weights = self._without_some(F, weights)
        return kernels.layer(F, self.mode, self.num_hiddens, inputs, weights, state)

    def _without_some(self, F: Any, weights: Any) -> Any:
        biases, h2h = 2 * self._rows, self._rows * self.num_hiddens  # from the end, as D may not be known yet
        dropped = F.npx.dropout(weights[-biases - h2h:-biases], p=self.weight_dropout)
        return F.np.concatenate([weights[:-biases - h2h], dropped, weights[-biases:]], axis=0)


class FusedStack(RecurrentStack):
    """What `RNN`, `LSTM` and `GRU` share."""

    def __init__(self, modes: Sequence[str], num_hiddens: int, dropout: float, *, num_inputs: int,
                 weight_dropout: float, initializer: str, recurrent_initializer: Optional[str],
                 forget_bias: Optional[float] = None, **kit: Any) -> None:
        num_inputs = _checks.integer("num_inputs", num_inputs, at_least=0)
        initial = Initial(num_hiddens, initializer, recurrent_initializer)
        layers = [FusedLayer(mode, num_inputs if i == 0 else num_hiddens, num_hiddens, initial,
                             forget_bias=forget_bias, weight_dropout=weight_dropout) for i, mode in enumerate(modes)]
        super().__init__(layers, num_inputs, num_hiddens, dropout=dropout, **kit)
        self.weight_dropout = layers[0].weight_dropout

    def know_inputs(self, num_inputs: int) -> None:
        """Take over the size of an input; weights that wait for it are drawn now."""
        super().know_inputs(num_inputs)
        self.layers[0].know_inputs(num_inputs)


class RNN(FusedStack):
    r"""A deep RNN on fused layers: tanh unless told otherwise.

    :math:`h_t = \phi(W_{xh} x_t + b_{xh} + W_{hh} h_{t-1} + b_{hh})`.

    Parameters
    ----------
    num_hiddens : int
        Hidden units H of every layer, at least 1.
    num_layers : int, default 1
        Layers L, at least 1.
    dropout : float in [0, 1), default 0
        Share of the outputs between two layers that training sets to zero, drawn anew for every element; prediction
        uses them all.
    num_inputs : int, default 0
        Features D of an input; 0 reads it off the first inputs.
    activation : {"tanh", "relu"} or a sequence of them, default "tanh"
        The function phi, one for all layers or one for each.  (Gluon's own default is relu; the chapter's is tanh.)
    weight_dropout : float in [0, 1), default 0
        The same for the weights that read the state, drawn once for each batch
        (Merity, Keskar and Socher, "Regularizing and Optimizing LSTM Language Models", 2018).
    initializer : {"uniform", "normal", "xavier", "orthogonal"}, default "uniform"
        How the weights begin; see `gluon_deeprnn.models.initializers.Initial`.
    recurrent_initializer : str, optional
        Another way for those that read the state, such as "orthogonal".
    **kit
        What helps when there are many layers: ``input_dropout, variational, layer_norm, residual, learned_state``, all
        off; see `gluon_deeprnn.models.RecurrentStack`.

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
    Dive into Deep Learning, section "Concise Implementation of Recurrent Neural Networks".

    Examples
    --------
    >>> from gluon_deeprnn import RNN
    >>> from mxnet import np
    >>> rnn = RNN(num_hiddens=32, num_layers=2, dropout=0.2)
    >>> rnn.initialize()
    >>> outputs, state = rnn(np.zeros((35, 4, 28)))
    >>> outputs.shape, [array.shape for array in state]
    ((35, 4, 32), [(2, 4, 32)])
    """

    cell = "rnn"

    def __init__(self, num_hiddens: int, num_layers: int = 1, dropout: float = 0, *, num_inputs: int = 0,
                 activation: Union[str, Sequence[str]] = "tanh", weight_dropout: float = 0,
                 initializer: str = "uniform", recurrent_initializer: Optional[str] = None, **kit: Any) -> None:
        num_hiddens, num_layers = _sizes(num_hiddens, num_layers)
        self.activations = per_layer("activation", activation, num_layers, ("tanh", "relu"))
        super().__init__([f"rnn_{name}" for name in self.activations], num_hiddens, dropout, num_inputs=num_inputs,
                         weight_dropout=weight_dropout, initializer=initializer,
                         recurrent_initializer=recurrent_initializer, **kit)


class LSTM(FusedStack):
    r"""A deep LSTM on fused layers.

    :math:`i, f, o = \sigma(W x_t + b + U h_{t-1} + c)`, :math:`g = \tanh(W_g x_t + b_g + U_g h_{t-1} + c_g)`,
    :math:`c_t = f \odot c_{t-1} + i \odot g`, :math:`h_t = o \odot \tanh(c_t)`; each gate has weights of its own, kept
    in the order i, f, g, o.

    Parameters
    ----------
    num_hiddens : int
        Hidden units H of every layer, at least 1.
    num_layers : int, default 1
        Layers L, at least 1.
    dropout : float in [0, 1), default 0
        Share of the outputs between two layers that training sets to zero, drawn anew for every element; prediction
        uses them all.
    num_inputs : int, default 0
        Features D of an input; 0 reads it off the first inputs.
    forget_bias : float, optional
        Initial bias of the forget gate; 1 makes it remember from the start
        (Gers, Schmidhuber and Cummins, "Learning to Forget", 2000).
    weight_dropout : float in [0, 1), default 0
        The same for the weights that read the state, drawn once for each batch
        (Merity, Keskar and Socher, "Regularizing and Optimizing LSTM Language Models", 2018).
    initializer : {"uniform", "normal", "xavier", "orthogonal"}, default "uniform"
        How the weights begin; see `gluon_deeprnn.models.initializers.Initial`.
    recurrent_initializer : str, optional
        Another way for those that read the state, such as "orthogonal".
    **kit
        What helps when there are many layers: ``input_dropout, variational, layer_norm, residual, learned_state``, all
        off; see `gluon_deeprnn.models.RecurrentStack`.

    Shapes
    ------
    inputs : (T, N, D)
    state : a list of two arrays, (L, N, H) each: hidden state and memory cell; zeros when it is left out
    outputs : (T, N, H) and the next state

    Raises
    ------
    ValueError
        "num_hiddens must be a positive integer; got 0", and likewise for the others.

    Source
    ------
    Dive into Deep Learning, section "Long Short-Term Memory (LSTM)".

    Examples
    --------
    >>> from gluon_deeprnn import LSTM
    >>> from mxnet import np
    >>> rnn = LSTM(num_hiddens=32, num_layers=2, dropout=0.2)
    >>> rnn.initialize()
    >>> outputs, state = rnn(np.zeros((35, 4, 28)))
    >>> outputs.shape, [array.shape for array in state]
    ((35, 4, 32), [(2, 4, 32), (2, 4, 32)])
    """

    cell = "lstm"

    def __init__(self, num_hiddens: int, num_layers: int = 1, dropout: float = 0, *, num_inputs: int = 0,
                 forget_bias: Optional[float] = None, weight_dropout: float = 0, initializer: str = "uniform",
                 recurrent_initializer: Optional[str] = None, **kit: Any) -> None:
        num_hiddens, num_layers = _sizes(num_hiddens, num_layers)
        if forget_bias is not None:
            forget_bias = _checks.finite("forget_bias", forget_bias)
        super().__init__(["lstm"] * num_layers, num_hiddens, dropout, num_inputs=num_inputs,
                         weight_dropout=weight_dropout, initializer=initializer,
                         recurrent_initializer=recurrent_initializer, forget_bias=forget_bias, **kit)


class GRU(FusedStack):
    r"""A deep GRU on fused layers.

    :math:`r, z = \sigma(W x_t + b + U h_{t-1} + c)`,
    :math:`n = \tanh(W_n x_t + b_n + r \odot (U_n h_{t-1} + c_n))`,
    :math:`h_t = (1 - z) \odot n + z \odot h_{t-1}`; each gate has weights of its own, kept in the order r, z, n.
    The reset gate acts after the product, as in cuDNN and torch; the book writes the GRU with it before.

    Parameters
    ----------
    num_hiddens : int
        Hidden units H of every layer, at least 1.
    num_layers : int, default 1
        Layers L, at least 1.
    dropout : float in [0, 1), default 0
        Share of the outputs between two layers that training sets to zero, drawn anew for every element; prediction
        uses them all.
    num_inputs : int, default 0
        Features D of an input; 0 reads it off the first inputs.
    weight_dropout : float in [0, 1), default 0
        The same for the weights that read the state, drawn once for each batch
        (Merity, Keskar and Socher, "Regularizing and Optimizing LSTM Language Models", 2018).
    initializer : {"uniform", "normal", "xavier", "orthogonal"}, default "uniform"
        How the weights begin; see `gluon_deeprnn.models.initializers.Initial`.
    recurrent_initializer : str, optional
        Another way for those that read the state, such as "orthogonal".
    **kit
        What helps when there are many layers: ``input_dropout, variational, layer_norm, residual, learned_state``, all
        off; see `gluon_deeprnn.models.RecurrentStack`.

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
    Dive into Deep Learning, section "Deep Recurrent Neural Networks", concise implementation.

    Examples
    --------
    >>> from gluon_deeprnn import GRU
    >>> from mxnet import np
    >>> rnn = GRU(num_hiddens=32, num_layers=2, dropout=0.2)
    >>> rnn.initialize()
    >>> outputs, state = rnn(np.zeros((35, 4, 28)))
    >>> outputs.shape, [array.shape for array in state]
    ((35, 4, 32), [(2, 4, 32)])
    """

    cell = "gru"

    def __init__(self, num_hiddens: int, num_layers: int = 1, dropout: float = 0, *, num_inputs: int = 0,
                 weight_dropout: float = 0, initializer: str = "uniform",
                 recurrent_initializer: Optional[str] = None, **kit: Any) -> None:
        num_hiddens, num_layers = _sizes(num_hiddens, num_layers)
        super().__init__(["gru"] * num_layers, num_hiddens, dropout, num_inputs=num_inputs,
                         weight_dropout=weight_dropout, initializer=initializer,
                         recurrent_initializer=recurrent_initializer, **kit)


def _sizes(num_hiddens: int, num_layers: int) -> Tuple[int, int]:
    return (_checks.integer("num_hiddens", num_hiddens, at_least=1),
            _checks.integer("num_layers", num_layers, at_least=1))
