"""The base class of callbacks, which are called during training."""

from typing import Any, Dict, List, Protocol, Tuple

import numpy


class Training(Protocol):
    """What a callback can read of the trainer that calls it; `gluon_deeprnn.Trainer` has it."""

    gradient_clip_val: float
    clip_value: float

    @property
    def history(self) -> List[Dict[str, Any]]:
        """One row for each epoch that is over."""

    @property
    def improved(self) -> bool:
        """Whether the last epoch has the best validation perplexity so far."""

    @property
    def model(self) -> Any:
        """What is trained."""

    def parameters(self) -> Dict[str, numpy.ndarray]:
        """The parameters by name, or their averages if the trainer averages them."""

    def checkpoint(self) -> Tuple[Dict[str, numpy.ndarray], Dict[str, Any]]:
        """Everything that the rest of the training depends on."""

    def stop(self) -> None:
        """End the training at the next pause."""


class Callback:
    """Base class of callbacks, whose methods are called during training; override those that you need.

    Callbacks are called in the order in which they were passed to `gluon_deeprnn.Trainer`.  They can read
    ``trainer.history``, ``trainer.improved``, ``trainer.model``, ``trainer.parameters()`` and
    ``trainer.checkpoint()``, and end the training by ``trainer.stop()``; an exception ends it too, and `fit` raises it.
    Attributes of the trainer cannot be set.

    Examples
    --------
    Stop as soon as a perplexity is reached:

    >>> from gluon_deeprnn import GRU, RNNLM, TextData, Trainer
    >>> from gluon_deeprnn.data import Source
    >>> from gluon_deeprnn.training import Callback
    >>> class StopAt(Callback):
    ...     def __init__(self, val_ppl):
    ...         self.val_ppl = val_ppl
    ...     def on_epoch_end(self, trainer):
    ...         if trainer.history[-1]['val_ppl'] <= self.val_ppl:
    ...             trainer.stop()
    >>> data = TextData([Source('fox', 'the quick brown fox ' * 40, '')], batch_size=64, num_steps=16)
    >>> model = RNNLM(GRU(num_hiddens=32), vocab_size=len(data.vocab), lr=0.02)
    >>> trainer = Trainer(max_epochs=100, optimizer='adam', progress=False, callbacks=[StopAt(2.0)])
    >>> history = trainer.fit(model, data)
    >>> history[-1]['val_ppl'] <= 2 < history[-2]['val_ppl']
    True
    """

    def on_epoch_end(self, trainer: Training) -> None:
        """Called after each epoch; ``trainer.history[-1]`` is its row, ``trainer.improved`` whether it is the best."""

    def on_pause(self, trainer: Training) -> None:
        """Called between two steps, at least every eight steps; `gluon_deeprnn.Trainer.checkpoint` is exact here."""

    def on_interrupt(self, trainer: Training) -> None:
        """Called after Ctrl-C or a termination signal; ``KeyboardInterrupt`` is raised after it returns."""
