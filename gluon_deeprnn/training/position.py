"""The progress of a training."""

import dataclasses
import math
from typing import Any, Dict

_COUNTS = ("epoch", "batch", "num_tokens", "rollbacks")
_SUMS = ("nll", "seconds", "lr_scale")


@dataclasses.dataclass
class Position:
    """The state of a training that is carried from step to step, except arrays: plain numbers.

    Attributes
    ----------
    epoch, batch : int
        Number of completed epochs, and of completed batches of the current epoch.
    nll : float
        Sum of the losses of the tokens of the current epoch, in nats.
    num_tokens : int
        Number of these tokens.
    seconds : float
        How long the current epoch was trained before this part of the training: the sum over earlier sessions.
    gradients : dict
        The accumulated gradient norms of the current epoch; see ``gluon_deeprnn.training.diagnosis.GradientNorms``.
    lr_scale : float
        Factor of the scheduled learning rate, which rollbacks reduce.
    rollbacks : int
        Number of rollbacks so far.
    """

    epoch: int = 0
    batch: int = 0
    nll: float = 0.0
    num_tokens: int = 0
    seconds: float = 0.0
    gradients: Dict[str, Any] = dataclasses.field(default_factory=dict)
    lr_scale: float = 1.0
    rollbacks: int = 0

    def __str__(self) -> str:
        """Where it is, such as "the end of epoch 3"."""
        if self.batch:
            return f"batch {self.batch} of epoch {self.epoch + 1}"
        return f"the end of epoch {self.epoch}" if self.epoch else "the beginning"

    def check(self, batches_per_epoch: int) -> None:
        """Validate values from an untrusted file; raise ``ValueError`` if no training can have them."""
        counts = [getattr(self, name) for name in _COUNTS]
        sums = [getattr(self, name) for name in _SUMS]
        if not all(type(count) is int and count >= 0 for count in counts) or self.batch > batches_per_epoch \
                or not all(type(x) in (int, float) and math.isfinite(x) and x >= 0 for x in sums) or not self.lr_scale:
            raise ValueError("a position outside the training")
