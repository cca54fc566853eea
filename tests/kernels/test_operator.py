"""What the operators refuse, and what becomes of a call for which there is no memory."""

import os
import subprocess
import sys

from gluon_deeprnn import kernels
import mxnet
from mxnet import np
import pytest

pytestmark = pytest.mark.skipif(kernels.loaded() is None, reason=f"runs where our operators do: {kernels.why_not()}")

GOOD = {"cell": "gru", "trains": 1, "d_inputs": 1}


def layer(shapes, **attributes):
    arrays = [np.zeros(shape).as_nd_ndarray() for shape in shapes]
    mxnet.nd.gluon_deeprnn_layer(*arrays, **{**GOOD, **attributes})[0].wait_to_read()


def size(gates, num_inputs, num_hiddens):
    return gates * num_hiddens * (num_inputs + num_hiddens + 2)


@pytest.mark.parametrize("cell", ["rnn", "GRU", "tanh", "", "gru ", "lstm2"])
def test_an_unknown_cell_is_refused(cell):
    with pytest.raises(mxnet.MXNetError, match=f"cell must be rnn_tanh, rnn_relu, lstm or gru; got {cell}\n"):
        layer([(3, 2, 4), (size(1, 4, 8),), (2, 8)], cell=cell)


@pytest.mark.parametrize("name", ["trains", "d_inputs"])
def test_a_flag_that_is_none_is_refused(name):
    with pytest.raises(mxnet.MXNetError, match=f"{name} must be 0 or 1; got yes"):
        layer([(3, 2, 4), (size(3, 4, 8),), (2, 8)], **{name: "yes"})


@pytest.mark.parametrize(("shapes", "message"), [
    ([(0, 2, 4), (size(3, 4, 8),), (2, 8)], r"inputs must be \(T, N, D\), with at least one .*; got \(0, 2, 4\)"),
    ([(3, 0, 4), (size(3, 4, 8),), (0, 8)], r"inputs must be \(T, N, D\), with at least one .*; got \(3, 0, 4\)"),
    ([(3, 2, 0), (size(3, 0, 8),), (2, 8)], r"inputs must be \(T, N, D\), with at least one .*; got \(3, 2, 0\)"),
    ([(3, 2), (size(3, 4, 8),), (2, 8)], r"inputs must be \(T, N, D\), .*; got \(3, 2\)"),
    ([(3, 2, 4), (0,), (2, 0)], r"hidden must be \(2, H\), with at least one unit; got \(2, 0\)"),
    ([(3, 2, 4), (size(3, 4, 8),), (3, 8)], r"hidden must be \(2, H\), with at least one unit; got \(3, 8\)"),
    ([(3, 2, 4), (10,), (2, 8)], r"weights must be of shape \(336,\); got \(10,\)"),
    ([(3, 2, 4), (4, 84), (2, 8)], r"weights must be of shape \(336,\); got \(4, 84\)"),
])
def test_sizes_that_do_not_fit_are_refused(shapes, message):
    with pytest.raises(mxnet.MXNetError, match=message):
        layer(shapes)


def test_a_memory_that_does_not_fit_is_refused():
    with pytest.raises(mxnet.MXNetError, match=r"memory must be of shape \(2, 8\); got \(2, 9\)"):
        layer([(3, 2, 4), (size(4, 4, 8),), (2, 8), (2, 9)], cell="lstm")


@pytest.mark.parametrize("epsilon", ["none", "-1", "nan"])
def test_an_epsilon_that_is_no_number_is_refused(epsilon):
    arrays = [np.zeros(shape).as_nd_ndarray() for shape in [(3, 4), (4,), (4,)]]
    with pytest.raises(mxnet.MXNetError, match=f"epsilon must be a number of at least 0; got {epsilon}"):
        mxnet.nd.gluon_deeprnn_layer_norm(*arrays, epsilon=epsilon).wait_to_read()


LIMITED = """
import resource
import gluon_deeprnn, mxnet
from gluon_deeprnn import kernels
from mxnet import autograd, np

def mapped():
    return int(next(line for line in open('/proc/self/status') if line.startswith('VmSize')).split()[1]) * 1024

def limit(size):
    resource.setrlimit(resource.RLIMIT_AS, (size, resource.RLIM_INFINITY))

def run(forward, backward, D=1):
    x, w, h = arrays
    try:
        forward and limit(mapped() + forward * 2**20)
        with autograd.record():
            y = mxnet.nd.gluon_deeprnn_layer(x, w, h, cell='gru', trains=1, d_inputs=0)[0]
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
for T, N, D in ((256, 256, 1), (1, 256, 8000)):  # much is kept; large sums
    arrays = [np.random.normal(size=s).as_nd_ndarray() for s in ((T, N, D), (3 * H * (D + H + 2),), (N, H))]
    arrays[1].attach_grad()
    mxnet.nd.waitall()
    print(repr(run(0, 0)), repr(run(40, 0)), repr(run(0, 20)), repr(run(0, 0)), sep='\\n')
"""


def test_under_a_memory_limit_a_call_is_an_error_and_the_process_lives():
    done = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True, check=False, timeout=300,
                          env={**os.environ, "GLUON_DEEPRNN_KEEP_MEMORY": "0"})
    assert done.returncode == 0, (done.stdout, done.stderr)
    results = done.stdout.splitlines()
    assert len(results) == 8
    assert all(results[i] == "'computed'" for i in (0, 3, 4, 7))
    assert "forward: memory must be available for" in results[1]
    assert "backward: memory must be available for" in results[6]
