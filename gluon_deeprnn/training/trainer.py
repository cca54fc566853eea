"""The training loop."""

import collections
import contextlib
import dataclasses
import logging
import math
import signal
import threading
import time
from typing import Any, Callable, Deque, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

from gluon_deeprnn import _checks
from gluon_deeprnn.devices import Context, as_context, try_gpu
from gluon_deeprnn.evaluation import MeanLoss, evaluate, on_device, perplexity
from gluon_deeprnn.models.weights import parameter_arrays, set_parameters
from gluon_deeprnn.training.diagnosis import GradientNorms, remedies, warning
from gluon_deeprnn.training.optimizer import OPTIMIZERS, Optimizer
from gluon_deeprnn.training.progress import Progress, Silence
from gluon_deeprnn.training.schedules import Schedule
import mxnet
from mxnet import autograd
import numpy

_log = logging.getLogger(__name__)

_STEPS_IN_FLIGHT = 8
_STEPS_PER_SEED = 8


class Diverged(_checks.InputError):
    """The loss is no number any more; what was best before can be had from the callbacks."""

    def __init__(self, lr: float, epoch: int, remedies: str) -> None:
        super().__init__("lr", "small enough for the loss to stay a number", lr,
                         f"it was lost in epoch {epoch}; {remedies}")


@dataclasses.dataclass
class _Position:
    """Where a training stands: everything that goes on from one step to the next, but for arrays."""

    epoch: int = 0
    batch: int = 0
    nll: float = 0.0
    num_tokens: int = 0
    seconds: float = 0.0
    gradients: Dict[str, Any] = dataclasses.field(default_factory=dict)


class Callback:
    """What a training calls while it runs; subclass and override what you need."""

    def on_epoch_end(self, trainer: "Trainer") -> None:
        """An epoch is over: its row is ``trainer.history[-1]``, and ``trainer.improved`` says if it is the best."""

    def on_interrupt(self, trainer: "Trainer") -> None:
        """Ctrl-C was pressed; `KeyboardInterrupt` is raised when this returns."""


class Trainer:
    """Trains a language model on the batches of a text.

    Each step computes the loss in one hybridized graph, goes back through it, clips the gradients by their global norm
    and lets a Gluon optimizer move the parameters.  The host never waits for a step: it runs up to eight steps ahead.

    Parameters
    ----------
    max_epochs : int
        Passes over the training batches, at least 1.
    num_gpus : int, default 0
        0 for the CPU; 1 for the first GPU, or the CPU, with a warning in the log, when there is none.
    gradient_clip_val : float, default 0
        The largest global norm of the gradients; 0 does not clip.
    optimizer : str, default "sgd"
        sgd, nag, adam, adamax, nadam, rmsprop, adagrad, adadelta, ftml, ftrl, lamb or signum: MXNet's.
    lr : float, optional
        Learning rate; the model's own when it is left out.
    optimizer_params : mapping, optional
        Further options of the optimizer, such as ``{'momentum': 0.9}`` or ``{'wd': 1e-4}``.
    schedule : {"constant", "cosine", "step", "plateau"}, default "constant"
        How the learning rate changes; see `gluon_deeprnn.training.schedules.Schedule`.
    lr_factor : float, default 0.5
        What ``step`` and ``plateau`` multiply it by.
    lr_epochs : int, default 10
        After how many epochs they do.
    patience : int, default 0
        Stop when so many epochs went by without a new best validation perplexity, and take the best parameters back;
        0 trains to the end.
    ctx : str or mxnet.context.Context, optional
        ``cpu``, ``gpu``, ``gpu(1)`` or ``auto``, instead of ``num_gpus``.
    seed : int, default 0
        Repeats what dropout draws.  (The initial weights are the model's matter, the order of the batches the data's.)
    hybridize : bool, default True
        False interprets the model step by step, for debugging: the same numbers, slowly.
    progress : bool, default True
        Show a bar on a terminal, one line an epoch elsewhere.
    callbacks : sequence of Callback, optional
        What else to do while it runs.

    Attributes
    ----------
    history : list of dict
        One row an epoch: epoch, train_ppl (as measured while training), val_ppl, tokens_per_second, lr, gradient_norm
        (mean over the steps, before clipping), clipped (share of the steps that were), layer_gradient_norms (by layer,
        one number a step, at most 100), seconds.
    improved : bool
        Whether the last epoch has the best validation perplexity so far.

    Raises
    ------
    ValueError
        "max_epochs must be a positive integer; got 0", and likewise for the others.

    Source
    ------
    Dive into Deep Learning, section "Recurrent Neural Network Implementation from Scratch", training.

    Examples
    --------
    >>> import mxnet as mx
    >>> from gluon_deeprnn import GRU, RNNLM, TextData, Trainer
    >>> from gluon_deeprnn.data import Source
    >>> mx.random.seed(1)
    >>> data = TextData([Source('fox', 'the quick brown fox ' * 40, '')], batch_size=64, num_steps=16)
    >>> model = RNNLM(GRU(num_hiddens=32), vocab_size=len(data.vocab), lr=0.02)
    >>> history = Trainer(max_epochs=8, gradient_clip_val=1, optimizer='adam', progress=False).fit(model, data)
    >>> history[0]['val_ppl'] > 2 > history[-1]['val_ppl']
    True
    """

    def __init__(self, max_epochs: int, num_gpus: int = 0, gradient_clip_val: float = 0, *, optimizer: str = "sgd",
                 lr: Optional[float] = None, optimizer_params: Optional[Mapping[str, Any]] = None,
                 schedule: str = "constant", lr_factor: float = 0.5, lr_epochs: int = 10, patience: int = 0,
                 ctx: Optional[Union[str, Context]] = None, seed: int = 0, hybridize: bool = True,
                 progress: bool = True, callbacks: Sequence[Callback] = ()) -> None:
        self.max_epochs = _checks.integer("max_epochs", max_epochs, at_least=1)
        self.gradient_clip_val = _checks.not_negative("gradient_clip_val", gradient_clip_val)
        self.optimizer = _checks.one_of("optimizer", optimizer, OPTIMIZERS)
        self.lr = None if lr is None else _checks.positive("lr", lr)
        self.optimizer_params = dict(optimizer_params or {})
        self._new_schedule: Callable[[float], Schedule] = lambda rate: Schedule(
            schedule, rate, max_epochs, lr_factor, lr_epochs)
        self._new_schedule(1.0)  # refuse bad options now, not when training begins
        self.patience = _checks.integer("patience", patience, at_least=0)
        num_gpus = _checks.integer("num_gpus", num_gpus, at_least=0)
        if num_gpus > 1:
            raise _checks.InputError("num_gpus", "0 or 1", num_gpus)
        self.ctx = as_context("cpu") if ctx is None else as_context(ctx)
        if ctx is None and num_gpus:
            self.ctx = try_gpu()
            if self.ctx.device_type == "cpu":
                _log.warning("no GPU that MXNet can use: training on the CPU")
        self.seed = _checks.integer("seed", seed, at_least=0)
        self.hybridize = _checks.flag("hybridize", hybridize)
        self.progress = _checks.flag("progress", progress)
        self.callbacks = list(callbacks)
        self.history: List[Dict[str, Any]] = []
        self.improved = False

    def fit(self, model: Any, data: Any, *, resume: Optional[Tuple[Mapping[str, numpy.ndarray], Any]] = None,
            ) -> List[Dict[str, Any]]:
        """Train ``model`` on ``data``.

        Parameters
        ----------
        model : RNNLM or RNNLMScratch
            What to train, from the parameters that it has.
        data : TextData
            Gives the batch sources: ``train_dataloader()`` and ``val_dataloader()``.
        resume : optional
            What `checkpoint` returned: go on from there.

        Returns
        -------
        list of dict
            The history.

        Raises
        ------
        KeyboardInterrupt
            After Ctrl-C, once the callbacks have had their say; the model keeps what it has learned.
        Diverged
            When the loss is no number any more.
        """
        if len(data.vocab) != model.vocab_size:
            raise _checks.InputError("model", f"one for the {len(data.vocab)} tokens of data.vocab",
                                     _checks.Described(f"vocab_size={model.vocab_size}"))
        self._prepare(model, data)
        if resume is not None:
            self._restore(*resume)
        shown = Progress(self.max_epochs, len(self._train), self._at.epoch) if self.progress else Silence()
        try:
            with _interrupts() as self._interrupted:
                while self._at.epoch < self.max_epochs and not self._out_of_patience():
                    self._fit_epoch(shown)
                    row = self.history[-1]
                    shown.epoch(row["epoch"], f"perplexity {row['train_ppl']:.2f} training, {row['val_ppl']:.2f} "
                                f"validation; {row['tokens_per_second']:,.0f} tokens/s")
                    self._warn()
                    for callback in self.callbacks:
                        callback.on_epoch_end(self)
        finally:
            shown.close()
        if self.patience:
            set_parameters(model, self._best_parameters)
        return self.history

    def _prepare(self, model: Any, data: Any) -> None:
        model.collect_params().reset_ctx(self.ctx)
        self.model = model
        self._loss = MeanLoss(model)
        self._loss.hybridize(self.hybridize)
        self._train, self._val = data.train_dataloader(), data.val_dataloader()
        self._schedule = self._new_schedule(model.lr if self.lr is None else self.lr)
        self._optimizer = Optimizer(dict(model.named_parameters()), self.optimizer, self.optimizer_params,
                                    self.gradient_clip_val)
        self._norms = GradientNorms([name for name, _ in model.named_parameters()], self.gradient_clip_val)
        self._at = _Position(gradients=self._norms.begin())
        self._warned = False
        self._state: Optional[List[Any]] = None
        self._in_flight: Deque[Tuple[Any, Any, int]] = collections.deque()
        self._best_parameters: Dict[str, numpy.ndarray] = {}
        self.history = []

    def _fit_epoch(self, shown: Progress) -> None:
        at, started = self._at, time.perf_counter()
        val_ppls = [row["val_ppl"] for row in self.history]
        for x, y in self._train.batches(at.epoch, start=at.batch):
            if at.batch % _STEPS_PER_SEED == 0:
                if self._interrupted():
                    self._stop(started)
                # MXNet cannot tell the state of its generator, so a resumed run could not go on from it.
                mxnet.random.seed(_derived_seed(self.seed, at.epoch, at.batch))
            lr = self._schedule.rate(at.epoch + at.batch / len(self._train), val_ppls)
            self._step(x, y, lr)
            at.batch += 1
            shown.batch()
        self._finish_steps(0)
        trained = at.seconds + time.perf_counter() - started
        train_ppl = perplexity(at.nll, at.num_tokens)
        val_ppl = evaluate(self._loss, self._val, device=self.ctx).perplexity
        if not math.isfinite(train_ppl) or not math.isfinite(val_ppl):
            raise Diverged(lr, at.epoch + 1, remedies(self.model, lr, self.gradient_clip_val))
        self.history.append({
            "epoch": at.epoch + 1, "train_ppl": train_ppl, "val_ppl": val_ppl,
            "tokens_per_second": at.num_tokens / trained, "lr": lr, **self._norms.row(at.gradients),
            "seconds": at.seconds + time.perf_counter() - started})
        self.improved = val_ppl < min(val_ppls, default=math.inf)
        if self.improved and self.patience:
            self._best_parameters = parameter_arrays(self.model)
        self._at, self._state = _Position(epoch=at.epoch + 1, gradients=self._norms.begin()), None

    def _step(self, x: numpy.ndarray, y: numpy.ndarray, lr: float) -> None:
        """One step: loss, gradients, clipping, update.  Nothing here waits for the device."""
        with autograd.record():
            if self._state is None or not self._train.carries_state:
                self._state = self.model.begin_state(x.shape[1], self.ctx)  # recorded, as it may be learned
            loss, state = self._loss(on_device(x, self.ctx), on_device(y, self.ctx), self._state)
        loss.backward()
        squares = self._optimizer.update(lr)
        self._state = [array.detach() for array in state]  # truncated backpropagation: no gradient across batches
        self._in_flight.append((loss, squares, x.size))
        self._finish_steps(_STEPS_IN_FLIGHT)

    def _finish_steps(self, in_flight: int) -> None:
        """Wait until no more than so many steps are under way, and book what the others gave."""
        while len(self._in_flight) > in_flight:
            loss, squares, count = self._in_flight.popleft()
            self._at.nll += float(loss.item()) * count
            self._norms.add(self._at.gradients, squares.asnumpy())
            self._at.num_tokens += count

    def _warn(self) -> None:
        """Say once what goes wrong, and what could be tried."""
        message = None if self._warned else warning(self.history, self.model, self.gradient_clip_val)
        if message:
            self._warned = True
            _log.warning("%s", message)

    def _stop(self, started: float) -> None:
        self._finish_steps(0)
        self._at.seconds += time.perf_counter() - started
        for callback in self.callbacks:
            callback.on_interrupt(self)
        raise KeyboardInterrupt

    def _out_of_patience(self) -> bool:
        if not self.patience or not self.history:
            return False
        best = min(self.history, key=lambda row: row["val_ppl"])
        return self._at.epoch - best["epoch"] >= self.patience

    def checkpoint(self) -> Tuple[Dict[str, numpy.ndarray], Dict[str, Any]]:
        """Everything that the rest of the training depends on: arrays by name, and JSON about them.

        Call it from a callback; hand it to `fit` as ``resume``, with the same model, data and options.
        """
        self._finish_steps(0)
        optimizer_arrays, optimizer_about = self._optimizer.state()
        groups = {"parameters": parameter_arrays(self.model), "optimizer": optimizer_arrays,
                  "best": self._best_parameters,
                  "state": {str(i): array.asnumpy() for i, array in enumerate(self._state or [])}}
        arrays = {f"{group}/{name}": array for group, members in groups.items() for name, array in members.items()}
        return arrays, {"position": dataclasses.asdict(self._at), "history": list(self.history),
                        "optimizer": optimizer_about}

    def _restore(self, arrays: Mapping[str, numpy.ndarray], about: Any) -> None:
        groups: Dict[str, Dict[str, numpy.ndarray]] = collections.defaultdict(dict)
        for path, array in arrays.items():
            group, name = path.split("/", 1)
            groups[group][name] = array
        set_parameters(self.model, groups["parameters"])
        self._optimizer.set_state(groups["optimizer"], about["optimizer"])
        self._best_parameters = dict(groups["best"])
        self._at = _Position(**about["position"])
        self.history = list(about["history"])
        state = [mxnet.np.array(groups["state"][name], ctx=self.ctx) for name in sorted(groups["state"], key=int)]
        self._state = state or None


def _derived_seed(*numbers: int) -> int:
    return int(numpy.random.SeedSequence(numbers).generate_state(1)[0] >> 1)


@contextlib.contextmanager
def _interrupts() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a question that the loop asks between steps; the second one stops at once."""
    pressed = threading.Event()
    if threading.current_thread() is not threading.main_thread() \
            or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield pressed.is_set  # somebody else handles it
        return

    def first(number: int, frame: Any) -> None:
        pressed.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _log.warning("stopping after a few more steps (Ctrl-C again stops at once)")

    signal.signal(signal.SIGINT, first)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
