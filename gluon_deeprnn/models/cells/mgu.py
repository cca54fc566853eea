"""A layer of minimal gated units, implemented from scratch according to its equations."""

from typing import Any, List

from gluon_deeprnn.graph import split
from gluon_deeprnn.models.cells.description import Cell
from gluon_deeprnn.models.cells.layer import LayerScratch, Product, sigmoid, tanh


class MGUScratch(LayerScratch):
    r"""A layer of minimal gated units: a GRU with one gate for both reset and update.

    .. math::

        F_t &= \sigma(X_t W_{xf} + H_{t-1} W_{hf} + b_f) \\
        \tilde H_t &= \tanh(X_t W_{xh} + (F_t \odot H_{t-1}) W_{hh} + b_h) \\
        H_t &= (1 - F_t) \odot H_{t-1} + F_t \odot \tilde H_t

    Parameters
    ----------
    num_inputs, num_hiddens, sigma, initial, weight_dropout
        See `gluon_deeprnn.models.cells.LayerScratch`.

    Source
    ------
    Zhou, Wu, Zhang and Zhou, "Minimal Gated Unit for Recurrent Neural Networks", 2016.

    Examples
    --------
    >>> from gluon_deeprnn.models.cells import MGUScratch
    >>> from mxnet import np
    >>> layer = MGUScratch(num_inputs=28, num_hiddens=32)
    >>> layer.initialize()
    >>> outputs, (H,) = layer(np.zeros((35, 4, 28)), [np.zeros((4, 32))])
    >>> outputs.shape, H.shape
    ((35, 4, 32), (4, 32))
    """

    gates = ("f", "h")
    computes = "mgu"

    def _step(self, F: Any, weights: Any, batch_size: int) -> Any:
        times_W_hf, times_W_hh = (Product(F, W, self.num_hiddens, batch_size)
                                  for W in split(F, self._state_weights(F, weights), 2, axis=0))

        def step(X: Any, state: List[Any]) -> List[Any]:
            H, = state  # (N, H)
            X_f, X_h = split(F, X, 2, axis=1)  # (N, H) each
            forget = sigmoid(F, times_W_hf(H, plus=X_f))
            H_tilde = tanh(F, times_W_hh(forget * H, plus=X_h))
            return [(1 - forget) * H + forget * H_tilde]

        return step


CELL = Cell(name="mgu", title="MGU", scratch=MGUScratch, options={}, fused_mode=None, kept={"scratch": 16},
            operators_per_step=12)
