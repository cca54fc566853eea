"""Curves."""

import math

from gluon_deeprnn import d2l
import pytest
from users_models import MODELS, Letters


def test_the_curves_are_saved_outside_notebooks(tmp_path):
    d2l.Trainer(max_epochs=1).fit(MODELS["concise-gru"][0](), Letters())
    assert (tmp_path / "d2l-curves.png").stat().st_size > 3000


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
