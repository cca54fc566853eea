"""Adam with decoupled weight decay, which MXNet 1.9.1 has as an operator only."""

import math
from typing import Any

from gluon_deeprnn import mxnet_private
import mxnet
import numpy


def decayed(parameter: Any, size: int) -> int:
    """The number of a parameter's first elements that decay: those of matrices, embeddings included.

    Biases, scales and shifts of normalisations, and learned initial states do not.  A fused layer's flat parameter
    holds its matrices first, then its biases.

    Parameters
    ----------
    parameter : mxnet.gluon.Parameter or mxnet.nd.NDArray
        The parameter, or its values.
    size : int
        The number of its elements.
    """
    if hasattr(parameter, "parts"):
        return sum(math.prod(shape) for shape in parameter.parts().values() if len(shape) == 2)
    return size if len(parameter.shape) == 2 else 0


class AdamW(mxnet.optimizer.Adam):
    r"""Adam with decoupled weight decay: MXNet's optimizer ``adamw`` once ``gluon_deeprnn.training`` is imported.

    At step t, with the gradient g, the matrices and the embedding w (see ``decayed``) are updated by

    .. math::
        m &\leftarrow \beta_1 m + (1 - \beta_1) g, \qquad v \leftarrow \beta_2 v + (1 - \beta_2) g^2 \\
        w &\leftarrow (1 - \eta \lambda) w - \eta \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}

    and all other parameters by the same with :math:`\lambda = 0`.  As in torch, :math:`\epsilon` is added to the
    corrected :math:`\sqrt{v}`.  (MXNet's ``adam`` adds it to the uncorrected one, and adds the weight decay to the
    gradient.  MXNet's operator ``_adamw_update`` waits for the device on a GPU.)

    Parameters
    ----------
    learning_rate : float, default 0.001
        :math:`\eta`
    beta1, beta2 : float, default 0.9 and 0.999
    epsilon : float, default 1e-8
    **options
        Those of every MXNet optimizer; ``wd``, 0 by default, is :math:`\lambda`.

    Attributes
    ----------
    decay_biases : bool
        Whether :math:`\lambda` applies to all parameters; False.

    Source
    ------
    Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019.

    Examples
    --------
    >>> from gluon_deeprnn.training.adamw import AdamW
    >>> from mxnet import nd
    >>> optimizer, weight = AdamW(learning_rate=0.1, wd=0.5), nd.ones((1, 1))
    >>> optimizer.update(0, weight, nd.ones((1, 1)), optimizer.create_state(0, weight))
    >>> round(float(weight.asnumpy()[0, 0]), 3)  # 1 - 0.1 * 0.5 - 0.1
    0.85
    """

    decay_biases = False

    def __init__(self, learning_rate: float = 0.001, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8,
                 **options: Any) -> None:
        super().__init__(learning_rate, beta1, beta2, epsilon, lazy_update=False, **options)

    def update(self, index: int, weight: Any, grad: Any, state: Any) -> None:
        """Update one parameter, an ``mxnet.nd.NDArray``, in place; MXNet calls it."""
        self._update_count(index)
        lr, decay = self._get_lr(index), self._get_wd(index)
        if decay:
            parameter = self.param_dict.get(index, weight)
            size = weight.size if self.decay_biases else decayed(parameter, weight.size)
            if size:
                matrices = weight[:size] if size < weight.size else weight  # a view of the same memory
                matrices *= 1 - lr * decay
        # The operator subtracts a float32 from 1: the correction must be for the same number, or it is wrong by 1e-5.
        beta1, beta2 = float(numpy.float32(self.beta1)), float(numpy.float32(self.beta2))
        step = mxnet_private.update_counts(self)[index]
        corrected = math.sqrt(1 - beta2**step)
        mean, variance = state
        mxnet.nd.adam_update(weight, grad, mean, variance, out=weight, lr=lr * corrected / (1 - beta1**step), wd=0,
                             beta1=beta1, beta2=beta2, epsilon=self.epsilon * corrected,
                             rescale_grad=self.rescale_grad, clip_gradient=self.clip_gradient or -1.0,
                             lazy_update=False)
