"""A plain recurrent layer, implemented from scratch according to its equation."""

from typing import Any, List, Optional

from gluon_deeprnn import _checks
from gluon_deeprnn.models.cells.description import Cell, Option
from gluon_deeprnn.models.cells.layer import LayerScratch, Product
from gluon_deeprnn.models.initializers import Initial

ACTIVATIONS = ("tanh", "relu", "sigmoid", "softsign", "softrelu")


class RNNScratch(LayerScratch):
    r"""A plain recurrent layer.

    .. math:: H_t = \phi(X_t W_{xh} + H_{t-1} W_{hh} + b_h)

    Parameters
    ----------
    num_inputs, num_hiddens, sigma, initial, weight_dropout
        See `gluon_deeprnn.models.cells.LayerScratch`.
    activation : str, default "tanh"
        The function phi: tanh, relu, sigmoid, softsign or softrelu.

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
        """The cell, as named in files."""
        return f"rnn_{self.activation}"

    def _step(self, F: Any, weights: Any, batch_size: int) -> Any:
        times_W_hh = Product(F, self._state_weights(F, weights), self._rows, batch_size)

        def step(X: Any, state: List[Any]) -> List[Any]:
            H, = state  # (N, H)
            return [F.npx.activation(times_W_hh(H, plus=X), act_type=self.activation)]

        return step


CELL = Cell(
    name="rnn", title="RNN", scratch=RNNScratch,
    options={"activation": Option("tanh", lambda name, value: _checks.one_of(name, value, ACTIVATIONS), per_layer=True,
                                  fused=("tanh", "relu"))},
    fused_mode="rnn_{activation}", kept={"fused": 3, "scratch": 5}, operators_per_step=3)
