"""The training loop."""

import collections
import dataclasses
import logging
import math
import time
from typing import Any, Callable, Deque, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from gluon_deeprnn import _checks, kernels
from gluon_deeprnn.devices import Context, as_context, try_gpu
from gluon_deeprnn.errors import Described, DivergedError, InputError
from gluon_deeprnn.evaluation import MeanLoss, evaluate, on_device, perplexity
from gluon_deeprnn.models.language_model import check_language_model
from gluon_deeprnn.models.weights import parameter_arrays, set_parameters
from gluon_deeprnn.training.callback import Callback
from gluon_deeprnn.training.checkpoint import pack, unpack
from gluon_deeprnn.training.diagnosis import GradientNorms, remedies, warning
from gluon_deeprnn.training.interrupts import interrupts
from gluon_deeprnn.training.optimizer import Optimizer, check_options
from gluon_deeprnn.training.position import Position
from gluon_deeprnn.training.progress import Progress, Silence
from gluon_deeprnn.training.schedules import Schedule
import mxnet
from mxnet import autograd
import numpy

_log = logging.getLogger(__name__)

_STEPS_IN_FLIGHT = 8
_STEPS_PER_SEED = 8
_MOST_ROLLBACKS = 5


class _Lost(Exception):  # noqa: N818
    """Loss or gradients of a step were no numbers."""


class Trainer:
    """Trains a language model on the batches of a text.

    Each step computes the loss in one hybridized graph, goes back through it, clips the gradients by their global norm
    and lets a Gluon optimizer move the parameters.  The host never waits for a step: it runs up to eight steps ahead.

    When loss or gradients stop being numbers, training goes back to the end of the epoch before, with half the learning
    rate, up to five times.

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
        self.optimizer, self.optimizer_params = optimizer, check_options(optimizer, optimizer_params)
        self.lr = None if lr is None else _checks.positive("lr", lr)
        self._new_schedule: Callable[[float], Schedule] = lambda rate: Schedule(
            schedule, rate, max_epochs, lr_factor, lr_epochs)
        self._new_schedule(1.0)  # refuse bad options now, not when training begins
        self.patience = _checks.integer("patience", patience, at_least=0)
        num_gpus = _checks.integer("num_gpus", num_gpus, at_least=0)
        if num_gpus > 1:
            raise InputError("num_gpus", "0 or 1", num_gpus)
        self.ctx = as_context("cpu") if ctx is None else as_context(ctx)
        if ctx is None and num_gpus:
            self.ctx = try_gpu()
            if self.ctx.device_type == "cpu":
                _log.warning("no GPU that MXNet can use: training on the CPU")
        self.seed = _checks.integer("seed", seed, at_least=0)
        self.hybridize = _checks.flag("hybridize", hybridize)
        self.progress = _checks.flag("progress", progress)
        self.callbacks = _checks.sequence("callbacks", callbacks, Callback, "a sequence of Callback")
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
        DivergedError
            When loss or gradients are no numbers any more, at lower learning rates neither; model and history are then
            those of the last good epoch.
        """
        check_language_model(model)
        if not all(hasattr(data, name) for name in ("vocab", "train_dataloader", "val_dataloader")):
            raise InputError("data", "a source of batches, such as TextData", data)
        if resume is not None and (not isinstance(resume, tuple) or len(resume) != 2):
            raise InputError("resume", "what checkpoint() returned", resume)
        if len(data.vocab) != model.vocab_size:
            raise InputError("model", f"one for the {len(data.vocab)} tokens of data.vocab",
                                     Described(f"vocab_size={model.vocab_size}"))
        self._prepare(model, data)
        if resume is not None:
            self._restore(*resume)
        self._good = self.checkpoint()
        shown = Progress(self.max_epochs, len(self._train), self._at.epoch) if self.progress else Silence()
        try:
            with interrupts() as self._interrupts:
                while self._at.epoch < self.max_epochs and not self._out_of_patience():
                    try:
                        self._fit_epoch(shown)
                    except _Lost:
                        self._roll_back()
                        continue
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
        self._at = Position(gradients=self._norms.begin())
        self._warned = False
        self._state: Optional[List[Any]] = None
        self._in_flight: Deque[Tuple[Any, Any, int]] = collections.deque()
        self._best_parameters: Dict[str, numpy.ndarray] = {}
        self._epoch_started = time.perf_counter()
        self.history = []

    def _fit_epoch(self, shown: Progress) -> None:
        at = self._at
        self._epoch_started = time.perf_counter() - at.seconds
        val_ppls = [row["val_ppl"] for row in self.history]
        for x, y in self._train.batches(at.epoch, start=at.batch):
            if at.batch % _STEPS_PER_SEED == 0:
                if self._interrupts.asked():
                    self._stop()
                for callback in self.callbacks:
                    callback.on_pause(self)
                # MXNet cannot tell the state of its generator, so a resumed run could not go on from it.
                mxnet.random.seed(_derived_seed(self.seed, at.epoch, at.batch))
            lr = at.lr_scale * self._schedule.rate(at.epoch + at.batch / len(self._train), val_ppls)
            self._step(x, y, lr)
            self._interrupts.began = True
            at.batch += 1
            shown.batch()
        self._finish_steps(0)
        trained = time.perf_counter() - self._epoch_started
        train_ppl = perplexity(at.nll, at.num_tokens)
        val_ppl = evaluate(self._loss, self._val, device=self.ctx).perplexity
        if not math.isfinite(train_ppl) or not math.isfinite(val_ppl):
            raise _Lost
        self.history.append({
            "epoch": at.epoch + 1, "train_ppl": train_ppl, "val_ppl": val_ppl,
            "tokens_per_second": at.num_tokens / trained, "lr": lr, **self._norms.row(at.gradients),
            "seconds": time.perf_counter() - self._epoch_started})
        self.improved = val_ppl < min(val_ppls, default=math.inf)
        if self.improved and self.patience:
            self._best_parameters = parameter_arrays(self.model)
        self._at = Position(at.epoch + 1, gradients=self._norms.begin(), lr_scale=at.lr_scale, rollbacks=at.rollbacks)
        self._state = None
        self._good = self.checkpoint()

    def _step(self, x: numpy.ndarray, y: numpy.ndarray, lr: float) -> None:
        """One step: loss, gradients, clipping, update.  Nothing here waits for the device."""
        with autograd.record():
            if self._state is None or not self._train.carries_state:
                self._state = self.model.begin_state(x.shape[1], self.ctx)  # recorded, as it may be learned
            loss, state = self._loss(on_device(x, self.ctx, self.model.vocab_size),
                                     on_device(y, self.ctx, self.model.vocab_size), self._state)
        loss.backward()
        squares = self._optimizer.update(lr)
        self._state = [array.detach() for array in state]  # truncated backpropagation: no gradient across batches
        self._in_flight.append((loss, squares, x.size))
        self._finish_steps(_STEPS_IN_FLIGHT)

    def _finish_steps(self, in_flight: int) -> None:
        """Wait until no more than so many steps are under way, and book what the others gave."""
        while len(self._in_flight) > in_flight:
            loss, squares, count = self._in_flight.popleft()
            mean, squares = float(loss.item()), squares.asnumpy()
            if not math.isfinite(mean) or not numpy.isfinite(squares).all():
                raise _Lost
            self._at.nll += mean * count
            self._norms.add(self._at.gradients, squares)
            self._at.num_tokens += count

    def _warn(self) -> None:
        """Say once what goes wrong, and what could be tried."""
        message = None if self._warned else warning(self.history, self.model, self.gradient_clip_val)
        if message:
            self._warned = True
            _log.warning(message)

    def _roll_back(self) -> None:
        """Go back to where all was well, with a lower learning rate; give up when that has not helped often enough."""
        lost = self._at
        lr = lost.lr_scale * self._schedule.lr
        self._in_flight.clear()
        self._restore(*self._good)
        if lost.rollbacks == _MOST_ROLLBACKS:
            raise DivergedError(lr, lost.epoch + 1, _MOST_ROLLBACKS, remedies(self.model, lr, self.gradient_clip_val))
        self._at.lr_scale, self._at.rollbacks = lost.lr_scale / 2, lost.rollbacks + 1
        _log.warning("loss or gradients were no numbers in epoch %d: back to the end of epoch %d, learning rate %g",
                     lost.epoch + 1, self._at.epoch, lr / 2)

    def _stop(self) -> None:
        self._finish_steps(0)
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
        if self._at.batch:
            self._at.seconds = time.perf_counter() - self._epoch_started
        carried = self._state or [] if self._train.carries_state else []
        optimizer_arrays, optimizer_about = self._optimizer.state()
        arrays = pack(parameters=parameter_arrays(self.model), optimizer=optimizer_arrays, best=self._best_parameters,
                      state={str(i): array.asnumpy() for i, array in enumerate(carried)})
        return arrays, {"position": dataclasses.asdict(self._at), "history": list(self.history),
                        "optimizer": optimizer_about, **kernels.arithmetic()}

    def _restore(self, arrays: Mapping[str, numpy.ndarray], about: Any) -> None:
        """Take over what `checkpoint` returned, once all of it is known to fit."""
        try:
            groups, position, history = unpack(arrays, about, len(self._train), self._norms, self._state_shapes())
            set_parameters(self.model, groups["parameters"])
            self._optimizer.set_state(groups["optimizer"], about["optimizer"])
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise InputError("checkpoint", "one of this training",
                                     Described(f"{type(error).__name__}: {error}")) from None
        self._best_parameters, self._at, self.history = groups["best"], position, history
        state = [mxnet.np.array(groups["state"][name], ctx=self.ctx) for name in sorted(groups["state"], key=int)]
        self._state = state or None
        for name, now in kernels.arithmetic().items():
            if about.get(name) != now:
                _log.warning("the checkpoint was written with %s %s, now it is %s: the last digits of the result may "
                             "differ from those of a run without a stop", name, about.get(name), now)

    def _state_shapes(self) -> Dict[str, Tuple[int, ...]]:
        """Of the state that is carried over; only streams do that, whose batches are all of one size."""
        state = self.model.begin_state(self._train.batch_size) if self._train.carries_state else []
        return {str(i): array.shape for i, array in enumerate(state)}


def _derived_seed(*numbers: int) -> int:
    return int(numpy.random.SeedSequence(numbers).generate_state(1)[0] >> 1)
