"""What the trainer and `gluon_deeprnn.evaluate` read of a batch source, one of the user's own included."""

from typing import Any, Tuple

import numpy

Batch = Tuple[numpy.ndarray, numpy.ndarray]

PADDING = -1
"""The target of a step that is padding; only sources with ``padded = True`` have it."""


def continues(source: Any, epoch: int, batch: int) -> bool:
    """Whether the initial state of a batch is the final state of the batch before it.

    A source without a method ``continues`` has an attribute ``carries_state``, which holds for all batches of an epoch
    but the first.
    """
    if hasattr(source, "continues"):
        return bool(source.continues(epoch, batch))
    return bool(source.carries_state) and batch > 0


def is_padded(source: Any) -> bool:
    """Whether targets of -1 are padding, which is excluded from loss, gradient and counts."""
    return bool(getattr(source, "padded", False))


def share_of_rate(source: Any, num_steps: int) -> float:
    """The factor of the learning rate for a batch of this many steps.

    It is 1, unless the source draws the number of steps, as its attribute ``scales_rate`` says; then it is their number
    over the source's ``num_steps``, so that each token has the same weight in the sum of all updates.
    """
    return num_steps / source.num_steps if getattr(source, "scales_rate", False) else 1.0
