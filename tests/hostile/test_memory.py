import subprocess
import sys

import pytest

STEPS = """
import json, resource
import numpy
from gluon_deeprnn import GRU, RNNLM, StackedRNNScratch, RNNLMScratch, Trainer
from gluon_deeprnn.data.windows import Windows
from gluon_deeprnn.training import Callback

class Data:
    vocab = range(28)
    tokens = numpy.random.default_rng(0).integers(0, 28, 3000, dtype="int32")
    def train_dataloader(self):
        return Windows(self.tokens, 0, 2200, batch_size=32, num_steps=6, shuffle=True)  # 69 batches, the last of 24
    def val_dataloader(self):
        return Windows(self.tokens, 2300, 100, batch_size=32, num_steps=6)

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20

class Watch(Callback):
    def __init__(self):
        self.steps, self.seen = 0, {}
    def on_epoch_end(self, trainer):
        self.steps += 69
        self.seen[self.steps] = resident()

def run(model):
    watch = Watch()
    Trainer(20, gradient_clip_val=1, optimizer="adam", lr=0.001, progress=False, callbacks=[watch]).fit(model, Data())
    steps = sorted(watch.seen)
    return watch.seen[steps[-1]] - watch.seen[steps[4]], steps[-1] - steps[4]

print(json.dumps([run(RNNLM(GRU(32, 2, dropout=0.2), 28)), run(RNNLMScratch(StackedRNNScratch(28, 32, 2), 28))]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/statm")
def test_a_thousand_steps_do_not_grow_the_memory():
    import json

    done = subprocess.run([sys.executable, "-c", STEPS], capture_output=True, text=True, check=True)
    grown = json.loads(done.stdout)
    print("megabytes, steps:", grown)
    for megabytes, steps in grown:
        assert steps >= 1000
        assert megabytes < 5
