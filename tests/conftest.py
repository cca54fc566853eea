"""What all tests share: a seed, a small text, and the real texts when they are there."""

import os
from pathlib import Path

import gluon_deeprnn
from gluon_deeprnn.data import Source, TextData
import hypothesis
import mxnet
import numpy
import pytest

# A machine that is busy with something else makes an example slow, not wrong.
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")

FOX = "The quick brown fox jumps over the lazy dog, and the dog does not care at all. "


@pytest.fixture(autouse=True)
def seeded() -> None:
    """The same random numbers in every test; its number is the seed that repeats them."""
    mxnet.random.seed(1)
    numpy.random.seed(1)


@pytest.fixture
def fox() -> Source:
    """A small text of our own, 27 different sentences' worth of characters."""
    return Source("fox", FOX * 20, "0" * 40)


@pytest.fixture
def fox_file(tmp_path) -> Path:
    """The same as a file."""
    path = tmp_path / "fox.txt"
    path.write_text(FOX * 20, encoding="utf-8")
    return path


@pytest.fixture
def small_data(fox) -> TextData:
    """Windows of the small text."""
    return TextData([fox], batch_size=64, num_steps=8, num_train=200, num_val=100)


@pytest.fixture
def real_text():
    """Finds a file among the real texts; skips where there are none."""
    folder = os.environ.get("GLUON_DEEPRNN_DATA")

    def find(name: str) -> Path:
        if not folder or not (Path(folder) / name).exists():
            pytest.skip(f"needs {name} in the folder that GLUON_DEEPRNN_DATA names")
        return Path(folder) / name

    return find


@pytest.fixture
def as_array():
    """Turns NumPy arrays into MXNet's, float32."""
    return lambda array: mxnet.np.array(array, dtype="float32")


assert gluon_deeprnn.runtime  # numpy mode is on before any test runs
