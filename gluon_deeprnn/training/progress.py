"""The progress display of a training."""

import sys
from typing import Optional, TextIO

from tqdm import tqdm


class Progress:
    """Shows a progress bar on a terminal, otherwise one line per epoch.

    Parameters
    ----------
    total_epochs, batches_per_epoch : int
        Number of epochs, and of batches per epoch.
    epoch, batch : int, default 0
        Number of epochs that are completed, and of batches of the next one.
    stream : file, optional
        The output stream; default: stderr.
    """

    def __init__(self, total_epochs: int, batches_per_epoch: int, epoch: int = 0, batch: int = 0,
                 stream: Optional[TextIO] = None) -> None:
        self._stream = stream or sys.stderr
        self._total_epochs, self._batches_per_epoch = total_epochs, batches_per_epoch
        self._bar = None
        if self._stream.isatty():
            self._bar = tqdm(total=total_epochs * batches_per_epoch, initial=epoch * batches_per_epoch + batch,
                             file=self._stream, unit="batch", dynamic_ncols=True, leave=False,
                             bar_format="{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}")
            self._bar.set_description_str(f"epoch {epoch + 1}/{total_epochs}")

    def at(self, epoch: int, batch: int) -> None:
        """Report how many epochs are completed, and how many batches of the next one: fewer after a rollback."""
        if self._bar is not None:
            self._bar.update(epoch * self._batches_per_epoch + batch - self._bar.n)

    def epoch(self, number: int, figures: str) -> None:
        """Report the end of epoch ``number``, counted from 1, with its results ``figures``."""
        if self._bar is not None:
            self._bar.set_description_str(f"epoch {number}/{self._total_epochs}")
            self._bar.set_postfix_str(figures)
        else:
            print(f"epoch {number}/{self._total_epochs}: {figures}", file=self._stream, flush=True)

    def close(self) -> None:
        """Close the progress bar."""
        if self._bar is not None:
            self._bar.close()


class Silence(Progress):
    """No output."""

    def __init__(self) -> None:
        self._bar = None

    def epoch(self, number: int, figures: str) -> None:
        """Show nothing."""
