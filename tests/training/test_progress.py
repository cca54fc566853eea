import io

from gluon_deeprnn import Trainer
from gluon_deeprnn.training import trainer
from gluon_deeprnn.training.progress import Progress, Silence
from trainings import Keep, Poison, data_of, model_of


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self):
        return True


def test_progress_is_a_line_per_epoch_without_a_terminal():
    stream = io.StringIO()
    shown = Progress(3, 10, stream=stream)
    shown.at(0, 1)
    shown.epoch(1, "perplexity 9.12 training")
    shown.close()
    assert stream.getvalue() == "epoch 1/3: perplexity 9.12 training\n"


def test_progress_is_a_bar_on_a_terminal():
    stream = Terminal()
    shown = Progress(3, 10, stream=stream)
    shown.at(0, 1)
    shown.epoch(1, "perplexity 9.12 training")
    shown.close()
    assert "epoch 1/3" in stream.getvalue()
    assert "perplexity 9.12 training" in stream.getvalue()
    assert "\n" not in stream.getvalue().rstrip("\n")


def test_a_bar_is_where_the_training_is():
    shown = Progress(3, 10, 1, 4, stream=Terminal())
    assert shown._bar.n == 14
    for position, number in (((1, 9), 19), ((1, 4), 14), ((2, 0), 20)):
        shown.at(*position)
        assert shown._bar.n == number
    shown.close()


def test_a_batch_is_reported_once_although_it_is_repeated_after_a_rollback(monkeypatch):
    reported = []
    monkeypatch.setattr(Progress, "at", lambda self, epoch, batch: reported.append((epoch, batch)))
    data = data_of("book")
    steps = len(data.train_dataloader())
    Trainer(1, callbacks=[Poison(2)]).fit(model_of(data), data)
    assert reported[-1] == (1, 0)
    assert reported.count((0, 0)) == 2  # at the beginning, and after the rollback
    assert max(reported[:-1]) == (0, steps - 1)


def test_the_bar_of_a_resumed_training_begins_where_it_was(monkeypatch):
    shown, data, keep = [], data_of("book"), Keep()
    keep.on_pause = keep.on_epoch_end
    Trainer(2, progress=False, callbacks=[keep]).fit(model_of(data), data)
    middle = next(each for each in keep.checkpoints if each[1]["position"]["batch"] and each[1]["history"])
    monkeypatch.setattr(trainer, "Progress", lambda *arguments: shown.append(arguments) or Silence())
    trainer.Trainer(2).fit(model_of(data), data, resume=middle)
    assert shown == [(2, len(data.train_dataloader()), 1, 8)]
