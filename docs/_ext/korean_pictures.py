"""Draw the Korean pages' pictures into ``docs/_static/ko``; takes about three minutes and needs a font with Hangul.

usage: GLUON_DEEPRNN_DATA=FOLDER python docs/_ext/korean_pictures.py

The learning curves are those of new trainings (``chapter-gru`` and ``examples/gru_against_lstm.py``).  The other two
are drawn from recorded numbers: the epochs' table in ``benchmarks/README.md`` and the books' in ``ko/chapter.md``.
"""

import os
from pathlib import Path
import re
import runpy
import sys
import tempfile

TOP = Path(__file__).resolve().parent.parent.parent
sys.path[0:0] = [str(TOP), str(TOP / "examples")]

from gluon_deeprnn import GRU, RNNLM, TimeMachine, Trainer  # noqa: E402
from gluon_deeprnn.plotting import plot_history  # noqa: E402
from gluon_deeprnn.plotting.style import axes, can_draw_hangul, fonts, without_frame  # noqa: E402
import matplotlib  # noqa: E402
import mxnet  # noqa: E402

from benchmarks import picture  # noqa: E402

OUT = TOP / "docs" / "_static" / "ko"


def chapter_gru():
    """The curves of the recipe, which is seeded as here."""
    mxnet.random.seed(0)
    data = TimeMachine(batch_size=1024, num_steps=32)
    model = RNNLM(GRU(num_hiddens=32, num_layers=2), vocab_size=len(data.vocab), lr=2)
    history = Trainer(max_epochs=100, gradient_clip_val=1, progress=False).fit(model, data)
    title = "chapter-gru: GRU, 은닉층 2개, 은닉 유닛 32개, 타임 머신"
    plot_history(history, title=title).figure.savefig(OUT / "chapter-gru.png")


def gru_against_lstm():
    """The example's picture as it draws it, with Korean labels."""
    with tempfile.TemporaryDirectory() as folder:
        sys.argv = ["gru_against_lstm.py", "--out", folder]
        runpy.run_path(str(TOP / "examples" / "gru_against_lstm.py"), run_name="__main__")
        (OUT / "gru-against-lstm.png").write_bytes(Path(folder, "gru-against-lstm.png").read_bytes())


def more_books():
    """Test perplexity against the number of books."""
    text = (TOP / "docs" / "ko" / "chapter.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d) \| [^|]* \| [\d,]+ \| \d+ \| ([\d.]+) \|", text, re.M)
    ax = axes(None, (6, 4))
    ax.plot([int(count) for count, _ in rows], [float(perplexity) for _, perplexity in rows], marker="o")
    ax.set(xlabel="훈련에 쓴 책 수", ylabel="테스트 퍼플렉서티", xticks=[int(count) for count, _ in rows])
    ax.set_title("평가: 타임 머신의 마지막 10분의 1", loc="left", fontsize=10)
    without_frame(ax)
    ax.figure.savefig(OUT / "more-books.png")


def epochs():
    """Seconds of an epoch, by cell and contestant, in the colours of the English picture."""
    text = (TOP / "benchmarks" / "README.md").read_text(encoding="utf-8")
    medians = {}
    for cell, who, seconds in re.findall(r"^\| (\w+) \| ([\w -]+) \| ([\d.]+) \(", text, re.M):
        medians.setdefault(cell, {}).setdefault(who, float(seconds))
    labels = {"torch compiled": "torch, 컴파일", "d2l-mxnet": "D2L의 MXNet 코드를\n옮긴 구현"}
    cells = {**picture.NAMES, "scratch": "밑바닥부터 구현"}
    ax = axes(None, (8, 3.6))
    for place, (who, (label, colour, hatch)) in enumerate(picture.LOOKS.items()):
        bars = [(i + 0.17 * (place - 2), medians[cell][who]) for i, cell in enumerate(cells) if who in medians[cell]]
        drawn = ax.bar(*zip(*bars), 0.16, label=labels.get(who, label), color=colour, hatch=hatch, edgecolor="white")
        ax.bar_label(drawn, fmt="%.2f", fontsize=7, padding=2)
    ax.set_xticks(range(len(cells)), list(cells.values()))
    ax.set_ylabel("한 에포크에 걸리는 시간(초)")
    ax.legend(frameon=False)
    without_frame(ax)
    ax.figure.savefig(OUT / "epochs.png")


if __name__ == "__main__":
    if not can_draw_hangul():
        sys.exit(2)
    os.environ["GLUON_DEEPRNN_LANGUAGE"] = "ko"
    matplotlib.rcParams["font.family"] = fonts()
    OUT.mkdir(exist_ok=True)
    for draw in (epochs, more_books, chapter_gru, gru_against_lstm):
        draw()
        print(draw.__name__)
