"""The picture of several runs."""

import io

from gluon_deeprnn.plotting import plot_runs
import numpy
import pytest

RUNS = {f"runs/{name}": [{"epoch": i, "val_ppl": 5 + level + 20 / i, "seconds": 0.5 + level} for i in range(1, 31)]
        for level, name in enumerate("abcdefghij")}
SIZES = {name: 1000 * 2 ** i for i, name in enumerate(RUNS)}


@pytest.fixture(scope="module")
def figure():
    """The picture of ten runs, drawn."""
    found = plot_runs(RUNS, SIZES, title="ten runs")
    found.savefig(io.BytesIO(), format="png")
    return found


def test_the_panels_show_epochs_seconds_and_parameters(figure):
    by_epoch, by_time, by_size = figure.axes[:3]
    for (name, history), epochs, times in zip(RUNS.items(), by_epoch.lines, by_time.lines):
        values = [row["val_ppl"] for row in history]
        assert epochs.get_ydata().tolist() == times.get_ydata().tolist() == values
        assert epochs.get_xdata().tolist() == list(range(1, 31))
        numpy.testing.assert_allclose(times.get_xdata(), numpy.arange(1, 31) * history[0]["seconds"])
        point = next(line for line in by_size.lines if line.get_xdata()[0] == SIZES[name])
        assert point.get_ydata().tolist() == [min(values)]
    assert (by_epoch.get_ylabel(), by_size.get_ylabel()) == ("validation perplexity", "best validation perplexity")
    assert figure._suptitle.get_text() == "ten runs"


def test_runs_are_distinguishable_without_colour(figure):
    for ax in figure.axes[:2]:
        assert len({(line.get_linestyle(), line.get_marker()) for line in ax.lines}) == len(RUNS)


def test_every_run_is_named_in_the_legend_and_at_its_point(figure):
    legend = figure.axes[3].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == list(RUNS)
    named = {text.get_text(): text.get_window_extent() for text in figure.axes[2].texts}
    assert named.keys() == RUNS.keys()
    heights = sorted((box.y0, box.y1) for box in named.values())
    assert all(upper[0] > lower[1] for lower, upper in zip(heights, heights[1:]))  # none overlaps another
    assert min(box.x0 for box in named.values()) > figure.axes[2].get_window_extent().x1
    assert max(box.x1 for box in named.values()) <= figure.bbox.x1
    assert legend.get_window_extent().y0 >= 0
    assert legend.get_window_extent().y1 < min(ax.get_tightbbox().y0 for ax in figure.axes[:3])


def test_runs_of_one_size_and_one_epoch_are_drawn():
    one = {name: history[:1] for name, history in RUNS.items()}
    figure = plot_runs(one, dict.fromkeys(one, 5000))
    figure.savefig(io.BytesIO(), format="png")
    assert figure.axes[2].get_xscale() == "linear"
