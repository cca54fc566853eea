"""What a module takes for its parameters, and their files, copies and devices."""

import copy
import pickle

from gluon_deeprnn import d2l
import mxnet
from mxnet import autograd, gluon, init, npx
import numpy
import pytest
from users_models import MODELS, Letters, V


class Linear(d2l.DataModule):
    def __init__(self, batch_size=50):
        super().__init__()
        self.save_hyperparameters()
        self.X = d2l.randn(200, 2)
        self.y = d2l.matmul(self.X, d2l.tensor([[2.0], [-3.4]])) + 4.2

    def get_dataloader(self, train):
        return self.get_tensorloader([self.X, self.y], train, slice(0, 100) if train else slice(100, 200))


class Regression(d2l.Module):
    """The book's linear regression from scratch; ``marked`` as in the book."""

    def __init__(self, lr=0.03, marked=True):
        super().__init__()
        self.save_hyperparameters()
        self.w, self.b = d2l.normal(0, 0.01, (2, 1)), d2l.zeros(1)
        if marked:
            self.w.attach_grad()
            self.b.attach_grad()

    def forward(self, X):
        self.activation = d2l.matmul(X, self.w) + self.b
        self.latest = [self.activation]
        return self.activation

    def loss(self, y_hat, y):
        self.latest_loss = ((y_hat - y.reshape(y_hat.shape)) ** 2).mean() / 2
        return self.latest_loss


class Scaled(Regression):
    """The same with a constant."""

    def __init__(self, **options):
        super().__init__(**options)
        self.scale, self.others = d2l.tensor([2.0]), [d2l.tensor([1.0, 2.0])]

    def forward(self, X):
        return super().forward(X) * self.scale * self.others[0].max()


class Concise(d2l.LinearRegression):
    """A constant beside parameters of Gluon's, and an activation that is kept."""

    def __init__(self, lr=0.03):
        super().__init__(lr)
        self.scale = d2l.tensor([2.0])

    def forward(self, X):
        self.kept = self.net(X) * self.scale
        return self.kept


def fit(model, data=None, epochs=2, clip=1):
    d2l.Trainer(max_epochs=epochs, gradient_clip_val=clip).fit(model, data or Linear())


@pytest.mark.parametrize("make", [
    lambda: Regression(), lambda: Regression(marked=False), lambda: Scaled(), lambda: Concise()])
@pytest.mark.parametrize("called", [True, False])
def test_activations_and_constants_are_not_trained_and_parameters_are(make, called):
    model = make()
    if called:
        model(d2l.ones((3, 2)))
    data = Linear()
    before = {name: getattr(model, name).asnumpy() for name in ("w", "b", "scale") if hasattr(model, name)}
    for _ in range(2):  # what the first training leaves does not disturb the second
        fit(model, data, clip=0)
        assert len(model.parameters() if isinstance(model.parameters(), list) else model.parameters().keys()) == 2
    for name in ("w", "b"):
        assert name not in before or (getattr(model, name).asnumpy() != before[name]).any()
    if "scale" in before:
        assert model.scale.asnumpy() == before["scale"]
    assert model.board.data["val_loss"][-1].y < model.board.data["val_loss"][0].y


def test_gradient_descent_with_a_constant_is_that_of_its_equation():
    model, data = Scaled(lr=0.1), Linear(batch_size=100)
    w, b, X, y = (array.asnumpy().astype("float64") for array in (model.w, model.b, data.X[:100], data.y[:100]))
    fit(model, data, epochs=1, clip=0)
    error = 4 * (X @ w + b) - y
    numpy.testing.assert_allclose(model.w.asnumpy(), w - 0.1 * 4 * X.T @ error / 100, rtol=1e-4, atol=1e-6)
    numpy.testing.assert_allclose(model.b.asnumpy(), b - 0.1 * 4 * error.mean(0), rtol=1e-4, atol=1e-6)


def test_a_warning_names_arrays_beside_gluons_parameters_that_are_not_trained(caplog):
    fit(Concise())
    assert "constants: scale of Concise; call attach_grad() of an array that is to be trained" in caplog.text
    caplog.clear()
    fit(Scaled())
    for name in ("list-stack", "concise-gru", "bare-arrays"):
        fit(MODELS[name][0](), Letters(batch_size=80), epochs=1)
    assert "constants" not in caplog.text


def test_an_array_with_a_gradient_beside_gluons_parameters_is_trained():
    model = Concise()
    model.scale.attach_grad()
    fit(model)
    assert model.scale.asnumpy() != 2
    assert len(model.parameters()) == 3


def test_the_books_loop_that_attaches_gradients_gets_all_arrays():
    class Book(d2l.RNNLMScratch):
        def init_params(self):
            self.W_hq = d2l.randn(self.rnn.num_hiddens, self.vocab_size) * 0.5
            self.b_q = d2l.zeros(self.vocab_size)
            for param in self.get_scratch_params():
                param.attach_grad()

    for rnn in (MODELS["list-stack"][0]().rnn, MODELS["bare-arrays"][0]().rnn):
        model = Book(rnn, V, lr=1.0)
        before = [array.asnumpy() for array in model.get_scratch_params()]
        assert len(before) == 8
        fit(model, Letters(batch_size=80), epochs=1)
        for old, new in zip(before, model.get_scratch_params()):
            assert (old != new.asnumpy()).any()


def test_arrays_of_plain_blocks_are_no_parameters():
    class Positions(gluon.nn.Block):
        def __init__(self):
            super().__init__()
            self.P = d2l.ones((1, 2))

        def forward(self, X):
            return X + self.P

    class Model(Regression):
        def __init__(self):
            super().__init__()
            self.positions = Positions()

        def forward(self, X):
            return super().forward(self.positions(X))

    model = Model()
    fit(model)
    assert (model.positions.P.asnumpy() == 1).all()
    assert len(model.parameters()) == 2


def test_an_attribute_that_is_replaced_between_trainings_stays_a_parameter():
    model = Regression()
    fit(model, epochs=1)
    model.w = d2l.zeros((2, 1))
    fit(model, epochs=1)
    assert (model.w.asnumpy() != 0).all()


def test_frozen_parameters_of_gluons_are_not_trained():
    for name in ("stack", "concise-gru"):
        model = MODELS[name][0]()
        model.initialize()
        data = Letters(batch_size=80)
        model(next(iter(data.train_dataloader()))[0])
        model.rnn.collect_params().setattr("grad_req", "null")
        before = {key: p.data().asnumpy() for key, p in model.rnn.collect_params().items()}
        fit(model, data, epochs=1)
        for key, p in model.rnn.collect_params().items():
            numpy.testing.assert_array_equal(p.data().asnumpy(), before[key])


class Deep(d2l.RNNLMScratch):
    """Modules in nested containers, bare arrays in lists, a constant and a block of Gluon's in a dictionary."""

    def init_params(self):
        super().init_params()
        self.parts = {"first": [[d2l.RNNScratch(V, 12)], (gluon.nn.Dense(12, flatten=False, in_units=12),)]}
        self.shifts = [d2l.randn(12), [d2l.randn(12)]]
        self.constant = d2l.randn(1)
        self.initialize(init.Normal(0.5))

    def forward(self, X, state=None):
        outputs, _ = self.parts["first"][0][0](self.one_hot(X), state)
        self.kept = self.parts["first"][1][0](d2l.stack(outputs)) + self.shifts[0] * self.shifts[1][0] * self.constant
        return self.output_layer(self.kept)


ROUND_TRIPS = {**{name: make for name, (make, _) in MODELS.items()}, "regression": Regression, "scaled": Scaled,
               "concise": Concise, "deep": lambda: Deep(d2l.RNNScratch(V, 12), V)}


def inputs_of(model):
    return d2l.ones((3, 2)) if isinstance(model, (Regression, Concise)) else next(
        iter(Letters(batch_size=20).val_dataloader()))[0]


def outputs(model):
    return model(inputs_of(model)).asnumpy()


@pytest.mark.parametrize("name", ROUND_TRIPS)
def test_saved_parameters_are_loaded_exactly(name, tmp_path):
    model = ROUND_TRIPS[name]()
    outputs(model)
    fit(model, None if isinstance(model, (Regression, Concise)) else Letters(batch_size=80), epochs=1)
    expected = outputs(model)
    model.save_parameters(tmp_path / "model")
    for called in (True, False):
        other = ROUND_TRIPS[name]()
        if called:
            assert (outputs(other) != expected).any()
        other.load_parameters(tmp_path / "model")
        numpy.testing.assert_array_equal(outputs(other), expected)
    count = len(model.get_scratch_params())
    assert len(npx.load(str(tmp_path / "model"))) == count + {"scaled": 2, "concise": 1, "deep": 3}.get(name, 0)


@pytest.mark.parametrize("name", ROUND_TRIPS)
@pytest.mark.parametrize("trained", [True, False])
def test_a_copy_has_the_same_parameters_and_learns_the_same(name, trained):
    model = ROUND_TRIPS[name]()
    data = Linear(100) if isinstance(model, (Regression, Concise)) else Letters(batch_size=80)
    outputs(model)
    if trained:
        fit(model, data, epochs=1)
    for duplicate in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        numpy.testing.assert_array_equal(outputs(duplicate), outputs(model))
        assert len(duplicate.get_scratch_params()) == len(model.get_scratch_params())
        mine = copy.deepcopy(model)
        for each in (duplicate, mine):
            numpy.random.seed(1)
            fit(each, data, epochs=1)
        numpy.testing.assert_array_equal(outputs(duplicate), outputs(mine))
        assert (outputs(duplicate) != outputs(model)).any()


def test_files_of_other_models_and_incomplete_files_are_refused_and_nothing_is_changed(tmp_path):
    model = d2l.RNNLMScratch(d2l.StackedRNNScratch(V, 12, 2), V)
    gluon.nn.Block.save_parameters(model, str(tmp_path / "incomplete"))  # as earlier versions wrote it
    d2l.RNNLMScratch(d2l.StackedRNNScratch(V, 13, 2), V).save_parameters(tmp_path / "larger")
    d2l.RNNLM(d2l.GRU(12, 2), V).initialize()
    before = [array.asnumpy() for array in model.get_scratch_params()]
    for name, message in (("incomplete", "a file without W_hq, b_q"), ("larger", "of shape .*, where it has"),
                          ("none", "must be a complete file of parameters; got No such file")):
        with pytest.raises(ValueError, match=message):
            model.load_parameters(tmp_path / name)
        for one, two in zip(before, model.get_scratch_params()):
            numpy.testing.assert_array_equal(one, two.asnumpy())
    model.load_parameters(tmp_path / "incomplete", allow_missing=True)


def test_another_cell_with_as_many_numbers_is_refused(tmp_path):
    def lm(rnn, num_inputs):
        model = d2l.RNNLM(rnn, num_inputs)
        model(d2l.zeros((1, 2), dtype="int32"))
        return model
    lm(d2l.LSTM(8), 2).save_parameters(tmp_path / "lstm")
    with pytest.raises(ValueError, match=r"got a file without rnn\.rnn\.layer0\.gru_weights"):
        lm(d2l.GRU(8, 1), 6).load_parameters(tmp_path / "lstm")


def test_files_of_earlier_versions_load(tmp_path):
    model = MODELS["concise-gru"][0]()
    expected = outputs(model)
    arrays = {f"rnn.rnn.{path}": p.data() for path, p in model.rnn.rnn.named_parameters()}
    assert "rnn.rnn.layer1.weights" in arrays
    arrays.update({f"linear.{part}": getattr(model.linear, part).data() for part in ("weight", "bias")})
    npx.save(str(tmp_path / "old"), arrays)
    other = MODELS["concise-gru"][0]()
    other.load_parameters(tmp_path / "old")
    numpy.testing.assert_array_equal(outputs(other), expected)


def test_an_uninitialized_model_is_not_saved(tmp_path):
    with pytest.raises(ValueError, match=r"^parameter rnn\.rnn\.layer0\.gru_weights must be initialized; got none"):
        d2l.RNNLM(d2l.GRU(4, 1), V).save_parameters(tmp_path / "model")


def test_gluons_methods_reach_blocks_in_containers():
    model = Deep(d2l.RNNScratch(V, 12), V)
    assert {"rnn", "parts.first.0.0", "parts.first.1.0"} <= set(model._children)
    assert len(model.collect_params().keys()) == 3 + 3 + 2
    assert len(model.collect_params(".*dense.*").keys()) == 2
    seen = []
    model.apply(lambda block: seen.append(type(block).__name__))
    assert seen.count("Dense") == 1
    model.hybridize()
    dense = model.parts["first"][1][0]
    assert dense._active
    model.parts["first"][1] = ()
    assert len(model.collect_params().keys()) == 6
    with pytest.raises(ValueError, match="select must be a pattern"):
        d2l.RNNLM(d2l.GRU(4, 1), V).collect_params(".*bias")


@pytest.mark.parametrize("name", ["stack", "concise-gru", "gluons-lstm"])
def test_hybridize_of_a_module_is_followed(name):
    model = MODELS[name][0]()
    expected = outputs(model)  # hybridized unless it says otherwise
    for options in ((False,), (True,)):
        model.hybridize(*options)
        numpy.testing.assert_allclose(outputs(model), expected, atol=1e-5)
        assert model.rnn._compiled().hybridized is options[0]
    with pytest.raises(ValueError, match="option of hybridize"):
        model.hybridize(foo=1)


def test_an_initializer_given_to_a_module_acts():
    model = d2l.RNNLM(d2l.GRU(4, 2), V)
    model.initialize(init.One(), force_reinit=True)
    model(d2l.zeros((1, 2), dtype="int32"))
    for array in model.get_scratch_params():
        assert set(array.asnumpy().ravel()) <= {0.0, 1.0}
        assert array.asnumpy().any() or array.ndim == 1


def test_words_are_continued_as_lists():
    vocab = d2l.Vocab(["it", "has", "been", "a", "time", "it", "has"])
    model = d2l.RNNLM(d2l.GRU(8, 1), len(vocab))
    text = model.predict(["it", "has"], 3, vocab)
    assert text.startswith("ithas")
    assert text == model.predict(("it", "has"), 3, vocab)
    letters = d2l.Vocab("abcdefgh")
    model = d2l.RNNLM(d2l.GRU(8, 1), len(letters))
    assert model.predict(list("abc"), 5, letters) == model.predict("abc", 5, letters)
    with pytest.raises(ValueError, match=r"prefix must be at least one token; got \[\]"):
        model.predict([], 5, letters)


def test_the_learning_rate_can_be_a_numpy_scalar():
    for name in ("stack", "concise-gru"):
        found = []
        for lr in (numpy.logspace(-2, 0, 3)[1], 0.1):
            numpy.random.seed(1)
            mxnet.random.seed(1)
            model = MODELS[name][0]()
            model.lr = lr
            fit(model, Letters(batch_size=80), epochs=1)
            found.append(outputs(model))
        numpy.testing.assert_array_equal(*found)


def test_a_kept_activation_that_is_recorded_does_not_stop_the_optimizer():
    model = Regression(marked=False)
    with autograd.record():
        model(d2l.ones((3, 2)))
    assert len(model.get_scratch_params()) == 2
    fit(model)
