"""Chooses the size of a model and the length of its training from the text and the time that may be used.

The rule was found by experiments on texts of 30 KB to 5 MB; the page "Recipes" shows what it reaches.  The speed of the
machine is measured.
"""

import contextlib
import dataclasses
import logging
import math
from typing import Any, FrozenSet, Iterator, List, Tuple

from gluon_deeprnn import _checks
from gluon_deeprnn.data import Source, Stream, TextData
from gluon_deeprnn.runs.build import build_data, build_model, build_trainer, check_memory, num_weights
from gluon_deeprnn.runs.config import RunConfig
import numpy

PLANNED = ("num_hiddens", "dropout", "embedding", "min_freq", "batch_size", "max_epochs")
"""The settings that the rule chooses."""

_SIZES = (64, 128, 256, 512)
_MOST_CHARACTERS = 256
"""A vocabulary above this size, such as that of Korean or of words, is embedded, and rare tokens are unknown."""
_EMBEDDING = 128
_TOKENS_PER_WEIGHT = 4
"""A larger model is only chosen if there is the time to train it on this many tokens for each of its weights."""
_SMALL_TEXT = 20_000
_LEAST_BATCHES = 4
_STEPS_TIMED, _VALIDATION_TOKENS = 4, 256
_OTHER_SECONDS = 4.0  # import, compilation, pictures


@dataclasses.dataclass(frozen=True)
class Budget:
    """How long a training may take.

    Attributes
    ----------
    minutes : float
        The time.
    fixed : frozenset of str
        The settings that the user has chosen, which the rule leaves alone.
    command : str
        The user's command, to which the chosen settings are appended for the command that repeats the training.
    """

    minutes: float = 5.0
    fixed: FrozenSet[str] = frozenset()
    command: str = "gluon-deeprnn train --recipe own-text"

    def __post_init__(self) -> None:
        object.__setattr__(self, "minutes", _checks.positive("budget", self.minutes))


@dataclasses.dataclass(frozen=True)
class Plan:
    """The settings that were chosen, why, and how to repeat the training.

    Attributes
    ----------
    config : RunConfig
    notes : list of str
        One line each.
    """

    config: RunConfig
    notes: List[str]


def plan(config: RunConfig, sources: List[Source], budget: Budget) -> Plan:
    """Choose the settings that the user has left open.

    Parameters
    ----------
    config : RunConfig
        The settings of the recipe and of the user.
    sources : list of Source
        The texts.
    budget : Budget
        The time, and the names of the user's settings.

    Returns
    -------
    Plan

    Raises
    ------
    ValueError
        For texts that are too short.
    """
    open_settings = [name for name in PLANNED if name not in budget.fixed]
    if not open_settings:
        return Plan(config, [])
    choice = _Choice(config, frozenset(open_settings))
    data = build_data(choice.config.replace(batch_size=1), sources)
    if len(data.vocab) > _MOST_CHARACTERS:
        choice.set(min_freq=2, embedding=_EMBEDDING)
        data = build_data(choice.config.replace(batch_size=1), sources)
    tokens = data.train_dataloader().num_tokens
    choice.set(batch_size=_batch_size(tokens, config.num_steps))
    why = _fit_to_time(choice, data, tokens, budget)
    final = choice.config
    notes = [f"{tokens:,} tokens to train on, {len(data.vocab)} in the vocabulary: {final.num_layers} layers of "
             f"{final.num_hiddens} units, dropout {final.dropout:g}, batches of {final.batch_size} x "
             f"{final.num_steps}, {why}"]
    if tokens < _SMALL_TEXT:
        notes.append(f"the text is small: from less than about {_SMALL_TEXT:,} tokens a model learns which letters "
                     "follow each other and short words, not sentences")
    flags = " ".join(f"--{name.replace('_', '-')} {getattr(final, name):g}" for name in open_settings)
    notes.append(f"the command that repeats this training: {budget.command} {flags}")
    return Plan(final, notes)


class _Choice:
    """The settings, of which only those that the user has left open are changed."""

    def __init__(self, config: RunConfig, free: FrozenSet[str]) -> None:
        self.config, self.free = config, free

    def set(self, **settings: Any) -> None:
        """Set those of the settings that are open."""
        self.config = self.config.replace(**{name: value for name, value in settings.items() if name in self.free})


def _fit_to_time(choice: _Choice, data: TextData, tokens: int, budget: Budget) -> str:
    """Choose the number of hidden units and of epochs; return why."""
    sizes = [size for size in _SIZES if size <= _largest(tokens)] if "num_hiddens" in choice.free else []
    if "max_epochs" not in choice.free:
        _set_size(choice, sizes[-1] if sizes else choice.config.num_hiddens, data, tokens)
        return f"{choice.config.max_epochs} epochs as given"
    for size in reversed(sizes or [choice.config.num_hiddens]):
        _set_size(choice, size, data, tokens)
        speed, seconds = _measure(choice.config, data, tokens)
        epochs = int((60 * budget.minutes - _OTHER_SECONDS) / seconds)
        if epochs * tokens >= _TOKENS_PER_WEIGHT * num_weights(choice.config, len(data.vocab)):
            break
    most = _most_epochs(tokens)
    choice.set(max_epochs=max(1, min(epochs, most)))
    chosen = choice.config.max_epochs
    minutes = (chosen * seconds + _OTHER_SECONDS) / 60
    reason = f"{chosen} epochs, which take about {minutes:.1f} minutes here, at {speed:,.0f} tokens/s"
    if epochs > most:
        return f"{reason}; more do not help a text of this length"
    return f"{reason} (budget {budget.minutes:g})"


def _measure(config: RunConfig, data: TextData, tokens: int) -> Tuple[float, float]:
    """Measure the tokens per second of the training, and estimate the seconds of an epoch with its validation."""
    check_memory(config, len(data.vocab))
    sample, model = _Sample(config, len(data.vocab)), build_model(config, len(data.vocab))
    trial = config.replace(max_epochs=2, lr=1e-6, schedule="constant")  # the first epoch includes compilation
    with _without_warnings():
        row = build_trainer(trial, progress=False).fit(model, sample)[-1]
    speed = row["tokens_per_second"]
    validation = row["seconds"] - sample.train.num_tokens / speed
    per_token = validation / sample.validation.num_tokens
    return speed, tokens / speed + data.val_dataloader().num_tokens * per_token


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    """No warnings about the gradients of random tokens."""
    logger = logging.getLogger("gluon_deeprnn.training")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


class _Sample:
    """A few random batches, for a measurement of speed."""

    def __init__(self, config: RunConfig, vocab_size: int) -> None:
        self.vocab = range(vocab_size)
        size = config.batch_size * config.num_steps * _STEPS_TIMED + 1
        random = numpy.random.default_rng(0).integers(0, vocab_size, size, dtype="int32")
        self.train = Stream(random, batch_size=config.batch_size, num_steps=config.num_steps)
        self.validation = TextData.stream(numpy.resize(random, _VALIDATION_TOKENS + 1))

    def train_dataloader(self) -> Stream:
        """Batches of the run's shape."""
        return self.train

    def val_dataloader(self) -> Stream:
        """One stream, as validation reads it."""
        return self.validation


def _batch_size(tokens: int, num_steps: int) -> int:
    """Larger for longer texts, and small enough for some updates per epoch."""
    size = 16 if tokens < 500_000 else 32 if tokens < 2_000_000 else 64
    return max(1, min(size, tokens // (_LEAST_BATCHES * num_steps)))


def _largest(tokens: int) -> int:
    """The largest number of hidden units that helps a text of this length."""
    return 128 if tokens < 60_000 else 256 if tokens < 500_000 else 512


def _set_size(choice: _Choice, num_hiddens: int, data: TextData, tokens: int) -> None:
    """Set the number of hidden units, and the dropout for it."""
    choice.set(num_hiddens=num_hiddens)
    choice.set(dropout=_dropout(num_weights(choice.config, len(data.vocab)) / tokens))


def _dropout(weights_per_token: float) -> float:
    """0.3 for one weight per token, and 0.15 more for twice as many, between 0 and 0.5; one decimal place."""
    return round(min(0.5, max(0.0, 0.3 + 0.15 * math.log2(weights_per_token))), 1)


def _most_epochs(tokens: int) -> int:
    """The number of epochs after which more do not help."""
    return 40 if tokens < 60_000 else 20 if tokens < 500_000 else 15
