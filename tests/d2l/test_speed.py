"""At batch size 1 the host decides the speed: the compatibility layer's trainer against the package's own."""

import statistics
import time

import gluon_deeprnn
from gluon_deeprnn import d2l
import pytest

STEPS = 400


@pytest.mark.slow
def test_a_step_at_batch_size_1_takes_little_longer_than_the_packages_own(real_text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GLUON_DEEPRNN_DATA", str(real_text("timemachine.txt").parent))
    sizes = {"batch_size": 1, "num_steps": 32, "num_train": STEPS, "num_val": 1}
    data, our_data = d2l.TimeMachine(**sizes), gluon_deeprnn.TimeMachine(**sizes)
    model = d2l.RNNLM(d2l.GRU(32, 2), len(data.vocab), lr=1)
    model.board.display = False
    our_model = gluon_deeprnn.RNNLM(gluon_deeprnn.GRU(32, 2), len(data.vocab), lr=1)

    def seconds(fit):
        started = time.perf_counter(), time.process_time()
        fit()
        return time.perf_counter() - started[0], time.process_time() - started[1]

    def theirs():
        d2l.Trainer(1, gradient_clip_val=1).fit(model, data)

    def ours():
        gluon_deeprnn.Trainer(1, gradient_clip_val=1, progress=False).fit(our_model, our_data)

    theirs(), ours()  # compiled now
    times = [(seconds(theirs), seconds(ours)) for _ in range(12)]
    layer, own = ([1000 * elapsed / STEPS for elapsed, _ in measured] for measured in zip(*times))
    layer_cpu, own_cpu = ([used for _, used in measured] for measured in zip(*times))
    print(f"\nms per step, median of 12 alternating runs: {statistics.median(layer):.2f}, the package's own "
          f"{statistics.median(own):.2f}; fastest {min(layer):.2f}, {min(own):.2f}")
    assert min(layer_cpu) < 1.5 * min(own_cpu)  # CPU time: other processes do not count
