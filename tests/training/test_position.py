"""The time of an epoch: the sum over its parts, whatever is between them."""

import copy
import itertools

from gluon_deeprnn import Trainer
from gluon_deeprnn.training import Callback, interrupts, session
import pytest
from trainings import Keep, Poison, data_of, model_of


class Clock:
    """A clock on which only what the test says takes time."""

    now = 100.0


class Slow(Callback):
    """Takes time when the training is interrupted, and after each epoch."""

    def __init__(self, clock):
        self.clock = clock

    def on_epoch_end(self, trainer):
        self.clock.now += 1000

    on_interrupt = on_epoch_end


class Read(Keep):
    """Reads a checkpoint at every pause too."""

    on_pause = Keep.on_epoch_end


@pytest.fixture
def clock(monkeypatch):
    """A step takes one second, and the validation two."""
    clock, step, evaluated = Clock(), session.Session.step, session.Session._evaluated

    def slow_step(self, x, y):
        step(self, x, y)
        clock.now += 1

    def slow_evaluation(self):
        clock.now += 2
        return evaluated(self)

    monkeypatch.setattr(session.time, "perf_counter", lambda: clock.now)
    monkeypatch.setattr(session.Session, "step", slow_step)
    monkeypatch.setattr(session.Session, "_evaluated", slow_evaluation)
    return clock


def interrupted(data, clock, monkeypatch):
    """The checkpoint of a training that was interrupted after 8 steps of its first epoch."""
    asked, keep = itertools.count(), Read()
    with monkeypatch.context() as patched:
        patched.setattr(interrupts.Interrupts, "asked", lambda self: next(asked) == 1)
        with pytest.raises(KeyboardInterrupt):
            Trainer(2, progress=False, callbacks=[Slow(clock), keep]).fit(model_of(data), data)
    return keep.checkpoints[-1]


def speed_and_seconds(history):
    return [(row["tokens_per_second"], row["seconds"]) for row in history]


def test_the_time_of_a_resumed_epoch_is_the_sum_of_its_parts(clock, monkeypatch):
    data = data_of("book")
    steps, tokens = len(data.train_dataloader()), data.train_dataloader().num_tokens
    assert steps > 8
    expected = [(tokens / steps, steps + 2)] * 2
    whole = Trainer(2, progress=False, callbacks=[Slow(clock), Read()]).fit(model_of(data), data)
    assert speed_and_seconds(whole) == expected
    arrays, about = interrupted(data, clock, monkeypatch)
    assert (about["position"]["batch"], about["position"]["seconds"]) == (8, 8)
    clock.now += 5000  # between the two trainings
    model = model_of(data)
    trainer = Trainer(2, progress=False, callbacks=[Read(), Slow(clock)])
    restore = session.Session.restore
    monkeypatch.setattr(session.Session, "restore", lambda self, *checkpoint: (
        restore(self, *checkpoint), setattr(clock, "now", clock.now + 300)))  # and between restoring and the next step
    assert speed_and_seconds(trainer.fit(model, data, resume=(arrays, about))) == expected


def test_the_time_of_an_epoch_that_is_rolled_back_to_a_checkpoint_within_it_is_that_of_the_steps_that_count(
        clock, monkeypatch, caplog):
    data = data_of("book")
    steps, tokens = len(data.train_dataloader()), data.train_dataloader().num_tokens
    arrays, about = interrupted(data, clock, monkeypatch)
    trainer = Trainer(2, progress=False, callbacks=[Poison(1)])
    history = trainer.fit(model_of(data), data, resume=(arrays, about))
    assert "not finite in epoch 1: rolled back to batch 8 of epoch 1, learning rate 0.25" in caplog.text
    assert speed_and_seconds(history) == [(tokens / steps, steps + 2)] * 2


def test_reading_checkpoints_changes_nothing(clock):
    data = data_of("d2l")

    pairs = []

    class Twice(Callback):
        def on_pause(self, trainer):
            first = copy.deepcopy(trainer.checkpoint())
            pairs.append((first[1], trainer.checkpoint()[1]))

    Trainer(1, progress=False, callbacks=[Twice()]).fit(model_of(data), data)
    assert len(pairs) > 2
    assert all(first == second for first, second in pairs)
