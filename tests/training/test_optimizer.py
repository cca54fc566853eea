from gluon_deeprnn.training.optimizer import OPTIMIZERS, Optimizer, clip_global_norm
from hypothesis import given
from hypothesis import strategies as st
from mxnet import autograd, gluon, np
import numpy
import pytest


@given(st.lists(st.integers(1, 40), min_size=1, max_size=8), st.floats(0.01, 100), st.floats(0.01, 100))
def test_clipping_scales_all_gradients_by_one_number(sizes, scale, max_norm):
    rng = numpy.random.default_rng(len(sizes))
    arrays = [(rng.normal(size=size) * scale).astype("float32") for size in sizes]
    gradients = [np.array(array) for array in arrays]
    norm = clip_global_norm(gradients, max_norm)
    expected = numpy.sqrt(sum((array.astype("float64") ** 2).sum() for array in arrays))
    assert float(norm) == pytest.approx(expected, rel=1e-5)
    for gradient, array in zip(gradients, arrays):
        numpy.testing.assert_allclose(gradient.asnumpy(), array * min(1, max_norm / expected), rtol=1e-5)


def test_small_gradients_are_not_changed():
    gradient = np.array([0.1, 0.2, 0.3])
    before = gradient.asnumpy()
    clip_global_norm([gradient], 5)
    assert (gradient.asnumpy() == before).all()


def test_clipping_at_zero_only_computes_the_norm():
    gradient = np.array([30.0, 40.0])
    assert float(clip_global_norm([gradient], 0)) == 50
    assert gradient.asnumpy().tolist() == [30, 40]


def parameters():
    made = {}
    for name, shape in (("w", (3, 4)), ("b", (4,))):
        made[name] = gluon.Parameter(name, shape=shape)
        made[name].initialize()
        made[name].set_data(np.array(numpy.linspace(-1, 1, int(numpy.prod(shape))).reshape(shape), dtype="float32"))
    return made


def steps(optimizer, made, count, first=0):
    for i in range(count):
        with autograd.record():
            loss = sum(((p.data() - 0.3 * (first + i)) ** 2).sum() for p in made.values())
        loss.backward()
        optimizer.update(0.01 * (1 + first + i))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_resuming_from_a_state_equals_an_uninterrupted_run(name):
    options = {"momentum": 0.9} if name in ("sgd", "nag") else {}
    whole = parameters()
    steps(Optimizer(whole, name, options, clip=1), whole, 6)
    first = parameters()
    optimizer = Optimizer(first, name, options, clip=1)
    steps(optimizer, first, 3)
    arrays, about = optimizer.state()
    second = parameters()
    for key, parameter in second.items():
        parameter.set_data(first[key].data())
    resumed = Optimizer(second, name, options, clip=1)
    resumed.set_state(arrays, about)
    steps(resumed, second, 3, first=3)
    for key, parameter in whole.items():
        assert (parameter.data().asnumpy() == second[key].data().asnumpy()).all()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_moves_towards_the_minimum(name):
    made = parameters()
    optimizer = Optimizer(made, name, clip=1)

    def loss():
        return float(sum((p.data() ** 2).sum() for p in made.values()))

    before = loss()
    for _ in range(20):
        with autograd.record():
            total = sum((p.data() ** 2).sum() for p in made.values())
        total.backward()
        optimizer.update(0.01)
    assert loss() < before


def test_sgd_is_gradient_descent():
    made = parameters()
    before = made["b"].data().asnumpy()
    optimizer = Optimizer(made, "sgd")
    with autograd.record():
        loss = sum((p.data() ** 2).sum() for p in made.values())
    loss.backward()
    optimizer.update(0.1)
    numpy.testing.assert_allclose(made["b"].data().asnumpy(), before - 0.1 * 2 * before, rtol=1e-6)


@pytest.mark.parametrize("clip", [0, 0.4])
def test_elements_of_the_gradients_are_clipped_before_their_norm(clip):
    made = parameters()
    before = {name: parameter.data().asnumpy() for name, parameter in made.items()}
    optimizer = Optimizer(made, "sgd", clip=clip, clip_value=0.3)
    with autograd.record():
        loss = sum((p.data() ** 2).sum() for p in made.values())
    loss.backward()
    squares, largest = optimizer.update(0.1)
    gradients = {name: 2 * array for name, array in before.items()}
    assert squares.asnumpy() == pytest.approx([(g**2).sum() for g in gradients.values()], rel=1e-6)  # before clipping
    assert float(largest) == pytest.approx(max(abs(g).max() for g in gradients.values()))
    clipped = {name: numpy.clip(g, -0.3, 0.3) for name, g in gradients.items()}
    assert any((g != gradients[name]).any() and (g == gradients[name]).any() for name, g in clipped.items())
    norm = numpy.sqrt(sum((g**2).sum() for g in clipped.values()))
    scale = min(1, clip / norm) if clip else 1
    assert scale < 1 or not clip
    for name, parameter in made.items():
        numpy.testing.assert_allclose(parameter.data().asnumpy(), before[name] - 0.1 * scale * clipped[name], rtol=1e-6)


def test_the_state_of_another_optimizer_is_refused():
    made = parameters()
    adam = Optimizer(made, "adam")
    steps(adam, made, 1)
    with pytest.raises(ValueError, match=r"^optimizer state must be that of this optimizer and these .*; got "):
        Optimizer(parameters(), "sgd").set_state(*adam.state())


@pytest.mark.parametrize(("name", "options", "message"), [
    ("adamm", {}, r"optimizer must be one of sgd, .*; got 'adamm' \(did you mean 'adam'\?\)"),
    ("sgd", {"momentun": 1}, "optimizer_params must be options of MXNet's sgd; got .*momentun"),
])
def test_bad_options_are_refused(name, options, message):
    with pytest.raises(ValueError, match="^" + message):
        Optimizer(parameters(), name, options)
