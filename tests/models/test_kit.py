"""The options for deep networks: each one against its formula."""

from gluon_deeprnn import GRU, LSTM, RNN, RNNLM, RNNLMScratch, StackedRNNScratch, Trainer
from gluon_deeprnn.data import Source
from gluon_deeprnn.data.text_data import TextData
from gluon_deeprnn.models import as_fused, as_scratch
from gluon_deeprnn.models.weights import gradient_arrays, parameter_arrays
from mxnet import autograd, np
import numpy
import pytest

T, N, D, H, L = 6, 4, 5, 8, 3


def draw(*shape):
    return np.array(numpy.random.uniform(-1, 1, shape).astype("float32"))


def started(core):
    core.initialize()
    return core


@pytest.mark.parametrize("hybridized", [False, True])
@pytest.mark.parametrize(("layer_norm", "residual"), [(True, False), (False, True), (True, True)])
@pytest.mark.parametrize("make", [lambda **k: GRU(H, L, num_inputs=D, **k),
                                  lambda **k: StackedRNNScratch(D, H, L, cell="lstm", sigma=0.5, **k)])
def test_layer_norm_and_residual_equal_their_formulas(make, layer_norm, residual, hybridized):
    core = started(make(layer_norm=layer_norm, residual=residual))
    for norm in core.norms:
        norm.gamma.set_data(draw(H))
        norm.beta.set_data(draw(H))
    x = draw(T, N, D)
    state = core.begin_state(N)
    outputs, last = x, []
    for i, layer in enumerate(core.layers):
        read = outputs
        if layer_norm and i > 0:
            values = read.asnumpy().astype("float64")
            scaled = (values - values.mean(-1, keepdims=True)) / numpy.sqrt(values.var(-1, keepdims=True) + 1e-5)
            read = np.array(scaled * core.norms[i - 1].gamma.data().asnumpy() + core.norms[i - 1].beta.data().asnumpy(),
                            dtype="float32")
        result, layer_state = layer(read, [array[i] for array in state])
        outputs = outputs + result if residual and i > 0 else result
        last.append(layer_state[0].asnumpy())
    core.hybridize(hybridized)
    got, got_state = core(x)
    numpy.testing.assert_allclose(got.asnumpy(), outputs.asnumpy(), atol=2e-6)
    numpy.testing.assert_allclose(got_state[0].asnumpy(), numpy.stack(last), atol=2e-6)


@pytest.mark.parametrize("hybridized", [False, True])
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("num_layers", [1, 2, 3])
@pytest.mark.parametrize("make", [lambda L, **k: GRU(H, L, num_inputs=D, **k),
                                  lambda L, **k: StackedRNNScratch(D, H, L, cell="lstm", sigma=0.5, **k)])
def test_with_skip_connections_the_outputs_are_those_of_all_layers(make, num_layers, residual, hybridized):
    core = started(make(num_layers, skip=True, residual=residual))
    x = draw(T, N, D)
    expected, below = [], x
    for i, layer in enumerate(core.layers):
        outputs, _ = layer(below, [array[i] for array in core.begin_state(N)])
        below = below + outputs if residual and i > 0 else outputs
        expected.append(below.asnumpy())
    core.hybridize(hybridized)
    got, state = core(x)
    assert got.shape == (T, N, core.num_outputs) == (T, N, num_layers * H)
    numpy.testing.assert_allclose(got.asnumpy(), numpy.concatenate(expected, axis=2), atol=2e-6)
    if not residual:
        numpy.testing.assert_allclose(state[0].asnumpy(), numpy.stack([each[-1] for each in expected]), atol=2e-6)


@pytest.mark.parametrize("num_layers", [1, 2, 3])
@pytest.mark.parametrize("scratch", [False, True])
def test_the_output_layer_has_weights_for_the_outputs_of_every_layer(scratch, num_layers):
    """Logits and their gradients are those of a sum over the layers, one product for each."""
    core = StackedRNNScratch(11, H, num_layers, cell="gru", sigma=0.5, skip=True) if scratch else GRU(
        H, num_layers, skip=True)
    model = (RNNLMScratch if scratch else RNNLM)(core, 11)
    arrays = parameter_arrays(model)
    weights = arrays["W_hq"].T if scratch else arrays["dense.weight"]
    bias = arrays["b_q"] if scratch else arrays["dense.bias"]
    assert weights.shape == (11, num_layers * H)
    tokens, d_logits = np.array(numpy.random.randint(0, 11, (T, N)), dtype="int32"), draw(T, N, 11)
    outputs = core(np.array(numpy.eye(11, dtype="float32")[tokens.asnumpy()]))[0].asnumpy()
    expected = bias + sum(outputs[:, :, i * H:(i + 1) * H] @ weights[:, i * H:(i + 1) * H].T for i in range(num_layers))
    for hybridized in (False, True):
        model.hybridize(hybridized)
        with autograd.record():
            logits, _ = model(tokens)
            (logits * d_logits).sum().backward()
        numpy.testing.assert_allclose(logits.asnumpy(), expected, atol=2e-5)
        d_weights = numpy.einsum("tnv,tnh->vh", d_logits.asnumpy(), outputs)
        gradients = gradient_arrays(model)
        numpy.testing.assert_allclose(gradients["W_hq"].T if scratch else gradients["dense.weight"], d_weights,
                                      rtol=1e-4, atol=1e-4)
        for name, array in gradients.items():
            assert (array != 0).any(), name


def test_tied_weights_are_refused_with_the_size_that_skip_connections_need():
    with pytest.raises(ValueError, match=r"^embedding must be the number of outputs of rnn, 16, with tied"):
        RNNLM(GRU(8, 2, skip=True), 5, embedding=8, tied=True)
    assert RNNLM(GRU(8, 2, skip=True), 5, embedding=16, tied=True).dense.weight.shape == (5, 16)


XAVIER = {"initializer": "xavier", "recurrent_initializer": "orthogonal"}


@pytest.mark.parametrize("make", [
    lambda: started(RNN(50, 2, num_inputs=50, **XAVIER)), lambda: started(LSTM(50, 2, num_inputs=50, **XAVIER)),
    lambda: as_scratch(started(GRU(50, 2, num_inputs=50, **XAVIER))),
    lambda: started(StackedRNNScratch(50, 50, 2, cell="gru", **XAVIER)),
], ids=["rnn", "lstm", "gru", "scratch"])
def test_initializers_by_name(make):
    core = make()
    arrays = parameter_arrays(core)
    bound = (6 / 100) ** 0.5
    checked = 0
    for name, array in arrays.items():
        if "h2h_weight" in name or ".W_h" in name:
            for gate in numpy.split(array, array.shape[0] // 50):
                numpy.testing.assert_allclose(gate @ gate.T, numpy.eye(50), atol=1e-5)
                checked += 1
        elif "i2h_weight" in name or ".W_x" in name:
            assert bound * 0.95 < abs(array).max() <= bound
            assert array.std() == pytest.approx(bound / 3 ** 0.5, rel=0.05)
        else:
            assert not array.any()
    assert checked >= 2


def test_the_books_sigma_and_torchs_uniform():
    scratch = started(StackedRNNScratch(100, 100, 2, sigma=0.3, cell="lstm"))
    fused = started(GRU(100, 2, num_inputs=100))
    for name, array in parameter_arrays(scratch).items():
        assert array.std() == pytest.approx(0 if ".b_" in name else 0.3, rel=0.03)
    for array in parameter_arrays(fused).values():
        assert 0.095 < abs(array).max() <= 0.1
        assert array.std() == pytest.approx(0.1 / 3 ** 0.5, rel=0.1)


@pytest.mark.parametrize("initializer", ["uniform", "orthogonal"])
def test_forget_bias_is_the_initial_bias_of_the_forget_gate(initializer):
    fused = started(LSTM(H, L, num_inputs=D, forget_bias=1, initializer=initializer))
    scratch = started(StackedRNNScratch(D, H, L, cell="lstm", forget_bias=1, initializer=initializer))
    for i in range(L):
        arrays = parameter_arrays(as_scratch(fused))
        assert (arrays[f"layer{i}.b_f"] == 1).all()
        assert (parameter_arrays(scratch)[f"layer{i}.b_f"] == 1).all()
        assert not (arrays[f"layer{i}.b_i"] == 1).any()


def test_each_fused_layer_has_the_activation_that_it_was_given():
    core = started(RNN(H, 2, num_inputs=D, activation=["relu", "tanh"]))
    assert core.layers[0](draw(T, N, D), [np.zeros((N, H))])[0].asnumpy().min() == 0
    assert as_scratch(core).layer_options == [{"activation": "relu"}, {"activation": "tanh"}]
    numpy.testing.assert_allclose(as_scratch(core)(draw(T, N, D) * 0 + 1)[0].asnumpy(),
                                  core(draw(T, N, D) * 0 + 1)[0].asnumpy(), atol=1e-6)


@pytest.mark.parametrize("hybridized", [False, True])
def test_tied_weights_are_one_parameter_with_the_sum_of_both_gradients(hybridized):
    tied, untied = RNNLM(GRU(H, 2), 11, embedding=H, tied=True), RNNLM(GRU(H, 2), 11, embedding=H)
    arrays = parameter_arrays(tied)
    assert "dense.weight" not in arrays
    for name, parameter in untied.named_parameters():
        source = dict(tied.named_parameters())["embedding.weight" if name == "dense.weight" else name]
        parameter.set_data(source.data())
    tokens = np.array(numpy.random.randint(0, 11, (T, N)), dtype="int32")
    weight = draw(T, N, 11)
    gradients = []
    for model in (tied, untied):
        model.hybridize(hybridized)
        with autograd.record():
            (model(tokens)[0] * weight).sum().backward()
        gradients.append(gradient_arrays(model))
    both = gradients[1]["embedding.weight"] + gradients[1]["dense.weight"]
    numpy.testing.assert_allclose(gradients[0]["embedding.weight"], both, atol=1e-5)


@pytest.mark.parametrize("cell", [GRU, LSTM])
@pytest.mark.parametrize("hybridized", [False, True])
def test_a_learned_state_gets_its_gradient_and_starts_as_zeros(cell, hybridized):
    core = started(cell(H, L, num_inputs=D, learned_state=True))
    core.hybridize(hybridized)
    assert not any(array.asnumpy().any() for array in core.begin_state(N))
    x, d_outputs = draw(T, N, D), draw(T, N, H)
    state = [np.zeros((L, N, H)) for _ in range(core.num_states)]
    for array in state:
        array.attach_grad()
    with autograd.record():
        (core(x, state)[0] * d_outputs).sum().backward()
    expected = [array.grad.asnumpy().sum(axis=1, keepdims=True) for array in state]
    with autograd.record():
        (core(x)[0] * d_outputs).sum().backward()
    for i, gradient in enumerate(expected):
        numpy.testing.assert_allclose(gradient_arrays(core)[f"first_state.state{i}"], gradient, atol=1e-5)
        assert abs(gradient).max() > 1e-3


@pytest.mark.parametrize("protocol", ["d2l", "book"])
def test_a_learned_state_is_trained(protocol):
    text = "".join(numpy.random.default_rng(0).choice(list("abcde "), 1500))
    data = TextData([Source("random", text, "")], 8, 10, protocol=protocol, num_train=300, num_val=100)
    model = RNNLM(LSTM(6, 2, learned_state=True), len(data.vocab), lr=0.5)
    Trainer(2, gradient_clip_val=1, progress=False).fit(model, data)
    arrays = parameter_arrays(model)
    assert (arrays["rnn.first_state.state0"] != 0).all()
    assert (arrays["rnn.first_state.state1"] != 0).all()


@pytest.mark.parametrize("hybridized", [False, True])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_padded_sequences_equal_each_sequence_alone(cell, hybridized):
    net = started(StackedRNNScratch(D, H, L, cell=cell, initializer="uniform", residual=True, layer_norm=True))
    net.hybridize(hybridized)
    lengths = [6, 1, 4, 0]
    x, state, d_outputs = draw(T, N, D), [draw(L, N, H) for _ in range(net.num_states)], draw(T, N, H)
    x.attach_grad()
    with autograd.record():
        outputs, last = net(x, state, lengths=lengths)
        ((outputs * d_outputs).sum() + sum(array.sum() for array in last)).backward()
    together = x.grad.asnumpy(), gradient_arrays(net)
    summed = {name: numpy.zeros_like(array) for name, array in together[1].items()}
    for i, length in enumerate(lengths):
        assert not outputs[length:, i].asnumpy().any()
        assert not together[0][length:, i].any()
        own = [array[:, i:i + 1] for array in state]
        if length:
            alone = x[:length, i:i + 1].copy()
            alone.attach_grad()
            with autograd.record():
                got, own = net(alone, own)
                ((got * d_outputs[:length, i:i + 1]).sum() + sum(array.sum() for array in own)).backward()
            numpy.testing.assert_allclose(outputs[:length, i].asnumpy(), got[:, 0].asnumpy(), atol=1e-6)
            numpy.testing.assert_allclose(together[0][:length, i], alone.grad[:, 0].asnumpy(), atol=1e-5)
            for name, array in gradient_arrays(net).items():
                summed[name] += array
        for a, b in zip(last, own):
            numpy.testing.assert_allclose(a[:, i:i + 1].asnumpy(), b.asnumpy(), atol=1e-6)
    for name, array in summed.items():
        numpy.testing.assert_allclose(together[1][name], array, atol=2e-5)


@pytest.mark.parametrize("lengths", [[1, 2], [1, 2, 3, 7], [1, 2, 3, -1], [1, 2, 3, 1.5], [1, 2, 3, True], 4, "abcd"])
def test_lengths_that_do_not_fit_are_refused(lengths):
    net = started(StackedRNNScratch(D, H, 1))
    with pytest.raises(ValueError, match=r"^lengths must be 4 integers from 0 to 6, one for each sequence; got "):
        net(draw(T, N, D), lengths=lengths)


def test_fused_layers_refuse_lengths_and_name_the_remedy():
    core = started(GRU(H, 2, num_inputs=D))
    with pytest.raises(ValueError, match=r"^lengths must be omitted for GRU; got \[1, 2, 3, 4\] \(.*as_scratch"):
        core(draw(T, N, D), lengths=[1, 2, 3, 4])
    assert as_scratch(core)(draw(T, N, D), lengths=numpy.array([1, 2, 3, 4]))[0].shape == (T, N, H)


KIT = {"dropout": 0.1, "input_dropout": 0.2, "output_dropout": 0.3, "variational": True, "layer_norm": True,
       "residual": True, "learned_state": True, "weight_dropout": 0.3}


@pytest.mark.parametrize("make", [
    lambda: RNNLM(LSTM(H, 2, **KIT), 11), lambda: RNNLM(GRU(H, 2, **KIT), 11, embedding=4),
    lambda: RNNLM(RNN(H, 2, **KIT), 11, embedding=H, tied=True, embedding_dropout=0.2),
    lambda: RNNLM(GRU(H, 3, skip=True, **KIT), 11), lambda: RNNLM(LSTM(H, 2, skip=True, **KIT), 11, embedding=4),
])
def test_a_language_model_is_converted_with_all_its_options(make):
    model = make()
    scratch = as_scratch(model)
    again = as_fused(scratch)
    tokens = np.array(numpy.random.randint(0, 11, (T, N)), dtype="int32")
    for other in (scratch, again):
        numpy.testing.assert_allclose(other(tokens)[0].asnumpy(), model(tokens)[0].asnumpy(), atol=1e-6)
        assert other.rnn.kit() == model.rnn.kit()
        assert (other.rnn.weight_dropout, other.lr) == (0.3, model.lr)
    assert type(again) is type(model)
    assert (again.embedding_size, again.embedding_dropout) == (model.embedding_size, model.embedding_dropout)
    assert isinstance(scratch, RNNLM if model.embedding_size else RNNLMScratch)


@pytest.mark.parametrize(("convert", "make", "message"), [
    (as_fused, lambda: started(StackedRNNScratch(D, H, 2, cell="gru", reset="before")),
     "reset must be after, for a fused GRU; got 'before'"),
    (as_fused, lambda: started(StackedRNNScratch(D, H, 2, activation="sigmoid")),
     "activation must be one of tanh, relu, for a fused RNN; got 'sigmoid'"),
    (as_fused, lambda: started(StackedRNNScratch(D, H, 2, cell="mgu")),
     r"cell must be one of rnn, lstm, gru for fused layers; got 'mgu' \(use layers from scratch\)"),
    (as_fused, lambda: StackedRNNScratch(D, H, 2), "model must be initialized, with all sizes known; got Stacked"),
    (as_scratch, lambda: started(GRU(H, 2)), "model must be initialized, with all sizes known; got GRU"),
    (as_scratch, lambda: started(StackedRNNScratch(D, H, 2)), "model must be an RNN, LSTM or GRU, or a language model"),
    (as_fused, lambda: started(GRU(H, 2)), "model must be a StackedRNNScratch, or a language model on one; got GRU"),
])
def test_what_cannot_be_converted_is_refused(convert, make, message):
    with pytest.raises(ValueError, match="^" + message):
        convert(make())


@pytest.mark.parametrize(("options", "message"), [
    ({"embedding": 4, "tied": True}, "embedding must be the num_hiddens of rnn, 8, with tied weights; got 4"),
    ({"tied": True}, "embedding must be the num_hiddens of rnn, 8, with tied weights; got 0"),
    ({"embedding_dropout": 1}, r"embedding_dropout must be a number in \[0, 1\); got 1"),
    ({"tied": 1}, "tied must be True or False; got 1"),
])
def test_bad_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match="^" + message):
        RNNLM(GRU(H), 11, **options)
