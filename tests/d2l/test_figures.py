import subprocess
import sys

from gluon_deeprnn import d2l
from matplotlib.figure import Figure
import numpy
import pytest

X = [1.0, 2.0, 3.0]
SQUARES, CUBES = [1.0, 4.0, 9.0], [1.0, 8.0, 27.0]


@pytest.mark.parametrize(("arguments", "curves"), [
    ((SQUARES,), [([0, 1, 2], SQUARES)]),
    (([SQUARES, CUBES],), [([0, 1, 2], SQUARES), ([0, 1, 2], CUBES)]),
    ((X, SQUARES), [(X, SQUARES)]),
    ((X, [SQUARES, CUBES]), [(X, SQUARES), (X, CUBES)]),
    (([X, X[:2]], [SQUARES, CUBES[:2]]), [(X, SQUARES), (X[:2], CUBES[:2])]),
    ((d2l.tensor(X), d2l.tensor(SQUARES)), [(X, SQUARES)]),
    ((numpy.array(X), [d2l.tensor(SQUARES).reshape(-1, 1), CUBES]), [(X, SQUARES), (X, CUBES)]),
    ((d2l.tensor(X), d2l.tensor([SQUARES, CUBES])), [(X, SQUARES), (X, CUBES)]),
])
def test_curves_are_plotted_from_arrays_and_lists(arguments, curves):
    axes = Figure().add_subplot()
    axes.plot([5, 6])
    d2l.plot(*arguments, axes=axes)
    assert [(line.get_xdata().ravel().tolist(), line.get_ydata().ravel().tolist()) for line in axes.lines] == curves


def test_labels_limits_scales_and_legend_are_set():
    axes = Figure().add_subplot()
    d2l.plot(X, [SQUARES] * 5, "x", "y", legend=list("abcde"), xlim=[1, 3], ylim=(1, 10), yscale="log", axes=axes)
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_xscale(), axes.get_yscale()) == ("x", "y", "linear", "log")
    assert (axes.get_xlim(), axes.get_ylim()) == ((1, 3), (1, 10))
    assert [text.get_text() for text in axes.get_legend().get_texts()] == list("abcde")


def test_without_axes_pyplots_current_ones_are_used(tmp_path):
    code = ("import matplotlib; matplotlib.use('agg')\nfrom gluon_deeprnn import d2l\nfrom matplotlib import pyplot\n"
            "d2l.plot([1, 4, 9], figsize=(4, 3))\nd2l.plot([1, 2], figsize=(4, 3))\n"
            "print(len(pyplot.gca().lines), pyplot.gcf().get_size_inches().tolist(), len(pyplot.get_fignums()))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.stdout == "1 [4.0, 3.0] 1\n", done.stderr
