"""Linear regression."""

from typing import Any, Tuple

from gluon_deeprnn.d2l.module import Module
from mxnet import gluon, init, np


class LinearRegression(Module):
    """A linear model of one output; the loss is half the mean squared error.

    Parameters
    ----------
    lr : float
        Learning rate.

    Shapes
    ------
    X : (N, D)
    y_hat : (N, 1)

    Source
    ------
    Dive into Deep Learning, section "Concise Implementation of Linear Regression".

    Examples
    --------
    >>> from gluon_deeprnn import d2l
    >>> d2l.LinearRegression(lr=0.01)(d2l.ones((5, 4))).shape
    (5, 1)
    """

    def __init__(self, lr: float) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.net = gluon.nn.Dense(1)
        self.net.initialize(init.Normal(sigma=0.01))

    def loss(self, y_hat: Any, y: Any) -> Any:
        """Half the mean squared error."""
        return ((y_hat - y.reshape(y_hat.shape)) ** 2).mean() / 2

    def get_w_b(self) -> Tuple[np.ndarray, np.ndarray]:
        """Weights (1, D) and bias (1,)."""
        return self.net.weight.data(), self.net.bias.data()
