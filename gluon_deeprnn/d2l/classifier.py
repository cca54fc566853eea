"""`Classifier`: cross-entropy loss and accuracy."""

from typing import Any, Sequence

from gluon_deeprnn.d2l.module import Module
from gluon_deeprnn.graph import GraphBlock
from mxnet import np


class Classifier(Module):
    """A model whose outputs are the logits of classes; the loss is the cross-entropy.

    Source
    ------
    Dive into Deep Learning, section "The Base Classification Model".
    """

    def validation_step(self, batch: Sequence[Any]) -> None:
        """Plot loss and accuracy of a validation batch."""
        Y_hat = self(*batch[:-1])
        self.plot("loss", self.loss(Y_hat, batch[-1]), train=False)
        self.plot("acc", self.accuracy(Y_hat, batch[-1]), train=False)

    def loss(self, Y_hat: Any, Y: Any, averaged: bool = True) -> Any:
        """Cross-entropy of logits (..., V) and labels (...): the mean, or one value per label."""
        if Y_hat.shape[:-1] != Y.shape:
            Y_hat, Y = Y_hat.reshape(-1, Y_hat.shape[-1]), Y.reshape(-1)
        return _mean_cross_entropy(Y_hat, Y) if averaged else _cross_entropy(Y_hat, Y).reshape(-1)

    def accuracy(self, Y_hat: Any, Y: Any, averaged: bool = True) -> Any:
        """Whether the label has the largest logit: the mean, or one value per label."""
        predicted = Y_hat.reshape(-1, Y_hat.shape[-1]).argmax(axis=1).astype(Y.dtype)
        correct = (predicted == Y.reshape(-1)).astype("float32")
        return correct.mean() if averaged else correct

    def layer_summary(self, X_shape: Sequence[int]) -> None:
        """Print the output shape of each layer of ``self.net`` for an input of shape ``X_shape``."""
        X = np.random.randn(*X_shape)
        for layer in self.net:
            X = layer(X)
            print(type(layer).__name__, "output shape:\t", X.shape)


class _CrossEntropy(GraphBlock):
    """-log softmax(Y_hat)[Y] as one graph."""

    def __init__(self, averaged: bool) -> None:
        super().__init__()
        self.averaged = averaged
        self.hybridize()

    def hybrid_forward(self, F: Any, Y_hat: Any, Y: Any) -> Any:
        losses = -F.npx.pick(F.npx.log_softmax(Y_hat, axis=-1), Y, axis=-1)
        return F.np.mean(losses) if self.averaged else losses


_mean_cross_entropy, _cross_entropy = _CrossEntropy(averaged=True), _CrossEntropy(averaged=False)
