import math

from gluon_deeprnn import GRU, RNNLM, RNNLMScratch, StackedRNNScratch
from gluon_deeprnn.models.weights import parameter_arrays
from gluon_deeprnn.training.adamw import AdamW
from gluon_deeprnn.training.optimizer import Optimizer
import mxnet
from mxnet import autograd, gluon, np
import numpy
import pytest

WEIGHT_DECAY, STEPS = 0.1, 20


def made(shape):
    parameter = gluon.Parameter("w", shape=shape)
    parameter.initialize()
    parameter.set_data(np.array(numpy.random.default_rng(1).normal(size=shape), dtype="float32"))
    return parameter


def gradients(shape):
    rng = numpy.random.default_rng(2)
    return [(rng.normal(size=shape) * 10.0 ** rng.integers(-6, 2)).astype("float32") for _ in range(STEPS)]


def rate(step):
    return 0.01 * (1 + math.sin(step))


def trained(shape):
    """The values of one parameter after all steps."""
    parameter = made(shape)
    optimizer = Optimizer({"w": parameter}, "adamw", {"wd": WEIGHT_DECAY})
    for step, gradient in enumerate(gradients(shape)):
        with autograd.record():
            loss = (parameter.data() * np.array(gradient)).sum()
        loss.backward()
        optimizer.update(rate(step))
    return parameter.data().asnumpy()


@pytest.mark.parametrize(("shape", "decay"), [((6, 5), WEIGHT_DECAY), ((30,), 0), ((2, 1, 15), 0)])
def test_the_update_is_that_of_the_paper_in_double_precision_and_only_matrices_decay(shape, decay):
    w = made(shape).data().asnumpy().astype("float64")
    m, v = numpy.zeros(shape), numpy.zeros(shape)
    for step, gradient in enumerate(gradients(shape)):
        g = gradient.astype("float64")
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        corrected_m, corrected_v = m / (1 - 0.9 ** (step + 1)), v / (1 - 0.999 ** (step + 1))
        w = w - rate(step) * decay * w - rate(step) * corrected_m / (numpy.sqrt(corrected_v) + 1e-8)
    assert abs(trained(shape) - w).max() < 1e-6 * abs(w).max()


@pytest.mark.torch
def test_the_update_is_that_of_torch():
    torch = pytest.importorskip("torch")
    w = torch.nn.Parameter(torch.tensor(made((6, 5)).data().asnumpy()))
    theirs = torch.optim.AdamW([w], weight_decay=WEIGHT_DECAY)
    for step, gradient in enumerate(gradients((6, 5))):
        theirs.param_groups[0]["lr"] = rate(step)
        w.grad = torch.tensor(gradient)
        theirs.step()
    found, expected = trained((6, 5)), w.detach().numpy()
    assert abs(found - expected).max() < 1e-6 * abs(expected).max()


@pytest.mark.parametrize("model", [
    lambda: RNNLM(GRU(6, 2, layer_norm=True, learned_state=True), 9, embedding=4),
    lambda: RNNLM(GRU(6, 2), 9, embedding=6, tied=True),
    lambda: RNNLMScratch(StackedRNNScratch(9, 6, 2, sigma=0.5, cell="lstm"), 9),
])
def test_matrices_and_embeddings_of_a_model_decay_and_its_other_parameters_do_not(model):
    built = model()
    for _, parameter in built.named_parameters():
        parameter.set_data(parameter.data() + 0.5)
    before = parameter_arrays(built)
    optimizer = Optimizer(dict(built.named_parameters()), "adamw", {"wd": WEIGHT_DECAY})
    with autograd.record():
        loss = sum((parameter.data() * 0).sum() for _, parameter in built.named_parameters())
    loss.backward()
    optimizer.update(0.5)
    kept = {name for name, array in parameter_arrays(built).items() if (array == before[name]).all()}
    assert kept == {name for name, array in before.items() if array.ndim != 2}
    assert kept < before.keys()
    for name, array in parameter_arrays(built).items():
        if name not in kept:
            numpy.testing.assert_allclose(array, before[name] * (1 - 0.5 * WEIGHT_DECAY), rtol=1e-6)


def test_gluons_own_trainer_finds_it_by_its_name():
    trainer = gluon.Trainer([made((3, 4))], "adamw", {"learning_rate": 0.1, "wd": 0.5})
    assert isinstance(trainer.optimizer, AdamW)
    assert isinstance(mxnet.optimizer.create("adamw"), AdamW)
