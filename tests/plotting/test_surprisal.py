"""The picture of a scored text."""

import io

from gluon_deeprnn import GRU, RNNLM, Vocab
from gluon_deeprnn.evaluation import score
from gluon_deeprnn.plotting import plot_surprisal
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
import numpy
import pytest

TEXT = "The dog, the fox.\n\nWhat did the lazy dog say?\n" * 30


@pytest.fixture(scope="module")
def scored():
    vocab = Vocab(TEXT.replace("W", ""))  # W is not in it
    model = RNNLM(GRU(8), len(vocab))
    for _, parameter in model.named_parameters():
        parameter.set_data(parameter.data() * 20)
    return score(model, vocab, TEXT)


def test_colours_and_bars_are_the_surprisals(scored):
    ax = plot_surprisal(scored, 2, 2)
    backgrounds, bars = ax.collections[:2]
    part = scored.excerpt(2, 2)
    assert part.text == "\nWhat did the lazy dog say?\n"
    numpy.testing.assert_allclose(backgrounds.get_array(), part.bits)
    heights = [numpy.ptp(path.vertices[:4, 1]) for path in bars.get_paths()]
    most = backgrounds.norm.vmax
    numpy.testing.assert_allclose(heights, numpy.minimum(part.bits, most) * heights[0] / min(part.bits[0], most))
    assert most == max(4, numpy.ceil(numpy.quantile(part.bits, 0.995)))


def test_the_first_character_has_neither_colour_nor_bar(scored):
    ax = plot_surprisal(scored, 1, 1)
    assert len(ax.collections[0].get_paths()) == len("The dog, the fox.\n") - 1


def test_the_title_says_which_lines_they_are(scored):
    title = plot_surprisal(scored, 4, 2, title="GRU").get_title(loc="left")
    bits = scored.excerpt(4, 2).evaluation.bits_per_character
    assert title == f"GRU\nlines 4 to 5 of 90: {bits:.2f} bits per character"
    share = (~scored.excerpt(6, 1).known).mean()
    assert plot_surprisal(scored, 6, 1).get_title(loc="left").endswith(f"; underlined: {share:.1%} unknown tokens")


def test_unknown_characters_are_underlined(scored):
    ax = plot_surprisal(scored, 2, 2)
    assert len(ax.collections[2].get_paths()) == 1  # the W
    assert ax.collections[2].get_paths()[0].vertices[:2, 0].tolist() == [0, 1]


@pytest.mark.parametrize(("text", "shown"), [
    ("word " * 1000, "lines 1 to 30 of 63"),  # it is divided into lines
    (("word " * 150 + "\n") * 4, "lines 1 to 3 of 4"),  # ten rows each
    ("word " * 600 + "\nx", "lines 1 to 1 of 2"),
])
def test_by_default_the_lines_fill_thirty_rows(text, shown):
    assert plot_surprisal(score_of(text)).get_title(loc="left").startswith(shown)


def score_of(text):
    vocab = Vocab(text)
    return score(RNNLM(GRU(4), len(vocab)), vocab, text)


@pytest.mark.parametrize("num_lines", [1, 5, 40])
def test_nothing_is_outside_of_the_figure(scored, num_lines):
    ax = plot_surprisal(scored, 1, num_lines, title="GRU, 1 x 8 hidden units, on " + "a text, " * 30)
    canvas = FigureCanvasAgg(ax.figure)
    canvas.draw()
    for each in (ax._left_title, *(other.yaxis.label for other in ax.figure.axes if other is not ax)):
        extent = each.get_window_extent(canvas.get_renderer())
        assert extent.x0 >= 0, each
        assert extent.x1 <= ax.figure.bbox.width, each
        assert extent.y1 <= ax.figure.bbox.height, each
    frame = ax.get_window_extent()
    assert frame.width / numpy.ptp(ax.get_xlim()) == pytest.approx(frame.height / numpy.ptp(ax.get_ylim()))


def test_given_axes_and_every_format_are_drawn(scored):
    figure = Figure()
    ax = figure.add_subplot()
    assert plot_surprisal(scored, 1, 2, ax=ax) is ax
    for kind in ("png", "svg", "pdf"):
        figure.savefig(io.BytesIO(), format=kind)


def test_a_passage_without_a_prediction_is_drawn():
    ax = plot_surprisal(score_of("a\nb"), 2)
    assert ax.get_title(loc="left").startswith("lines 2 to 2 of 2: ")
    ax = plot_surprisal(score_of("\nb"), 1, 1)  # nothing predicts the first character
    assert ax.get_title(loc="left") == "lines 1 to 1 of 2: no prediction"
    ax.figure.savefig(io.BytesIO(), format="png")


def test_a_picture_that_is_too_long_is_refused():
    with pytest.raises(ValueError, match=r"^num_lines must be small enough for 400 rows of 80 columns; got 450 rows"):
        plot_surprisal(score_of("a\n" * 500), 1, 450)
