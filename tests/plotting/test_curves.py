import io
import math
import sys

from gluon_deeprnn.plotting import plot_history
from gluon_deeprnn.plotting.style import apart
import numpy
import pytest

HISTORY = [{"epoch": i + 1, "train_ppl": 20 / (i + 1), "val_ppl": abs(10 - i) + 6.0} for i in range(20)]


def test_both_curves_have_the_values_of_the_history():
    ax = plot_history(HISTORY, title="a run")
    for line, key in zip(ax.lines, ("train_ppl", "val_ppl")):
        assert line.get_ydata().tolist() == [row[key] for row in HISTORY]
        assert line.get_xdata().tolist() == list(range(1, 21))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["training: 1.00", "validation: 15.00"]
    assert ax.texts[0].get_text() == "best 6.00"
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title(loc="left")) == ("epoch", "perplexity", "a run")


def test_the_curves_are_distinguishable_without_colour():
    ax = plot_history(HISTORY)
    assert len({line.get_linestyle() for line in ax.lines}) == 2


def test_the_curves_of_several_texts_are_drawn_too_if_they_are_few():
    def history(num):
        return [{**row, "val_ppl_by_source": {f"{i}.txt": row["val_ppl"] + i for i in range(num)}} for row in HISTORY]

    ax = plot_history(history(2))
    assert [text.get_text() for text in ax.get_legend().get_texts()][2:] == ["0.txt: 15.00", "1.txt: 16.00"]
    assert ax.lines[3].get_ydata().tolist() == [row["val_ppl"] + 1 for row in HISTORY]
    assert [len(plot_history(history(num)).lines) for num in (1, 8, 9)] == [2, 10, 2]


def test_it_draws_into_the_given_axes():
    from matplotlib.figure import Figure

    ax = Figure().add_subplot()
    assert plot_history(HISTORY[:1], ax=ax) is ax


def test_pyplot_is_not_imported(tmp_path):
    before = "matplotlib.pyplot" in sys.modules
    plot_history(HISTORY).figure.savefig(tmp_path / "x.png")
    assert ("matplotlib.pyplot" in sys.modules) == before
    assert (tmp_path / "x.png").stat().st_size > 5000


def test_an_empty_history_is_refused():
    with pytest.raises(ValueError, match=r"^history must be rows with epoch, train_ppl, val_ppl, .*; got \[\]$"):
        plot_history([])


def compared(history, unigram, ngram, order=5):
    return [{**row, "unigram_ppl": unigram, "ngram_ppl": ngram, "ngram_order": order} for row in history]


def lines_of(ax):
    """The perplexities at which there are horizontal lines, and the texts beside the axes."""
    return [line.get_ydata()[0] for line in ax.lines[2:]], [text.get_text() for text in ax.texts[:0:-1]]


def test_the_unigram_and_the_ngram_model_are_lines_with_their_names():
    ax = plot_history(compared(HISTORY, 16.9, 4.09))
    assert lines_of(ax) == ([16.9, 4.09], ["unigram 16.90", "5-gram 4.09"])
    assert len({str(line._unscaled_dash_pattern) for line in ax.lines}) == 4  # without colour, too
    assert lines_of(plot_history(compared(HISTORY, 16.9, 16.9, order=1))) == ([16.9], ["unigram 16.90"])
    assert lines_of(plot_history([*HISTORY[:10], *compared(HISTORY[10:], 16.9, 4.09)]))[0] == [16.9, 4.09]


@pytest.mark.parametrize(("factor", "values", "drawn", "shown"), [
    (1.02, (16.9, 5.0), [16.9], ["unigram 16.90", "\u2193 5-gram 5.00"]),  # stays above unigram
    (0.2, (16.9, 4.1), [4.1], ["\u2191 unigram 16.90", "5-gram 4.10"]),  # begins below the 5-gram
    (0.02, (16.9, 4.1), [], ["\u2191 unigram 16.90", "\u2191 5-gram 4.10"]),
])
def test_a_line_far_from_the_curves_is_named_and_the_curves_keep_half_of_the_axis(factor, values, drawn, shown):
    history = [{"epoch": i, "train_ppl": 20 * factor * (1 - i / 40), "val_ppl": 20 * factor * (1 - i / 50)}
               for i in range(1, 9)]
    ax = plot_history(compared(history, *values))
    assert lines_of(ax) == (drawn, shown)
    assert ax.texts[1].xyann[1] < ax.texts[2].xyann[1] or ax.texts[1].xy[1] < ax.texts[2].xy[1]  # in their order
    low, high = ax.get_ylim()
    curves = [value for line in ax.lines[:2] for value in line.get_ydata()]
    assert math.log(max(curves) / min(curves)) > 0.45 * math.log(high / low)


def test_names_of_near_lines_do_not_overlap():
    ax = plot_history(compared(HISTORY, 6.05, 6.0))
    ax.figure.savefig(io.BytesIO(), format="png")
    lower, upper = (text.get_window_extent() for text in ax.texts[1:])
    assert upper.y0 > lower.y1
    assert lower.x0 > ax.get_window_extent().x1  # beside the axes


def test_places_are_moved_apart_as_little_as_needed():
    rng = numpy.random.default_rng(0)
    for _ in range(20):
        places = rng.uniform(0, 10, 8)
        moved = numpy.array(apart(places.tolist(), 1.0))
        assert (numpy.argsort(moved) == numpy.argsort(places)).all()
        assert numpy.diff(numpy.sort(moved)).min() >= 1 - 1e-12
        for _ in range(50):  # no other places at this distance are nearer to the given ones
            other = numpy.sort(rng.uniform(-2, 12, 8))
            other = (numpy.maximum.accumulate(other - numpy.arange(8)) + numpy.arange(8))[numpy.argsort(
                numpy.argsort(places))]
            assert ((moved - places) ** 2).sum() <= ((other - places) ** 2).sum() + 1e-12
    assert apart([3.0, 1.0], 1.0) == [3.0, 1.0]
    assert apart([], 1.0) == []
