"""The concise models: one fused operator per layer, from this package or from MXNet, with dropout between the layers.

MXNet's own multi-layer blocks are not used: on the CPU they ignore dropout, and their gradients are wrong for several
layers with MXNet's second CPU kernel (float64, or ``MXNET_USE_MKLDNN_RNN=0``).  One operator per layer is correct in
all cases and as fast.
"""

from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Type, Union

from gluon_deeprnn import _checks, kernels, mxnet_private
from gluon_deeprnn.errors import InputError
from gluon_deeprnn.kernels import regularisation
from gluon_deeprnn.models.cells import cell_of_mode, check_fused, layer_options
from gluon_deeprnn.models.initializers import Initial
from gluon_deeprnn.models.parameters import FlatParameter
from gluon_deeprnn.models.saved import SavedBlock
from gluon_deeprnn.models.stack import RecurrentStack
from mxnet import np
from mxnet.gluon.parameter import ParameterDict


class FusedLayer(SavedBlock):
    """One layer computed by a fused operator; the parts of its weights and their order are those of torch and cuDNN.

    Parameters
    ----------
    mode : {"rnn_tanh", "rnn_relu", "lstm", "gru"}
        The cell.
    num_inputs, num_hiddens : int
        Sizes D (0: inferred from the first inputs) and H.
    initial : Initial
        Initialization of the weights.
    forget_bias : float, optional
        Initial bias of an LSTM's forget gate.
    weight_dropout : float in [0, 1), default 0
        Probability that an element of ``h2h_weight`` is set to zero in training; sampled for each call.
    """

    def __init__(self, mode: str, num_inputs: int, num_hiddens: int, initial: Initial, *,
                 forget_bias: Optional[float] = None, weight_dropout: float = 0) -> None:
        super().__init__()
        self.mode, self.num_hiddens = mode, num_hiddens
        self.weight_dropout = _checks.fraction("weight_dropout", weight_dropout)
        cell = cell_of_mode(mode)
        self.num_states, self._gates, self._num_gates = cell.num_states, cell.gates, len(cell.gates)
        self._initial, self._forget_bias = initial, forget_bias
        self._rows = self._num_gates * num_hiddens
        size = self._size(num_inputs) if num_inputs else -1
        name = self.params.prefix + "weights"
        self.weights = FlatParameter(name, self._draw, self._num_gates, num_hiddens, shape=(size,),
                                     allow_deferred_init=True, adjust=self._set_forget_bias)
        self.params.update({name: self.weights})

    @property
    def computes(self) -> str:
        """The cell, as named in files."""
        return self.mode

    def name_in_files(self, name: str) -> str:
        """The name of a parameter in Gluon's files, with the cell: other cells can have parameters of its shape."""
        return f"{self.computes.replace(' ', '_')}_{name}"

    def _size(self, num_inputs: int) -> int:
        size = self._rows * (num_inputs + self.num_hiddens + 2)
        if size >= 2**31:  # MXNet's operators use 32-bit sizes
            raise InputError("num_hiddens", "small enough for fewer than 2**31 weights in a layer",
                                     self.num_hiddens)
        return size

    def know_inputs(self, num_inputs: int) -> None:
        """Set the number of input features, and complete deferred initialization."""
        self.weights.shape = (self._size(num_inputs),)
        if mxnet_private.waits_for_shape(self.weights):
            mxnet_private.finish_initialization(self.weights)

    def _draw(self, shape: Tuple[int, ...]) -> np.ndarray:
        inputs, recurrent, biases, _ = self.weights.parts(shape[0]).values()
        parts = [self._initial.inputs(inputs, self._num_gates), self._initial.recurrent(recurrent, self._num_gates)]
        parts += [self._initial.biases(biases), self._initial.biases(biases)]
        self._set_forget_bias(parts)
        return np.concatenate([part.reshape(-1) for part in parts])

    def _set_forget_bias(self, parts: Sequence[np.ndarray]) -> None:
        if self._forget_bias is not None:
            start = self._gates.index("f") * self.num_hiddens
            forget = slice(start, start + self.num_hiddens)
            _, _, i2h_bias, h2h_bias = parts
            i2h_bias[forget], h2h_bias[forget] = self._forget_bias, 0

    def collect_params(self, select: Optional[str] = None) -> ParameterDict:
        """As in Gluon; a pattern of names that matches only parts of the flat parameter is refused.

        Parameters
        ----------
        select : str, optional
            A regular expression.

        Raises
        ------
        ValueError
            "select must be a pattern that matches fusedlayer0_weights, ...; got '.*bias'".
        """
        if select:
            self.weights.check_selected(select)
        return super().collect_params(select)

    def hybrid_forward(self, F: Any, inputs: Any, state: List[Any], weights: Any) -> Any:
        """Return the outputs, (T, N, H), and the state after the last step, arrays (N, H)."""
        if self.weight_dropout > 0:
            count, biases = self._rows * self.num_hiddens, 2 * self._rows
            weights = regularisation.weight_dropout(F, weights, self.weight_dropout, count, behind=biases)
        return kernels.layer(F, self.mode, self.num_hiddens, inputs, weights, state)


class FusedStack(RecurrentStack):
    """Base class of `gluon_deeprnn.RNN`, `gluon_deeprnn.LSTM` and `gluon_deeprnn.GRU`: one fused operator per layer.

    Parameters
    ----------
    num_hiddens, num_layers : int
        Number of hidden units H of every layer, and of layers L (default 1), each at least 1.
    dropout : float in [0, 1), default 0
        Probability that an output between two layers is set to zero in training; sampled for every element.
    num_inputs : int, default 0
        Number of input features D; 0: inferred from the first inputs.
    weight_dropout : float in [0, 1), default 0
        The same for the recurrent weights, sampled once per batch
        (Merity, Keskar and Socher, "Regularizing and Optimizing LSTM Language Models", 2018).
    initializer : {"uniform", "normal", "xavier", "orthogonal"}, default "uniform"
        Initialization of the weights; see `gluon_deeprnn.models.initializers.Initial`.
    recurrent_initializer : str, optional
        A different initialization of the recurrent weights, such as "orthogonal".
    input_dropout, output_dropout : float in [0, 1), default 0
    variational, layer_norm, residual, learned_state, skip : bool, default False
        Options for deep networks; see `gluon_deeprnn.models.RecurrentStack`.

    Shapes
    ------
    inputs : (T, N, D)
    state : a list of one array (L, N, H), or two for an LSTM; default: the initial state
    outputs : (T, N, H), or (T, N, L H) with ``skip``, and the next state

    Raises
    ------
    ValueError
        "num_hiddens must be a positive integer; got 0", and similar messages for other arguments.
    """

    _own_options: Mapping[str, Any] = {}
    """The cell-specific options, as given."""

    def __init__(self, num_hiddens: int, num_layers: int = 1, dropout: float = 0, *,
                 num_inputs: int = 0, weight_dropout: float = 0, initializer: str = "uniform",
                 recurrent_initializer: Optional[str] = None, input_dropout: float = 0, output_dropout: float = 0,
                 variational: bool = False, layer_norm: bool = False, residual: bool = False,
                 learned_state: bool = False, skip: bool = False) -> None:
        num_hiddens = _checks.integer("num_hiddens", num_hiddens, at_least=1)
        num_layers = _checks.integer("num_layers", num_layers, at_least=1)
        num_inputs = _checks.integer("num_inputs", num_inputs, at_least=0)
        self.layer_options = layer_options(self.cell, num_layers, self._own_options)
        initial = Initial(num_hiddens, initializer, recurrent_initializer)
        layers = [FusedLayer(mode, num_hiddens if i else num_inputs, num_hiddens, initial,
                             forget_bias=self.layer_options[i].get("forget_bias"), weight_dropout=weight_dropout)
                  for i, mode in enumerate(check_fused(self.cell, self.layer_options))]
        super().__init__(layers, num_inputs, num_hiddens, dropout=dropout, input_dropout=input_dropout,
                         output_dropout=output_dropout, variational=variational, layer_norm=layer_norm,
                         residual=residual, learned_state=learned_state, skip=skip)
        self.weight_dropout = layers[0].weight_dropout

    def know_inputs(self, num_inputs: int) -> None:
        """Set the number of input features, and complete deferred initialization."""
        super().know_inputs(num_inputs)
        self.layers[0].know_inputs(num_inputs)


class RNN(FusedStack):
    r"""A deep RNN on fused layers, with tanh as the default activation.

    :math:`h_t = \phi(W_{xh} x_t + b_{xh} + W_{hh} h_{t-1} + b_{hh})`.

    Parameters
    ----------
    num_hiddens, num_layers, dropout, ...
        See `gluon_deeprnn.models.fused.FusedStack`.
    activation : {"tanh", "relu"} or a sequence of them, default "tanh"
        The function phi, one for all layers or one for each.  (Gluon's own default is relu; the chapter's is tanh.)

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

    def __init__(self, num_hiddens: int, num_layers: int = 1, dropout: float = 0, *,
                 activation: Union[str, Sequence[str]] = "tanh", num_inputs: int = 0, weight_dropout: float = 0,
                 initializer: str = "uniform", recurrent_initializer: Optional[str] = None, input_dropout: float = 0,
                 output_dropout: float = 0, variational: bool = False, layer_norm: bool = False, residual: bool = False,
                 learned_state: bool = False, skip: bool = False) -> None:
        self._own_options = {"activation": activation}
        super().__init__(num_hiddens, num_layers, dropout, num_inputs=num_inputs, weight_dropout=weight_dropout,
                         initializer=initializer, recurrent_initializer=recurrent_initializer,
                         input_dropout=input_dropout, output_dropout=output_dropout, variational=variational,
                         layer_norm=layer_norm, residual=residual, learned_state=learned_state, skip=skip)


class LSTM(FusedStack):
    r"""A deep LSTM on fused layers.

    :math:`i, f, o = \sigma(W x_t + b + U h_{t-1} + c)`, :math:`g = \tanh(W_g x_t + b_g + U_g h_{t-1} + c_g)`,
    :math:`c_t = f \odot c_{t-1} + i \odot g`, :math:`h_t = o \odot \tanh(c_t)`.  Each gate has separate weights, stored
    in the order i, f, g, o.  The state is a list of two arrays: hidden state and cell state.

    Parameters
    ----------
    num_hiddens, num_layers, dropout, ...
        See `gluon_deeprnn.models.fused.FusedStack`.
    forget_bias : float, optional
        Initial bias of the forget gate; with 1 the gate is mostly open at the start of training
        (Gers, Schmidhuber and Cummins, "Learning to Forget", 2000).

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

    def __init__(self, num_hiddens: int, num_layers: int = 1, dropout: float = 0, *,
                 forget_bias: Optional[float] = None, num_inputs: int = 0, weight_dropout: float = 0,
                 initializer: str = "uniform", recurrent_initializer: Optional[str] = None, input_dropout: float = 0,
                 output_dropout: float = 0, variational: bool = False, layer_norm: bool = False, residual: bool = False,
                 learned_state: bool = False, skip: bool = False) -> None:
        if forget_bias is not None:
            self._own_options = {"forget_bias": forget_bias}
        super().__init__(num_hiddens, num_layers, dropout, num_inputs=num_inputs, weight_dropout=weight_dropout,
                         initializer=initializer, recurrent_initializer=recurrent_initializer,
                         input_dropout=input_dropout, output_dropout=output_dropout, variational=variational,
                         layer_norm=layer_norm, residual=residual, learned_state=learned_state, skip=skip)


class GRU(FusedStack):
    r"""A deep GRU on fused layers.

    :math:`r, z = \sigma(W x_t + b + U h_{t-1} + c)`,
    :math:`n = \tanh(W_n x_t + b_n + r \odot (U_n h_{t-1} + c_n))`,
    :math:`h_t = (1 - z) \odot n + z \odot h_{t-1}`.  Each gate has separate weights, stored in the order r, z, n.
    The reset gate is applied after the matrix product, as in cuDNN and torch; the book applies it before.

    Parameters
    ----------
    num_hiddens, num_layers, dropout, ...
        See `gluon_deeprnn.models.fused.FusedStack`.

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


FUSED: Dict[str, Type[FusedStack]] = {stack.cell: stack for stack in (RNN, LSTM, GRU)}
"""The stacks of all cells with a fused operator, by the name of the cell."""
