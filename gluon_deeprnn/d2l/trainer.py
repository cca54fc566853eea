"""The book's trainer: for any `Module` and `DataModule`, with curves."""

import collections
import logging
import math
from typing import Any, Deque, List

from gluon_deeprnn import _checks
from gluon_deeprnn.d2l.figures import in_notebook
from gluon_deeprnn.d2l.oop import HyperParameters
from gluon_deeprnn.devices import num_gpus as _num_gpus
from gluon_deeprnn.devices import try_gpu
from gluon_deeprnn.errors import InputError
from gluon_deeprnn.training.optimizer import clip_global_norm
from gluon_deeprnn.training.progress import Progress, Silence
from mxnet import autograd, np

_log = logging.getLogger(__name__)
_STEPS_IN_FLIGHT = 8


class Trainer(HyperParameters):
    """Trains any `Module` on the batches of any `DataModule`.

    Its methods can be overridden, or replaced by `add_to_class`, as in the book.

    Parameters
    ----------
    max_epochs : int
        Number of epochs.
    num_gpus : int, default 0
        If more than 0, train on the first GPU, or on the CPU, with one warning, if there is none.
    gradient_clip_val : float, default 0
        The largest global norm of the gradients; 0 does not clip.

    Source
    ------
    Dive into Deep Learning, section "Object-Oriented Design for Implementation".
    """

    _warned = False
    _clipped: Any = None  # the model that _gradients belong to: to search its parameters takes longer than to clip them

    def __init__(self, max_epochs: int, num_gpus: int = 0, gradient_clip_val: float = 0) -> None:
        _checks.integer("max_epochs", max_epochs, at_least=1)
        _checks.integer("num_gpus", num_gpus, at_least=0)
        _checks.not_negative("gradient_clip_val", gradient_clip_val)
        self.save_hyperparameters()
        self.gpus = [try_gpu(i) for i in range(min(num_gpus, _num_gpus()))]
        if num_gpus and not self.gpus and not Trainer._warned:
            Trainer._warned = True
            _log.warning("no GPU that MXNet can use: training on the CPU")

    def prepare_data(self, data: Any) -> None:
        """Get the data loaders and the numbers of their batches."""
        self.train_dataloader = data.train_dataloader()
        self.val_dataloader = data.val_dataloader()
        self.num_train_batches = len(self.train_dataloader)
        self.num_val_batches = len(self.val_dataloader) if self.val_dataloader is not None else 0

    def prepare_model(self, model: Any) -> None:
        """Move the model to the device, and start its curves."""
        model.trainer = self
        model.board.xlim = [0, self.max_epochs]
        model.board.begin()
        model.set_scratch_params_device(self.gpus[0] if self.gpus else "cpu")
        self.model = model

    def prepare_batch(self, batch: Any) -> List[Any]:
        """Move a batch to the device."""
        return [array.as_in_ctx(self.gpus[0]) for array in batch] if self.gpus else list(batch)

    def fit(self, model: Any, data: Any) -> None:
        """Train ``model`` on ``data`` for ``max_epochs`` epochs."""
        self.prepare_data(data)
        self.prepare_model(model)
        self.optim: Any = None
        self.epoch = self.train_batch_idx = self.val_batch_idx = 0
        self._clipped = None
        self._in_flight: Deque[np.ndarray] = collections.deque()
        shown = Silence() if in_notebook() else Progress(self.max_epochs, self.num_train_batches)
        try:
            while self.epoch < self.max_epochs:
                self._shown = shown
                self.fit_epoch()
                figures = {label: points[-1].y for label, points in model.board.data.items()}
                self.epoch += 1
                shown.epoch(self.epoch, ", ".join(f"{label} {value:.3g}" for label, value in figures.items()))
                if any(math.isnan(value) for value in figures.values()):
                    raise InputError("lr", "small enough for the loss to stay finite", model.lr,
                                     f"it was not in epoch {self.epoch}")
                model.board.refresh()
        finally:
            shown.close()
        model.board.refresh(last=True)

    def fit_epoch(self) -> None:
        """Train on every training batch, then validate on every validation batch."""
        for batch in self.train_dataloader:
            batch = self.prepare_batch(batch)
            self.batch_size = len(batch[-1])
            with autograd.record():
                loss = self.model.training_step(batch)
            loss.backward()
            if self.optim is None:  # the first forward pass has completed deferred initializations
                self.optim = self.model.configure_optimizers()
            if self.gradient_clip_val > 0:
                self.clip_gradients(self.gradient_clip_val, self.model)
            self.optim.step(1)
            self.train_batch_idx += 1
            self._shown.at(0, self.train_batch_idx)
            self._in_flight.append(loss)
            if len(self._in_flight) > _STEPS_IN_FLIGHT:
                self._in_flight.popleft().wait_to_read()
        for batch in self.val_dataloader or ():
            batch = self.prepare_batch(batch)
            self.batch_size = len(batch[-1])
            self.model.validation_step(batch)
            self.val_batch_idx += 1

    def clip_gradients(self, grad_clip_val: float, model: Any) -> None:
        """Scale the gradients in place so that their global norm is at most ``grad_clip_val``."""
        if self._clipped is not model:
            self._clipped = model
            self._gradients = [array.grad for array in model.get_scratch_params() if array.grad is not None]
        clip_global_norm(self._gradients, grad_clip_val)
