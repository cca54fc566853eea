"""Parameters of our models are Gluon parameters: initializers, patterns, attributes and files act as Gluon's do."""

import copy
import pickle

from gluon_deeprnn import GRU, LSTM, RNN, RNNLM, RNNLMScratch, StackedRNNScratch
from gluon_deeprnn.models.weights import parameter_arrays
import mxnet
from mxnet import gluon, init, np, npx
from mxnet.gluon import nn
import numpy
import pytest

H, D = 4, 3
FUSED = {"gru": lambda **options: GRU(H, 2, **options), "lstm": lambda **options: LSTM(H, 2, **options),
         "rnn": lambda **options: RNN(H, 2, **options)}
STACKS = {**FUSED, "scratch rnn": lambda num_inputs=D: StackedRNNScratch(D, H, 2),
          "scratch lstm": lambda num_inputs=D: StackedRNNScratch(D, H, 2, cell="lstm")}
GLUONS = {"gru": gluon.rnn.GRU, "lstm": gluon.rnn.LSTM, "rnn": gluon.rnn.RNN}


def check_all(arrays, value):
    assert arrays
    for name, array in arrays.items():
        assert (array == (0 if array.ndim == 1 else value)).all(), name


def around(block):
    """A user's own block with one of ours in it."""
    net = nn.HybridSequential()
    net.add(block)
    return net


@pytest.mark.parametrize("name", STACKS)
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("within", [True, False])
@pytest.mark.parametrize(("initializer", "value"), [
    (init.Zero(), 0), (init.One(), 1), (init.Constant(0.5), 0.5), ("ones", 1), ("zeros", 0)])
def test_an_initializer_given_to_a_block_sets_weights_and_biases_as_in_gluon(name, known, within, initializer, value):
    stack = STACKS[name](**({"num_inputs": D} if known else {}))
    net = around(stack) if within else stack
    net.initialize(initializer)
    stack(np.ones((2, 1, D)))  # completes deferred initialization
    check_all(parameter_arrays(stack), value)
    with pytest.warns(UserWarning, match="is already initialized, ignoring"):  # as in Gluon
        net.initialize()
    check_all(parameter_arrays(stack), value)
    net.initialize(init.Constant(2), force_reinit=True)
    check_all(parameter_arrays(stack), 2)


@pytest.mark.parametrize("name", FUSED)
@pytest.mark.parametrize("initializer", [init.Uniform(0.3), init.Normal(0.3), init.Xavier(), init.Orthogonal(),
                                         init.MSRAPrelu(), init.Constant(0.25)])
def test_the_values_are_those_that_gluons_layer_gets(name, initializer):
    theirs = GLUONS[name](H, 1, input_size=D)
    ours = {"gru": GRU, "lstm": LSTM, "rnn": RNN}[name](H, num_inputs=D)
    for each in (ours, theirs):
        mxnet.random.seed(5)
        each.initialize(initializer)
    found = parameter_arrays(ours)
    for part in ("i2h_weight", "h2h_weight", "i2h_bias", "h2h_bias"):
        expected = getattr(theirs, f"l0_{part}").data().asnumpy()
        numpy.testing.assert_array_equal(found[f"layer0.{part}"], expected)


@pytest.mark.parametrize("name", STACKS)
def test_without_an_initializer_the_models_own_is_used(name):
    def drawn(prepare):
        stack = STACKS[name](num_inputs=D)
        mxnet.random.seed(3)
        prepare(stack)
        return parameter_arrays(stack)
    expected = drawn(lambda stack: stack.initialize())
    for prepare in (lambda stack: around(stack).initialize(), lambda stack: stack.collect_params().initialize(),
                    lambda stack: [parameter.initialize() for parameter in stack.collect_params().values()]):
        for one, two in zip(expected.values(), drawn(prepare).values()):
            numpy.testing.assert_array_equal(one, two)
    assert any(abs(array).max() > 0 for array in expected.values())


def test_an_initializer_of_one_parameter_is_preferred_to_that_of_the_block():
    stack = GRU(H, 2, num_inputs=D)
    stack.layers[1].weights.init = init.One()
    stack.initialize(init.Zero())
    found = parameter_arrays(stack)
    assert (found["layer1.i2h_weight"] == 1).all()
    assert (found["layer0.i2h_weight"] == 0).all()
    stack.layers[0].weights.initialize(init.Constant(3), force_reinit=True)
    found = parameter_arrays(stack)
    assert (found["layer0.h2h_weight"] == 3).all()
    assert (found["layer0.h2h_bias"] == 0).all()
    scratch = StackedRNNScratch(D, H, 1)
    scratch.layers[0].b_h.init = init.One()  # as in Gluon, a bias too
    scratch.initialize(init.Zero())
    assert (scratch.layers[0].b_h.data().asnumpy() == 1).all()


def test_a_forget_bias_is_an_initializer_of_the_bias_and_stays():
    for stack in (LSTM(H, num_inputs=D, forget_bias=1), StackedRNNScratch(D, H, 1, cell="lstm", forget_bias=1)):
        stack.initialize(init.Zero())
        assert sum(float(array.sum()) for array in parameter_arrays(stack).values()) == H


def test_mixed_and_loaded_initializers_see_the_names_of_the_parts():
    stack = LSTM(H, num_inputs=D)
    stack.initialize(init.Mixed([".*h2h_weight", ".*bias", ".*"], [init.One(), init.Zero(), init.Constant(2)]))
    found = parameter_arrays(stack)
    assert [float(array.max()) for array in found.values()] == [2, 1, 0, 0]
    prefix = stack.layers[0].prefix
    given = {f"{prefix}i2h_bias": np.arange(4.0 * H), f"{prefix}h2h_weight": np.full((4 * H, H), 7)}
    stack.initialize(init.Load(given, default_init=init.One()), force_reinit=True)
    found = parameter_arrays(stack)
    numpy.testing.assert_array_equal(found["layer0.i2h_bias"], numpy.arange(4 * H))
    assert (found["layer0.h2h_weight"] == 7).all()
    assert (found["layer0.i2h_weight"] == 1).all()


@pytest.mark.parametrize("make", [
    lambda: RNNLM(GRU(H, 2), 5), lambda: RNNLM(LSTM(H), 5, embedding=3),
    lambda: RNNLMScratch(StackedRNNScratch(5, H, 2), 5)])
def test_a_language_model_is_initialized_again_as_a_whole(make):
    model = make()
    model.initialize(init.One(), force_reinit=True)
    check_all(parameter_arrays(model), 1)
    logits, _ = model(np.zeros((2, 1), dtype="int32"))
    assert (logits.asnumpy() == logits.asnumpy()[..., :1]).all()


@pytest.mark.parametrize("make", [
    lambda: LSTM(H, 2, num_inputs=D, forget_bias=1), lambda: GRU(H),
    lambda: StackedRNNScratch(D, H, 2, cell="lstm", forget_bias=1),
    lambda: RNNLMScratch(StackedRNNScratch(D, H, 2), D)])
def test_copies_keep_their_initialization(make):
    for duplicate in (copy.deepcopy, lambda block: pickle.loads(pickle.dumps(block))):
        block = make()
        drawn = []
        for each in (block, duplicate(block)):
            mxnet.random.seed(4)
            each.initialize(force_reinit=True)
            each(np.ones((2, 1, D)) if not hasattr(each, "vocab_size") else np.zeros((2, 1), dtype="int32"))
            drawn.append(parameter_arrays(each))
        for one, two in zip(drawn[0].values(), drawn[1].values()):
            numpy.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("select", [".*bias", ".*i2h_weight", ".*_weight$", "fusedlayer.*h2h", ".*h2h_bias"])
def test_a_pattern_that_names_parts_of_a_flat_parameter_is_refused(select):
    stack = LSTM(H, 2, num_inputs=D)
    for block in (stack, around(stack), RNNLM(LSTM(H, 2), 5)):
        with pytest.raises(ValueError, match=r"select must be a pattern that matches \w+_weights, which holds all"):
            block.collect_params(select)


def test_patterns_of_whole_parameters_select_them():
    stack = LSTM(H, 2, num_inputs=D)
    names = [layer.weights.name for layer in stack.layers]
    for select in (".*", ".*weights", ".*weight", ".*weight|.*bias"):
        assert list(around(stack).collect_params(select)) == names
    assert list(stack.collect_params(names[0])) == names[:1]
    assert list(stack.collect_params("dense.*")) == []
    scratch = StackedRNNScratch(D, H, 2, cell="gru")
    assert len(scratch.collect_params(".*_b_").keys()) == 8
    assert len(RNNLM(GRU(H), 5).collect_params(".*dense.*").keys()) == 2


@pytest.mark.parametrize("options", [
    {"foo": 1}, {"static_aloc": True}, {"static_shape": True, "static_alloc": False}])
def test_options_of_hybridize_that_would_have_no_effect_are_refused(options):
    stack = GRU(H, num_inputs=D)
    with pytest.raises(ValueError, match=r"must be (one of inline_limit|False without static_alloc)"):
        stack.hybridize(**options)


@pytest.mark.parametrize("options", [
    {"static_alloc": False}, {"static_shape": False}, {"inline_limit": 3}, {"forward_bulk_size": 4, "clear": True}])
def test_options_of_hybridize_that_gluon_has_act(options):
    stack, x = GRU(H, num_inputs=D), np.ones((3, 2, D))
    stack.initialize()
    expected = stack(x)[0].asnumpy()
    for block in (stack, around(stack)):
        block.hybridize(**options)
        numpy.testing.assert_allclose(stack(x)[0].asnumpy(), expected, atol=1e-6)


class Own(gluon.nn.HybridBlock):
    """A user's block with one of our stacks."""

    def __init__(self, core):
        super().__init__()
        with self.name_scope():
            self.core = core
            self.out = nn.Dense(2, flatten=False, in_units=core.num_hiddens)

    def hybrid_forward(self, F, x):
        return self.out(self.core(x)[0])


CORES = {
    "lstm": lambda: LSTM(8, num_inputs=2), "gru": lambda: GRU(8, num_inputs=6),  # 384 numbers each
    "tanh": lambda: RNN(8, num_inputs=38), "relu": lambda: RNN(8, num_inputs=38, activation="relu"),
    "scratch tanh": lambda: StackedRNNScratch(6, 8, 2),
    "scratch relu": lambda: StackedRNNScratch(6, 8, 2, activation="relu"),
    "scratch gru before": lambda: StackedRNNScratch(6, 8, 1, cell="gru", reset="before"),
    "scratch gru": lambda: StackedRNNScratch(6, 8, 1, cell="gru"),
}


def own(name):
    net = Own(CORES[name]())
    net.initialize()
    return net


@pytest.mark.parametrize("options", [{}, {"ignore_extra": True}, {"allow_missing": True}])
def test_a_users_block_refuses_the_file_of_another_cell(options, tmp_path):
    for name in CORES:
        own(name).save_parameters(str(tmp_path / name))
    for name in CORES:
        for other in CORES.keys() - {name}:
            with pytest.raises((AssertionError, ValueError)):
                own(other).load_parameters(str(tmp_path / name), **options)


@pytest.mark.parametrize("deduplicate", [True, False])
@pytest.mark.parametrize("name", CORES)
def test_a_users_block_reads_its_own_file(name, deduplicate, tmp_path):
    net = own(name)
    net.save_parameters(str(tmp_path / "net"), deduplicate=deduplicate)
    other = Own(CORES[name]())
    for prepare in (lambda: None, lambda: other.initialize(force_reinit=True)):
        prepare()
        other.load_parameters(str(tmp_path / "net"))
        for (path, one), (_, two) in zip(net.core.named_parameters(), other.core.named_parameters()):
            numpy.testing.assert_array_equal(one.data().asnumpy(), two.data().asnumpy(), err_msg=path)
    assert len(npx.load(str(tmp_path / "net"))) == len(net.collect_params().keys())


@pytest.mark.parametrize("name", CORES)
def test_a_users_block_reads_files_that_name_no_cell(name, tmp_path):
    net = own(name)
    old = {f"core.{path}": parameter.data() for path, parameter in net.core.named_parameters()}
    old.update({f"out.{part}": getattr(net.out, part).data() for part in ("weight", "bias")})
    npx.save(str(tmp_path / "old"), old)
    other = own(name)
    other.load_parameters(str(tmp_path / "old"))
    for (_, one), (_, two) in zip(net.core.named_parameters(), other.core.named_parameters()):
        numpy.testing.assert_array_equal(one.data().asnumpy(), two.data().asnumpy())


def test_a_layer_alone_reads_its_own_file(tmp_path):
    for stack in (LSTM(8, num_inputs=2), StackedRNNScratch(6, 8, 1, cell="gru")):
        layer = stack.layers[0]
        layer.initialize()
        layer.save_parameters(tmp_path / "layer")
        before = parameter_arrays(layer)
        layer.initialize(init.One(), force_reinit=True)
        layer.load_parameters(tmp_path / "layer")
        for name, array in parameter_arrays(layer).items():
            numpy.testing.assert_array_equal(array, before[name])
