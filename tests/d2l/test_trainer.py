"""Training of the book's and of a user's models."""

from gluon_deeprnn import d2l
from mxnet import np
import numpy
import pytest
from users_models import MODELS, Letters, V, arrays


@pytest.fixture(params=MODELS)
def made(request):
    make, count = MODELS[request.param]
    return make(), count


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


@pytest.mark.slow
def test_every_model_learns_and_predicts(made):
    model, _ = made
    data = Letters()
    d2l.Trainer(max_epochs=80, gradient_clip_val=1).fit(model, data)
    points = model.board.data
    assert points["val_ppl"][-1].y < min(1.4, points["val_ppl"][0].y)
    assert model.predict("abc", 10, data.vocab, d2l.try_gpu()) == "abcdefghabcde"


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


def test_num_gpus_without_a_gpu_warns_once(caplog, monkeypatch):
    if d2l.num_gpus():
        pytest.skip("this machine has a GPU")
    monkeypatch.setattr(d2l.Trainer, "_warned", False)
    for _ in range(3):
        assert d2l.Trainer(max_epochs=1, num_gpus=1).gpus == []
    assert caplog.text.count("training on the CPU") == 1


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
