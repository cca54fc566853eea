"""Six kinds of dropout: masks, training and prediction, seeds and gradients."""

from gluon_deeprnn import GRU, LSTM, RNN, RNNLM, RNNLMScratch, StackedRNNScratch, kernels
from gluon_deeprnn.models import as_scratch
from gluon_deeprnn.models.weights import gradient_arrays
import mxnet
from mxnet import autograd, np
import numpy
import pytest

T, N, D, H, L = 6, 4, 5, 8, 3
KINDS = {
    "dropout": {"dropout": 0.4},
    "variational": {"dropout": 0.4, "input_dropout": 0.2, "variational": True},
    "input": {"input_dropout": 0.4},
    "output": {"output_dropout": 0.4},
    "weight": {"weight_dropout": 0.4},
    "all": {"dropout": 0.3, "input_dropout": 0.2, "output_dropout": 0.4, "weight_dropout": 0.3, "variational": True},
}
CELLS = {"rnn": RNN, "lstm": LSTM, "gru": GRU}


def started(core):
    core.initialize()
    return core


def step(core, x, d_outputs, seed=3):
    """The outputs of a training step and all gradients, with masks from ``seed``."""
    x = np.array(x)
    x.attach_grad()
    mxnet.random.seed(seed)
    with autograd.record():
        outputs, _ = core(x)
        (outputs * np.array(d_outputs)).sum().backward()
    return outputs.asnumpy(), x.grad.asnumpy(), gradient_arrays(core)


def draw(*shape):
    return numpy.random.uniform(-1, 1, shape).astype("float32")


@pytest.mark.parametrize("hybridized", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cell", CELLS)
def test_the_same_seed_drops_the_same_from_scratch_and_fused(cell, kind, hybridized):
    fused = started(CELLS[cell](H, L, num_inputs=D, **KINDS[kind]))
    scratch = as_scratch(fused)
    for core in (fused, scratch):
        core.hybridize(hybridized)
    x, d_outputs = draw(T, N, D), draw(T, N, H)
    outputs, d_x, d_fused = step(fused, x, d_outputs)
    got_outputs, got_d_x, d_scratch = step(scratch, x, d_outputs)
    numpy.testing.assert_allclose(got_outputs, outputs, atol=2e-6)
    numpy.testing.assert_allclose(got_d_x, d_x, atol=1e-5)
    gate = {"rnn": "h", "lstm": "i", "gru": "r"}[cell]
    for i in range(L):
        ours, theirs = d_scratch[f"layer{i}.W_h{gate}"].T, d_fused[f"layer{i}.h2h_weight"][:H]
        numpy.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert abs(step(fused, x, d_outputs, seed=4)[0] - outputs).max() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cell", CELLS)
def test_hybridizing_drops_the_same(cell, kind):
    core = started(CELLS[cell](H, L, num_inputs=D, **KINDS[kind]))
    x, d_outputs = draw(T, N, D), draw(T, N, H)
    plain = step(core, x, d_outputs)
    core.hybridize()
    compiled = step(core, x, d_outputs)
    for a, b in zip((*plain[:2], *plain[2].values()), (*compiled[:2], *compiled[2].values())):
        numpy.testing.assert_allclose(b, a, atol=1e-6)


@pytest.mark.parametrize("kind", ["dropout", "all"])
@pytest.mark.parametrize("implementation", ["fused", "scratch"])
@pytest.mark.parametrize("cell", CELLS)
def test_gradients_with_a_fixed_mask_equal_finite_differences(cell, implementation, kind):
    core = started(CELLS[cell](4, 2, num_inputs=3, **KINDS[kind]))
    core = as_scratch(core) if implementation == "scratch" else core
    core.hybridize()
    x, d_outputs = draw(5, 2, 3), draw(5, 2, 4)
    _, _, gradients = step(core, x, d_outputs)
    parameters = dict(core.named_parameters())
    flat = numpy.concatenate([g.ravel() for g in gradients.values()])
    found, expected = [], []
    generator = numpy.random.default_rng(0)
    offset = 0
    for parameter in parameters.values():
        values = parameter.data().asnumpy()
        for index in generator.choice(values.size, min(40 if len(parameters) == 2 else 4, values.size), replace=False):
            sums = []
            for sign in (1, -1):
                moved = values.copy()
                moved.flat[index] += sign * 2e-2
                parameter.set_data(np.array(moved))
                sums.append((step(core, x, d_outputs)[0].astype("float64") * d_outputs).sum())
            parameter.set_data(np.array(values))
            found.append((sums[0] - sums[1]) / 4e-2)
            expected.append(flat[offset + index])
        offset += values.size
    numpy.testing.assert_allclose(found, expected, rtol=0.02, atol=2e-3)
    assert numpy.abs(expected).max() > 0.1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cell", CELLS)
def test_nothing_is_dropped_in_prediction(cell, kind):
    mxnet.random.seed(1)
    with_dropout = started(CELLS[cell](H, L, num_inputs=D, **KINDS[kind]))
    mxnet.random.seed(1)
    without = started(CELLS[cell](H, L, num_inputs=D))
    x = np.array(draw(T, N, D))
    assert (with_dropout(x)[0].asnumpy() == without(x)[0].asnumpy()).all()


def seen_by(layer):
    """Record the inputs of a layer in all further calls."""
    seen = []
    layer.register_forward_pre_hook(lambda block, arguments: seen.append(arguments[0].asnumpy()))
    return seen


@pytest.mark.parametrize(("variational", "same_at_all_steps"), [(True, True), (False, False)])
def test_variational_dropout_keeps_its_mask_for_a_whole_sequence(variational, same_at_all_steps):
    core = started(GRU(64, 2, num_inputs=64, dropout=0.5, input_dropout=0.3, variational=variational))
    first, second = seen_by(core.layers[0]), seen_by(core.layers[1])
    with autograd.record():
        core(np.random.uniform(0.5, 1, size=(T, 32, 64)))
    for seen, share in ((first[0], 0.3), (second[0], 0.5)):
        dropped = seen == 0
        assert (dropped == dropped[:1]).all() == same_at_all_steps
        assert not (dropped[0] == dropped[0][:1]).all()  # each sequence has a different mask
        assert dropped.mean() == pytest.approx(share, abs=0.03)


@pytest.mark.parametrize("implementation", ["fused", "scratch"])
def test_weight_dropout_drops_recurrent_weights_once_for_all_steps(implementation):
    core = started(RNN(32, 1, num_inputs=32, weight_dropout=0.5))
    core = as_scratch(core) if implementation == "scratch" else core
    state = [np.random.uniform(size=(1, 4, 32))]
    with autograd.record():
        outputs, _ = core(np.random.uniform(size=(T, 4, 32)), state)
        outputs.sum().backward()
    gradients = gradient_arrays(core)
    recurrent = gradients["layer0.W_hh" if implementation == "scratch" else "layer0.h2h_weight"]
    inputs = gradients["layer0.W_xh" if implementation == "scratch" else "layer0.i2h_weight"]
    assert (recurrent == 0).mean() == pytest.approx(0.5, abs=0.06)  # dropped at every step, so the gradient is 0
    assert (inputs != 0).all()


@pytest.mark.parametrize("make", [
    lambda: RNNLM(GRU(8), 20, embedding_dropout=0.5), lambda: RNNLM(GRU(8), 20, embedding=6, embedding_dropout=0.5),
], ids=["one-hot", "embedding"])
def test_embedding_dropout_drops_whole_tokens_wherever_they_occur(make):
    model = make()
    seen = seen_by(model.rnn)
    tokens = numpy.random.randint(0, 20, (12, 9))
    with autograd.record():
        model(np.array(tokens, dtype="int32"))
    dropped = (seen[0] == 0).all(axis=-1)
    gone = {token for token in range(20) if dropped[tokens == token].any()}
    assert 3 <= len(gone) <= 17
    for token in range(20):
        assert dropped[tokens == token].all() == (token in gone)


@pytest.mark.parametrize("hybridized", [False, True])
def test_embedding_dropout_is_sampled_per_call_in_training_and_off_in_prediction(hybridized):
    model = RNNLM(GRU(8), 20, embedding=6, embedding_dropout=0.5)
    model.hybridize(hybridized)
    tokens = np.array(numpy.random.randint(0, 20, (12, 9)), dtype="int32")
    with autograd.record():
        first, second = model(tokens)[0].asnumpy(), model(tokens)[0].asnumpy()
    assert abs(first - second).max() > 1e-4
    assert (model(tokens)[0].asnumpy() == model(tokens)[0].asnumpy()).all()


@pytest.mark.parametrize("make", [
    lambda: StackedRNNScratch(D, H, L, sigma=0.5, weight_dropout=0.4), lambda: GRU(H, L, weight_dropout=0.4)],
    ids=["from scratch", "fused"])
def test_weight_dropout_is_compiled_with_mxnets_operators_too(make, monkeypatch):
    """As on a GPU, where this package has no operators: a part of a static graph must not be empty."""
    monkeypatch.setattr(kernels, "loaded", lambda: None)
    core = started(make())
    core.hybridize()
    x = np.array(draw(T, N, D))
    with autograd.record():
        first, second = core(x)[0], core(x)[0]
    first.backward()
    assert abs(first.asnumpy() - second.asnumpy()).max() > 1e-3


def test_a_language_model_from_scratch_has_dropout_too():
    model = RNNLMScratch(StackedRNNScratch(20, H, 2, dropout=0.5, sigma=0.5), 20)
    tokens = np.array(numpy.random.randint(0, 20, (12, 9)), dtype="int32")
    with autograd.record():
        assert abs(model(tokens)[0] - model(tokens)[0]).max() > 1e-4
