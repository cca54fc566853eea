"""Averages of the parameters over the steps of a training, for evaluation and storage in place of the last values."""

import contextlib
import dataclasses
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence

from gluon_deeprnn import _checks
from gluon_deeprnn.errors import InputError
from gluon_deeprnn.models.weights import parameter_arrays, set_parameters, shapes
import mxnet
import numpy


@dataclasses.dataclass(frozen=True)
class Averaging:
    """How parameters are averaged: exponentially, uniformly from some epoch on, or not at all.

    Parameters
    ----------
    decay : float in [0, 1), default 0
        The decay of an exponential moving average; 0 for none.  After ``t`` steps the decay is at most
        ``(1 + t) / (10 + t)``, so that the average of the first epochs is not dominated by the initial values: it
        covers about the last tenth of the steps.
    asgd : int, default 0
        The uniform average over all steps after the first epoch whose validation perplexity is not below the best one
        of more than this number of epochs before it; 0 for none.

    Raises
    ------
    ValueError
        "averaging must be a number in [0, 1); got 1", "asgd must be 0 with averaging; got 5".

    Source
    ------
    Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992.  Merity, Keskar and Socher,
    "Regularizing and Optimizing LSTM Language Models", 2018 (``asgd``: non-monotonically triggered ASGD, with n = 5).

    Examples
    --------
    >>> from gluon_deeprnn.training.averaging import Averaging
    >>> [round(Averaging(decay=0.9).share(t), 2) for t in (0, 10, 100)]
    [0.9, 0.45, 0.1]
    >>> Averaging(asgd=1).begins([9.0, 8.0, 8.5, 8.5, 9.0])  # 8.5 in epoch 4 is not below 8.0 in epoch 2
    4
    """

    decay: float = 0.0
    asgd: int = 0

    def __post_init__(self) -> None:
        _checks.fraction("averaging", self.decay)
        _checks.integer("asgd", self.asgd, at_least=0)
        if self.decay and self.asgd:
            raise InputError("asgd", "0 with averaging", self.asgd)

    def begins(self, val_ppls: Sequence[float]) -> Optional[int]:
        """The number of epochs before the first step that is averaged; None if these epochs do not tell yet."""
        if self.decay:
            return 0
        for epoch, val_ppl in enumerate(val_ppls):
            if 0 < self.asgd < epoch and val_ppl > min(val_ppls[:epoch - self.asgd]):
                return epoch + 1
        return None

    def share(self, steps: int) -> float:
        """The share of the current values in the average, after this number of averaged steps."""
        if self.decay:
            return 1 - min(self.decay, (1 + steps) / (10 + steps))
        return 1 / (steps + 1)


class Averages:
    """The parameters of a model and their averages, of which the model has one at a time.

    Parameters
    ----------
    model : HybridBlock
        The model.
    averaging : Averaging
        How they are averaged.
    """

    def __init__(self, model: Any, averaging: Averaging) -> None:
        self._model, self._how = model, averaging
        self._everywhere = [[array.as_nd_ndarray() for array in parameter.list_data()]  # on each context
                            for _, parameter in model.named_parameters()]
        self._arrays = [arrays[0] for arrays in self._everywhere]
        self._others: List[Any] = []  # the averages; while these are shown, the current values
        self._first: Optional[int] = None
        self._shown = False
        self.follow([])

    def follow(self, val_ppls: Sequence[float]) -> None:
        """Begin with the current values if, after epochs with these validation perplexities, it is time to."""
        if self._first is None:
            self._first = self._how.begins(val_ppls)
            if self._first is not None:
                self._others = [array.copy() for array in self._arrays]

    def update(self, epoch: int, batch: int, batches_per_epoch: int) -> None:
        """Average the values after this step.  It does not wait for the device."""
        if self._first is None:
            return
        share = self._how.share((epoch - self._first) * batches_per_epoch + batch)
        for average, current in zip(self._others, self._arrays):
            # A step of gradient descent on (average - current)^2 / 2: one operator, twice as fast as multi_sgd_update.
            mxnet.nd.sgd_update(average, current, out=average, lr=-share, wd=-1.0)

    def show(self) -> None:
        """Let the model have the averages."""
        if not self._shown:
            self._exchange()

    def hide(self) -> None:
        """Let the model have the current values, to train on."""
        if self._shown:
            self._exchange()

    def _exchange(self) -> None:
        if self._others:
            for arrays, other in zip(self._everywhere, self._others):
                kept = arrays[0].copy()
                for array in arrays:
                    other.copyto(array)
                kept.copyto(other)
            self._shown = not self._shown

    def current(self) -> Dict[str, numpy.ndarray]:
        """The current values by name."""
        with self._as(shown=False):
            return parameter_arrays(self._model)

    def averaged(self) -> Dict[str, numpy.ndarray]:
        """The averages by name; empty if none have begun."""
        if not self._others:
            return {}
        with self._as(shown=True):
            return parameter_arrays(self._model)

    @contextlib.contextmanager
    def _as(self, *, shown: bool) -> Iterator[None]:
        before = self._shown
        (self.show if shown else self.hide)()
        try:
            yield
        finally:
            (self.show if before else self.hide)()

    def restore(self, current: Mapping[str, numpy.ndarray], averages: Mapping[str, numpy.ndarray],
                val_ppls: Sequence[float]) -> None:
        """Set the values and the averages that `current` and `averaged` returned after epochs with these perplexities.

        Raises
        ------
        ValueError
            If they are not of this model, or there are no averages where there must be, or the other way round.
        """
        first = self._how.begins(val_ppls)
        if shapes(averages) != ({} if first is None else shapes(current)):
            raise InputError("average", "one of each parameter, if they are averaged", list(averages))
        self._others, self._shown, self._first = [], False, None
        if averages:
            set_parameters(self._model, averages)
            self._others = [array.copy() for array in self._arrays]
        set_parameters(self._model, current)
        self._first = first
