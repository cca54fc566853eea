"""Gradient descent on bare arrays."""

from typing import List, Optional

from gluon_deeprnn.d2l.oop import HyperParameters
from mxnet import np


class SGD(HyperParameters):
    """Stochastic gradient descent on bare arrays.

    Parameters
    ----------
    params : list of mxnet.np.ndarray
        What to update; each has a gradient.
    lr : float
        Learning rate.

    Source
    ------
    Dive into Deep Learning, section "Linear Regression Implementation from Scratch".

    Examples
    --------
    >>> from gluon_deeprnn import d2l
    >>> from mxnet import autograd
    >>> w = d2l.tensor([1.0, 2.0])
    >>> w.attach_grad()
    >>> with autograd.record():
    ...     loss = (w ** 2).sum()
    >>> loss.backward()
    >>> d2l.SGD([w], lr=0.5).step(1)
    >>> w.tolist()
    [0.0, 0.0]
    """

    def __init__(self, params: List[np.ndarray], lr: float) -> None:
        self.save_hyperparameters()

    def step(self, _: Optional[int] = None) -> None:
        """Subtract ``lr`` times the gradient from every array."""
        for param in self.params:
            param -= self.lr * param.grad
