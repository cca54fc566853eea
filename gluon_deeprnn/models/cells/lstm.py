"""A layer of long short-term memory, implemented from scratch according to its equations."""

import functools
from typing import Any, List, Optional

from gluon_deeprnn import _checks
from gluon_deeprnn.graph import split
from gluon_deeprnn.models.cells.description import Cell, Option
from gluon_deeprnn.models.cells.layer import LayerScratch, Product, sigmoid, tanh
from gluon_deeprnn.models.initializers import Drawn, Initial
from mxnet import np


class LSTMScratch(LayerScratch):
    r"""A layer of long short-term memory.

    .. math::

        I_t, F_t, O_t &= \sigma(X_t W_{xg} + H_{t-1} W_{hg} + b_g), \quad g = i, f, o \\
        \tilde C_t &= \tanh(X_t W_{xc} + H_{t-1} W_{hc} + b_c) \\
        C_t &= F_t \odot C_{t-1} + I_t \odot \tilde C_t \\
        H_t &= O_t \odot \tanh(C_t)

    Parameters
    ----------
    num_inputs, num_hiddens, sigma, initial, weight_dropout
        See `gluon_deeprnn.models.cells.LayerScratch`.
    forget_bias : float, default 0
        Initial value of b_f; with 1 the forget gate is mostly open at the start of training.

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
            self.b_f.init = Drawn(functools.partial(np.full, fill_value=forget_bias))

    @property
    def computes(self) -> str:
        """The cell, as named in files."""
        return "lstm"

    def _step(self, F: Any, weights: Any, batch_size: int) -> Any:
        times_W_h = Product(F, self._state_weights(F, weights), self._rows, batch_size)  # W_hi, W_hf, W_hc, W_ho

        def step(X: Any, state: List[Any]) -> List[Any]:
            H, C = state  # (N, H) each
            i, f, c, o = split(F, times_W_h(H, plus=X), 4, axis=1)  # (N, H) each
            C = sigmoid(F, f) * C + sigmoid(F, i) * tanh(F, c)
            return [sigmoid(F, o) * tanh(F, C), C]

        return step


CELL = Cell(
    name="lstm", title="LSTM", scratch=LSTMScratch,
    options={"forget_bias": Option(0.0, _checks.finite, initial=True)},
    fused_mode="lstm", kept={"fused": 7, "scratch": 28}, operators_per_step=15)
