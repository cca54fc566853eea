"""The chapter's stacked RNN from scratch, and its gated variants."""

from typing import Optional, Sequence, Union

from gluon_deeprnn import _checks
from gluon_deeprnn.models.cells import CELLS, layer_options
from gluon_deeprnn.models.initializers import Initial
from gluon_deeprnn.models.stack import RecurrentStack


class StackedRNNScratch(RecurrentStack):
    r"""The chapter's deep RNN from scratch: the states of layer l are the inputs of layer l + 1.

    .. math:: H_t^{(l)} = \phi_l(H_t^{(l-1)} W_{xh}^{(l)} + H_{t-1}^{(l)} W_{hh}^{(l)} + b_h^{(l)}), \quad
              H_t^{(0)} = X_t

    and likewise for the other cells, whose equations are in `gluon_deeprnn.models.cells`.  It is a HybridBlock for any
    number of steps and any batch size.  All of its layers are trained (the book's MXNet code trains the output layer
    only).

    Parameters
    ----------
    num_inputs, num_hiddens, num_layers : int
        Sizes D, H and L, each at least 1.
    sigma : float, default 0.01
        Standard deviation of the initial weights, if ``initializer`` is "normal".
    cell : {"rnn", "lstm", "gru", "mgu"}, default "rnn"
        The cell of the layers.
    activation : str or sequence of str, default "tanh"
        For "rnn": phi for all layers, or one for each: tanh, relu, sigmoid, softsign, softrelu.
    reset : {"after", "before"}, default "after"
        For "gru": the variant of the fused layers, or that of the book.
    forget_bias : float, default 0
        For "lstm": initial bias of the forget gate; with 1 the gate is mostly open at the start of training.
    dropout : float in [0, 1), default 0
        Probability that an output between two layers is set to zero in training.
    weight_dropout : float in [0, 1), default 0
        The same for the recurrent weights, sampled once per batch
        (Merity, Keskar and Socher, "Regularizing and Optimizing LSTM Language Models", 2018).
    initializer : {"normal", "uniform", "xavier", "orthogonal"}, default "normal"
        Initialization of the weights; see `gluon_deeprnn.models.initializers.Initial`.
    recurrent_initializer : str, optional
        A different initialization of the recurrent weights, such as "orthogonal".
    input_dropout, output_dropout : float in [0, 1), default 0
    variational, layer_norm, residual, learned_state, skip : bool, default False
        Options for deep networks; see `gluon_deeprnn.models.RecurrentStack`.

    Shapes
    ------
    inputs : (T, N, D)
    state : a list of one array, (L, N, H), or of two for an LSTM; default: the initial state
    outputs : (T, N, H), or (T, N, L H) with ``skip``, and the next state

    Raises
    ------
    ValueError
        "num_hiddens must be a positive integer; got 0", and similar messages for other arguments.

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

    Sequences of different lengths, padded to the longest:

    >>> outputs, state = net(np.zeros((35, 4, 28)), lengths=[35, 7, 12, 20])
    """

    takes_lengths = True

    def __init__(self, num_inputs: int, num_hiddens: int, num_layers: int, sigma: float = 0.01, *, cell: str = "rnn",
                 activation: Union[str, Sequence[str]] = "tanh", reset: str = "after", forget_bias: float = 0,
                 dropout: float = 0, weight_dropout: float = 0, initializer: str = "normal",
                 recurrent_initializer: Optional[str] = None, input_dropout: float = 0, output_dropout: float = 0,
                 variational: bool = False, layer_norm: bool = False, residual: bool = False,
                 learned_state: bool = False, skip: bool = False) -> None:
        num_inputs = _checks.integer("num_inputs", num_inputs, at_least=1)
        num_hiddens = _checks.integer("num_hiddens", num_hiddens, at_least=1)
        num_layers = _checks.integer("num_layers", num_layers, at_least=1)
        self.cell = _checks.one_of("cell", cell, CELLS)
        self.sigma = _checks.not_negative("sigma", sigma)
        options = layer_options(cell, num_layers, {
            "activation": activation, "reset": reset, "forget_bias": forget_bias})
        initial = Initial(num_hiddens, initializer, recurrent_initializer, sigma)
        layers = [CELLS[cell].scratch(num_hiddens if i else num_inputs, num_hiddens, initial=initial,
                                      weight_dropout=weight_dropout, **own) for i, own in enumerate(options)]
        super().__init__(layers, num_inputs, num_hiddens, dropout=dropout, input_dropout=input_dropout,
                         output_dropout=output_dropout, variational=variational, layer_norm=layer_norm,
                         residual=residual, learned_state=learned_state, skip=skip)
        self.layer_options = options
        self.weight_dropout = layers[0].weight_dropout
