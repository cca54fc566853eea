"""The kernels under sanitizers, and sanitizers that find what is put there to be found."""

from pathlib import Path
import re
import shutil

import pytest
import sanitizers

LANES = 4  # the fastest to build; `make test-sanitizers` runs all

FAULTS = {  # a sanitizer, a file, what stands there, and what is wrong
    "race": ("thread", "layer.cc", "scratch(z, w, own + slot * own_size)",
             "scratch(z, w, own + 0 * slot * own_size)"),
    "ragged-end": ("address", "vectors.h", "std::memcpy(to, padded, sizeof(float) * count)",
                   "std::memcpy(to, padded, sizeof(float) * kLanes)"),
    "written": ("address", "writing.cc", "const size_t n = first + i, place = t * N + n;",
                "const size_t n = first + i, place = t * N + n + 1;"),
    "bounds": ("address", "panels.h", "if (count == most) return false;",
               "if (count == most + size) return false;"),
}
REPORTS = {"race": "data race", "ragged-end": "heap-buffer-overflow", "written": "heap-buffer-overflow",
           "bounds": "out of bounds|stack-buffer-overflow"}


@pytest.fixture
def needs():
    """Skips where a sanitizer cannot be had."""
    def check(kind):
        reason = sanitizers.missing(kind)
        if reason:
            pytest.skip(reason)

    return check


@pytest.mark.slow
@pytest.mark.parametrize("kind", sanitizers.KINDS)
def test_sanitizers_have_nothing_to_report(kind, needs, tmp_path, object_files):
    needs(kind)
    done = sanitizers.check(kind, LANES, tmp_path, object_files)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_sanitizers_find_a_fault_that_is_put_there(fault, needs, tmp_path, object_files):
    kind, name, right, wrong = FAULTS[fault]
    needs(kind)
    shutil.copytree(sanitizers.KERNELS, tmp_path / "kernels", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    path = tmp_path / "kernels" / name
    text = path.read_text()
    assert text.count(right) == 1
    path.write_text(text.replace(right, wrong))
    done = sanitizers.check(kind, LANES, tmp_path, object_files, tmp_path / "kernels")
    assert done.returncode != 0
    assert re.search(REPORTS[fault], done.stderr)


def test_parallel_regions_begin_in_one_file_which_the_thread_sanitizer_sees():
    sources = [path for path in Path(sanitizers.KERNELS).rglob("*") if path.suffix in (".cc", ".h")]
    found = {path.name for path in sources
             if re.search(r"#pragma omp|std::thread\b", path.read_text(encoding="utf-8"))}
    assert found == {"parallel.h"}
