"""What memory the kernels take, and what a call does for which there is none."""

import os
import subprocess
import sys

from gluon_deeprnn import kernels
import pytest

pytestmark = pytest.mark.skipif(kernels.loaded() is None, reason=f"runs where our operators do: {kernels.why_not()}")


def run(code):
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "GLUON_DEEPRNN_KEEP_MEMORY": "0"},
                          capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, (done.stdout, done.stderr)
    return done.stdout


LIMITED = """
import resource
import gluon_deeprnn, mxnet
from gluon_deeprnn import kernels
from mxnet import autograd, np

def mapped():
    return int(next(line for line in open('/proc/self/status') if line.startswith('VmSize')).split()[1]) * 1024

def limit(size):
    resource.setrlimit(resource.RLIMIT_AS, (size, resource.RLIM_INFINITY))

def run(forward, backward):
    x, w, h = arrays
    try:
        forward and limit(mapped() + forward * 2**20)
        with autograd.record():
            y = mxnet.nd.gluon_deeprnn_layer(x, w, h, cell='gru', trains=1, vocab_size=V)[0]
        y.wait_to_read()
        backward and limit(mapped() + backward * 2**20)
        y.backward()
        w.grad.wait_to_read()
        return 'computed'
    except mxnet.MXNetError as error:
        return str(error)
    finally:
        limit(resource.RLIM_INFINITY)

kernels.loaded()
H = 64
for T, N, V in ((256, 256, 0), (8, 128, 20000)):  # much is kept; large sums, of tokens
    x = np.zeros((T, N), dtype='int32') if V else np.random.normal(size=(T, N, 1))
    w, h = (np.random.normal(size=s) for s in ((3 * H * ((V or 1) + H + 2),), (N, H)))
    arrays = [array.as_nd_ndarray() for array in (x, w, h)]
    arrays[1].attach_grad()
    mxnet.nd.waitall()
    print(repr(run(0, 0)), repr(run(40, 0)), repr(run(0, 20)), repr(run(0, 0)), sep='\\n')
"""


def test_under_a_memory_limit_a_call_is_an_error_and_the_process_lives():
    results = run(LIMITED).splitlines()
    assert len(results) == 8
    assert all(results[i] == "'computed'" for i in (0, 3, 4, 7))
    assert "forward: memory must be available for" in results[1]
    assert "backward: memory must be available for" in results[6]


PEAKS = """
import gluon_deeprnn, mxnet, numpy
from gluon_deeprnn import kernels
from mxnet import autograd, np

def resident(name):  # VmRSS, or VmHWM, its maximum since the last reset
    return int(next(line for line in open('/proc/self/status') if line.startswith(name)).split()[1]) * 1024

def growth(work):
    with open('/proc/self/clear_refs', 'w') as reset:
        reset.write('5')
    before = resident('VmRSS')
    work()
    return resident('VmHWM') - before

def use(D, T=8, N=128, H=16):
    tokens = numpy.random.default_rng(0).integers(0, D, (T, N))
    x = np.array(tokens, dtype='int32').as_nd_ndarray()
    w, h = (np.random.normal(size=s).as_nd_ndarray() for s in ((3 * H * (D + H + 2),), (N, H)))
    w.attach_grad()
    mxnet.nd.waitall()
    y = []

    def forward():
        with autograd.record():
            y.append(mxnet.nd.gluon_deeprnn_layer(x, w, h, cell='gru', trains=1, vocab_size=D)[0])
        y[0].wait_to_read()

    def backward():
        y[0].backward()
        w.grad.wait_to_read()

    peaks = growth(forward), growth(backward)
    gradient = w.grad.asnumpy()[:3 * H * D].reshape(3 * H, D)
    assert (abs(gradient).max(0) > 0).tolist() == [k in set(tokens.ravel().tolist()) for k in range(D)]
    return [peak / (w.size * 4) for peak in peaks]

kernels.loaded()
use(64)
print(*use(50000))
"""


def test_a_long_vocabulary_takes_a_few_times_the_memory_of_its_weights_and_not_one_for_each_part_of_the_batch():
    forward, backward = map(float, run(PEAKS).split())
    assert 0.8 < forward < 1.5  # the packed weights
    assert 3.5 < backward < 5.5  # at most four sums, though there are 16 tiles
