import sys

from gluon_deeprnn.plotting import plot_history
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
