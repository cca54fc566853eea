"""What the trainer and `gluon_deeprnn.evaluate` read of a batch source, one of the user's own included."""

from typing import Any, Optional, Tuple

from gluon_deeprnn.data.evaluated_text import EvaluatedText
from gluon_deeprnn.errors import InputError
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


def checked_text(text: Any) -> Optional[EvaluatedText]:
    """Return ``text``, if it is None or an `EvaluatedText`."""
    if not isinstance(text, (EvaluatedText, type(None))):
        raise InputError("text", "None or an EvaluatedText", text)
    return text


def is_padded(source: Any) -> bool:
    """Whether targets of -1 are padding, which is excluded from loss, gradient and counts."""
    return bool(getattr(source, "padded", False))
