"""The training loop."""

import inspect
import logging
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from gluon_deeprnn import _checks
from gluon_deeprnn.devices import Context, Contexts, as_contexts, try_all_gpus
from gluon_deeprnn.distributed import ALONE, Workers
from gluon_deeprnn.errors import Described, InputError
from gluon_deeprnn.models.language_model import check_language_model
from gluon_deeprnn.models.weights import set_parameters
from gluon_deeprnn.training.averaging import Averaging
from gluon_deeprnn.training.callback import Callback
from gluon_deeprnn.training.diagnosis import Diagnosis
from gluon_deeprnn.training.interrupts import Interrupts, interrupts
from gluon_deeprnn.training.objective import Objective
from gluon_deeprnn.training.optimizer import AnyOptimizer, Optimizer, check_optimizer
from gluon_deeprnn.training.progress import Progress, Silence
from gluon_deeprnn.training.schedules import Schedule
from gluon_deeprnn.training.session import NotFiniteError, Session
import numpy

_log = logging.getLogger(__name__)

_WITHOUT_EFFECT = {"lazy_update", "multi_precision"}
"""Options of MXNet's optimizers for sparse gradients, and for parameters in half precision."""

_INSTEAD = {"lr": "pass lr to Trainer; schedule and warmup change it during a training",
            "learning_rate": "pass lr to Trainer; schedule and warmup change it during a training",
            "stop": "trainer.stop() ends the training"}


class Trainer:
    """Trains a language model on the batches of a text.

    Each step computes the loss in one hybridized graph, runs the backward pass, clips the gradients and updates the
    parameters with a Gluon optimizer.  The host does not wait for a step: it runs up to eight steps ahead.

    If the loss or the gradients are NaN or infinite, training is rolled back to the end of the previous epoch, or to
    the checkpoint from which this epoch was resumed, and the learning rate is halved, up to five times.

    A trainer is configured by its arguments only: its attributes cannot be set.

    Parameters
    ----------
    max_epochs : int
        Number of epochs, at least 1.
    num_gpus : int, default 0
        0 for the CPU; else the number of GPUs that share the columns of each batch.  If there are fewer, those are
        used, or the CPU, with a warning in the log.
    gradient_clip_val : float, default 0
        The maximum global norm of the gradients; 0 for no clipping.
    clip_value : float, default 0
        The maximum absolute value of each element of the gradients, before their norm is clipped; 0 for no clipping.
    optimizer : str or mxnet.optimizer.Optimizer, default "sgd"
        One of MXNet's optimizers sgd, nag, adam, adamax, nadam, rmsprop, adagrad, adadelta, ftml, ftrl, lamb and
        signum, or adamw (`gluon_deeprnn.training.adamw.AdamW`), or an optimizer object, which is copied for each
        training.
    lr : float, optional
        Learning rate; default: ``learning_rate`` of ``optimizer_params``, else that of the optimizer object, else that
        of the model.
    optimizer_params : mapping, optional
        Further options of the optimizer, such as ``{'momentum': 0.9}`` or ``{'wd': 1e-4}``.
    decay_biases : bool, default False
        Whether weight decay (``wd``) applies to biases, normalisations and learned initial states, too.
    schedule : {"constant", "cosine", "step", "plateau"}, default "constant"
        Learning rate schedule; see `gluon_deeprnn.training.schedules.Schedule`.
    lr_factor : float, default 0.5
        Factor of the schedules ``step`` and ``plateau``.
    lr_epochs : int, default 10
        Number of epochs of the schedules ``step`` and ``plateau``.
    warmup : int, default 0
        Number of steps in which the learning rate, with any schedule, is increased linearly from almost 0.
    patience : int, default 0
        Early stopping: stop after this number of epochs without a new best validation perplexity, and restore the best
        parameters; 0 trains for all epochs.
    label_smoothing : float in [0, 1), default 0
        Share of each target that is distributed equally among all tokens in the loss that is minimized.
    ar, tar : float, default 0
        Weights of penalties on the outputs of the last recurrent layer, their mean square and the mean square of their
        differences from step to step; see `gluon_deeprnn.training.objective.Objective`.
    averaging : float in [0, 1), default 0
        Decay of an exponential moving average of the parameters, such as 0.998; 0 for none.  The averages are evaluated
        after each epoch, and are what the model has between epochs and in the end; the steps use the current values.
        See `gluon_deeprnn.training.averaging.Averaging`.
    asgd : int, default 0
        The same with the uniform average since the validation perplexity has not improved for this number of epochs.
    ctx : str, mxnet.context.Context or sequence of these, optional
        ``cpu``, ``gpu``, ``gpu(1)`` or ``auto``, instead of ``num_gpus``; or several that share the columns of each
        batch, such as ``gpu(0),gpu(1)``: their gradients are summed, then clipped by their joint norm.
    seed : int, default 0
        Seed of the dropout masks.  (The model has its own initial weights, the data its own order of batches.)
    hybridize : bool, default True
        False interprets the model operator by operator, for debugging: the same results, but slower.
    progress : bool, default True
        Show a progress bar on a terminal, otherwise one line per epoch.
    callbacks : sequence of Callback, optional
        Callbacks; see `gluon_deeprnn.training.Callback`.
    workers : Workers, default ALONE
        The processes that train the model together, as ``gluon-deeprnn launch`` starts them; see
        `gluon_deeprnn.distributed.joined`.  Each computes the gradients of its columns of every batch.

    Attributes
    ----------
    history : list of dict
        One row per epoch: epoch, train_ppl (computed during training), val_ppl, tokens_per_second, lr, gradient_norm
        (mean over the steps, before clipping), clipped (fraction of the steps with clipped gradients),
        layer_gradient_norms (by layer, one number per step, at most 100), seconds (of the steps, with the callbacks
        between them, and of the validation; of a resumed epoch the sum over all sessions, of one that was rolled back
        without the steps that were lost).  Except for batch sources of your
        own, each row also has the perplexities of simple models on the validation data, unigram_ppl, ngram_ppl and
        ngram_order; see `gluon_deeprnn.evaluation.references`.  For several texts that are read apart also
        val_ppl_by_source (by the name of the text).
    improved : bool
        Whether the last epoch has the best validation perplexity so far.

    Raises
    ------
    ValueError
        "max_epochs must be a positive integer; got 0", and similar messages for other arguments, and for those that
        would have no effect.

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

    def __init__(self, max_epochs: int, num_gpus: int = 0, gradient_clip_val: float = 0, *,
                 clip_value: float = 0, optimizer: AnyOptimizer = "sgd", lr: Optional[float] = None,
                 optimizer_params: Optional[Mapping[str, Any]] = None, decay_biases: bool = False,
                 schedule: str = "constant",
                 lr_factor: float = 0.5, lr_epochs: int = 10, warmup: int = 0,
                 patience: int = 0, label_smoothing: float = 0, ar: float = 0, tar: float = 0, averaging: float = 0,
                 asgd: int = 0, ctx: Optional[Contexts] = None, seed: int = 0, hybridize: bool = True,
                 progress: bool = True, callbacks: Sequence[Callback] = (), workers: Workers = ALONE) -> None:
        if not isinstance(workers, Workers):
            raise InputError("workers", "the workers of this process, as joined() returns them", workers)
        self._workers, self.max_epochs = workers, _checks.integer("max_epochs", max_epochs, at_least=1)
        self.gradient_clip_val = _checks.not_negative("gradient_clip_val", gradient_clip_val)
        self.clip_value = _checks.not_negative("clip_value", clip_value)
        self.optimizer, self.decay_biases = optimizer, decay_biases
        self.optimizer_params = check_optimizer(optimizer, optimizer_params, decay_biases)
        self.lr = self._learning_rate(lr)
        self._schedule = Schedule(schedule, 1.0, max_epochs, lr_factor, lr_epochs, warmup)
        self.patience = _checks.integer("patience", patience, at_least=0)
        self._objective = Objective(label_smoothing, ar, tar)
        self._averaging = Averaging(averaging, asgd)
        num_gpus = _checks.integer("num_gpus", num_gpus, at_least=0)
        if ctx is not None and num_gpus:
            raise InputError("num_gpus", "omitted with ctx", num_gpus, "ctx says which contexts are used")
        self.contexts = as_contexts("cpu" if ctx is None else ctx)
        if num_gpus:
            self.contexts = try_all_gpus()[:num_gpus]
            if len(self.contexts) < num_gpus or self.contexts[0].device_type == "cpu":
                _log.warning("num_gpus is %d: training on %s, since MXNet can use no more here", num_gpus,
                             ", ".join(map(str, self.contexts)))
        self.seed = _checks.integer("seed", seed, at_least=0)
        self.hybridize = _checks.flag("hybridize", hybridize)
        self.progress = _checks.flag("progress", progress) and workers.rank == 0
        self.callbacks = _checks.sequence("callbacks", callbacks, Callback, "a sequence of Callback")
        self._session: Optional[Session] = None

    def _learning_rate(self, lr: Optional[float]) -> Optional[float]:
        """The learning rate that the arguments give, as to a trainer of Gluon; None for that of the model."""
        for name in _WITHOUT_EFFECT & self.optimizer_params.keys():
            raise InputError(f"optimizer_params[{name!r}]", "omitted, since gradients are dense and in float32",
                             self.optimizer_params[name])
        of_options = self.optimizer_params.pop("learning_rate", None)
        if of_options is not None and lr is not None:
            raise InputError("lr", "omitted with optimizer_params['learning_rate']", lr)
        if of_options is not None:
            return _checks.positive("optimizer_params['learning_rate']", of_options)
        if lr is not None:
            return _checks.positive("lr", lr)
        if not isinstance(self.optimizer, str):
            return _checks.positive("optimizer.learning_rate", self.optimizer.learning_rate)
        return None

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute in the constructor, or one of a subclass; refuse others, which would have no effect."""
        known = inspect.signature(Trainer).parameters
        ours = type(self) is Trainer or name in known or hasattr(Trainer, name) or name == "contexts"
        if ours and "_session" in vars(self) and not name.startswith("_"):
            raise InputError(f"trainer.{name}", "left as it is, since setting it has no effect", value, _INSTEAD.get(
                name, f"pass {name} to Trainer" if name in known else _checks.did_you_mean(name, known)))
        super().__setattr__(name, value)

    def fit(self, model: Any, data: Any, *, resume: Optional[Tuple[Mapping[str, numpy.ndarray], Any]] = None,
            ) -> List[Dict[str, Any]]:
        """Train ``model`` on ``data``.

        Parameters
        ----------
        model : RNNLM or RNNLMScratch
            The model; training starts from its current parameters.
        data : TextData
            The data, with the batch sources ``train_dataloader()`` and ``val_dataloader()``.
        resume : optional
            A checkpoint returned by `checkpoint`, from which training is resumed; it is not changed.

        Returns
        -------
        list of dict
            The history.

        Raises
        ------
        ValueError
            For an invalid argument, a checkpoint of another training, and one without the best parameters so far, if
            ``patience`` needs them: "patience must be 0 for a checkpoint that does not have the best parameters; ...".
        KeyboardInterrupt
            After Ctrl-C, after the callbacks were called; the model keeps its current parameters.
        DivergedError
            If loss or gradients are not finite, at lower learning rates either; model and history are then those of
            the last finite epoch.
        """
        _check_fit(model, data, resume)
        self._objective.check(model)
        session = self._begin(model, data)
        if resume is not None:
            session.restore(*resume)
        callbacks = [Diagnosis(), *self.callbacks]
        at = session.at
        shown = Progress(self.max_epochs, len(session.train), at.epoch, at.batch) if self.progress else Silence()
        try:
            with interrupts() as asked:
                while session.at.epoch < self.max_epochs and not self._out_of_patience():
                    try:
                        if not self._fit_epoch(session, callbacks, asked, shown):
                            break
                    except NotFiniteError:
                        session.roll_back()
                        continue
                    row = self.history[-1]
                    shown.epoch(row["epoch"], f"perplexity {row['train_ppl']:.2f} training, {row['val_ppl']:.2f} "
                                f"validation; {row['tokens_per_second']:,.0f} tokens/s")
                    for callback in callbacks:
                        callback.on_epoch_end(self)
        finally:
            shown.close()
        session.show_averages()
        if session.best_parameters:
            set_parameters(model, session.best_parameters)
        return self.history

    def _fit_epoch(self, session: Session, callbacks: Sequence[Callback], asked: Interrupts, shown: Progress) -> bool:
        """Train for the rest of the epoch; return False if the training ends before, since a callback asked for it."""
        for x, y in session.batches():
            if session.can_pause:
                interrupted, stopping = session.pause(interrupted=asked.asked())
                if interrupted or stopping:
                    session.halt()
                if interrupted:
                    for callback in callbacks:
                        callback.on_interrupt(self)
                    self._workers.stopping = True
                    raise KeyboardInterrupt
                if stopping:
                    return False
                for callback in callbacks:
                    callback.on_pause(self)
            shown.at(session.at.epoch, session.at.batch)
            session.step(x, y)
            asked.began = True
        session.end_epoch()
        shown.at(session.at.epoch, 0)
        return True

    def _begin(self, model: Any, data: Any) -> Session:
        model.collect_params().reset_ctx(self.contexts)
        optimizer = Optimizer(dict(model.named_parameters()), self.optimizer, self.optimizer_params,
                              self.gradient_clip_val, self.clip_value, decay_biases=self.decay_biases)
        schedule = self._schedule.at(model.lr if self.lr is None else self.lr)
        self._session = Session(model, data, optimizer, schedule, self._averaging, self._objective,
                                contexts=self.contexts, seed=self.seed, hybridize=self.hybridize,
                                keep_best=self.patience > 0, workers=self._workers)
        return self._session

    def _out_of_patience(self) -> bool:
        if not self.patience or not self.history:
            return False
        best = min(self.history, key=lambda row: row["val_ppl"])
        return len(self.history) - best["epoch"] >= self.patience

    @property
    def ctx(self) -> Context:
        """The first context: that of the evaluation."""
        return self.contexts[0]

    @property
    def history(self) -> List[Dict[str, Any]]:
        """One row per completed epoch."""
        return [] if self._session is None else self._session.history

    @property
    def improved(self) -> bool:
        """Whether the last epoch has the best validation perplexity so far."""
        return self._session is not None and self._session.improved

    @property
    def model(self) -> Any:
        """The model that is trained."""
        return self._running("model").model

    def parameters(self) -> Dict[str, numpy.ndarray]:
        """The parameters by name, as NumPy arrays, for callbacks; read-only, since they are shared.

        With ``averaging`` or ``asgd`` they are the averages.

        Raises
        ------
        ValueError
            Before `fit`.
        """
        return self._running("parameters()").parameters()

    def checkpoint(self) -> Tuple[Dict[str, numpy.ndarray], Dict[str, Any]]:
        """The complete state of the training: arrays by name, and JSON about them.

        Call it in a callback.  To resume, pass it to `fit` as ``resume``, with the same model, data and options.

        Raises
        ------
        ValueError
            Before `fit`.
        """
        return self._running("checkpoint()").checkpoint()

    def stop(self) -> None:
        """End the training at the next pause, which is at most eight steps away; call it in a callback.

        Called in `Callback.on_epoch_end`, it ends the training with this epoch.  `fit` returns the history of the
        epochs that are over; from `checkpoint` the training can be resumed where it ended.

        Raises
        ------
        ValueError
            Before `fit`.
        """
        self._running("stop()").stopping = True

    def _running(self, name: str) -> Session:
        if self._session is None:
            raise InputError(name, "used after fit has started", Described("a Trainer before its first fit"))
        return self._session


def _check_fit(model: Any, data: Any, resume: Any) -> None:
    check_language_model(model)
    if not all(hasattr(data, name) for name in ("vocab", "train_dataloader", "val_dataloader")):
        raise InputError("data", "a source of batches, such as TextData", data)
    if resume is not None and (not isinstance(resume, tuple) or len(resume) != 2):
        raise InputError("resume", "a checkpoint that checkpoint() returned", resume)
    if len(data.vocab) != model.vocab_size:
        raise InputError("model", f"one for the {len(data.vocab)} tokens of data.vocab",
                         Described(f"vocab_size={model.vocab_size}"))
