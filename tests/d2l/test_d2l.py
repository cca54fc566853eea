import inspect
import math
from pathlib import Path
import subprocess
import sys

from gluon_deeprnn import d2l
from mxnet import autograd, gluon, np
import numpy
import pytest

NAMES = {
    "add_to_class": ["Class"], "HyperParameters": [], "Module": ["plot_train_per_epoch", "plot_valid_per_epoch"],
    "DataModule": ["root", "num_workers"], "Classifier": ["plot_train_per_epoch", "plot_valid_per_epoch"],
    "Trainer": ["max_epochs", "num_gpus", "gradient_clip_val"], "SGD": ["params", "lr"], "LinearRegression": ["lr"],
    "plot": ["X", "Y", "xlabel", "ylabel", "legend", "xlim", "ylim", "xscale", "yscale", "fmts", "figsize", "axes"],
    "set_axes": ["axes", "xlabel", "ylabel", "xlim", "ylim", "xscale", "yscale", "legend"], "set_figsize": ["figsize"],
    "use_svg_display": [], "Timer": [], "download": ["url", "folder", "sha1_hash"],
    "ProgressBoard": ["xlabel", "ylabel", "xlim", "ylim", "xscale", "yscale", "ls", "colors", "fig", "axes", "figsize",
                      "display"],
    "TimeMachine": ["batch_size", "num_steps", "num_train", "num_val"],
    "Vocab": ["tokens", "min_freq", "reserved_tokens"],
    "RNNScratch": ["num_inputs", "num_hiddens", "sigma"], "RNNLMScratch": ["rnn", "vocab_size", "lr"],
    "RNN": ["num_hiddens"], "RNNLM": ["rnn", "vocab_size", "lr"], "GRU": ["num_hiddens", "num_layers", "dropout"],
    "StackedRNNScratch": ["num_inputs", "num_hiddens", "num_layers", "sigma"], "try_gpu": ["i"],
    "num_gpus": [], "try_all_gpus": [],
    "LSTM": ["num_hiddens", "num_layers", "dropout"], "check_len": ["a", "n"], "check_shape": ["a", "shape"],
}


@pytest.mark.parametrize("name", NAMES)
def test_names_have_the_books_signatures(name):
    assert list(inspect.signature(getattr(d2l, name)).parameters) == NAMES[name]


def test_operations_on_arrays_are_the_books():
    x = d2l.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert d2l.matmul(x, x).tolist() == [[7, 10], [15, 22]]
    assert (float(d2l.reduce_sum(x)), float(d2l.reduce_mean(x)), d2l.size(x)) == (10, 2.5, 4)
    assert d2l.transpose(x).tolist() == [[1, 3], [2, 4]]
    assert d2l.argmax(x, axis=1).tolist() == [1, 1]
    assert d2l.reshape(d2l.arange(4), (2, 2)).shape == d2l.zeros((2, 2)).shape
    assert d2l.stack([x, x], 1).shape == (2, 2, 2)
    assert d2l.concat([x, x], 0).shape == (4, 2)
    assert isinstance(d2l.numpy(x), numpy.ndarray)
    assert d2l.astype(x, "int32").dtype == "int32"
    assert d2l.ones((2, 3), dtype=d2l.int64).dtype == "int64"
    assert d2l.to(x, d2l.cpu()) is x
    assert d2l.randn(2, 3).shape == d2l.rand(2, 3).shape == (2, 3)


class Letters(d2l.DataModule):
    """A data module of a user: letters that repeat."""

    def __init__(self, batch_size=16, num_steps=8):
        super().__init__()
        self.save_hyperparameters()
        self.vocab = d2l.Vocab("abcdefgh")
        corpus = np.array(self.vocab[list("abcdefgh" * 20)], dtype="int32")
        self.tensors = [np.stack([corpus[i + s:i + s + num_steps] for i in range(120)]) for s in (0, 1)]

    def get_dataloader(self, train):
        return self.get_tensorloader(self.tensors, train, slice(0, 80) if train else slice(80, 120))


class ListStack(d2l.Module):
    """A stack of a user, with its layers in a list."""

    def __init__(self, num_inputs, num_hiddens, num_layers, sigma=0.5):
        super().__init__()
        self.save_hyperparameters()
        self.rnns = [d2l.RNNScratch(num_inputs if i == 0 else num_hiddens, num_hiddens, sigma)
                     for i in range(num_layers)]


@d2l.add_to_class(ListStack)
def forward(self, inputs, Hs=None):
    outputs = inputs
    Hs = list(Hs) if Hs else [None] * self.num_layers
    for i in range(self.num_layers):
        outputs, Hs[i] = self.rnns[i](outputs, Hs[i])
        outputs = d2l.stack(outputs, 0)
    return outputs, Hs


class Gated(d2l.Module):
    """A gated cell of a user, of bare arrays, with two states like an LSTM."""

    def __init__(self, num_inputs, num_hiddens, sigma=0.5):
        super().__init__()
        self.save_hyperparameters()
        self.W = {name: (d2l.randn(num_inputs, num_hiddens) * sigma, [d2l.randn(num_hiddens, num_hiddens) * sigma],
                         d2l.zeros(num_hiddens)) for name in "fi"}
        self.W = {name: list(parts) for name, parts in self.W.items()}

    def forward(self, inputs, H_C=None):
        H, C = H_C or [d2l.zeros((inputs.shape[1], self.num_hiddens))] * 2
        outputs = []
        for X in inputs:
            gates = {name: d2l.sigmoid(d2l.matmul(X, W_x) + d2l.matmul(H, W_h[0]) + b)
                     for name, (W_x, W_h, b) in self.W.items()}
            C = gates["f"] * C + gates["i"]
            H = d2l.tanh(C)
            outputs.append(H)
        return outputs, (H, C)


class ConciseLSTM(d2l.RNN):
    """A concise LSTM of a user, with Gluon's layer."""

    def __init__(self, num_hiddens):
        d2l.Module.__init__(self)
        self.save_hyperparameters()
        self.rnn = gluon.rnn.LSTM(num_hiddens)


class UsersRNN(d2l.Module):
    """A concise RNN of a user that calls Gluon's layer itself."""

    def __init__(self, num_hiddens):
        super().__init__()
        self.save_hyperparameters()
        self.rnn = gluon.rnn.RNN(num_hiddens)

    def forward(self, inputs, H=None):
        if H is None:
            H, = self.rnn.begin_state(inputs.shape[1], ctx=inputs.ctx)
        outputs, (H,) = self.rnn(inputs, (H,))
        return outputs, H


class UsersLSTM(d2l.RNN):
    """The same with an LSTM, whose state is a list of two arrays."""

    def __init__(self, num_hiddens):
        d2l.Module.__init__(self)
        self.save_hyperparameters()
        self.rnn = gluon.rnn.LSTM(num_hiddens)

    def forward(self, inputs, H_C=None):
        if H_C is None:
            H_C = self.rnn.begin_state(inputs.shape[1], ctx=inputs.ctx)
        return self.rnn(inputs, H_C)


V = 9
MODELS = {
    "list-stack": (lambda: d2l.RNNLMScratch(ListStack(V, 12, 2), V, lr=4.0), 8),
    "stack": (lambda: d2l.RNNLMScratch(d2l.StackedRNNScratch(V, 12, 2, sigma=0.5), V, lr=4.0), 8),
    "one-layer": (lambda: d2l.RNNLMScratch(d2l.RNNScratch(V, 12, sigma=0.5), V, lr=4.0), 5),
    "bare-arrays": (lambda: d2l.RNNLMScratch(Gated(V, 12), V, lr=4.0), 8),
    "concise-rnn": (lambda: d2l.RNNLM(d2l.RNN(12), V, lr=4.0), 3),
    "concise-gru": (lambda: d2l.RNNLM(d2l.GRU(12, 2), V, lr=4.0), 4),
    "concise-lstm": (lambda: d2l.RNNLM(d2l.LSTM(12), V, lr=4.0), 3),
    "users-rnn": (lambda: d2l.RNNLM(UsersRNN(12), V, lr=1.0), 6),
    "users-lstm": (lambda: d2l.RNNLM(UsersLSTM(12), V, lr=4.0), 6),
    "gluons-lstm": (lambda: d2l.RNNLM(ConciseLSTM(12), V, lr=4.0), 6),
}


@pytest.fixture(params=MODELS)
def made(request):
    make, count = MODELS[request.param]
    return make(), count


@pytest.fixture(autouse=True)
def in_a_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def arrays(model):
    return [array.asnumpy() for array in model.get_scratch_params()]


def test_one_step_changes_every_parameter_array(made):
    model, count = made
    data = Letters(batch_size=80)
    model(next(iter(data.train_dataloader()))[0])  # completes deferred initializations
    before = arrays(model)
    d2l.Trainer(max_epochs=1, gradient_clip_val=1).fit(model, data)
    after = arrays(model)
    assert len(before) == len(after) == count
    for old, new in zip(before, after):
        assert (old != new).any()


def test_every_model_learns_and_predicts(made):
    model, _ = made
    data = Letters()
    d2l.Trainer(max_epochs=80, gradient_clip_val=1).fit(model, data)
    points = model.board.data
    assert points["val_ppl"][-1].y < min(1.4, points["val_ppl"][0].y)
    assert model.predict("abc", 10, data.vocab, d2l.try_gpu()) == "abcdefghabcde"


def test_the_curves_are_saved_outside_notebooks(tmp_path):
    d2l.Trainer(max_epochs=1).fit(MODELS["concise-gru"][0](), Letters())
    assert (tmp_path / "d2l-curves.png").stat().st_size > 3000


@pytest.mark.parametrize("batch_size", [1, 3, 7])
def test_the_state_is_carried_at_any_batch_size(batch_size):
    for rnn in (d2l.RNNScratch(4, 5, sigma=0.5), d2l.StackedRNNScratch(4, 5, 2, sigma=0.5), ListStack(4, 5, 2),
                Gated(4, 5), d2l.GRU(5, 2), d2l.LSTM(5, 2)):
        rnn.initialize()
        x = d2l.randn(9, batch_size, 4)
        whole, _ = rnn(x)
        first, state = rnn(x[:4])
        second, _ = rnn(x[4:], state)
        pieces = [array.asnumpy() for part in (first, second) for array in part]
        numpy.testing.assert_allclose(numpy.stack(pieces), d2l.stack(whole).asnumpy(), atol=1e-6)


def test_the_list_of_states_is_not_changed():
    Hs = [d2l.zeros((2, 5)), d2l.zeros((2, 5))]
    d2l.StackedRNNScratch(4, 5, 2, sigma=0.5)(d2l.ones((3, 2, 4)), Hs)
    assert not any(H.asnumpy().any() for H in Hs)


def test_outputs_can_be_used_like_a_list():
    outputs, state = d2l.RNNScratch(16, 32)([d2l.ones((2, 16))] * 100)
    d2l.check_len(outputs, 100)
    d2l.check_shape(outputs[0], (2, 32))
    d2l.check_shape(state, (2, 32))


def test_perplexity_is_the_exponential_of_the_mean_loss():
    losses = [1.0, 2.0, 6.0]
    board = d2l.ProgressBoard(display=False)
    for x, (loss, weight) in enumerate(zip(losses, (1024, 1024, 784))):
        board.draw(x, d2l.exp(d2l.tensor(loss)), "ppl", every_n=3, weight=weight, logarithmic=True)
    mean = (1024 * 1.0 + 1024 * 2.0 + 784 * 6.0) / (1024 + 1024 + 784)
    assert board.data["ppl"][0].y == pytest.approx(math.exp(mean), rel=1e-5)


def test_the_validation_curve_is_the_perplexity_of_the_validation_set():
    model, data = MODELS["concise-gru"][0](), Letters(batch_size=32)  # 40 windows: 32 and 8
    d2l.Trainer(max_epochs=2, gradient_clip_val=1).fit(model, data)
    x, y = (tensor[80:120] for tensor in data.tensors)
    assert model.board.data["val_ppl"][-1].y == pytest.approx(math.exp(float(model.loss(model(x), y))), rel=1e-5)


def test_one_batch_per_epoch_gives_one_point_per_epoch():
    model = MODELS["concise-gru"][0]()
    d2l.Trainer(max_epochs=3).fit(model, Letters(batch_size=80))
    assert len(model.board.data["train_ppl"]) == 3


def test_a_step_equals_the_packages_own_step():
    from gluon_deeprnn import GRU, RNNLM, Trainer

    theirs = d2l.RNNLM(d2l.GRU(12, 2), V, lr=1.0)
    data = Letters(batch_size=80)
    theirs(data.tensors[0])
    ours = RNNLM(GRU(12, 2), V, lr=1.0)
    for (_, p), array in zip(ours.named_parameters(), arrays(theirs)):
        p.set_data(np.array(array))

    class Same:
        vocab = data.vocab
        x, y = (tensor[:80].asnumpy().T for tensor in data.tensors)

        def train_dataloader(self):
            from gluon_deeprnn.data import Windows

            tokens = numpy.array(data.vocab[list("abcdefgh" * 20)], dtype="int32")
            return Windows(tokens, 0, 80, batch_size=80, num_steps=8)

        val_dataloader = train_dataloader

    Trainer(1, gradient_clip_val=0.1, progress=False).fit(ours, Same())
    d2l.Trainer(1, gradient_clip_val=0.1).fit(theirs, data)
    for (_, p), array in zip(ours.named_parameters(), arrays(theirs)):
        numpy.testing.assert_allclose(p.data().asnumpy(), array, atol=1e-6)


def test_dropout_of_the_books_gru_works_on_the_cpu():
    rnn = d2l.GRU(64, 2, dropout=0.5)
    rnn.initialize()
    x = d2l.randn(10, 4, 8)
    rnn(x)
    with autograd.record():
        first, second = rnn(x)[0].asnumpy(), rnn(x)[0].asnumpy()
    assert abs(first - second).max() > 0.01
    assert (rnn(x)[0].asnumpy() == rnn(x)[0].asnumpy()).all()


def test_a_warning_says_that_gluons_dropout_is_ignored(caplog):
    class Users(d2l.RNN):
        def __init__(self):
            d2l.Module.__init__(self)
            self.rnn = gluon.rnn.GRU(4, 2, dropout=0.5)

    rnn = Users()
    rnn.initialize()
    rnn(d2l.ones((3, 2, 4)))
    assert "MXNet ignores the dropout of a Gluon layer on the CPU" in caplog.text


def test_num_gpus_without_a_gpu_warns_once(caplog, monkeypatch):
    if d2l.num_gpus():
        pytest.skip("this machine has a GPU")
    monkeypatch.setattr(d2l.Trainer, "_warned", False)
    for _ in range(3):
        assert d2l.Trainer(max_epochs=1, num_gpus=1).gpus == []
    assert caplog.text.count("training on the CPU") == 1


def test_vocab_is_the_books():
    vocab = d2l.Vocab([["the", "time"], ["the", "machine"]], min_freq=1, reserved_tokens=["<pad>"])
    assert vocab.idx_to_token == sorted(["<unk>", "<pad>", "the", "time", "machine"])
    assert vocab["the"] == vocab.token_to_idx["the"]
    assert vocab[["nothing"]] == [vocab.unk]
    assert vocab.to_tokens([vocab["time"]]) == ["time"]
    assert vocab.token_freqs[0] == ("the", 2)


def test_the_text_is_the_books(real_text, monkeypatch):
    monkeypatch.setenv("GLUON_DEEPRNN_DATA", str(real_text("timemachine.txt").parent))
    data = d2l.TimeMachine(batch_size=2, num_steps=10)
    X, Y = next(iter(data.train_dataloader()))
    d2l.check_shape(X, (2, 10))
    assert (X[:, 1:].asnumpy() == Y[:, :-1].asnumpy()).all()
    assert (len(data.vocab), data.X.shape, data.Y.shape) == (28, (173418, 10), (173418, 10))
    assert "".join(data.vocab.to_tokens(data.X[0].tolist())) == "the time m"
    corpus, vocab = data.build("The time!", data.vocab)
    assert vocab is data.vocab
    assert vocab.to_tokens(corpus) == list("the time ")


def test_a_subclass_can_use_words_as_tokens(real_text, monkeypatch):
    monkeypatch.setenv("GLUON_DEEPRNN_DATA", str(real_text("timemachine.txt").parent))

    class Words(d2l.TimeMachine):
        def _tokenize(self, text):
            return text.split()

    data = Words(batch_size=2, num_steps=4)
    X, Y = next(iter(data.val_dataloader()))
    words = data._preprocess(data._download()).split()
    assert data.vocab.to_tokens(X[0].tolist()) == words[10000:10004]
    assert data.vocab.to_tokens(Y[1].tolist()) == words[10002:10006]


def python(code, path=None):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=path)


def test_the_books_import_line_works_after_register(tmp_path):
    done = python("from gluon_deeprnn import d2l; d2l.register(); d2l.register()\n"
                  "from d2l import mxnet as again\nimport d2l.mxnet\n"
                  "print(again is d2l.mxnet, again.GRU.__module__)", tmp_path)
    assert done.stdout == "True gluon_deeprnn.d2l.rnn\n", done.stderr


def test_register_fails_if_the_books_package_is_installed(tmp_path):
    (tmp_path / "d2l").mkdir()
    (tmp_path / "d2l" / "__init__.py").write_text("")
    done = python("from gluon_deeprnn import d2l\nd2l.register()", tmp_path)
    assert done.stderr.splitlines()[-1].startswith(
        "ImportError: d2l must not be installed; got the book's own package (pip uninstall d2l, or ")


def test_importing_d2l_does_not_import_matplotlib():
    assert python("from gluon_deeprnn import d2l; import sys; print('matplotlib' in sys.modules)").stdout == "False\n"


def test_the_compatibility_layer_is_small():
    package = Path(d2l.__file__).parent
    lines = sum(len(file.read_text().splitlines()) for file in package.glob("*.py"))
    assert 300 < lines < 0.2 * sum(len(file.read_text().splitlines()) for file in package.parent.rglob("*.py"))


def test_layers_and_stacks_are_the_packages_own():
    import gluon_deeprnn
    from gluon_deeprnn.models import cells

    assert type(d2l.RNN(4).rnn) is gluon_deeprnn.RNN
    assert type(d2l.GRU(4, 2).rnn) is gluon_deeprnn.GRU
    assert type(d2l.LSTM(4).rnn) is gluon_deeprnn.LSTM
    assert type(d2l.RNNScratch(3, 4).rnn) is cells.RNNScratch
    assert type(d2l.StackedRNNScratch(3, 4, 2).rnn) is gluon_deeprnn.StackedRNNScratch


def test_the_cross_entropy_is_that_of_its_definition():
    model, Y = d2l.Classifier(), d2l.tensor([[0, 2], [1, 1]], dtype="int32")
    Y_hat = d2l.randn(2, 2, 3)
    logits = Y_hat.asnumpy().astype("float64")
    log_p = logits - numpy.log(numpy.exp(logits).sum(-1, keepdims=True))
    expected = -numpy.take_along_axis(log_p, Y.asnumpy()[..., None], -1).reshape(-1)
    for y_hat, y in ((Y_hat, Y), (Y_hat.reshape(4, 3), Y.reshape(4)), (Y_hat, Y.reshape(4))):
        numpy.testing.assert_allclose(model.loss(y_hat, y, averaged=False).asnumpy(), expected, atol=1e-5)
        assert float(model.loss(y_hat, y)) == pytest.approx(expected.mean(), abs=1e-5)
    assert float(model.accuracy(Y_hat, Y)) == (logits.argmax(-1) == Y.asnumpy()).mean()


def test_linear_regression_finds_the_weights():
    class Linear(d2l.DataModule):
        def __init__(self, batch_size=32):
            super().__init__()
            self.save_hyperparameters()
            self.X = d2l.randn(1000, 2)
            self.y = d2l.matmul(self.X, d2l.tensor([[2.0], [-3.4]])) + 4.2

        def get_dataloader(self, train):
            return self.get_tensorloader([self.X, self.y], train, slice(0, 800) if train else slice(800, 1000))

    model = d2l.LinearRegression(lr=0.1)
    d2l.Trainer(max_epochs=5).fit(model, Linear())
    w, b = model.get_w_b()
    numpy.testing.assert_allclose([*w.asnumpy()[0], *b.asnumpy()], [2, -3.4, 4.2], atol=1e-3)
    assert model.board.data["val_loss"][-1].y < 1e-6


def test_batches_hold_every_example_once():
    data = Letters(batch_size=30)
    for train, sizes in ((True, [30, 30, 20]), (False, [30, 10])):
        loader = data.get_dataloader(train)
        batches = list(loader)
        assert len(loader) == len(batches)
        assert [len(X) for X, _ in batches] == sizes
        assert all((X[:, 1:].asnumpy() == Y[:, :-1].asnumpy()).all() for X, Y in batches)
    examples = d2l.tensor([[float(i)] for i in range(50)])
    order = [x for X, in data.get_tensorloader([examples], train=True) for x in X[:, 0].tolist()]
    again = [x for X, in data.get_tensorloader([examples], train=True) for x in X[:, 0].tolist()]
    assert sorted(order) == sorted(again) == list(range(50))
    assert order != again != sorted(order)


def test_a_timer_adds_its_times():
    timer = d2l.Timer()
    for _ in range(3):
        timer.start()
        assert timer.stop() >= 0
    assert len(timer.times) == 3
    assert timer.cumsum()[-1] == timer.sum() == pytest.approx(3 * timer.avg())


def test_a_predicted_text_needs_a_prefix_and_finite_parameters():
    model, vocab = d2l.RNNLM(d2l.GRU(4, 1), V), d2l.Vocab("abcdefgh")
    assert model.predict("abc", 0, vocab) == "abc"
    with pytest.raises(ValueError, match=r"^prefix must be at least one token; got ''"):
        model.predict("", 3, vocab)
    model.linear.bias.set_data(d2l.tensor([100.0 * (i == vocab.unk) for i in range(V)]))
    assert "<unk>" not in model.predict("abc", 5, vocab)
    model.linear.bias.set_data(d2l.tensor([math.nan] * V))
    with pytest.raises(ValueError, match=r"^the model's logits must be finite numbers"):
        model.predict("abc", 3, vocab)


def test_clipping_replaced_by_a_user_clips():
    class Clips(d2l.Trainer):
        def clip_gradients(self, grad_clip_val, model):
            norms.append(sum(float((p.data().grad ** 2).sum()) for p in model.parameters().values()) ** 0.5)
            super().clip_gradients(grad_clip_val, model)
            norms.append(sum(float((p.data().grad ** 2).sum()) for p in model.parameters().values()) ** 0.5)

    norms = []
    for _ in range(2):  # another model, another training: gradients of the right one are clipped
        Clips(max_epochs=1, gradient_clip_val=1e-3).fit(MODELS["concise-gru"][0](), Letters())
    assert len(norms) == 20
    assert all(norm > 1e-3 for norm in norms[::2])
    assert norms[1::2] == pytest.approx([1e-3] * 10, rel=1e-4)
