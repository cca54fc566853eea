"""Measures how fast a model is trained and evaluated on this machine."""

import contextlib
import logging
import time
from typing import Iterator, NamedTuple

from gluon_deeprnn.data import BatchSource, TextData
from gluon_deeprnn.data.batches import PADDING, Batch, continues, is_padded
from gluon_deeprnn.runs.build import build_model, build_trainer
from gluon_deeprnn.runs.config import RunConfig

_LEAST_TRAINED, _MOST_TRAINED, _MOST_EVALUATED = 4, 64, 8
_SECONDS = 0.3  # a first epoch that takes longer is cut off, after the least number of batches


class Speed(NamedTuple):
    """The tokens per second of training, and of evaluation."""

    training: float
    evaluation: float


def measure(config: RunConfig, data: TextData) -> Speed:
    """Train and evaluate a new model on a few batches of the data, and measure the speed."""
    sample, model = _SampleData(data), build_model(config, len(data.vocab))
    trial = config.replace(max_epochs=2, lr=1e-6, schedule="constant", warmup=0, patience=0)  # the first epoch compiles
    with _without_warnings():
        row = build_trainer(trial, progress=False).fit(model, sample)[-1]
    speed = row["tokens_per_second"]
    return Speed(speed, sample.validation.num_tokens / (row["seconds"] - sample.train.num_tokens / speed))


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    """No warnings about the gradients of a model that is hardly trained."""
    logger = logging.getLogger("gluon_deeprnn.training")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


class _Sample:
    """Some batches from the middle of a batch source, the same in each epoch, for a measurement of speed.

    The middle, since records that are not shuffled are sorted by length.  ``num_tokens`` is the number of targets
    of the last epoch.
    """

    def __init__(self, source: BatchSource, most: int) -> None:
        self.padded, self.num_tokens = is_padded(source), 0
        self._source, self._num = source, min(most, len(source))
        self._first = (len(source) - self._num) // 2

    def __len__(self) -> int:
        return self._num

    def continues(self, epoch: int, batch: int) -> bool:
        """As in the source; the first batch begins with the initial state."""
        return batch > 0 and continues(self._source, 0, self._first + batch)

    def batches(self, epoch: int = 0, start: int = 0) -> Iterator[Batch]:
        """Iterate over the batches."""
        self.num_tokens, end = 0, time.monotonic() + _SECONDS
        for i, (x, y) in enumerate(self._source.batches(0, start=self._first)):
            if i >= _LEAST_TRAINED and time.monotonic() > end:
                self._num = min(self._num, i)
            if i >= self._num:
                return
            self.num_tokens += int((y != PADDING).sum())
            yield x, y


class _SampleData:
    """A few batches of the data."""

    def __init__(self, data: TextData) -> None:
        self.vocab = data.vocab
        self.train = _Sample(data.train_dataloader(), _MOST_TRAINED)
        self.validation = _Sample(data.val_dataloader(), _MOST_EVALUATED)

    def train_dataloader(self) -> _Sample:
        """Training batches."""
        return self.train

    def val_dataloader(self) -> _Sample:
        """Validation batches."""
        return self.validation
