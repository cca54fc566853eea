"""Where a training stands."""

import dataclasses
import math
from typing import Any, Dict

_COUNTS = ("epoch", "batch", "num_tokens", "rollbacks")
_SUMS = ("nll", "seconds", "lr_scale")


@dataclasses.dataclass
class Position:
    """Everything that goes on from one step to the next, but for arrays: plain numbers.

    Attributes
    ----------
    epoch, batch : int
        Epochs that are over, and batches of the one that is not.
    nll : float
        Sum of the losses of this epoch's tokens, in nats.
    num_tokens : int
        How many tokens they were.
    seconds : float
        How long this epoch has taken.
    gradients : dict
        The account of this epoch's gradient norms; see `gluon_deeprnn.training.diagnosis.GradientNorms`.
    lr_scale : float
        What the scheduled learning rate is multiplied by, since steps had to be taken back.
    rollbacks : int
        How often they had.
    """

    epoch: int = 0
    batch: int = 0
    nll: float = 0.0
    num_tokens: int = 0
    seconds: float = 0.0
    gradients: Dict[str, Any] = dataclasses.field(default_factory=dict)
    lr_scale: float = 1.0
    rollbacks: int = 0

    def check(self, batches_per_epoch: int) -> None:
        """Refuse, by `ValueError`, values that no training has: read from a file, they could be anything."""
        counts = [getattr(self, name) for name in _COUNTS]
        sums = [getattr(self, name) for name in _SUMS]
        if not all(type(count) is int and count >= 0 for count in counts) or self.batch > batches_per_epoch \
                or not all(type(x) in (int, float) and math.isfinite(x) and x >= 0 for x in sums) or not self.lr_scale:
            raise ValueError("a position outside of the training")
