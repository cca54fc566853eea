from gluon_deeprnn import GRU, RNNLM, Trainer, try_gpu
from gluon_deeprnn.devices import as_context, num_gpus, try_all_gpus
from gluon_deeprnn.models.weights import parameter_arrays
import mxnet
import pytest


@pytest.mark.parametrize("name", ["cpu", "cpu(0)", mxnet.cpu(), mxnet.cpu(0)])
def test_names_and_contexts_are_understood(name):
    assert as_context(name) == mxnet.cpu()


def test_auto_and_try_gpu_use_a_gpu_only_if_there_is_one():
    assert as_context("auto") == try_gpu() == (mxnet.gpu() if num_gpus() else mxnet.cpu())
    assert try_gpu(999) == mxnet.cpu()
    assert try_all_gpus() == ([mxnet.gpu(i) for i in range(num_gpus())] or [mxnet.cpu()])


@pytest.mark.parametrize(("name", "message"), [
    ("gpu(999)", r"ctx must be a context that this machine has .*; got 'gpu\(999\)' \(use cpu or auto\)"),
    (mxnet.gpu(999), r"ctx must be a context that this machine has .*; got 'gpu\(999\)'"),
    ("cpuu", r"ctx must be cpu, gpu, gpu\(N\) or auto; got 'cpuu' \(did you mean 'cpu'\?\)"),
    (0, r"ctx must be cpu, gpu, gpu\(N\) or auto; got 0"),
])
def test_other_names_are_refused(name, message):
    with pytest.raises(ValueError, match="^" + message):
        as_context(name)


@pytest.mark.gpu
def test_training_on_a_gpu_equals_training_on_the_cpu(small_data):
    if not num_gpus():
        pytest.skip("needs a GPU that MXNet can use")
    histories = []
    for ctx in ("cpu", "gpu"):
        mxnet.random.seed(3)
        model = RNNLM(GRU(8, 2), len(small_data.vocab), lr=0.5)
        histories.append(Trainer(2, gradient_clip_val=1, ctx=ctx, progress=False).fit(model, small_data))
        assert len(parameter_arrays(model)) == 10
    assert histories[0][-1]["val_ppl"] == pytest.approx(histories[1][-1]["val_ppl"], rel=1e-3)
