"""Weight decay of matrices only, and the attributes of parameters that a training follows."""

from gluon_deeprnn import GRU, LSTM, RNNLM, RNNLMScratch, StackedRNNScratch, TextData, Trainer
from gluon_deeprnn.data import Source
from gluon_deeprnn.models.weights import parameter_arrays, set_parameters
from gluon_deeprnn.training.optimizer import OPTIMIZERS, Optimizer
import mxnet
from mxnet import autograd, gluon, np
import numpy
import pytest

DECAY = 0.1
WITH_MOMENTUM = {"sgd": {"momentum": 0.9}, "nag": {"momentum": 0.9}, "signum": {"momentum": 0.9}}

MODELS = {
    "fused": lambda: RNNLM(LSTM(5, 2, layer_norm=True, learned_state=True), 7, embedding=4),
    "tied": lambda: RNNLM(GRU(5, 2), 7, embedding=5, tied=True),
    "scratch": lambda: RNNLMScratch(StackedRNNScratch(7, 5, 2, sigma=0.5, cell="gru"), 7),
}


def made(name):
    model = MODELS[name]()
    rng = numpy.random.default_rng(1)
    set_parameters(model, {name: rng.normal(size=array.shape).astype("float32")
                           for name, array in parameter_arrays(model).items()})
    return model


def gradients(model, step):
    """Gradients that do not depend on the parameters: random numbers, the same for each model and step."""
    rng = numpy.random.default_rng(step)
    with autograd.record():
        loss = sum((parameter.data() * np.array(rng.normal(size=parameter.shape), dtype="float32")).sum()
                   for _, parameter in model.named_parameters() if parameter.grad_req != "null")
    loss.backward()


def trained(name, optimizer, *, wd=0.0, decay_biases=False):
    model = made(name)
    updates = Optimizer(dict(model.named_parameters()), optimizer, {**WITH_MOMENTUM.get(optimizer, {}), "wd": wd},
                        clip=3, decay_biases=decay_biases)
    for step in range(5):
        gradients(model, step)
        updates.update(0.01 * (1 + step))
    return parameter_arrays(model)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_with_decay_biases_the_numbers_are_those_of_gluons_trainer(optimizer, name):
    if optimizer == "adamw":
        pytest.skip("our own, whose default in Gluon's trainer is to spare biases")
    model = made(name)
    parameters = dict(model.named_parameters())
    options = {**WITH_MOMENTUM.get(optimizer, {}), "wd": DECAY}
    trainer = gluon.Trainer(list(parameters.values()), optimizer, options, kvstore=None)
    ours = made(name)
    updates = Optimizer(dict(ours.named_parameters()), optimizer, options, decay_biases=True)
    for step in range(5):
        gradients(model, step)
        trainer.set_learning_rate(0.01 * (1 + step))
        trainer.update(1)
        gradients(ours, step)
        updates.update(0.01 * (1 + step))
    for (key, one), two in zip(parameter_arrays(model).items(), parameter_arrays(ours).values()):
        numpy.testing.assert_array_equal(one, two, err_msg=key)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("optimizer", [each for each in OPTIMIZERS if each not in ("lamb", "nadam")])
def test_matrices_decay_as_the_optimizer_has_it_and_other_parameters_are_those_of_no_decay(optimizer, name):
    found, none = trained(name, optimizer, wd=DECAY), trained(name, optimizer)
    every = trained(name, optimizer, wd=DECAY, decay_biases=True)
    for key, array in found.items():
        numpy.testing.assert_array_equal(array, (every if array.ndim == 2 else none)[key], err_msg=key)
    differ = {key for key in found if (every[key] != none[key]).any()}
    assert {found[key].ndim for key in differ} >= {1, 2}


@pytest.mark.parametrize("optimizer", ["lamb", "nadam"])  # their steps depend on norms and counts of whole parameters
def test_biases_without_a_gradient_stay(optimizer):
    model = made("fused")
    before = parameter_arrays(model)
    updates = Optimizer(dict(model.named_parameters()), optimizer, {"wd": DECAY})
    with autograd.record():
        loss = sum((parameter.data() * 0).sum() for _, parameter in model.named_parameters())
    loss.backward()
    updates.update(0.1)
    for key, array in parameter_arrays(model).items():
        assert (array == before[key]).all() == (array.ndim != 2), key


@pytest.mark.parametrize("decay_biases", [True, False])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_resuming_with_weight_decay_equals_an_uninterrupted_run(optimizer, decay_biases):
    def updates_of(model):
        return Optimizer(dict(model.named_parameters()), optimizer, {**WITH_MOMENTUM.get(optimizer, {}), "wd": DECAY},
                         decay_biases=decay_biases)
    whole, first, second = made("fused"), made("fused"), made("fused")
    one, two, three = map(updates_of, (whole, first, second))
    for step in range(6):
        gradients(whole, step)
        one.update(0.01)
        if step < 3:
            gradients(first, step)
            two.update(0.01)
    arrays, about = two.state()
    sizes = {f"{key}/": parameter.shape for key, parameter in first.named_parameters()}
    assert all(array.shape == sizes[key[:-1]] for key, array in arrays.items())  # those of whole parameters
    set_parameters(second, parameter_arrays(first))
    three.set_state(arrays, about)
    for step in range(3, 6):
        gradients(second, step)
        three.update(0.01)
    for (key, a), b in zip(parameter_arrays(whole).items(), parameter_arrays(second).values()):
        numpy.testing.assert_array_equal(a, b, err_msg=key)


def test_adamw_decays_biases_if_asked_to():
    found, every = (trained("fused", "adamw", wd=DECAY, decay_biases=flag) for flag in (False, True))
    assert all((found[key] == array).all() == (array.ndim == 2) for key, array in every.items())


def test_an_optimizer_object_spares_biases_too():
    model, before = made("fused"), parameter_arrays(made("fused"))
    given = mxnet.optimizer.create("sgd", wd=DECAY, learning_rate=0.1)
    updates = Optimizer(dict(model.named_parameters()), given)
    with autograd.record():
        loss = sum((parameter.data() * 0).sum() for _, parameter in model.named_parameters())
    loss.backward()
    updates.update(0.1)
    for key, array in parameter_arrays(model).items():
        assert (array == before[key]).all() == (array.ndim != 2), key
    assert given.param_dict == {}  # it was copied


@pytest.mark.parametrize("options", [{}, {"optimizer_params": {"momentum": 0.9}}, {"optimizer": mxnet.optimizer.SGD()}])
def test_decay_biases_without_weight_decay_is_refused(options):
    with pytest.raises(ValueError, match=r"^decay_biases must be False without weight decay; got True"):
        Trainer(max_epochs=1, decay_biases=True, **options)


def fitted(prepare, **options):
    mxnet.random.seed(1)
    data = TextData([Source("fox", "the quick brown fox " * 40, "")], batch_size=64, num_steps=16)
    model = RNNLM(GRU(8, 2), len(data.vocab), lr=0.5)
    prepare(model)
    before = parameter_arrays(model)
    trainer = Trainer(max_epochs=2, gradient_clip_val=1, progress=False, **options)
    trainer.fit(model, data)
    return before, parameter_arrays(model), trainer


def changed(before, after):
    return {key for key, array in after.items() if (array != before[key]).any()}


@pytest.mark.parametrize("ctx", ["cpu", "cpu(0),cpu(1)"])
def test_frozen_parameters_are_not_trained_and_the_others_are(ctx, caplog):
    def freeze(model):
        model.rnn.layers[0].collect_params().setattr("grad_req", "null")
    before, after, trainer = fitted(freeze, ctx=ctx)
    frozen = {key for key in before if key.startswith("rnn.layer0.")}
    assert len(frozen) == 4
    assert changed(before, after) == before.keys() - frozen
    norms = trainer.history[-1]["layer_gradient_norms"]
    assert {key for key, values in norms.items() if max(values) == 0} == {"layer 1"}
    assert "vanishes" not in caplog.text
    assert trainer.history[-1]["train_ppl"] < trainer.history[0]["train_ppl"]


def test_a_multiplier_of_the_learning_rate_acts_on_its_parameters():
    def slow(model):
        model.dense.collect_params().setattr("lr_mult", 0.0)
        model.rnn.layers[1].weights.lr_mult = 0.5
    before, after, _ = fitted(slow)
    assert changed(before, after) == {key for key in before if not key.startswith("dense")}


def test_a_multiplier_of_the_weight_decay_acts_on_its_parameters():
    model = made("fused")
    before = parameter_arrays(model)
    model.rnn.layers[0].weights.wd_mult = 0.0
    updates = Optimizer(dict(model.named_parameters()), "sgd", {"wd": DECAY})
    with autograd.record():
        loss = sum((parameter.data() * 0).sum() for _, parameter in model.named_parameters())
    loss.backward()
    updates.update(0.1)
    assert changed(before, parameter_arrays(model)) == {key for key, array in before.items() if array.ndim == 2
                                                         and not key.startswith("rnn.layer0")}


def test_accumulated_gradients_are_refused():
    with pytest.raises(ValueError, match=r"^grad_req must be write or null, .*; got add for dense\.bias"):
        fitted(lambda model: setattr(model.dense.bias, "grad_req", "add"))
