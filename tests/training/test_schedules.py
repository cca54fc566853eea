from gluon_deeprnn import Trainer
from gluon_deeprnn.training.optimizer import Optimizer
from gluon_deeprnn.training.schedules import Schedule
import pytest
from trainings import data_of, model_of


def rates(name, progresses, val_ppls=(), **options):
    schedule = Schedule(name, 2.0, 100, **options)
    return [schedule.rate(progress, list(val_ppls)) for progress in progresses]


def test_the_constant_schedule_does_not_change():
    assert rates("constant", [0, 50.5, 99]) == [2.0, 2.0, 2.0]


def test_cosine_decays_along_half_a_period():
    assert rates("cosine", [0, 25, 50, 100]) == pytest.approx([2.0, 1 + 0.5**0.5, 1.0, 0.0])


def test_step_decays_every_few_epochs():
    assert rates("step", [0, 9.9, 10, 25], factor=0.5, epochs=10) == [2.0, 2.0, 1.0, 0.5]


@pytest.mark.parametrize(("val_ppls", "rate"), [
    ([], 2.0), ([9, 8, 7], 2.0), ([9, 9], 2.0), ([9, 9, 9], 1.0), ([9, 9, 9, 9, 9], 0.5), ([9, 9, 8, 9, 7, 8], 2.0),
    ([9, 9, 9, 8, 9, 9], 0.5),
])
def test_plateau_decays_after_epochs_without_improvement(val_ppls, rate):
    assert rates("plateau", [len(val_ppls)], val_ppls, factor=0.5, epochs=2) == [rate]


@pytest.mark.parametrize("schedule", ["constant", "cosine", "step", "plateau"])
def test_warm_up_multiplies_the_rates_of_the_first_steps_of_any_schedule(schedule, monkeypatch):
    rates, update = [], Optimizer.update
    monkeypatch.setattr(Optimizer, "update", lambda self, lr: rates.append(lr) or update(self, lr))
    data = data_of("book")
    for warmup in (0, 20):
        epochs = {"lr_epochs": 1} if schedule in ("step", "plateau") else {}
        Trainer(2, lr=0.1, schedule=schedule, warmup=warmup, progress=False, **epochs).fit(model_of(data), data)
    count = 2 * len(data.train_dataloader())
    plain, warmed = rates[:count], rates[count:]
    assert count > 30
    assert warmed[:20] == pytest.approx([rate * (i + 1) / 20 for i, rate in enumerate(plain[:20])])
    if schedule != "plateau":  # its rate depends on the perplexities
        assert warmed[20:] == plain[20:]


@pytest.mark.parametrize(("options", "message"), [
    ({"name": "linear"}, "schedule must be one of constant, cosine, step, plateau; got 'linear'"),
    ({"lr": 0}, "lr must be a number above 0; got 0"),
    ({"factor": 1.0}, r"lr_factor must be a number in \(0, 1\); got 1.0"),
    ({"epochs": 0}, "lr_epochs must be a positive integer; got 0"),
    ({"warmup": 0.5}, "warmup must be a non-negative integer; got 0.5"),
])
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match="^" + message):
        Schedule(**{"name": "step", "lr": 1.0, "max_epochs": 10, **options})
