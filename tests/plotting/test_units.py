"""The picture of hidden units."""

import io

from gluon_deeprnn.evaluation import Activities, FollowedFeature
from gluon_deeprnn.evaluation.features import FEATURES
from gluon_deeprnn.plotting import plot_units
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
import numpy
import pytest

rng = numpy.random.default_rng(0)
LINES = ["".join(rng.choice(list("abcde  ,"), size=60)) for _ in range(60)]
LINES[40] = "x" * 200  # the longest line, in the second half
TEXT = "\n".join(LINES)


def activity(cells=False):
    """Units at random, but for two: unit 2 of layer 1 is at white space, unit 3 of layer 2 in the line, and small."""
    states = rng.uniform(-0.6, 0.6, size=(len(TEXT), 2, 5))
    states[:, 0, 1] = numpy.array(FEATURES["at white space"](TEXT)) * 1.6 - 0.8
    position = numpy.array(FEATURES["position in the line"](TEXT))
    states[:, 1, 2] = position / 1000 - 0.02 + rng.uniform(-0.004, 0.004, size=len(TEXT))
    found = {"unit": states, **({"cell": states * 20} if cells else {})}
    return Activities(TEXT, numpy.arange(len(TEXT)), numpy.arange(1, len(TEXT) + 1), found)


def labels_of(ax):
    return [text.get_text() for text in ax.texts]


def test_the_units_that_follow_a_feature_are_shown_with_their_correlation():
    ax = plot_units(activity(), title="GRU")
    found = labels_of(ax)
    assert found[0] == "layer 1, unit 2: at white space (r = 1.00)"
    assert found[1] == "layer 2, unit 3 from -0.18 to 0.18: position in the line (r = 1.00)"
    assert len(found) == 2  # each unit once, although they follow further features
    assert ax.get_title(loc="left").splitlines() == [
        "GRU", "r: correlation in the second half of the text, units chosen in the first half"]


def drawn(ax, number):
    """The values of the backgrounds of a unit, and the heights of its bars."""
    backgrounds, bars = ax.collections[2 * number:2 * number + 2]
    return backgrounds.get_array(), [corners.vertices[0, 1] - corners.vertices[2, 1] for corners in bars.get_paths()]


def test_colours_and_bars_are_the_states_on_the_passage_in_which_the_feature_varies_most():
    states = activity()
    ax = plot_units(states)
    colours, bars = drawn(ax, 1)
    start = TEXT.index("x" * 200)
    least = max(abs(numpy.quantile(states.states["unit"][:, 1, 2], (0.0005, 0.9995))))
    values = numpy.clip(states.states["unit"][:, 1, 2] / least, -1, 1)
    places = [i for i in range(len(TEXT) // 2, len(TEXT) - len(colours))
              if numpy.allclose(values[i:i + len(colours)], colours)]
    assert len(places) == 1
    assert places[0] <= start < start + 200 <= places[0] + len(colours)
    assert TEXT[places[0] - 1] == "\n"
    numpy.testing.assert_allclose(bars, colours * (bars[0] / colours[0]), atol=1e-9)
    assert max(bars) <= 1.0


def test_of_a_memory_cell_the_label_gives_the_range():
    states = activity(cells=True)
    states.states["cell"][:, 0, 1] = rng.normal(size=len(TEXT))
    cell = FollowedFeature("at a vowel", "cell", 2, 3, -0.5, 0.1)
    ax = plot_units(states, [cell])
    low, high = numpy.quantile(states.states["cell"][:, 1, 2], (0.0005, 0.9995))
    assert labels_of(ax) == [f"layer 2, memory cell 3 from {low:.2f} to {high:.2f}: at a vowel (r = -0.50)"]
    colours, _ = drawn(ax, 0)
    assert -1 <= colours.min() < colours.max() <= 1
    assert ax.figure.axes[1].get_ylabel() == "state, or place in a given range"


def test_without_a_found_unit_those_that_vary_most_are_shown_and_that_is_said():
    states = activity()
    states.states["unit"] = rng.normal(size=states.states["unit"].shape) * 0.1
    states.states["unit"][:, 1, 3] *= 4
    ax = plot_units(states, num_units=3, title="GRU")
    deviation = states.states["unit"][:, 1, 3].std()
    assert labels_of(ax)[0] == f"layer 2, unit 4: standard deviation {deviation:.2f}"
    assert len(labels_of(ax)) == 3
    assert ax.get_title(loc="left").splitlines()[1] == (
        "no unit follows a known feature of the text; these are the units that vary most")


@pytest.mark.parametrize("length", [40, 41, 200, 1000])
def test_short_texts_and_those_without_line_breaks_are_drawn(length):
    text = "ab " * 400
    states = {"unit": rng.normal(size=(length, 1, 2))}
    ax = plot_units(Activities(text[:length], numpy.arange(length), numpy.arange(1, length + 1), states))
    ax.figure.savefig(io.BytesIO(), format="png")
    assert len(labels_of(ax)) == 2


@pytest.mark.parametrize("count", [1, 2, 9])
def test_nothing_is_outside_of_the_figure(count):
    found = [FollowedFeature("distance from the end of the last sentence", "cell", 1 + i // 5, 1 + i % 5, -0.5, 0.1)
             for i in range(count)]
    ax = plot_units(activity(cells=True), found, num_units=count, title="LSTM on " + "a text, " * 30)
    canvas = FigureCanvasAgg(ax.figure)
    canvas.draw()
    for each in (ax._left_title, *ax.texts, ax.figure.axes[1].yaxis.label):
        extent = each.get_window_extent(canvas.get_renderer())
        assert extent.x0 >= 0, each
        assert extent.x1 <= ax.figure.bbox.width, each
        assert 0 <= extent.y0 < extent.y1 <= ax.figure.bbox.height, each
    assert len(ax.texts) == count


def test_given_axes_are_used():
    ax = Figure().add_subplot()
    assert plot_units(activity(), ax=ax) is ax


@pytest.mark.parametrize(("change", "message"), [
    ({"activity": 3}, "activity must be an Activities"), ({"found": ["x"]}, "found must be a sequence of Followed"),
    ({"found": [FollowedFeature("at a vowel", "cell", 1, 1, 0.5, 0.1)]}, "found must be units of these states; got "),
    ({"found": [FollowedFeature("at a vowel", "unit", 3, 1, 0.5, 0.1)]}, "found must be units of these states; got "),
    ({"num_units": 0}, "num_units must be a positive integer"), ({"title": 3}, "title must be a string"),
    ({"language": "kr"}, "language must be one of en, ko"), ({"ax": 3}, "ax must be axes of Matplotlib"),
])
def test_bad_arguments_are_refused(change, message):
    with pytest.raises(ValueError, match="^" + message):
        plot_units(**{"activity": activity(), **change})
