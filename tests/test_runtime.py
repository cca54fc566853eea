import os
import re
import subprocess
import sys
import time

from gluon_deeprnn import runtime
import numpy
import pytest


def python(code, *options, **environment):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_", "MALLOC_", "GLUON_DEEPRNN_"))}
    return subprocess.run([sys.executable, *options, "-c", code], capture_output=True, text=True, check=False,
                          env={**clean, **environment})


def test_import_is_quiet_when_warnings_are_errors():
    done = python("import gluon_deeprnn; from mxnet import np; print(np.array(2.0) + 1)", "-W", "error")
    assert (done.returncode, done.stdout, done.stderr) == (0, "3.0\n", "")


def test_import_loads_nothing_that_only_some_users_need():
    done = python("import gluon_deeprnn, sys; "
                  "print([m for m in ('matplotlib', 'torch', 'onnx', 'jax', 'pandas', 'IPython') if m in sys.modules])")
    assert done.stdout == "[]\n", done.stderr


def test_import_costs_little_more_than_mxnet_itself():
    def seconds(code):
        started = time.perf_counter()
        assert python(code).returncode == 0
        return time.perf_counter() - started

    ours, mxnets = "import gluon_deeprnn", "import numpy; numpy.bool = bool; import mxnet"
    pairs = [(seconds(ours), seconds(mxnets)) for _ in range(5)]
    assert min(a for a, _ in pairs) - min(b for _, b in pairs) < 0.3


MAX_THREADS = ("import gluon_deeprnn, ctypes, mxnet; "
               "print(gluon_deeprnn.runtime.threads(), ctypes.CDLL('libgomp.so.1').omp_get_max_threads())")


def test_threads_are_the_cores_that_the_process_may_use():
    cores = sorted(os.sched_getaffinity(0))
    assert python(MAX_THREADS).stdout.split() == [str(runtime.usable_cores())] * 2
    one = python(f"import os; os.sched_setaffinity(0, {{{cores[0]}}}); " + MAX_THREADS)
    assert one.stdout.split() == ["1", "1"], one.stderr


def test_the_users_thread_count_wins():
    assert python(MAX_THREADS, OMP_NUM_THREADS="3").stdout.split() == ["3", "3"]


def test_threads_do_not_spin_for_long_unless_the_user_says_so():
    shown = {name: python("import gluon_deeprnn", OMP_DISPLAY_ENV="verbose", **setting).stderr for name, setting in (
        ("ours", {}), ("count", {"GOMP_SPINCOUNT": "77"}), ("policy", {"OMP_WAIT_POLICY": "active"}))}
    spins = {name: re.search(r"GOMP_SPINCOUNT = '(\d+)'", text)[1] for name, text in shown.items()}
    assert (spins["ours"], spins["count"]) == ("1000", "77")
    assert int(spins["policy"]) > 1_000_000


def test_import_leaves_the_environment_as_it_was():
    done = python("import os; before = dict(os.environ); import gluon_deeprnn; print(before == dict(os.environ))")
    assert done.stdout == "True\n"


@pytest.mark.parametrize(("setting", "kept"), [({}, "True"), ({"GLUON_DEEPRNN_KEEP_MEMORY": "0"}, "False"),
                                               ({"MALLOC_TRIM_THRESHOLD_": "131072"}, "False")])
def test_the_malloc_setting_can_be_left_out(setting, kept):
    assert python("import gluon_deeprnn; print(gluon_deeprnn.runtime.keeps_memory)", **setting).stdout.strip() == kept


@pytest.mark.skipif(numpy.__version__ < "1.24", reason="mxnet imports by itself on NumPy 1.23")
def test_an_import_of_mxnet_that_failed_before_is_explained():
    done = python("try:\n import mxnet\nexcept AttributeError:\n pass\nimport gluon_deeprnn")
    assert done.returncode == 1
    assert "write `import gluon_deeprnn` first" in done.stderr.splitlines()[-1]


def test_a_second_version_of_the_alias_is_not_needed():
    assert numpy.bool is bool


@pytest.mark.parametrize(("files", "membership", "cores"), [
    ({"box/cpu.max": "150000 100000\n"}, "0::/box/inner\n", 1.5),
    ({"cpu.max": "max 100000\n"}, "0::/\n", float("inf")),
    ({"cpu/box/cpu.cfs_quota_us": "200000\n", "cpu/box/cpu.cfs_period_us": "100000\n"},
     "4:memory:/m\n1:cpu:/box\n", 2.0),
    ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, "1:cpu:/not/mounted/here\n", float("inf")),
    ({}, "0::/\n", float("inf")),
])
def test_container_limits_are_read(tmp_path, files, membership, cores):
    for name, content in files.items():
        (tmp_path / "cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "cgroup" / name).write_text(content)
    (tmp_path / "membership").write_text(membership)
    assert runtime._control_group_cores(tmp_path / "cgroup", tmp_path / "membership") == cores
