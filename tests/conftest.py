"""Shared fixtures: a seed, a small text, and the real texts if they are available.  How many tests run at a time."""

import os
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:  # set before MXNet is imported; child processes have it too
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import gluon_deeprnn
from gluon_deeprnn.data import Source, TextData
import hypothesis
import mxnet
import numpy
import pytest

# No deadline: examples can be slow on a busy machine.
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")

FOX = "The quick brown fox jumps over the lazy dog, and the dog does not care at all. "


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """What ``-n auto`` means: pytest-xdist itself counts all cores of the machine, whatever the affinity and quota."""
    return gluon_deeprnn.runtime.usable_cores()


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Seed the random generators before every test."""
    mxnet.random.seed(1)
    numpy.random.seed(1)


@pytest.fixture
def fox() -> Source:
    """A small text with all 26 letters."""
    return Source("fox", FOX * 20, "0" * 40)


@pytest.fixture(scope="session")
def object_files(tmp_path_factory) -> Path:
    """A folder of compiled files, which all processes of one run of the tests share."""
    own = tmp_path_factory.getbasetemp()
    shared = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "objects"
    shared.mkdir(exist_ok=True)
    return shared


@pytest.fixture
def fox_file(tmp_path) -> Path:
    """The small text as a file."""
    path = tmp_path / "fox.txt"
    path.write_text(FOX * 20, encoding="utf-8")
    return path


@pytest.fixture
def small_data(fox) -> TextData:
    """Windows of the small text."""
    return TextData([fox], batch_size=64, num_steps=8, num_train=200, num_val=100)


@pytest.fixture
def real_text():
    """A function that returns the path of a real text; it skips the test if the text is not available."""
    folder = os.environ.get("GLUON_DEEPRNN_DATA")

    def find(name: str) -> Path:
        if not folder or not (Path(folder) / name).exists():
            pytest.skip(f"needs {name} in the folder that GLUON_DEEPRNN_DATA names")
        return Path(folder) / name

    return find


@pytest.fixture
def as_array():
    """A function that converts NumPy arrays to MXNet arrays, float32."""
    return lambda array: mxnet.np.array(array, dtype="float32")


assert gluon_deeprnn.runtime  # NumPy mode is set before any test
