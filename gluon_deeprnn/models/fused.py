"""The concise models: Gluon's fused layers, one for each level, with dropout between them.

Gluon's own multi-layer ``rnn.GRU(num_hiddens, num_layers, dropout)`` is not used because on the CPU it ignores its
dropout, and because its multi-layer gradients are wrong on MXNet's second CPU kernel (float64, or
``MXNET_USE_MKLDNN_RNN=0``).  A layer of its own for each level is right everywhere, and as fast.
"""

import math
from typing import Any, Dict, Iterator, List, Tuple, Type

from gluon_deeprnn import _checks
from gluon_deeprnn.graph import unstack
from gluon_deeprnn.models.core import RecurrentCore
from mxnet import gluon, init


class _FusedStack(RecurrentCore):
    """What `RNN`, `LSTM` and `GRU` share: levels, dropout between them, initial weights."""

    _layer: Type[gluon.HybridBlock]

    def __init__(self, num_hiddens: int, num_layers: int = 1, dropout: float = 0, *, num_inputs: int = 0) -> None:
        super().__init__(num_hiddens, num_layers)
        self.dropout = _checks.fraction("dropout", dropout)
        self.num_inputs = _checks.integer("num_inputs", num_inputs, at_least=0)
        self.levels: List[gluon.HybridBlock] = []
        with self.name_scope():
            for i in range(num_layers):
                self.levels.append(self._level(num_inputs if i == 0 else num_hiddens))
                self.register_child(self.levels[i], f"layer{i}")

    def _level(self, num_inputs: int) -> gluon.HybridBlock:
        uniform = init.Uniform(1 / math.sqrt(self.num_hiddens))
        names = ("i2h_weight", "h2h_weight", "i2h_bias", "h2h_bias")
        initializers = {f"{name}_initializer": uniform for name in names}
        return self._layer(self.num_hiddens, input_size=num_inputs, **initializers, **self._options())

    def _options(self) -> Dict[str, Any]:
        """Further options of the layer."""
        return {}

    def named_parameters(self) -> Iterator[Tuple[str, gluon.Parameter]]:
        for i, level in enumerate(self.levels):
            for name, parameter in level._reg_params.items():  # Gluon's name for it begins with "l0_", its only layer
                yield f"layer{i}.{name[3:]}", parameter

    def hybrid_forward(self, F: Any, inputs: Any, state: List[Any]) -> Any:
        """Compute what the class describes."""
        per_level = zip(*(unstack(F, s, self.num_layers, keep_axis=True) for s in state))  # (1, N, H) each
        outputs, last = inputs, []
        for i, (level, level_state) in enumerate(zip(self.levels, per_level)):
            if i > 0 and self.dropout > 0:
                outputs = F.npx.dropout(outputs, p=self.dropout)
            outputs, level_state = level(outputs, list(level_state))  # (T, N, H), [(1, N, H), ...]
            last.append(level_state)
        return outputs, [F.np.concatenate(arrays, axis=0) for arrays in zip(*last)]


class RNN(_FusedStack):
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
    activation : {"tanh", "relu"}, default "tanh"
        The function phi.  (Gluon's own default is relu, the chapter's network is tanh.)

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

    _layer = gluon.rnn.RNN

    def __init__(self, num_hiddens: int, num_layers: int = 1, dropout: float = 0, *, num_inputs: int = 0,
                 activation: str = "tanh") -> None:
        self.activation = _checks.one_of("activation", activation, ("tanh", "relu"))
        super().__init__(num_hiddens, num_layers, dropout, num_inputs=num_inputs)

    def _options(self) -> Dict[str, Any]:
        return {"activation": self.activation}


class LSTM(_FusedStack):
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

    num_states = 2
    _layer = gluon.rnn.LSTM


class GRU(_FusedStack):
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

    _layer = gluon.rnn.GRU
