"""Chooses the size of a model and the length of its training from the text and the time that may be used.

The rule was found by experiments on texts of 30 KB to 5 MB; the page "Recipes" shows what it reaches.  The speed of the
machine is measured.
"""

import dataclasses
import math
import time
from typing import Any, FrozenSet, List, Optional

from gluon_deeprnn import _checks
from gluon_deeprnn.data import Source, TextData, Vocab
from gluon_deeprnn.errors import InputError
from gluon_deeprnn.runs.build import build_data, check_memory, num_weights
from gluon_deeprnn.runs.config import RunConfig
from gluon_deeprnn.runs.speed import measure

PLANNED = ("num_hiddens", "dropout", "embedding", "min_freq", "batch_size", "max_epochs")
"""The settings that the rule chooses."""

_SIZES = (64, 128, 256, 512)
_MOST_CHARACTERS = 256
"""A vocabulary of more tokens, such as that of Korean or of words, is embedded, and rare tokens are unknown."""
_EMBEDDING = 128
_TOKENS_PER_WEIGHT = 4
"""A larger model is only chosen if there is the time to train it on this many tokens for each of its weights."""
_SMALL_TEXT = 20_000
_LEAST_BATCHES = 4
_FEWEST_EPOCHS = 5
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
    most_epochs : int, optional
        The number of epochs of a recipe, which becomes smaller if they take longer; default: as many as help.
    """

    minutes: float = 5.0
    fixed: FrozenSet[str] = frozenset()
    command: str = "gluon-deeprnn train --recipe own-text"
    most_epochs: Optional[int] = None

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
    data : TextData
        The batches of a run with these settings.
    """

    config: RunConfig
    notes: List[str]
    data: TextData


def plan(config: RunConfig, sources: List[Source], budget: Budget, start: Optional[Vocab] = None) -> Plan:
    """Choose the settings that the user has left open.

    Parameters
    ----------
    config : RunConfig
        The settings of the recipe and of the user.
    sources : list of Source
        The texts.
    budget : Budget
        The time, and the names of the user's settings.
    start : Vocab, optional
        The vocabulary of the run from which the training begins; it is extended by the tokens of the texts.

    Returns
    -------
    Plan

    Raises
    ------
    ValueError
        For texts that are too short, and if no model that may be chosen fits into memory.
    """
    started = time.monotonic()
    open_settings = [name for name in PLANNED if name not in budget.fixed]
    if not open_settings:
        return Plan(config, [], build_data(config, sources, extended=start))
    choice = _OpenSettings(config, frozenset(open_settings))
    data = _build_data(choice, sources, start)
    if _num_kinds(data.vocab) > _MOST_CHARACTERS:
        choice.set(min_freq=2, embedding=_EMBEDDING)
        data = _build_data(choice, sources, start)
    tokens = _num_targets(data)
    choice.set(batch_size=_batch_size(data, tokens))
    data.batch_size = choice.config.batch_size
    why = _fit_to_time(choice, data, budget, started)
    final = choice.config
    notes = [f"{tokens:,} tokens to train on, {len(data.vocab)} in the vocabulary: {final.num_layers} layers of "
             f"{final.num_hiddens} units, dropout {final.dropout:g}, batches of {final.batch_size} x "
             f"{final.num_steps}, {why}"]
    if tokens < _SMALL_TEXT:
        notes.append(f"the text is short: from fewer than about {_SMALL_TEXT:,} tokens a model learns short, frequent "
                     "sequences, not sentences")
    if not config.text or all(source.path for source in sources):  # a stream cannot be read again
        flags = " ".join(f"--{name.replace('_', '-')} {getattr(final, name):g}" for name in open_settings)
        notes.append(f"the command that repeats this training: {budget.command} {flags}")
    return Plan(final, notes, data)


class _OpenSettings:
    """The settings, of which only those that the user has left open are changed.

    With tied weights ``embedding`` is ``num_hiddens``: both are open, or none.
    """

    def __init__(self, config: RunConfig, free: FrozenSet[str]) -> None:
        tied = frozenset(("num_hiddens", "embedding"))
        self.config, self.free = config, free if not config.tied or tied <= free else free - tied

    def set(self, **settings: Any) -> None:
        """Set those of the settings that are open."""
        if self.config.tied:
            settings.pop("embedding", None)
            if "num_hiddens" in settings:
                settings["embedding"] = settings["num_hiddens"]
        self.config = self.config.replace(**{name: value for name, value in settings.items() if name in self.free})


def _build_data(choice: _OpenSettings, sources: List[Source], start: Optional[Vocab]) -> TextData:
    """The data, with the user's batch size, or with one for which every text is long enough."""
    config = choice.config.replace(batch_size=1) if "batch_size" in choice.free else choice.config
    return build_data(config, sources, extended=start)


def _num_kinds(vocab: Vocab) -> int:
    """The number of tokens in a vocabulary, without those that are not a part of a text."""
    return len(vocab) - len(vocab.special)


def _num_targets(data: TextData) -> int:
    """The number of tokens of the text to train on: all but the first one of the text, or of each record."""
    return len(data.indices("train")) - data.num_records.get("train", 1)


def _num_sequences(data: TextData) -> int:
    """The number of sequences in an epoch: records, windows, or pieces of the text."""
    if data.num_records:
        return data.num_records["train"]
    return data.num_train if data.protocol == "d2l" else _num_targets(data) // data.num_steps


def _fit_to_time(choice: _OpenSettings, data: TextData, budget: Budget, started: float) -> str:
    """Choose the number of hidden units and of epochs; return why."""
    tokens, per_epoch = _num_targets(data), data.train_dataloader().num_tokens
    sizes = _sizes(choice, data, tokens)
    if "max_epochs" not in choice.free:
        _set_size(choice, sizes[0], data, tokens)
        return f"{_epochs(choice.config.max_epochs)} as given"
    for size in sizes:
        _set_size(choice, size, data, tokens)
        speed = measure(choice.config, data)
        seconds = per_epoch / speed.training + data.val_dataloader().num_tokens / speed.evaluation
        other = _OTHER_SECONDS + data.held_out()[1].num_tokens / speed.evaluation + time.monotonic() - started
        affordable = int((60 * budget.minutes - other) / seconds)
        if affordable * per_epoch >= _TOKENS_PER_WEIGHT * num_weights(choice.config, len(data.vocab)):
            break
    most = budget.most_epochs or _most_epochs(data, tokens)
    choice.set(max_epochs=max(1, min(affordable, most)))
    chosen = choice.config.max_epochs
    minutes = (chosen * seconds + other) / 60
    of_recipe = f" of the {_epochs(most)} of the recipe" if budget.most_epochs and chosen < most else ""
    how_many = f"{chosen}{of_recipe}" if of_recipe else _epochs(chosen)
    if affordable < 1:
        about = f"{minutes:.0f}" if minutes >= 10 else f"{minutes:.2g}"
        return f"{how_many}; one epoch takes about {about} minutes with all else, more than the budget of " \
               f"{budget.minutes:g}"
    reason = f"{how_many}, which {'takes' if chosen == 1 else 'take'} about {minutes:.1f} minutes here, at " \
             f"{speed.training:,.0f} tokens/s"
    if affordable > most and not budget.most_epochs:
        return f"{reason}; more epochs do not lower the validation perplexity for a text of this length"
    return f"{reason} (budget {budget.minutes:g})"


def _epochs(num: int) -> str:
    return "1 epoch" if num == 1 else f"{num} epochs"


def _sizes(choice: _OpenSettings, data: TextData, tokens: int) -> List[int]:
    """The numbers of hidden units that may be chosen and fit into memory, the largest first; at least one."""
    sizes = [choice.config.num_hiddens]
    if "num_hiddens" in choice.free:
        sizes = [size for size in reversed(_SIZES) if size <= _largest(tokens)]
    while True:
        choice.set(num_hiddens=sizes[0])
        try:
            check_memory(choice.config, len(data.vocab))
        except InputError:
            if len(sizes) == 1:
                raise
            del sizes[0]
        else:
            return sizes


def _batch_size(data: TextData, tokens: int) -> int:
    """Larger for longer texts, and small enough for some updates per epoch."""
    size = 16 if tokens < 500_000 else 32 if tokens < 2_000_000 else 64
    if tokens < _SMALL_TEXT and not data.num_records:
        size = 8
    return max(1, min(size, _num_sequences(data) // _LEAST_BATCHES))


def _largest(tokens: int) -> int:
    """The largest number of hidden units that helps a text of this length."""
    return 128 if tokens < 60_000 else 256 if tokens < 2_000_000 else 512


def _set_size(choice: _OpenSettings, num_hiddens: int, data: TextData, tokens: int) -> None:
    """Set the number of hidden units, and the dropout between the layers for it."""
    choice.set(num_hiddens=num_hiddens)
    if choice.config.num_layers > 1:
        choice.set(dropout=_dropout(num_weights(choice.config, len(data.vocab)) / tokens))


def _dropout(weights_per_token: float) -> float:
    """0.3 for one weight per token, and 0.15 more for twice as many, between 0 and 0.5; one decimal place."""
    return round(min(0.5, max(0.0, 0.3 + 0.15 * math.log2(weights_per_token))), 1)


def _most_epochs(data: TextData, tokens: int) -> int:
    """The number of epochs after which more do not help; fewer for short records, which have more updates per token."""
    by_updates = max(_FEWEST_EPOCHS, tokens // len(data.train_dataloader()) // 8) if data.num_records else tokens
    return min(by_updates, 80 if tokens < _SMALL_TEXT else 40 if tokens < 60_000 else 20 if tokens < 500_000 else 10)
