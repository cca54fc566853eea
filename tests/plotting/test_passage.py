"""The places of the characters of a passage, and what is drawn of them."""

import io
import logging
import warnings

from gluon_deeprnn.plotting import passage, style
from gluon_deeprnn.plotting.passage import Passage, cells, page
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
import numpy
import pytest


def rows_of(text, columns, **how):
    layout = Passage(text, columns, **how)
    return ["".join(text[i] for i in numpy.flatnonzero(layout.rows == row)) for row in range(layout.num_rows)]


def test_rows_end_before_words_and_with_line_breaks():
    assert rows_of("the quick brown fox\n\njumps", 10) == ["the quick ", "brown fox\n", "\n", "jumps"]
    assert rows_of("a\nb c", 10, breaks=False) == ["a\nb c"]
    assert rows_of("x" * 25, 10) == ["x" * 10, "x" * 10, "x" * 5]
    assert rows_of("ab " + "y" * 12, 10) == ["ab " + "y" * 7, "y" * 5]  # no row would have room for it
    assert rows_of("", 10) == []


def test_a_wide_character_has_two_cells_and_a_combining_one_none():
    layout = Passage("a한e\u0301b", 10)
    assert layout.columns.tolist() == [0, 1, 3, 3, 4]
    assert layout.widths.tolist() == [1, 2, 1, 1, 1]
    assert rows_of("한국어를 쓴다", 8) == ["한국어를 ", "쓴다"]
    assert [cells(character) for character in "a한\u0301\n"] == [1, 2, 0, 1]


@given(st.text(alphabet="ab한 \n\t\u0301", max_size=200), st.integers(3, 12))
def test_no_two_characters_share_a_cell_and_none_is_outside(text, columns):
    layout = Passage(text, columns)
    used = set()
    for i, character in enumerate(text):
        place = {(int(layout.rows[i]), int(layout.columns[i]) + k) for k in range(layout.widths[i])}
        assert all(column <= columns for _, column in place)  # one more column is left for white space
        if cells(character):
            assert not place & used
            used |= place
    assert "".join(rows_of(text, columns)) == text  # the order is that of the text


def drawn(text, **how):
    layout = Passage(text)
    ax, _ = page(None, layout.width, layout.num_rows * passage.LINE)
    tops = [row * passage.LINE for row in range(layout.num_rows)]
    layout.draw_text(ax, tops)
    return layout, ax, tops


def test_every_visible_character_is_drawn_in_its_cells():
    if not style._hangul_fonts():
        pytest.skip("needs a font with Hangul: apt-get install fonts-nanum")
    for character in "aW$한gÉ":
        layout, ax, _ = drawn(f"xx{character}")
        before = drawn("xx")[1].patches[0].get_path().vertices
        vertices = ax.patches[0].get_path().vertices[len(before):]
        left, width = layout.columns[2], layout.widths[2]
        shape = vertices[(vertices != 0).any(axis=1)]  # what closes an outline has no place
        assert left - 0.05 <= shape[:, 0].min() < shape[:, 0].max() <= left + width + 0.05
        assert -0.05 <= shape[:, 1].min() < shape[:, 1].max() <= passage.LINE + 0.05


def test_backgrounds_and_bars_are_those_of_the_values():
    layout, ax, tops = drawn("ab\nc")
    values = numpy.array([1.0, numpy.nan, 3.0, 2.0])
    backgrounds = layout.draw_backgrounds(ax, tops, values, Normalize(0, 4), "viridis")
    assert backgrounds.get_array().tolist() == [1, 3, 2]
    corners = [path.vertices[:4].tolist() for path in backgrounds.get_paths()]
    assert corners[2] == [[0, passage.LINE], [1, passage.LINE], [1, 2 * passage.LINE], [0, 2 * passage.LINE]]
    layout.draw_bars(ax, tops, values)
    bars = [path.vertices[:4, 1] for path in ax.collections[-1].get_paths()]
    assert [bar.max() - bar.min() for bar in bars] == pytest.approx([1, 3, 2])
    assert [bar.max() for bar in bars] == pytest.approx([tops[0], tops[0], tops[1]])  # they stand on the zeros


@pytest.mark.parametrize("text", ["", " ", "\u200d\u00ad", "\ue000\uffff\U0001f600", "a\x00\x1b[31m\t$x_1$ \\alpha"])
@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_any_text_is_drawn_without_a_warning(text, kind):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn(text)[1].figure.savefig(io.BytesIO(), format=kind)


def test_without_a_font_a_syllable_is_a_mark_and_that_is_logged_once(monkeypatch, caplog):
    monkeypatch.setattr(style, "_hangul_fonts", lambda: ())
    style._warn_once.cache_clear()
    with caplog.at_level(logging.WARNING, "gluon_deeprnn"):
        korean, marks = drawn("한국")[1], drawn("한국".replace("한", "국"))[1]
    numpy.testing.assert_array_equal(korean.patches[0].get_path().vertices, marks.patches[0].get_path().vertices)
    assert [record.message.split(":")[0] for record in caplog.records] == ["no font with Hangul is installed"]


def test_given_axes_are_used():
    ax = Figure().add_subplot()
    assert page(ax, 10, 4) == (ax, ax)
