"""The book's recurrent layers: the package's layers and stacks, with the book's signatures."""

import logging
from typing import Any, Dict, List, Optional, Tuple

from gluon_deeprnn import models
from gluon_deeprnn.d2l.arrays import stack
from gluon_deeprnn.d2l.module import Module
from gluon_deeprnn.graph import GraphBlock
from gluon_deeprnn.models.cells import RNNScratch as _RNNLayer
from mxnet import gluon, np

_log = logging.getLogger(__name__)


class RNN(Module):
    """A recurrent network with the calls of the book; subclasses set ``self.rnn``, to one of Gluon's for example.

    Parameters
    ----------
    num_hiddens : int
        Hidden units H.

    Shapes
    ------
    inputs : (T, N, D), an array or a list of T arrays
    H : (L, N, H), and for an LSTM a list of two such arrays; zeros if it is left out
    outputs : (T, N, H), and the last state in the form of ``H``

    Source
    ------
    Dive into Deep Learning, section "Concise Implementation of Recurrent Neural Networks".

    Examples
    --------
    >>> from gluon_deeprnn import d2l
    >>> rnn = d2l.GRU(num_hiddens=32, num_layers=2)
    >>> rnn.initialize()
    >>> outputs, H = rnn(d2l.ones((35, 4, 28)))
    >>> outputs.shape, H.shape
    ((35, 4, 32), (2, 4, 32))
    """

    def __init__(self, num_hiddens: int) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.rnn = models.RNN(num_hiddens)

    def forward(self, inputs: Any, H: Optional[Any] = None) -> Tuple[np.ndarray, Any]:
        """Outputs of all steps and the last state."""
        inputs = stack(inputs)
        given = list(H) if isinstance(H, (list, tuple)) else [H]
        outputs, state = self._compiled()(inputs, self._begin_state(inputs) if H is None else given)
        return outputs, state[0] if len(state) == 1 else state

    def _begin_state(self, inputs: np.ndarray) -> List[np.ndarray]:
        return self.rnn.begin_state(batch_size=inputs.shape[1], ctx=inputs.ctx)

    def _compiled(self) -> GraphBlock:
        """``self.rnn``, hybridized unless `hybridize` says otherwise; a layer of Gluon's is put into a `GraphBlock`."""
        compiled = vars(self).get("_static")
        if compiled is None:
            return self._compile(True, {})
        return compiled.block if compiled.rnn is self.rnn else self._compile(*compiled.how)

    def _compile(self, active: bool, options: Dict[str, Any]) -> GraphBlock:
        if getattr(self.rnn, "_dropout", 0) and getattr(self.rnn, "_num_layers", 1) > 1:
            _log.warning("MXNet ignores the dropout of a Gluon layer on the CPU; that of gluon_deeprnn.GRU works")
        block = self.rnn if isinstance(self.rnn, GraphBlock) else _GluonLayer(self.rnn)
        block.hybridize(active, **options)
        self.__dict__["_static"] = _Compiled(self.rnn, block, (active, options))
        return block

    def hybridize(self, active: bool = True, **options: Any) -> None:
        """Compile ``self.rnn`` (``active``, the default without this call) or interpret it.

        Parameters
        ----------
        active : bool, default True
            False for interpreted execution.
        **options
            As for `gluon_deeprnn.graph.GraphBlock.hybridize`.
        """
        super().hybridize(active, **options)
        self._compile(active, options)


class _Compiled:
    """The block that computes a recurrent network, which is no child: its parameters are those of the network."""

    def __init__(self, rnn: Any, block: GraphBlock, how: Tuple[bool, Dict[str, Any]]) -> None:
        self.rnn, self.block, self.how = rnn, block, how


class _GluonLayer(GraphBlock):
    """A recurrent layer of Gluon's, with a static graph for every shape."""

    def __init__(self, layer: gluon.HybridBlock) -> None:
        super().__init__()
        self.layer = layer

    def hybrid_forward(self, F: Any, inputs: Any, state: List[Any]) -> Any:
        return self.layer(inputs, state)


class GRU(RNN):
    """A deep GRU, `gluon_deeprnn.GRU`; its dropout works on the CPU too.

    Parameters
    ----------
    num_hiddens, num_layers : int
        Sizes H and L.
    dropout : float in [0, 1), default 0
        Probability with which an output between two layers is set to zero in training.

    Source
    ------
    Dive into Deep Learning, section "Deep Recurrent Neural Networks".
    """

    def __init__(self, num_hiddens: int, num_layers: int, dropout: float = 0) -> None:
        Module.__init__(self)
        self.save_hyperparameters()
        self.rnn = models.GRU(num_hiddens, num_layers, dropout)


class LSTM(RNN):
    """An LSTM, `gluon_deeprnn.LSTM`; its state is a list of hidden state and memory cell, (L, N, H) each.

    Parameters
    ----------
    num_hiddens : int
        Hidden units H.
    num_layers : int, default 1
        Layers L.
    dropout : float in [0, 1), default 0
        Probability with which an output between two layers is set to zero in training.

    Source
    ------
    Dive into Deep Learning, section "Long Short-Term Memory (LSTM)".
    """

    def __init__(self, num_hiddens: int, num_layers: int = 1, dropout: float = 0) -> None:
        Module.__init__(self)
        self.save_hyperparameters()
        self.rnn = models.LSTM(num_hiddens, num_layers, dropout)


class RNNScratch(RNN):
    """One recurrent layer from scratch, `gluon_deeprnn.models.cells.RNNScratch`.

    Parameters
    ----------
    num_inputs, num_hiddens : int
        Sizes D and H.
    sigma : float, default 0.01
        Standard deviation of the initial weights.

    Shapes
    ------
    inputs : (T, N, D), an array or a list of T arrays
    state : (N, H); zeros if it is left out
    outputs : (T, N, H), which can be used like the book's list of T arrays; and the last state

    Source
    ------
    Dive into Deep Learning, section "Recurrent Neural Network Implementation from Scratch".

    Examples
    --------
    >>> from gluon_deeprnn import d2l
    >>> rnn = d2l.RNNScratch(num_inputs=16, num_hiddens=32)
    >>> outputs, state = rnn(d2l.ones((100, 2, 16)))
    >>> d2l.check_len(outputs, 100)
    >>> d2l.check_shape(outputs[0], (2, 32))
    """

    def __init__(self, num_inputs: int, num_hiddens: int, sigma: float = 0.01) -> None:
        Module.__init__(self)
        self.save_hyperparameters()
        self.rnn = _RNNLayer(num_inputs, num_hiddens, sigma)
        self.rnn.initialize()

    @property
    def W_xh(self) -> np.ndarray:
        """Weights from inputs to hidden units, (D, H)."""
        return self.rnn.W_xh.data()

    @property
    def W_hh(self) -> np.ndarray:
        """Weights from hidden units to hidden units, (H, H)."""
        return self.rnn.W_hh.data()

    @property
    def b_h(self) -> np.ndarray:
        """Biases, (H,)."""
        return self.rnn.b_h.data()

    def _begin_state(self, inputs: np.ndarray) -> List[np.ndarray]:
        return [np.zeros((inputs.shape[1], self.num_hiddens), ctx=inputs.ctx)]


class StackedRNNScratch(RNN):
    """A deep RNN from scratch, `gluon_deeprnn.StackedRNNScratch`.

    Parameters
    ----------
    num_inputs, num_hiddens, num_layers : int
        Sizes D, H and L.
    sigma : float, default 0.01
        Standard deviation of the initial weights.

    Source
    ------
    Dive into Deep Learning, section "Deep Recurrent Neural Networks".

    Examples
    --------
    >>> from gluon_deeprnn import d2l
    >>> rnn = d2l.StackedRNNScratch(num_inputs=28, num_hiddens=32, num_layers=2)
    >>> outputs, Hs = rnn(d2l.ones((35, 4, 28)))
    >>> outputs.shape, [H.shape for H in Hs]
    ((35, 4, 32), [(4, 32), (4, 32)])
    """

    def __init__(self, num_inputs: int, num_hiddens: int, num_layers: int, sigma: float = 0.01) -> None:
        Module.__init__(self)
        self.save_hyperparameters()
        self.rnn = models.StackedRNNScratch(num_inputs, num_hiddens, num_layers, sigma)
        self.rnn.initialize()

    def forward(self, inputs: Any, Hs: Optional[Any] = None) -> Tuple[np.ndarray, List[np.ndarray]]:
        """Outputs of the last layer, and a list of the last states (N, H) of all layers, in the form of ``Hs``."""
        outputs, states = super().forward(inputs, None if Hs is None else stack(Hs))  # states (L, N, H)
        return outputs, list(states)
