"""Learning rate schedules."""

import dataclasses
import math
from typing import Sequence

from gluon_deeprnn import _checks
from gluon_deeprnn.errors import InputError

SCHEDULES = ("constant", "cosine", "step", "plateau")
WITH_STEPS = ("step", "plateau")
"""The schedules that have a factor and a number of epochs."""


@dataclasses.dataclass(frozen=True)
class Schedule:
    """A learning rate schedule.

    Parameters
    ----------
    name : {"constant", "cosine", "step", "plateau"}
        ``cosine`` decays to 0 along half a period; ``step`` multiplies the rate by ``factor`` every ``epochs`` epochs;
        ``plateau`` multiplies it by ``factor`` after ``epochs`` epochs without a new best validation perplexity.
    lr : float
        The initial learning rate.
    max_epochs : int
        The epoch in which ``cosine`` reaches 0.
    factor : float in (0, 1), default 0.5
    epochs : int, default 10
    warmup : int, default 0
        Number of steps in which a factor of the rate grows linearly to 1.

    Raises
    ------
    ValueError
        "lr_factor must be omitted for schedule constant; got 0.3", and similar messages for other arguments.

    Source
    ------
    Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017 (``cosine``, without restarts).
    Goyal et al., "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour", 2017 (``warmup``).

    Examples
    --------
    >>> from gluon_deeprnn.training.schedules import Schedule
    >>> Schedule('cosine', lr=2.0, max_epochs=10).rate(5.0, [])
    1.0
    >>> Schedule('plateau', lr=2.0, max_epochs=10, epochs=2).rate(4.0, [9.0, 8.0, 8.5, 8.5])
    1.0
    >>> [Schedule('constant', lr=2.0, max_epochs=10, warmup=4).warmed_up(step) for step in (0, 1, 3, 99)]
    [0.25, 0.5, 1.0, 1.0]
    """

    name: str
    lr: float
    max_epochs: int
    factor: float = 0.5
    epochs: int = 10
    warmup: int = 0

    def __post_init__(self) -> None:
        _checks.one_of("schedule", self.name, SCHEDULES)
        _checks.positive("lr", self.lr)
        _checks.integer("max_epochs", self.max_epochs, at_least=1)
        _checks.number("lr_factor", self.factor, "a number in (0, 1)", above=0, below=1)
        _checks.integer("lr_epochs", self.epochs, at_least=1)
        _checks.integer("warmup", self.warmup, at_least=0)
        if self.name not in WITH_STEPS:
            for name, value, default in (("lr_factor", self.factor, Schedule.factor),
                                         ("lr_epochs", self.epochs, Schedule.epochs)):
                if value != default:
                    raise InputError(name, f"omitted for schedule {self.name}", value,
                                     f"it is for {' and '.join(WITH_STEPS)}")

    def at(self, lr: float) -> "Schedule":
        """The same schedule with a different initial learning rate."""
        return dataclasses.replace(self, lr=lr)

    def rate(self, progress: float, val_ppls: Sequence[float]) -> float:
        """The rate after ``progress`` epochs (4.5: in the middle of the fifth), given their validation perplexities."""
        if self.name == "cosine":
            return self.lr * (1 + math.cos(math.pi * min(1.0, progress / self.max_epochs))) / 2
        if self.name == "step":
            return self.lr * self.factor ** (int(progress) // self.epochs)
        if self.name == "plateau":
            return self.lr * self.factor ** self._plateaus(val_ppls)
        return self.lr

    def warmed_up(self, step: int) -> float:
        """The factor of the rate of a step, the first of a training being step 0."""
        return min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0

    def _plateaus(self, val_ppls: Sequence[float]) -> int:
        best, waited, plateaus = math.inf, 0, 0
        for val_ppl in val_ppls:
            waited = 0 if val_ppl < best else waited + 1
            best = min(best, val_ppl)
            if waited == self.epochs:
                waited, plateaus = 0, plateaus + 1
        return plateaus
