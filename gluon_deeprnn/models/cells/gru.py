"""A layer of gated recurrent units, implemented from scratch according to its equations."""

from typing import Any, ClassVar, List, Mapping, Optional

from gluon_deeprnn import _checks
from gluon_deeprnn.graph import split
from gluon_deeprnn.models.cells.description import Cell, Option
from gluon_deeprnn.models.cells.layer import LayerScratch, Product, sigmoid, tanh
from gluon_deeprnn.models.initializers import Initial

RESETS = ("after", "before")


class GRUScratch(LayerScratch):
    r"""A layer of gated recurrent units, in either of the two common variants.

    .. math::

        R_t, Z_t &= \sigma(X_t W_{xg} + H_{t-1} W_{hg} + b_g), \quad g = r, z \\
        \tilde H_t &= \tanh(X_t W_{xh} + b_h + R_t \odot (H_{t-1} W_{hh} + b_{hh})) \quad \text{(reset after)} \\
        \tilde H_t &= \tanh(X_t W_{xh} + b_h + (R_t \odot H_{t-1}) W_{hh}) \quad \text{(reset before)} \\
        H_t &= Z_t \odot H_{t-1} + (1 - Z_t) \odot \tilde H_t

    Parameters
    ----------
    num_inputs, num_hiddens, sigma, initial, weight_dropout
        See `gluon_deeprnn.models.cells.LayerScratch`.
    reset : {"after", "before"}, default "after"
        Whether the reset gate is applied after the product with W_hh, as in cuDNN, torch and the fused layers, or
        before it, as in the book.

    Source
    ------
    Dive into Deep Learning, section "Gated Recurrent Units (GRU)"; Cho et al., 2014, reset before; the second variant:
    Chung et al., 2014.

    Examples
    --------
    >>> from gluon_deeprnn.models.cells import GRUScratch
    >>> from mxnet import np
    >>> layer = GRUScratch(num_inputs=28, num_hiddens=32, reset="before")
    >>> layer.initialize()
    >>> outputs, (H,) = layer(np.zeros((35, 4, 28)), [np.zeros((4, 32))])
    >>> outputs.shape, H.shape
    ((35, 4, 32), (4, 32))
    """

    gates = ("r", "z", "h")
    second_biases: ClassVar[Mapping[str, str]] = {"h": "b_hh"}

    def __init__(self, num_inputs: int, num_hiddens: int, sigma: float = 0.01, *, reset: str = "after",
                 initial: Optional[Initial] = None, weight_dropout: float = 0) -> None:
        super().__init__(num_inputs, num_hiddens, sigma, initial=initial, weight_dropout=weight_dropout)
        self.reset = _checks.one_of("reset", reset, RESETS)
        if reset == "after":
            with self.name_scope():
                self._new_parameter("b_hh", (num_hiddens,), self._initial.biases)

    @property
    def computes(self) -> str:
        """The cell, as named in files."""
        return "gru" if self.reset == "after" else "gru_reset_before"

    def _step(self, F: Any, weights: Any, batch_size: int) -> Any:
        step = self._reset_after if self.reset == "after" else self._reset_before
        return step(F, self._state_weights(F, weights), batch_size, weights)  # (3H, H): W_hr, W_hz, W_hh, transposed

    def _reset_after(self, F: Any, W_h: Any, batch_size: int, weights: Any) -> Any:
        times_W_h = Product(F, W_h, self._rows, batch_size)

        def step(X: Any, state: List[Any]) -> List[Any]:
            H, = state  # (N, H)
            X_r, X_z, X_h = split(F, X, 3, axis=1)  # (N, H) each
            H_r, H_z, H_h = split(F, times_W_h(H), 3, axis=1)  # (N, H) each
            R, Z = sigmoid(F, X_r + H_r), sigmoid(F, X_z + H_z)
            H_tilde = tanh(F, X_h + R * (H_h + weights["b_hh"]))
            return [Z * H + (1 - Z) * H_tilde]

        return step

    def _reset_before(self, F: Any, W_h: Any, batch_size: int, weights: Any) -> Any:
        times_W_hr, times_W_hz, times_W_hh = (
            Product(F, W, self.num_hiddens, batch_size) for W in split(F, W_h, 3, axis=0))

        def step(X: Any, state: List[Any]) -> List[Any]:
            H, = state  # (N, H)
            X_r, X_z, X_h = split(F, X, 3, axis=1)  # (N, H) each
            R, Z = sigmoid(F, times_W_hr(H, plus=X_r)), sigmoid(F, times_W_hz(H, plus=X_z))
            H_tilde = tanh(F, times_W_hh(R * H, plus=X_h))
            return [Z * H + (1 - Z) * H_tilde]

        return step


CELL = Cell(
    name="gru", title="GRU", scratch=GRUScratch,
    options={"reset": Option("after", lambda name, value: _checks.one_of(name, value, RESETS), fused=("after",))},
    fused_mode="gru", kept={"fused": 7, "scratch": 28}, operators_per_step=15)
