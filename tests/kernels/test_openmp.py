"""Our library and MXNet share one OpenMP runtime, or our library is not used.

A second runtime is a copy of libgomp under another name, as torch and scikit-learn bring one.
"""

import json
import os
from pathlib import Path
import subprocess
import sys

from gluon_deeprnn import kernels
from gluon_deeprnn.kernels import openmp
from mxnet.base import _LIB
import pytest

NAME, OTHER = b"libgomp.so.1\0", b"libgxmp.so.1\0"

pytestmark = pytest.mark.skipif(kernels.loaded() is None, reason=f"runs where our operators do: {kernels.why_not()}")

SCRIPT = """
import ctypes, json, os, sys
copy, scope, when, deep = sys.argv[1:]

def load():
    ctypes.CDLL(copy, getattr(os, scope)).omp_get_max_threads()

if when == 'before':
    load()
import gluon_deeprnn, mxnet
from gluon_deeprnn import GRU, kernels
from gluon_deeprnn.kernels import libraries, openmp
from mxnet import np
from mxnet.base import _LIB
if when == 'after':
    load()
if deep == 'no':
    os.RTLD_DEEPBIND = 0
library = kernels.loaded()
core = GRU(8, num_inputs=4)
core.initialize()
outputs = core(np.ones((2, 3, 4)))[0].asnumpy()
ours = openmp.runtime_of(str(openmp.FOLDER / f'layer.{library}.so')) if library else ''
print(json.dumps({'library': library, 'mxnet': openmp.runtime_of(_LIB._name), 'ours': ours,
                  'outputs': float(abs(outputs).sum()), 'why': '' if library else kernels.why_not()}))
"""


@pytest.fixture
def copy(tmp_path):
    """A copy of the runtime that MXNet uses, under another name."""
    content = Path(openmp.runtime_of(_LIB._name)).read_bytes()
    assert NAME in content
    (tmp_path / "libgxmp.so.1").write_bytes(content.replace(NAME, OTHER))
    return tmp_path / "libgxmp.so.1"


def found(*arguments):
    done = subprocess.run([sys.executable, "-c", SCRIPT, *map(str, arguments)], capture_output=True, text=True,
                          check=False, timeout=120, env={**os.environ, "OMP_NUM_THREADS": "2"})
    assert done.returncode == 0, done.stderr
    return {**json.loads(done.stdout.splitlines()[-1]), "stderr": done.stderr}


def test_the_runtime_is_that_of_the_loaders_own_tables():
    library = openmp.FOLDER / f"layer.{kernels.loaded()}.so"
    assert "gomp" in openmp.runtime_of(_LIB._name)
    assert openmp.runtime_of(str(library)) == openmp.runtime_of(_LIB._name)
    assert openmp.runtime_of("/nowhere/libnone.so") == ""
    assert openmp.runtime_of(str(openmp.FOLDER / "processor.any.so")) == ""  # it has no parallel regions


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("scope", ["RTLD_LOCAL", "RTLD_GLOBAL"])
def test_a_second_runtime_in_the_process_does_not_become_ours_alone(scope, when, copy):
    now = found(copy, scope, when, "yes")
    assert now["library"] == kernels.loaded()
    assert now["ours"] == now["mxnet"]
    assert (now["mxnet"] == str(copy)) == (scope == "RTLD_GLOBAL" and when == "before")
    assert now["stderr"] == ""


@pytest.mark.slow
def test_a_library_that_would_use_another_runtime_is_refused_and_mxnets_operators_compute(copy):
    usual, now = found(copy, "RTLD_LOCAL", "after", "yes"), found(copy, "RTLD_GLOBAL", "after", "no")
    assert now["library"] is None
    assert f"it would use another OpenMP runtime, {copy}, than MXNet" in now["why"]
    assert f"it would use another OpenMP runtime, {copy}, than MXNet" in now["stderr"]
    assert now["outputs"] == pytest.approx(usual["outputs"], abs=1e-5)


@pytest.mark.parametrize(("ours", "theirs"), [("", ""), ("", "/a"), ("/a", ""), ("/a", "/a")])
def test_one_runtime_or_an_unknown_one_is_no_conflict(ours, theirs):
    assert openmp.conflict(ours, theirs) == ""


def test_two_runtimes_are_a_conflict_of_one_line_with_a_remedy():
    reason = openmp.conflict("/x/libomp.so.5", "/usr/lib/libgomp.so.1")
    assert "/x/libomp.so.5" in reason
    assert "import gluon_deeprnn before" in reason
    assert "\n" not in reason
