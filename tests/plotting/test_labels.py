"""The Korean labels, and the labels without a font with Hangul."""

import ast
import io
import logging
from pathlib import Path
import re
import string
import subprocess
import sys
import warnings

from gluon_deeprnn import GRU, RNNLM, StackedRNNScratch, plotting
from gluon_deeprnn.evaluation import Activities, FollowedFeature, ScoredText
from gluon_deeprnn.evaluation.features import FEATURES
from gluon_deeprnn.plotting import (
    plot_architecture,
    plot_gradient_flow,
    plot_gradient_norms,
    plot_history,
    plot_runs,
    plot_surprisal,
    plot_units,
    style,
    surprisal_page,
)
from gluon_deeprnn.plotting.labels import KOREAN, labels
import numpy
import pytest

HISTORY = [{"epoch": i, "train_ppl": 9.0 / i, "val_ppl": 8.0 / i, "clipped": 0.25,
            "layer_gradient_norms": {name: [0.5] for name in ("layer 1", "embedding", "first state", "output", "mine")}}
           for i in (1, 2, 3)]
PLACES = numpy.arange(60)
SCORED = ScoredText("text", "a1 " * 20, numpy.array([0]), PLACES, PLACES + 1, "character", -PLACES / 9.0,
                    0.0 * PLACES, PLACES / PLACES.max(), PLACES > 5)
ACTIVITY = Activities("a1 " * 20, PLACES, PLACES + 1, {
    kind: numpy.sin(PLACES)[:, None, None] * numpy.ones((60, 1, 9)) for kind in ("unit", "cell")})
FOLLOWED = [FollowedFeature(name, kind, 1, i % 9 + 1, 0.5, 0.1) for i, (kind, name) in enumerate(
    (kind, name) for kind in ("unit", "cell") for name in ("at a vowel", "at white space"))]
DRAWN = {
    "surprisal": lambda **how: plot_surprisal(SCORED, **how),
    "units": lambda **how: plot_units(ACTIVITY, FOLLOWED, **how),
    "most varied units": lambda **how: plot_units(ACTIVITY, [], **how),
    "history": lambda **how: plot_history(HISTORY, **how),
    "history with simple models": lambda **how: plot_history([
        {**row, "unigram_ppl": 8.0, "ngram_ppl": 5.0, "ngram_order": 3} for row in HISTORY], **how),
    "runs": lambda **how: plot_runs({name: [{"epoch": 1, "val_ppl": 2.0, "seconds": 1.0}] for name in "ab"},
                                    {"a": 10, "b": 20}, **how).axes[2],
    "norms": lambda **how: plot_gradient_norms(HISTORY, **how),
    "flow": lambda **how: plot_gradient_flow(numpy.array([[1e-4, 1e-3, 1e-2], [1e-2, 1e-1, 1.0]]), **how),
    "network": lambda **how: plot_architecture(RNNLM(GRU(32, 2, dropout=0.5, residual=True), 28), **how),
}
WORD = re.compile("[A-Za-z]{3,}")


@pytest.fixture
def hangul(monkeypatch):
    """As on a machine with a font with Hangul."""
    monkeypatch.setattr(style, "_hangul_fonts", lambda: ("NanumGothic",))


@pytest.fixture
def no_hangul(monkeypatch):
    """As on a machine without a font with Hangul."""
    monkeypatch.setattr(style, "_hangul_fonts", lambda: ())
    style._warn_once.cache_clear()


def texts(ax):
    legend = ax.get_legend()
    beside = [other.get_ylabel() for other in ax.figure.axes if other is not ax]
    return [text for text in (ax.get_title(loc="left"), ax.get_xlabel(), ax.get_ylabel(), *beside,
                              *(text.get_text() for text in ax.texts),
                              *(text.get_text() for text in (legend.get_texts() if legend else ()))) if text]


@pytest.mark.parametrize("what", DRAWN)
def test_every_label_is_korean(what, hangul):
    english, korean = texts(DRAWN[what]()), texts(DRAWN[what](language="ko"))
    assert len(english) == len(korean) >= 2
    left = {word for text in korean for word in WORD.findall(re.sub(r"\$.*?\$", "", text))}
    assert left <= {"GRU", "mine"}  # a name without a translation is not translated
    assert WORD.findall(" ".join(english))


def test_the_labels_contain_the_same_numbers(hangul):
    ax = plot_history(HISTORY, language="ko")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["훈련: 3.00", "검증: 2.67"]
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.texts[0].get_text()) == ("에포크", "퍼플렉서티", "최저 2.67")
    ax = plot_gradient_flow(numpy.array([[1e-1, 1.0], [1e-2, 1.0]]), language="ko", title="제목")
    assert ax.get_title(loc="left") == "제목\n맨 위 은닉층: 한 스텝 거슬러 올라갈 때마다 10의 2.00제곱분의 1로 감소"
    ax = plot_architecture(StackedRNNScratch(28, 32, 1), language="ko")
    assert ax.get_title(loc="left") == "RNN, 은닉층 1개, 은닉 유닛 32개"
    assert {"은닉층 1", "입력\n(28)"} <= set(texts(ax))


def test_texts_with_hangul_use_a_font_with_hangul(hangul):
    ax = plot_history(HISTORY, language="ko")
    for text in (ax.xaxis.label, ax.yaxis.label, *ax.texts, *ax.get_legend().get_texts()):
        assert text.get_fontfamily()[-1] == "NanumGothic"
    assert "NanumGothic" not in plot_history(HISTORY).xaxis.label.get_fontfamily()


def test_the_environment_variable_is_the_default_language(hangul, monkeypatch):
    monkeypatch.setenv("GLUON_DEEPRNN_LANGUAGE", "ko")
    assert plot_history(HISTORY).get_xlabel() == "에포크"
    assert plot_history(HISTORY, language="en").get_xlabel() == "epoch"
    monkeypatch.setenv("GLUON_DEEPRNN_LANGUAGE", "")
    assert plot_history(HISTORY).get_xlabel() == "epoch"
    monkeypatch.setenv("GLUON_DEEPRNN_LANGUAGE", "kr")
    with pytest.raises(ValueError, match=r"^GLUON_DEEPRNN_LANGUAGE must be one of en, ko; got 'kr'"):
        plot_history(HISTORY)


@pytest.mark.parametrize("what", DRAWN)
def test_without_a_font_the_labels_are_english_and_that_is_logged_once(what, no_hangul, caplog):
    title = {} if what == "network" else {"title": "제목"}
    with caplog.at_level(logging.WARNING, "gluon_deeprnn"), warnings.catch_warnings():
        warnings.simplefilter("error")  # Matplotlib's, of a glyph that its font does not have
        for _ in range(2):
            ax = DRAWN[what](language="ko", **title)
            ax.figure.savefig(io.BytesIO(), format="png")
    assert texts(ax) == texts(DRAWN[what]())
    assert [record.message.split(":")[0] for record in caplog.records] == ["no font with Hangul is installed"]


@pytest.mark.parametrize("what", DRAWN)
@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_with_a_font_no_glyph_is_missing(what, kind, caplog):
    if not style._hangul_fonts():
        pytest.skip("needs a font with Hangul: apt-get install fonts-nanum")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        DRAWN[what](language="ko").figure.savefig(io.BytesIO(), format=kind)
    assert not [record for record in caplog.records if "glyph" in record.message]


def test_a_font_missing_from_matplotlibs_cache_is_found():
    if not style._hangul_fonts():
        pytest.skip("needs a font with Hangul: apt-get install fonts-nanum")
    forgotten = ("from matplotlib import font_manager as fonts; from gluon_deeprnn.plotting import style; "
                 "known = fonts.fontManager; "
                 "known.ttflist = [font for font in known.ttflist if font.name not in style._WITH_HANGUL]; "
                 "print(style.can_draw_hangul())")
    done = subprocess.run([sys.executable, "-c", forgotten], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True"]


PREDICTORS = ("network", "dynamic", "mixture", "dynamic mixture")


def test_the_table_has_every_label_and_nothing_else():
    found = set()
    for file in Path(plotting.__file__).parent.glob("*.py"):
        if file.name != "labels.py":
            tree = ast.parse(file.read_text(encoding="utf-8"))
            found |= {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in ("label", "self.label"):
                    first = node.args[0]
                    assert not isinstance(first, ast.Constant) or first.value in KOREAN, ast.unparse(node)
    assert KOREAN.keys() - found == {"embedding", "output", *FEATURES, *PREDICTORS}  # they are data
    for english, korean in KOREAN.items():
        fields = [[field[1:3] for field in string.Formatter().parse(text) if field[1] is not None]
                  for text in (english, korean)]
        assert fields[0] == fields[1], english


def test_a_text_without_a_translation_is_unchanged(hangul):
    assert labels("ko")("{mine}") == "{mine}"


def test_a_page_is_korean_without_a_font(no_hangul, caplog):
    page = re.sub(r"<style>.*?</style>|<[^>]*>", " ", surprisal_page(SCORED, language="ko"), flags=re.S)
    assert "어휘에 없음" in page
    assert set(WORD.findall(page)) == set()
    assert not caplog.records


def test_every_feature_of_a_text_has_a_korean_name():
    assert FEATURES.keys() <= KOREAN.keys()
