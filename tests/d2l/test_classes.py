"""Classification, linear regression, batches of arrays, timing."""

from gluon_deeprnn import d2l
import numpy
import pytest
from users_models import Letters


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
