"""What a training minimizes: the cross-entropy, of smoothed targets too, and penalties on the last layer's outputs."""

import contextlib
import dataclasses
from typing import Any, Iterator, List, Optional

from gluon_deeprnn import _checks, kernels
from gluon_deeprnn.errors import InputError
from gluon_deeprnn.evaluation import MeanLoss
from gluon_deeprnn.kernels import regularisation
from gluon_deeprnn.models import RecurrentCore


@dataclasses.dataclass(frozen=True)
class Objective:
    r"""The loss that is minimized: the cross-entropy plus penalties.

    With the probabilities :math:`p_v` of the V tokens at a step, with the outputs :math:`H_t` of the last recurrent
    layer, after ``output_dropout`` (in the paper the second penalty is on those before it), and with means over steps,
    sequences and units, it is

    .. math::
        \mathrm{mean}\left(-(1 - \epsilon) \log p_{\mathrm{target}} - \frac{\epsilon}{V} \sum_v \log p_v\right)
        + \mathrm{ar} \cdot \mathrm{mean}(H_t^2) + \mathrm{tar} \cdot \mathrm{mean}((H_{t+1} - H_t)^2)

    With padding, the means are over the real steps: the last one is the sum over the differences to a real step,
    divided by the number of real steps and multiplied by T / (T - 1) for T steps.

    The perplexities of a training's history are those of :math:`-\log p_{\mathrm{target}}` alone.

    Parameters
    ----------
    label_smoothing : float in [0, 1), default 0
        :math:`\epsilon`
    ar : float, default 0
        Weight of the activation regularization.
    tar : float, default 0
        Weight of the temporal activation regularization, over the steps of a batch.

    Raises
    ------
    ValueError
        "ar must be a number, at least 0; got -1", and the like.

    Source
    ------
    Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2016 (``label_smoothing``).  Merity,
    McCann and Socher, "Revisiting Activation Regularization for Language RNNs", 2017.

    Examples
    --------
    >>> from gluon_deeprnn.training.objective import Objective
    >>> Objective(ar=2, tar=1).is_plain
    False
    """

    label_smoothing: float = 0.0
    ar: float = 0.0
    tar: float = 0.0

    def __post_init__(self) -> None:
        _checks.fraction("label_smoothing", self.label_smoothing)
        _checks.not_negative("ar", self.ar)
        _checks.not_negative("tar", self.tar)

    @property
    def penalizes(self) -> bool:
        """Whether there is a penalty on the outputs of the last layer."""
        return bool(self.ar or self.tar)

    @property
    def is_plain(self) -> bool:
        """Whether it is the cross-entropy alone."""
        return not (self.label_smoothing or self.penalizes)

    def check(self, model: Any) -> None:
        """Check that the model has what is penalized.

        Raises
        ------
        ValueError
            "model must be one with a recurrent core ``rnn``, for ar and tar; got ...".
        """
        if self.penalizes and not isinstance(getattr(model, "rnn", None), RecurrentCore):
            raise InputError("model", "one with a recurrent core ``rnn``, for ar and tar", model)


class ObjectiveLoss(MeanLoss):
    """A language model and an objective in one graph: ``(minimized, mean), state = block(x, y, state)``.

    The mean is the loss of `MeanLoss`; it has no gradient.

    Parameters
    ----------
    model : RNNLM or RNNLMScratch
        The model.
    objective : Objective
        What is minimized.
    """

    def __init__(self, model: Any, objective: Objective) -> None:
        super().__init__(model)
        self._objective = objective

    def hybrid_forward(self, F: Any, x: Any, y: Any, state: List[Any], weights: Any = None) -> Any:
        """Compute the outputs; see the class."""
        objective = self._objective
        with _outputs_of(self.model.rnn if objective.penalizes else None) as kept:
            logits, state = self.model(x, state)  # (T, N, V)
        if objective.label_smoothing:
            minimized, mean = kernels.smoothed_cross_entropy(F, logits, y, objective.label_smoothing, weights)
        else:
            minimized = kernels.cross_entropy(F, logits, y, weights)
            mean = F.BlockGrad(minimized.as_nd_ndarray()).as_np_ndarray()
        if objective.penalizes:
            minimized = minimized + regularisation.activity_penalty(F, kept[-1], objective.ar, objective.tar, weights)
        return [minimized, mean], state


@contextlib.contextmanager
def _outputs_of(core: Optional[RecurrentCore]) -> Iterator[List[Any]]:
    """A list to which a core's outputs are appended, each time it is called inside the context."""
    kept: List[Any] = []
    if core is None:
        yield kept
        return
    handle = core.register_forward_hook(lambda block, inputs, outputs: kept.append(outputs[0]))
    try:
        yield kept
    finally:
        handle.detach()
