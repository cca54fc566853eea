"""The book's recurrent layers and language models, on the package's own."""

import logging
from typing import Any, List, Optional, Tuple, Union

from gluon_deeprnn import models
from gluon_deeprnn._checks import InputError
from gluon_deeprnn.d2l.arrays import stack
from gluon_deeprnn.d2l.module import Classifier, Module
from gluon_deeprnn.devices import Context, as_context
from gluon_deeprnn.generation import write
from gluon_deeprnn.graph import GraphBlock
from gluon_deeprnn.models.cells import RNNScratch as _Layer
from mxnet import gluon, np, npx
import numpy

_log = logging.getLogger(__name__)


class RNNScratch(Module):
    """One recurrent layer, on `gluon_deeprnn.models.scratch.RNNScratch`, hybridized.

    Parameters
    ----------
    num_inputs, num_hiddens : int
        Sizes D and H.
    sigma : float, default 0.01
        Standard deviation of the initial weights.

    Shapes
    ------
    inputs : (T, N, D), an array or a list of T arrays
    state : (N, H); zeros when it is left out
    outputs : (T, N, H), which can be used as the list of T arrays that the book returns; and the last state

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
        super().__init__()
        self.save_hyperparameters()
        self.layer = _Layer(num_inputs, num_hiddens, sigma)
        self.layer.initialize()
        self.layer.hybridize()

    @property
    def W_xh(self) -> np.ndarray:
        """Weights from inputs to hidden units, (D, H)."""
        return self.layer.W_xh.data()

    @property
    def W_hh(self) -> np.ndarray:
        """Weights from hidden units to hidden units, (H, H)."""
        return self.layer.W_hh.data()

    @property
    def b_h(self) -> np.ndarray:
        """Biases, (H,)."""
        return self.layer.b_h.data()

    def forward(self, inputs: Any, state: Optional[Any] = None) -> Tuple[np.ndarray, np.ndarray]:
        """Outputs of all steps and the last state."""
        inputs = stack(inputs)
        if isinstance(state, (list, tuple)):
            state, = state
        if state is None:
            state = np.zeros((inputs.shape[1], self.num_hiddens), ctx=inputs.ctx)
        outputs, (state,) = self.layer(inputs, [state])
        return outputs, state


class StackedRNNScratch(Module):
    """The chapter's stack of `RNNScratch` layers; all of them are trained.

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
    >>> outputs, states = rnn(d2l.ones((35, 4, 28)))
    >>> outputs.shape, [state.shape for state in states]
    ((35, 4, 32), [(4, 32), (4, 32)])
    """

    def __init__(self, num_inputs: int, num_hiddens: int, num_layers: int, sigma: float = 0.01) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.rnns = [RNNScratch(num_inputs if i == 0 else num_hiddens, num_hiddens, sigma) for i in range(num_layers)]

    def forward(self, inputs: Any, Hs: Optional[List[Any]] = None) -> Tuple[np.ndarray, List[np.ndarray]]:
        """Outputs of the last layer, and the last states of all; the list ``Hs`` is not written into."""
        outputs, last = inputs, []
        for rnn, H in zip(self.rnns, Hs or [None] * self.num_layers):
            outputs, H = rnn(outputs, H)
            last.append(H)
        return outputs, last


class RNNLMScratch(Classifier):
    """The language model from scratch: one-hot inputs, any recurrent module, a linear layer of bare arrays.

    Parameters
    ----------
    rnn : Module
        ``outputs, state = rnn(inputs, state)`` on (T, N, V); it has ``num_hiddens``, and perhaps ``sigma``.
    vocab_size : int
        Number of tokens V.
    lr : float, default 0.01
        Learning rate.

    Source
    ------
    Dive into Deep Learning, section "Recurrent Neural Network Implementation from Scratch".

    Examples
    --------
    >>> from gluon_deeprnn import d2l
    >>> model = d2l.RNNLMScratch(d2l.RNNScratch(28, 32), vocab_size=28)
    >>> model(d2l.ones((4, 35), dtype='int32')).shape
    (4, 35, 28)
    """

    def __init__(self, rnn: Any, vocab_size: int, lr: float = 0.01) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.init_params()

    def init_params(self) -> None:
        """Make the parameters of the output layer."""
        self.W_hq = np.random.randn(self.rnn.num_hiddens, self.vocab_size) * getattr(self.rnn, "sigma", 0.01)
        self.b_q = np.zeros(self.vocab_size)

    def training_step(self, batch: Any) -> Any:
        """The loss of a training batch; plots its perplexity."""
        loss = self.loss(self(*batch[:-1]), batch[-1])
        self.plot("ppl", np.exp(loss), train=True)
        return loss

    def validation_step(self, batch: Any) -> None:
        """Plot the perplexity of a validation batch."""
        self.plot("ppl", np.exp(self.loss(self(*batch[:-1]), batch[-1])), train=False)

    def one_hot(self, X: np.ndarray) -> np.ndarray:
        """Indices (N, T) as one-hot vectors (T, N, V)."""
        return npx.one_hot(X.T, self.vocab_size)

    def output_layer(self, rnn_outputs: Any) -> np.ndarray:
        """Outputs (T, N, H), an array or a list, as scores (N, T, V)."""
        return (np.dot(stack(rnn_outputs), self.W_hq) + self.b_q).swapaxes(0, 1)

    def forward(self, X: np.ndarray, state: Optional[Any] = None) -> np.ndarray:
        """Scores (N, T, V) of what follows the tokens X, (N, T)."""
        rnn_outputs, _ = self.rnn(self.one_hot(X), state)
        return self.output_layer(rnn_outputs)

    def predict(self, prefix: str, num_preds: int, vocab: Any, device: Optional[Union[str, Context]] = None) -> str:
        """Continue ``prefix`` by the ``num_preds`` most likely tokens, the state carried from one to the next."""
        ctx = as_context("cpu" if device is None else device)

        def read(tokens: numpy.ndarray, state: Any) -> Tuple[numpy.ndarray, Any]:
            outputs, state = self.rnn(self.one_hot(np.array(tokens[None], dtype="int32", ctx=ctx)), state)
            return self.output_layer(outputs)[0, -1].asnumpy(), state

        tokens = [vocab[token] for token in prefix]
        if not tokens:
            raise InputError("prefix", "at least one token", prefix)
        return prefix + "".join(write(read, None, vocab, numpy.array(tokens), num_preds))


class _Compiled(GraphBlock):
    """A Gluon layer in a static graph for every shape."""

    def __init__(self, layer: gluon.HybridBlock) -> None:
        super().__init__()
        self.layer = layer

    def hybrid_forward(self, F: Any, inputs: Any, state: List[Any]) -> Any:
        """Outputs and state of the layer."""
        return self.layer(inputs, state)


class RNN(Module):
    """A recurrent layer of Gluon's, as the book wraps it; subclasses set ``self.rnn`` to another.

    Parameters
    ----------
    num_hiddens : int
        Hidden units H.

    Shapes
    ------
    inputs : (T, N, D)
    H : the layer's state, an array (L, N, H), or for an LSTM two of them; zeros when it is left out
    outputs : (T, N, H), and the last state in the same form

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

    def forward(self, inputs: np.ndarray, H: Optional[Any] = None) -> Tuple[np.ndarray, Any]:
        """Outputs of all steps and the last state."""
        rnn = self._compiled()
        if H is None:
            state = self.rnn.begin_state(batch_size=inputs.shape[1], ctx=inputs.ctx)
        else:
            state = list(H) if isinstance(H, (list, tuple)) else [H]
        outputs, state = rnn(inputs, state)
        return outputs, state[0] if len(state) == 1 else state

    def _compiled(self) -> GraphBlock:
        """``self.rnn`` with a static graph for each shape: the package's own are made so, Gluon's are put into one."""
        compiled = vars(self).get("_static")
        if compiled is None or compiled[0] is not self.rnn:
            if getattr(self.rnn, "_dropout", 0) and getattr(self.rnn, "_num_layers", 1) > 1:
                _log.warning("MXNet ignores the dropout of a Gluon layer on the CPU; that of gluon_deeprnn.GRU works")
            block = self.rnn if isinstance(self.rnn, GraphBlock) else _Compiled(self.rnn)
            block.hybridize()
            compiled = self.rnn, block
            object.__setattr__(self, "_static", compiled)
        return compiled[1]


class GRU(RNN):
    """The book's deep GRU, on the package's `GRU`: its dropout works on the CPU.

    Parameters
    ----------
    num_hiddens, num_layers : int
        Sizes H and L.
    dropout : float in [0, 1), default 0
        Share of the outputs between two layers that training sets to zero.

    Source
    ------
    Dive into Deep Learning, section "Deep Recurrent Neural Networks".
    """

    def __init__(self, num_hiddens: int, num_layers: int, dropout: float = 0) -> None:
        Module.__init__(self)
        self.save_hyperparameters()
        self.rnn = models.GRU(num_hiddens, num_layers, dropout)


class RNNLM(RNNLMScratch):
    """The concise language model: one-hot inputs, any recurrent module, a dense layer of Gluon's.

    Parameters
    ----------
    rnn : Module
        As for `RNNLMScratch`.
    vocab_size : int
        Number of tokens V.
    lr : float, default 0.01
        Learning rate.

    Source
    ------
    Dive into Deep Learning, section "Concise Implementation of Recurrent Neural Networks".

    Examples
    --------
    >>> from gluon_deeprnn import d2l
    >>> model = d2l.RNNLM(d2l.GRU(num_hiddens=32, num_layers=2), vocab_size=28)
    >>> model(d2l.ones((4, 35), dtype='int32')).shape
    (4, 35, 28)
    """

    def init_params(self) -> None:
        """Make the output layer, and give all parameters their initial values."""
        self.linear = gluon.nn.Dense(self.vocab_size, flatten=False)
        self.initialize()

    def output_layer(self, hiddens: Any) -> np.ndarray:
        """Outputs (T, N, H) as scores (N, T, V)."""
        return self.linear(stack(hiddens)).swapaxes(0, 1)
