import contextlib
import json
import math
import os
from pathlib import Path
import re
import subprocess
import sys

from gluon_deeprnn import runtime
import numpy
import pytest


def python(code, *options, **environment):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_", "MALLOC_", "GLUON_DEEPRNN_"))}
    return subprocess.run([sys.executable, *options, "-c", code], capture_output=True, text=True, check=False,
                          env={**clean, **environment})


IMPORT = """
import numpy, os
names, environment = dict(vars(numpy)), dict(os.environ)
import gluon_deeprnn
import ctypes, json, sys, warnings
from mxnet import np
found = {
    "changed": [name for name, value in names.items() if vars(numpy).get(name, names) is not value],
    "added": sorted(set(vars(numpy)) - set(names)), "environment": environment == dict(os.environ),
    "optional": [m for m in ("matplotlib", "torch", "onnxruntime", "safetensors", "jax", "pandas", "IPython")
                 if m in sys.modules],  # MXNet itself imports onnx where it is installed
    "threads": [gluon_deeprnn.runtime.threads(), ctypes.CDLL("libgomp.so.1").omp_get_max_threads()],
    "keeps_memory": gluon_deeprnn.runtime.keeps_memory, "sum": float(np.array(2.0) + 1)}
warnings.simplefilter("ignore")
found["values"] = [float(numpy.float_(1.5)), float(numpy.NINF), str(numpy.NaN), float(numpy.PZERO),
                   int(numpy.product([2, 3])), bool(numpy.alltrue([1, 0])), numpy.msort(numpy.array([2, 1])).tolist()]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def imported():
    """What the import did in a new process in which warnings are errors."""
    done = python(IMPORT, "-W", "error")
    assert done.returncode == 0, done.stderr
    return {**json.loads(done.stdout), "printed": done.stdout.count("\n") - 1, "stderr": done.stderr}


def test_import_is_quiet_when_warnings_are_errors(imported):
    assert (imported["sum"], imported["printed"], imported["stderr"]) == (3.0, 0, "")


def test_import_loads_no_optional_packages(imported):
    assert imported["optional"] == []


@pytest.mark.slow
def test_import_costs_little_more_than_mxnet_itself():
    def seconds(code):
        done = python(f"{code}\nimport time; print(time.process_time())")  # CPU time: other processes do not count
        return float(done.stdout)

    removed = [name for name, _ in runtime._removed_names()]
    ours, mxnets = "import gluon_deeprnn", (
        f"import numpy\nfor name in {removed}:\n if not hasattr(numpy, name):\n  setattr(numpy, name, any)\n"
        "import mxnet")
    pairs = [(seconds(ours), seconds(mxnets)) for _ in range(5)]
    assert min(a for a, _ in pairs) - min(b for _, b in pairs) < 0.3


MAX_THREADS = ("import gluon_deeprnn, ctypes, mxnet; "
               "print(gluon_deeprnn.runtime.threads(), ctypes.CDLL('libgomp.so.1').omp_get_max_threads())")


def test_threads_are_the_cores_available_to_the_process(imported):
    cores = sorted(os.sched_getaffinity(0))
    assert imported["threads"] == [runtime.usable_cores()] * 2
    one = python(f"import os; os.sched_setaffinity(0, {{{cores[0]}}}); " + MAX_THREADS)
    assert one.stdout.split() == ["1", "1"], one.stderr


@pytest.mark.parametrize("asked", ["3", "3,2"])
def test_the_users_thread_count_or_the_first_of_a_list_takes_precedence(asked):
    done = python(MAX_THREADS + "; import os; print(os.environ['OMP_NUM_THREADS'])", OMP_NUM_THREADS=asked)
    assert done.stdout.split() == ["3", "3", asked]


def test_what_is_set_after_the_import_is_not_reported_as_in_use(imported):
    setting = "import os, gluon_deeprnn; os.environ.update(OMP_NUM_THREADS='77', GOMP_SPINCOUNT='78'); "
    done = python(setting + "print(gluon_deeprnn.runtime.threads(), *gluon_deeprnn.runtime.spin_count())")
    assert done.stdout == f"{imported['threads'][1]} 1000 GOMP_SPINCOUNT, set by gluon_deeprnn\n", done.stderr


@pytest.mark.slow
def test_threads_do_not_spin_for_long_unless_the_user_sets_it():
    code = "from gluon_deeprnn import runtime; print(*runtime.spin_count())"
    done = {name: python(code, OMP_DISPLAY_ENV="verbose", **setting) for name, setting in (
        ("ours", {}), ("count", {"GOMP_SPINCOUNT": "77"}), ("policy", {"OMP_WAIT_POLICY": "active"}),
        ("both", {"GOMP_SPINCOUNT": "78", "OMP_WAIT_POLICY": "active"}))}
    spins = {name: re.search(r"GOMP_SPINCOUNT = '(\d+)'", each.stderr)[1] for name, each in done.items()}
    assert (spins["ours"], spins["count"], spins["both"]) == ("1000", "77", "78")
    assert int(spins["policy"]) > 1_000_000
    assert {name: each.stdout.rstrip() for name, each in done.items()} == {
        "ours": "1000 GOMP_SPINCOUNT, set by gluon_deeprnn", "count": "77 GOMP_SPINCOUNT, set by the user",
        "policy": "None OMP_WAIT_POLICY=active, set by the user", "both": "78 GOMP_SPINCOUNT, set by the user"}


def test_import_does_not_change_the_environment(imported):
    assert imported["environment"]


def test_the_malloc_setting_can_be_disabled(imported, monkeypatch):
    assert imported["keeps_memory"]
    code = "import gluon_deeprnn; print(gluon_deeprnn.runtime.keeps_memory)"
    assert python(code, GLUON_DEEPRNN_KEEP_MEMORY="0").stdout == "False\n"
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "131072")
    assert not runtime._keep_freed_memory()


@pytest.mark.skipif(numpy.__version__ < "1.24", reason="mxnet imports by itself on NumPy 1.23")
def test_an_import_of_mxnet_that_failed_before_is_explained():
    done = python("try:\n import mxnet\nexcept AttributeError:\n pass\nimport gluon_deeprnn")
    assert done.returncode == 1
    assert "write `import gluon_deeprnn` first" in done.stderr.splitlines()[-1]


def test_the_import_replaces_no_name_that_numpy_has_and_adds_only_those_that_mxnet_reads(imported):
    assert imported["changed"] == []
    names = {name for name, _ in runtime._removed_names()}
    modules = {"matplotlib", "core", "compat", "ctypeslib", "strings", "fft", "polynomial", "random", "rec", "testing",
               "typing", "_typing", "char", "f2py", "exceptions", "dtypes", "linalg", "lib", "ma", "array_api"}
    assert set(imported["added"]) - modules <= names  # NumPy imports modules of its own when asked
    if numpy.__version__ >= "2":
        assert numpy.bool is numpy.bool_
        assert {"PZERO", "float_", "mirr"} <= set(imported["added"])
    else:
        assert numpy.bool is bool


def test_restored_numpy_names_have_their_old_values(imported):
    assert imported["values"] == [1.5, -math.inf, "nan", 0.0, 6, False, [1, 2]]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["matplotlib.pyplot", "scipy.stats", "scipy.signal", "pandas", "sklearn", "torch",
                                  "numpy.ma", "numpy.testing", "numpy.lib.recfunctions"])
def test_other_packages_import_afterwards_with_warnings_as_errors(name):
    pytest.importorskip(name.split(".")[0])
    alone = python(f"import {name}", "-W", "error")
    if alone.returncode:
        pytest.skip(f"{name} warns by itself: {alone.stderr.splitlines()[-1]}")
    done = python(f"import gluon_deeprnn, {name}", "-W", "error")
    assert (done.returncode, done.stderr) == (0, "")


USES = {
    "pandas": "import pandas; t = pandas.DataFrame({'a': [1.0, None, 3.0], 'b': list('xyx')}); "
              "print(t.groupby('b').a.sum().tolist(), t.a.isna().sum(), t.a.astype(bool).tolist())",
    "scipy": "import scipy.stats, scipy.integrate; print(round(float(scipy.stats.norm.cdf(1.0)), 6), "
             "round(float(scipy.integrate.quad(lambda x: x * x, 0, 3)[0]), 6))",
    "matplotlib": "import matplotlib; matplotlib.use('agg'); from matplotlib import pyplot; "
                  "f, a = pyplot.subplots(); print(len(a.plot([1, 2], [3, 4])), len(a.hist([1, 2, 2])))",
    "numpy": "import numpy; x = numpy.ma.masked_invalid([1.0, numpy.nan]); print(x.sum(), numpy.array([True]).dtype, "
             "numpy.isin(2, [1, 2]), repr(numpy.ma.array([1, 2], mask=[True, False])))",
    "torch": "import torch, numpy; print(torch.from_numpy(numpy.ones((2, 2))).sum().item(), "
             "torch.ones(2).numpy().dtype)",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", USES)
def test_other_packages_compute_the_same_after_the_import(name):
    pytest.importorskip(name)
    alone, after = python(USES[name]), python("import gluon_deeprnn; " + USES[name])
    assert alone.returncode == 0, alone.stderr
    assert after.stdout == alone.stdout, after.stderr


def test_without_mxnet_the_import_error_names_the_install_command(tmp_path):
    for name in ("mxnet", "gluonnlp"):
        done = python(f"import sys; sys.modules[{name!r}] = None; import gluon_deeprnn")
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1] == (
            f"ImportError: {name} must be installed; got none "
            "(run: python3 -m pip install --no-deps mxnet==1.9.1 gluonnlp==0.10.0)")


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


UNLIMITED = "9223372036854771712\n"  # of version 1


@pytest.mark.parametrize(("files", "membership", "limit"), [
    ({"job/memory.max": "1000000\n"}, "0::/job\n", 1e6),
    ({"job/memory.max": "max\n", "memory.max": "3000000\n"}, "0::/job/step\n", 3e6),
    ({"user/job/memory.max": "2000000\n", "user/memory.max": "1000000\n"}, "0::/user/job\n", 1e6),
    ({"user/job/memory.max": "1000000\n", "user/memory.max": "2000000\n"}, "0::/user/job\n", 1e6),
    ({"job/memory.max": "2000000\n", "job/memory.high": "1500000\n"}, "0::/job\n", 1.5e6),
    ({"job/memory.max": "max\n", "job/memory.high": "max\n"}, "0::/job\n", math.inf),
    ({"other/memory.max": "1000000\n"}, "0::/job\n", math.inf),
    ({"memory/slurm/job/memory.limit_in_bytes": "1000000\n", "memory/slurm/memory.limit_in_bytes": UNLIMITED,
      "memory/memory.limit_in_bytes": UNLIMITED}, "5:cpu,cpuacct:/c\n4:memory:/slurm/job\n", 1e6),
    ({"memory/slurm/job/memory.limit_in_bytes": UNLIMITED, "memory/slurm/memory.limit_in_bytes": "2000000\n"},
     "4:memory:/slurm/job\n0::/\n", 2e6),
    ({"memory/memory.limit_in_bytes": "1000000\n"}, "4:memory:/docker/not-mounted-here\n", 1e6),
    ({"memory.max": "broken\n"}, "nonsense\n0::/\n", math.inf),
    ({}, "", math.inf),
])
def test_the_memory_limit_is_the_lowest_of_the_groups_that_contain_the_process(tmp_path, files, membership, limit):
    for name, content in files.items():
        (tmp_path / "cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "cgroup" / name).write_text(content)
    (tmp_path / "membership").write_text(membership)
    assert runtime._control_group_memory(tmp_path / "cgroup", tmp_path / "membership") == limit
    assert runtime._control_group_memory(tmp_path / "cgroup", tmp_path / "none") == math.inf


@pytest.fixture
def group():
    """A control group within one of a gigabyte, as root can make it: the file to which a process is written."""
    of_process = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    with contextlib.ExitStack() as stack:
        for _, controllers, path in of_process:
            outer = Path("/sys/fs/cgroup", controllers, path.lstrip("/"), f"deeprnn-{os.getpid()}")
            limit = outer / ("memory.limit_in_bytes" if controllers else "memory.max")
            if controllers not in ("memory", ""):
                continue
            with contextlib.suppress(OSError):
                for folder in (outer, outer / "inner"):
                    folder.mkdir()
                    stack.callback(folder.rmdir)
                limit.write_text(str(2**30))
                yield outer / "inner" / "cgroup.procs"
                return
        pytest.skip("needs the right to make a control group for memory")


def test_a_training_that_does_not_fit_into_its_control_group_is_refused_in_one_line(group, tmp_path):
    (tmp_path / "text.txt").write_text("the time machine " * 500)
    join = f"import os, sys; open({str(group)!r}, 'w').write(str(os.getpid())); "
    run = join + "from gluon_deeprnn.cli.main import main; sys.exit(main({!r}))"
    train = ["train", "--text", "text.txt", "--max-epochs", "1", "--batch-size", "8", "--num-steps", "8"]
    large, small = ([*train, "--num-hiddens", number, "--out", number] for number in ("2500", "8"))
    done = subprocess.run([sys.executable, "-c", run.format(large)], capture_output=True, text=True, check=False,
                          cwd=tmp_path)
    assert done.returncode == 2
    assert re.fullmatch(r"gluon-deeprnn: error: num_hiddens, .* small enough for this machine's 1\.1 GB of memory; got "
                        r"2500, 2, 8 and 8: about \d\.\d GB", done.stderr.splitlines()[-1])
    assert not (tmp_path / "2500").exists()
    done = subprocess.run([sys.executable, "-c", run.format(small)], capture_output=True, text=True, check=False,
                          cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_python_without_docstrings_is_refused_with_the_reason():
    done = python("import gluon_deeprnn", "-OO")
    assert done.stderr.splitlines()[-1].startswith("ImportError: Python must keep docstrings, which MXNet reads; got")
    assert python("import gluon_deeprnn", "-O").returncode == 0
