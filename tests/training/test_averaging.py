from gluon_deeprnn import GRU, RNNLM, StackedRNNScratch, Trainer, evaluate
from gluon_deeprnn.models.weights import parameter_arrays, set_parameters
from gluon_deeprnn.training import session
from gluon_deeprnn.training.averaging import Averages, Averaging
import numpy
import pytest
from trainings import Keep, Poison, data_of, model_of, same


class Steps(Keep):
    """Stores the current values and the averages of the parameters before every step and at the end of every epoch."""

    on_pause = Keep.on_epoch_end

    def arrays(self, group):
        """One dict of arrays for each position of the training, in order."""
        found = {}
        for arrays, about in self.checkpoints:
            at = about["position"]
            found[at["epoch"], at["batch"]] = {
                name.split("/", 1)[1]: array for name, array in arrays.items() if name.startswith(group)}
        return [found[key] for key in sorted(found)]


def trained(monkeypatch, protocol="book", epochs=3, **options):
    """The model, the data, the history and all steps of a training."""
    monkeypatch.setattr(session, "_STEPS_PER_SEED", 1)  # a checkpoint is possible before every step
    data, steps = data_of(protocol), Steps()
    model = model_of(data)
    history = Trainer(epochs, gradient_clip_val=1, progress=False, callbacks=[steps], **options).fit(model, data)
    return model, data, history, steps


def close(arrays, expected):
    for name, array in arrays.items():
        numpy.testing.assert_allclose(array, expected[name], rtol=1e-5, atol=1e-6)


def test_the_moving_average_is_that_of_the_steps_and_leaves_them_as_they_are(monkeypatch):
    _, _, _, plain = trained(monkeypatch)
    model, _, _, steps = trained(monkeypatch, averaging=0.8)
    values = steps.arrays("parameters/")
    assert all((a[name] == b[name]).all() for a, b in zip(values, plain.arrays("parameters/")) for name in a)
    expected = {name: array.astype("float64") for name, array in values[0].items()}
    for t, (after, averages) in enumerate(zip(values[1:], steps.arrays("average/")[1:])):
        decay = min(0.8, (1 + t) / (10 + t))
        expected = {name: decay * array + (1 - decay) * after[name] for name, array in expected.items()}
        close(averages, expected)
    assert t > 40  # both parts of the minimum occurred
    close(parameter_arrays(model), expected)
    assert not same(model, model_with(values[-1]))


def model_with(arrays):
    model = model_of(data_of("book"))
    set_parameters(model, arrays)
    return model


@pytest.mark.parametrize("protocol", ["d2l", "book", "records"])
def test_the_averages_are_evaluated_and_stored(monkeypatch, protocol):
    model, data, history, steps = trained(monkeypatch, protocol, averaging=0.9)
    assert evaluate(model, data.val_dataloader()).perplexity == pytest.approx(history[-1]["val_ppl"], rel=1e-6)
    arrays, _ = steps.checkpoints[-1]
    assert all((arrays[f"average/{name}"] == array).all() for name, array in parameter_arrays(model).items())
    set_parameters(model, steps.arrays("parameters/")[-1])
    assert evaluate(model, data.val_dataloader()).perplexity != pytest.approx(history[-1]["val_ppl"], rel=1e-4)


def test_an_average_of_the_first_epoch_is_close_to_the_last_values_not_to_the_initial_ones(monkeypatch):
    _, data, history, _ = trained(monkeypatch, epochs=1, averaging=0.9999, optimizer="adam", lr=0.01)
    _, _, plain, _ = trained(monkeypatch, epochs=1, optimizer="adam", lr=0.01)
    uniform = len(data.vocab)
    assert history[0]["val_ppl"] < plain[0]["val_ppl"] + 0.2 * (uniform - plain[0]["val_ppl"])


def test_asgd_averages_uniformly_from_the_epoch_on_in_which_validation_has_not_improved(monkeypatch):
    options = {"optimizer": "adam", "lr": 0.3}
    _, data, plain, _ = trained(monkeypatch, epochs=6, **options)
    _, _, history, steps = trained(monkeypatch, epochs=6, asgd=1, **options)
    first = Averaging(asgd=1).begins([row["val_ppl"] for row in plain])
    assert 0 < first < 6
    assert [row["val_ppl"] for row in history[:first]] == [row["val_ppl"] for row in plain[:first]]
    assert all(a["val_ppl"] != b["val_ppl"] for a, b in zip(history[first:], plain[first:]))
    count = first * len(data.train_dataloader())
    values = steps.arrays("parameters/")
    averages = steps.arrays("average/")
    assert not averages[count - 1]
    for t in (1, 2, 17):
        close(averages[count + t], {name: numpy.mean([each[name] for each in values[count + 1:count + t + 1]], axis=0)
                                    for name in values[0]})


def test_a_training_is_resumed_exactly_before_and_after_its_averages_have_begun(monkeypatch):
    monkeypatch.setattr(session, "_STEPS_PER_SEED", 1)
    options = {"optimizer": "adam", "lr": 0.3, "asgd": 1, "gradient_clip_val": 1, "progress": False}
    data, keep = data_of("book"), Keep()
    whole = model_of(data)
    expected = Trainer(6, callbacks=[keep], **options).fit(whole, data)
    begun = [any(name.startswith("average/") for name in arrays) for arrays, _ in keep.checkpoints]
    assert True in begun[:5]
    assert begun[0] is False
    for checkpoint in keep.checkpoints[:5]:
        resumed = model_of(data)
        history = Trainer(6, **options).fit(resumed, data, resume=checkpoint)
        assert same(whole, resumed)
        assert [row["val_ppl"] for row in history] == [row["val_ppl"] for row in expected]


@pytest.mark.parametrize(("val_ppls", "asgd", "begins"), [
    ([], 1, None), ([9, 8, 7, 6], 1, None), ([9, 9, 9], 1, None), ([9, 8, 8.5], 1, None), ([9, 8, 8.5, 8.4], 1, 4),
    ([9, 10, 11, 12], 2, 4), ([9, 10, 11, 12], 3, None), ([9, 8, 8.5, 8.4, 3, 2], 1, 4), ([9, 10, 11], 0, None),
])
def test_asgd_begins_by_the_rule_of_its_paper(val_ppls, asgd, begins):
    assert Averaging(asgd=asgd).begins(val_ppls) == begins
    # Merity et al. 2018, algorithm 1: v > min of l in {0, ..., t - n - 1} of logs[l]
    expected = next((t + 1 for t, v in enumerate(val_ppls) if asgd and t > asgd and v > min(val_ppls[:t - asgd])), None)
    assert begins == expected


def test_one_update_averages_every_parameter():
    size = 9
    model = RNNLM(StackedRNNScratch(size, 4, 8, 0.1, cell="lstm", layer_norm=True, learned_state=True), size)
    averages = Averages(model, Averaging(decay=0.5))
    before = parameter_arrays(model)
    set_parameters(model, {name: array + 1 for name, array in before.items()})
    averages.update(10, 0, 10)
    close(averages.averaged(), {name: array + 0.5 for name, array in before.items()})
    close(averages.current(), {name: array + 1 for name, array in before.items()})


def test_a_roll_back_restores_values_and_averages():
    data = data_of("book")
    model, keep = model_of(data), Keep()
    Trainer(3, gradient_clip_val=1, averaging=0.9, progress=False, callbacks=[Poison(4), keep]).fit(model, data)
    arrays, about = keep.checkpoints[0]
    about["position"].update(lr_scale=0.5, rollbacks=1)
    again = model_of(data)
    Trainer(3, gradient_clip_val=1, averaging=0.9, progress=False).fit(again, data, resume=(arrays, about))
    assert same(model, again)
    assert all(numpy.isfinite(array).all() for array in parameter_arrays(model).values())


def test_patience_restores_the_best_averages(small_data):
    watched = []

    class Watch(Keep):
        def on_epoch_end(self, trainer):
            if trainer.improved:
                watched.append(parameter_arrays(trainer.model))
                assert all((trainer.parameters()[name] == array).all() for name, array in watched[-1].items())

    model = RNNLM(GRU(48, 2), len(small_data.vocab), lr=20.0)
    trainer = Trainer(30, gradient_clip_val=5, patience=2, averaging=0.5, progress=False, callbacks=[Watch()])
    assert len(trainer.fit(model, small_data)) < 30
    assert all((watched[-1][name] == array).all() for name, array in parameter_arrays(model).items())


@pytest.mark.parametrize("damage", [
    lambda arrays: {name: array for name, array in arrays.items() if not name.startswith("average/")},
    lambda arrays: {**arrays, "average/dense.bias": numpy.zeros(3, "float32")},
])
def test_a_checkpoint_without_the_averages_of_every_parameter_is_refused(damage):
    data, keep = data_of("d2l"), Keep()
    Trainer(1, averaging=0.9, progress=False, callbacks=[keep]).fit(model_of(data), data)
    arrays, about = keep.checkpoints[0]
    with pytest.raises(ValueError, match=r"^checkpoint must be one of this training; got .*average must be one of eac"):
        Trainer(2, averaging=0.9, progress=False).fit(model_of(data), data, resume=(damage(arrays), about))
    with pytest.raises(ValueError, match=r"^checkpoint must be one of this training; got .*average must be one of eac"):
        Trainer(2, progress=False).fit(model_of(data), data, resume=(arrays, about))


def test_averaging_and_asgd_together_are_refused():
    with pytest.raises(ValueError, match=r"^asgd must be 0 with averaging; got 3$"):
        Trainer(2, averaging=0.9, asgd=3)
