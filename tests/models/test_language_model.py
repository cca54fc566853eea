import json
from pathlib import Path

from gluon_deeprnn import GRU, LSTM, RNN, RNNLM, RNNLMScratch, StackedRNNScratch, Trainer
from gluon_deeprnn.models.weights import parameter_arrays, set_parameters
import mxnet
from mxnet import np
import numpy
import pytest

GOLDEN = Path(__file__).parents[1] / "golden" / "parameters.json"
V = 11
MODELS = {
    "scratch": lambda: RNNLMScratch(StackedRNNScratch(V, 6, 3), V),
    "rnn": lambda: RNNLM(RNN(6, 3), V),
    "lstm": lambda: RNNLM(LSTM(6, 3), V),
    "gru": lambda: RNNLM(GRU(6, 3), V),
    "gru-embedding": lambda: RNNLM(GRU(6, 2), V, embedding=4),
}


@pytest.fixture(params=MODELS)
def name(request):
    return request.param


def test_names_and_shapes_of_parameters_are_those_of_earlier_files(name):
    shapes = {key: list(array.shape) for key, array in parameter_arrays(MODELS[name]()).items()}
    golden = json.loads(GOLDEN.read_text())
    assert shapes == golden[name], "if the change is intended, run: python tests/golden/write.py"


def test_one_step_of_training_changes_every_parameter_array(name, small_data):
    size = len(small_data.vocab)
    model = {
        "scratch": lambda: RNNLMScratch(StackedRNNScratch(size, 6, 3, sigma=0.3), size),
        "rnn": lambda: RNNLM(RNN(6, 3), size), "lstm": lambda: RNNLM(LSTM(6, 3), size),
        "gru": lambda: RNNLM(GRU(6, 3, dropout=0.2), size),
        "gru-embedding": lambda: RNNLM(GRU(6, 2), size, embedding=4),
    }[name]()
    before = parameter_arrays(model)
    small_data.batch_size = small_data.num_train  # one batch, one step
    Trainer(1, gradient_clip_val=1, lr=1.0, progress=False).fit(model, small_data)
    after = parameter_arrays(model)
    assert len(before) >= 8
    for key, array in before.items():
        changed = (array != after[key]).mean()
        # one-hot inputs have gradients only for tokens that occur, here all but the unknown token
        assert changed > 0.5, f"{key}: {changed:.0%} of its elements have changed"


def test_logits_do_not_depend_on_hybridizing(name):
    model = MODELS[name]()
    tokens = np.array(numpy.random.randint(0, V, (9, 4)), dtype="int32")
    plain, state = model(tokens)
    model.hybridize()
    for steps in (9, 4):
        compiled, compiled_state = model(tokens[:steps])
        numpy.testing.assert_allclose(compiled.asnumpy(), plain[:steps].asnumpy(), atol=1e-6)
    assert plain.shape == (9, 4, V)
    assert len(compiled_state) == len(state)


def test_parameters_can_be_copied_to_another_model(name):
    first, second = MODELS[name](), MODELS[name]()
    tokens = np.array(numpy.random.randint(0, V, (5, 2)), dtype="int32")
    assert (first(tokens)[0].asnumpy() != second(tokens)[0].asnumpy()).any()
    set_parameters(second, parameter_arrays(first))
    assert (first(tokens)[0].asnumpy() == second(tokens)[0].asnumpy()).all()


@pytest.mark.parametrize(("change", "message"), [
    (lambda arrays: arrays.pop("dense.bias"), "parameters must be those of the model; got different names: dense.bias"),
    (lambda arrays: arrays.update(x=arrays["dense.bias"]),
     "parameters must be those of the model; got different names: x"),
    (lambda arrays: arrays.update({"dense.bias": numpy.zeros(3, "float32")}),
     r"parameter dense.bias must be float32 of shape \(11,\); got float32 of shape \(3,\)"),
    (lambda arrays: arrays.update({"dense.bias": numpy.zeros(V)}),
     r"parameter dense.bias must be float32 of shape \(11,\); got float64 of shape \(11,\)"),
])
def test_parameters_of_another_model_are_refused_and_change_nothing(change, message):
    model = MODELS["gru"]()
    before = parameter_arrays(model)
    arrays = {key: array + 1 for key, array in before.items()}
    change(arrays)
    with pytest.raises(ValueError, match="^" + message):
        set_parameters(model, arrays)
    for key, array in parameter_arrays(model).items():
        assert (array == before[key]).all()


def test_seed_repeats_the_initial_parameters(name):
    def weights():
        mxnet.random.seed(4)
        return parameter_arrays(MODELS[name]())

    first, second = weights(), weights()
    for key, array in first.items():
        assert (array == second[key]).all()


def test_parameters_that_the_user_set_before_are_kept():
    core = GRU(6, 2, num_inputs=V)
    core.initialize(mxnet.init.One(), force_reinit=True)
    for _, parameter in core.named_parameters():
        parameter.set_data(np.ones(parameter.shape))
    RNNLM(core, V)
    assert all((parameter.data().asnumpy() == 1).all() for _, parameter in core.named_parameters())


@pytest.mark.parametrize(("make", "message"), [
    (lambda: RNNLM(GRU, 5), r"rnn must be a recurrent core, such as GRU\(num_hiddens=32, num_layers=2\); got "),
    (lambda: RNNLM(GRU(4), 0), "vocab_size must be a positive integer; got 0"),
    (lambda: RNNLM(GRU(4), 5, lr=0), "lr must be a number above 0; got 0"),
    (lambda: RNNLM(GRU(4, num_inputs=6), 5), "vocab_size must be the num_inputs of rnn, 6; got 5"),
    (lambda: RNNLM(GRU(4), 5, embedding=-1), "embedding must be a non-negative integer; got -1"),
    (lambda: RNNLMScratch(StackedRNNScratch(6, 4, 1), 5), "vocab_size must be the num_inputs of rnn, 6; got 5"),
    (lambda: MODELS["gru"]()(np.zeros(5)), r"tokens must be an array of shape \(any, any\); got shape \(5,\)"),
])
def test_bad_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match="^" + message):
        make()
