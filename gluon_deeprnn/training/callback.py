"""What a training calls while it runs."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gluon_deeprnn.training.trainer import Trainer


class Callback:
    """What a training calls while it runs; subclass and override what you need."""

    def on_epoch_end(self, trainer: "Trainer") -> None:
        """An epoch is over: its row is ``trainer.history[-1]``, and ``trainer.improved`` says if it is the best."""

    def on_pause(self, trainer: "Trainer") -> None:
        """Training stands between two steps, as it does at least every eight: `Trainer.checkpoint` is exact here."""

    def on_interrupt(self, trainer: "Trainer") -> None:
        """Ctrl-C was pressed, or the process asked to end; `KeyboardInterrupt` is raised when this returns."""
