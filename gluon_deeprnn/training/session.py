"""One training: its steps, its progress, its checkpoints."""

import collections
import contextlib
import logging
import math
import time
from typing import Any, Deque, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from gluon_deeprnn import kernels
from gluon_deeprnn.data.batches import continues, is_padded
from gluon_deeprnn.devices import Context
from gluon_deeprnn.distributed import ALONE, Workers
from gluon_deeprnn.errors import Described, DivergedError, InputError
from gluon_deeprnn.evaluation import MeanLoss, evaluate, perplexity
from gluon_deeprnn.models.weights import parameter_arrays, set_parameters
from gluon_deeprnn.training.averaging import Averages, Averaging
from gluon_deeprnn.training.checkpoint import copied, members, pack, unpack
from gluon_deeprnn.training.diagnosis import GradientNorms, remedies
from gluon_deeprnn.training.history import BY_SOURCE, compared_with
from gluon_deeprnn.training.objective import Objective, ObjectiveLoss
from gluon_deeprnn.training.optimizer import Measured, Optimizer
from gluon_deeprnn.training.position import Position
from gluon_deeprnn.training.replicas import Replicas, Shares
from gluon_deeprnn.training.schedules import Schedule
import numpy

_log = logging.getLogger(__name__)

_STEPS_IN_FLIGHT = 8
_STEPS_PER_SEED = 8
_MOST_ROLLBACKS = 5

Checkpoint = Tuple[Dict[str, numpy.ndarray], Dict[str, Any]]


class NotFiniteError(Exception):
    """The loss or a gradient of a step was NaN or infinite."""


class Session:
    """The training of one model on one data set.

    Parameters
    ----------
    model : RNNLM or RNNLMScratch
        The model.
    data : TextData
        The data, with ``train_dataloader()`` and ``val_dataloader()``.
    optimizer : Optimizer
        The optimizer of the parameters.
    schedule : Schedule
        The learning rate schedule.
    averaging : Averaging
        How the parameters are averaged.
    objective : Objective
        What is minimized.
    contexts : sequence of mxnet.context.Context
        The contexts of the parameters; the model is evaluated on the first.
    seed : int
        Seed of the dropout masks.
    hybridize : bool
        Whether model and loss are compiled.
    keep_best : bool
        Whether to store the best parameters so far.
    workers : Workers, default ALONE
        The processes that train the model together.  All run the same steps and have the same history; the first one
        evaluates.
    """

    def __init__(self, model: Any, data: Any, optimizer: Optimizer, schedule: Schedule, averaging: Averaging,
                 objective: Objective, *, contexts: Sequence[Context], seed: int, hybridize: bool, keep_best: bool,
                 workers: Workers = ALONE) -> None:
        self.model, self.optimizer, self.schedule = model, optimizer, schedule
        self._ctx, self._keep_best, self._workers = contexts[0], keep_best, workers
        if workers.size > 1:
            set_parameters(model, workers.share_arrays(parameter_arrays(model)))
            self._compare_workers("at the start")
        self._loss = MeanLoss(model)
        minimized = self._loss if objective.is_plain else ObjectiveLoss(model, objective)
        for block in (self._loss, minimized):
            block.hybridize(hybridize)
        self._averages = Averages(model, averaging)
        self.train, self._val = data.train_dataloader(), data.val_dataloader()
        self._replicas = Replicas(model, minimized, contexts, seed=seed, padded=is_padded(self.train),
                                  workers=workers)
        self._compared = compared_with(self.train, self._val, model.vocab_size)
        self._norms = GradientNorms([name for name, _ in model.named_parameters()], optimizer.clip,
                                    optimizer.clip_value)
        self.at = Position(gradients=self._norms.begin())
        self.history: List[Dict[str, Any]] = []
        self._val_ppls: List[float] = []
        self.stopping = False
        self.best_parameters: Dict[str, numpy.ndarray] = {}
        self._in_flight: Deque[Tuple[Shares, Measured]] = collections.deque()
        self._since: Optional[float] = None  # while an epoch is trained: when this part of it began
        self._snapshot: Optional[Dict[str, numpy.ndarray]] = None
        self._carried: Optional[List[numpy.ndarray]] = None
        self._optimizer_about: Dict[str, Any] = {}
        self._good = self.checkpoint()

    def batches(self) -> Iterator[Tuple[numpy.ndarray, numpy.ndarray]]:
        """The remaining batches of the current epoch, whose time runs from now on."""
        self._since = time.perf_counter()
        return self.train.batches(self.at.epoch, start=self.at.batch)

    @property
    def _seconds(self) -> float:
        """How long the current epoch has been trained, in all sessions."""
        return self.at.seconds + (0.0 if self._since is None else time.perf_counter() - self._since)

    def halt(self) -> None:
        """Wait for the pending steps, and stop the time of the epoch.

        Raises
        ------
        NotFiniteError
            If a loss or a gradient is not finite.
        """
        self._wait(0)
        self.at.seconds, self._since = self._seconds, None

    def show_averages(self) -> None:
        """Let the model have the averages of the parameters, if there are any, until the next step."""
        self._averages.show()

    @property
    def improved(self) -> bool:
        """Whether the last epoch has the best validation perplexity so far."""
        return is_best(self._val_ppls)

    @property
    def can_pause(self) -> bool:
        """Whether a checkpoint is exact before the next step.

        The state of MXNet's random generator cannot be read, so the generator is seeded again every eight steps.
        """
        return self.at.batch % _STEPS_PER_SEED == 0

    def pause(self, *, interrupted: bool) -> Tuple[bool, bool]:
        """Collect what a checkpoint needs of all workers; whether any of them was interrupted, and is ``stopping``.

        Several workers wait for the pending steps here: if one alone did so later, for a checkpoint, it alone would
        notice a loss that is not finite.
        """
        if self._workers.size > 1:
            self._wait(0)
            if self._continues:
                self._carried = self._replicas.state()
        asked = self._workers.total("asked", numpy.array([interrupted, self.stopping], dtype="float32"))
        return bool(asked[0]), bool(asked[1])

    def step(self, x: numpy.ndarray, y: numpy.ndarray) -> None:
        """Run one step: loss, backward pass, clipping, update.  It does not wait for the device."""
        self._snapshot = self._carried = None
        if self._since is None:
            self._since = time.perf_counter()
        self._averages.hide()
        at = self.at
        if self.can_pause:
            self._replicas.draw_masks(at.epoch, at.batch)
        loss = self._replicas.backward(x, y, carried=self._continues)
        measured = self.optimizer.update(self._learning_rate(at.batch))
        self._replicas.copy_parameters()
        self._averages.update(at.epoch, at.batch, len(self.train))
        self._in_flight.append((loss, measured))
        self._wait(_STEPS_IN_FLIGHT)
        at.batch += 1

    @property
    def _continues(self) -> bool:
        """Whether the next batch begins with the state that the last one has left."""
        return continues(self.train, self.at.epoch, self.at.batch)

    def _learning_rate(self, batch: int) -> float:
        """The learning rate of a step of the current epoch."""
        num_batches = len(self.train)
        rate = self.schedule.rate(self.at.epoch + batch / num_batches, self._val_ppls)
        return self.at.lr_scale * rate * self.schedule.warmed_up(self.at.epoch * num_batches + batch)

    def _wait(self, in_flight: int) -> None:
        """Wait until at most ``in_flight`` steps are pending, and accumulate the results of the completed steps."""
        while len(self._in_flight) > in_flight:
            loss, measured = self._in_flight.popleft()
            with self._workers.waiting():
                mean, squares = loss.mean(), measured.squares.asnumpy()
                largest = 0.0 if measured.largest is None else float(measured.largest.asnumpy())
            if not math.isfinite(mean) or not numpy.isfinite(squares).all():
                raise NotFiniteError
            self.at.nll += mean * loss.num_targets
            self._norms.add(self.at.gradients, squares, largest)
            self.at.num_tokens += loss.num_targets

    def end_epoch(self) -> Dict[str, Any]:
        """Evaluate on the validation data, and return the epoch's row of the history.

        If parameters are averaged, the averages are evaluated, and the model has them until the next step.

        Raises
        ------
        NotFiniteError
            If a loss or a gradient of the epoch was not finite.
        """
        at = self.at
        self._wait(0)
        trained = self._seconds
        lr = self._learning_rate(at.batch - 1)
        train_ppl = perplexity(at.nll, at.num_tokens)
        self._compare_workers(f"after epoch {at.epoch + 1}")
        self._averages.show()
        val_ppl, by_source = self._evaluated()
        if not math.isfinite(train_ppl) or not math.isfinite(val_ppl):
            raise NotFiniteError
        row = {
            "epoch": at.epoch + 1, "train_ppl": train_ppl, "val_ppl": val_ppl,
            **self._compared, "tokens_per_second": at.num_tokens / trained, "lr": lr, **self._norms.row(at.gradients),
            "seconds": self._seconds,
            **({BY_SOURCE: by_source} if by_source else {})}
        self.history.append(self._workers.share_json(row))
        self._val_ppls.append(val_ppl)
        self._averages.follow(self._val_ppls)
        self.at = Position(at.epoch + 1, gradients=self._norms.begin(), lr_scale=at.lr_scale, rollbacks=at.rollbacks)
        self._since = None
        self._replicas.set_state([])
        self._snapshot = self._carried = None
        if self.improved and self._keep_best:
            self.best_parameters = self.parameters()
        self._good = self.checkpoint()
        return self.history[-1]

    def _evaluated(self) -> Tuple[float, Dict[str, float]]:
        """The perplexity of the validation data, and of each source, as the first worker evaluates them."""
        if self._workers.rank:
            val_ppl, by_source = self._workers.share_json()
        else:
            found = evaluate(self._loss, self._val, device=self._ctx)
            of_sources = {name: each.perplexity for name, each in found.by_source.items()}
            val_ppl, by_source = self._workers.share_json([found.perplexity, of_sources])
        return val_ppl, by_source

    def _compare_workers(self, when: str) -> None:
        """Check that all workers have the same parameters; those that differ by rounding are replaced."""
        if self._workers.size > 1:
            of_first = self._workers.same(parameter_arrays(self.model), when)
            if of_first is not None:
                set_parameters(self.model, of_first)

    def roll_back(self) -> None:
        """Restore the last finite state, and halve the learning rate.

        It is that at the end of the last epoch, or at the checkpoint from which this epoch was resumed.

        Raises
        ------
        DivergedError
            After five rollbacks.
        """
        lost, lr = self.at, self.at.lr_scale * self.schedule.lr
        self._in_flight.clear()
        self.restore(*self._good)
        if lost.rollbacks == _MOST_ROLLBACKS:
            clip = max(self.optimizer.clip, self.optimizer.clip_value)
            raise DivergedError(lr, lost.epoch + 1, _MOST_ROLLBACKS, remedies(self.model, lr, clip))
        self.at.lr_scale, self.at.rollbacks = lost.lr_scale / 2, lost.rollbacks + 1
        _log.warning("loss or gradients not finite in epoch %d: rolled back to %s, learning rate %g", lost.epoch + 1,
                     self.at, lr / 2)

    def parameters(self) -> Dict[str, numpy.ndarray]:
        """The parameters by name, or their averages if there are any; copied only once between two steps."""
        arrays = self._arrays()
        return members(arrays, "average") or members(arrays, "parameters")

    def checkpoint(self) -> Checkpoint:
        """The complete state of the training: read-only arrays by name, and JSON about them, a copy."""
        self._wait(0)
        arrays = {**self._arrays(), **pack(best=self.best_parameters)}
        about = copied({"position": {**vars(self.at), "seconds": self._seconds}, "history": self.history,
                        "optimizer": self._optimizer_about})
        return arrays, {**about, **kernels.arithmetic()}

    def _arrays(self) -> Dict[str, numpy.ndarray]:
        if self._snapshot is None:
            carried = self._carried
            if carried is None:
                carried = self._replicas.state() if self._continues else []
            optimizer_arrays, self._optimizer_about = self.optimizer.state()
            self._snapshot = pack(parameters=self._averages.current(), average=self._averages.averaged(),
                                  optimizer=optimizer_arrays,
                                  state={str(i): array for i, array in enumerate(carried)})
            _freeze(self._snapshot)
        return self._snapshot

    def restore(self, arrays: Mapping[str, numpy.ndarray], about: Any) -> None:
        """Validate and restore a checkpoint that `checkpoint` returned; it is not changed, here or later.

        Raises
        ------
        ValueError
            If it is not a checkpoint of this training, or lacks the best parameters where they are needed.
        """
        with _of_this_training():
            groups, position, history = unpack(arrays, about, len(self.train), self._norms, self._state_shapes)
            val_ppls = [row["val_ppl"] for row in history]
        best = self._best_of(groups, position, val_ppls)
        with _of_this_training():
            self._averages.restore(groups["parameters"], groups["average"], val_ppls)
            self.optimizer.set_state(groups["optimizer"], about["optimizer"])
        self._snapshot = self._carried = self._since = None
        self.best_parameters, self.at, self.history, self._val_ppls = best, position, history, val_ppls
        self._replicas.set_state([groups["state"][name] for name in sorted(groups["state"], key=int)])
        if not self.at.batch:
            self._averages.show()
        self._good = self.checkpoint()
        for name, now in kernels.arithmetic().items():
            if about.get(name) != now:
                _log.warning("the checkpoint was written with %s %s; it is now %s: results can differ by rounding from "
                             "those of an uninterrupted run", name, about.get(name), now)

    def _best_of(self, groups: Mapping[str, Mapping[str, numpy.ndarray]], at: Position,
                 val_ppls: Sequence[float]) -> Dict[str, numpy.ndarray]:
        """The best parameters so far of a checkpoint, if this training needs them."""
        if not self._keep_best or not val_ppls:
            return {}
        found = groups["best"]
        if not found:  # of a training without patience
            if at.batch or not is_best(val_ppls):
                best = val_ppls.index(min(val_ppls)) + 1
                raise InputError("patience", "0 for a checkpoint that does not have the best parameters", Described(
                    f"one at {at}, whose best epoch is {best}"))
            found = groups["average"] or groups["parameters"]
        return _freeze({name: array.copy() for name, array in found.items()})

    def _state_shapes(self, at: Position) -> Dict[str, Tuple[int, ...]]:
        """The shapes of the state that is carried over to the next batch, if one is."""
        carried = continues(self.train, at.epoch, at.batch)
        state = self.model.begin_state(self.train.batch_size) if carried else []
        return {str(i): array.shape for i, array in enumerate(state)}


def is_best(val_ppls: Sequence[float]) -> bool:
    """Whether the last of the validation perplexities is below all others."""
    return bool(val_ppls) and val_ppls[-1] < min(val_ppls[:-1], default=math.inf)


def _freeze(arrays: Dict[str, numpy.ndarray]) -> Dict[str, numpy.ndarray]:
    """Make arrays read-only, which checkpoints, callbacks and rollbacks share."""
    for array in arrays.values():
        array.flags.writeable = False
    return arrays


@contextlib.contextmanager
def _of_this_training() -> Iterator[None]:
    """Turn errors about the content of a checkpoint into one that says that it is of another training."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise InputError("checkpoint", "one of this training", Described(f"{type(error).__name__}: {error}")) from None
