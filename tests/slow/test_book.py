"""The chapter's own cells, unchanged except for the number of epochs, as a notebook that trains and plots curves."""

import base64
import json
import os
from pathlib import Path
import re
import subprocess
import sys

import pytest

BEFORE = """
from gluon_deeprnn import d2l; d2l.register()
class tab:
    selected = staticmethod(lambda *tabs: 'mxnet' in tabs)
"""
EPOCHS = int(os.environ.get("GLUON_DEEPRNN_EPOCHS", 40))  # the chapter's 100 epochs take a minute longer
AFTER = "print(sorted((k, v[-1].y) for k, v in model.board.data.items()), len(model.get_scratch_params()))"


def chapter_cells():
    """The chapter's MXNet cells, with the lines that it comments out because they took over an hour."""
    path = os.environ.get("GLUON_DEEPRNN_CHAPTER")
    if not path or not Path(path).exists():
        pytest.skip("needs the chapter's source, deep-rnn.ko.md, named by GLUON_DEEPRNN_CHAPTER")
    text = Path(path).read_text("utf-8")
    cells = re.findall(r"^```\{\.python \.input\}\n%%tab ([^\n]*)\n(.*?)^```", text, re.M | re.S)
    chosen = [code for tabs, code in cells if {"mxnet", "all"} & set(re.findall(r"\w+", tabs))]
    assert len(chosen) == 6
    codes = [re.sub(r"^# (trainer\.fit|model\.predict)", r"\1", code, flags=re.M) for code in chosen]
    assert sum("max_epochs=100" in code for code in codes) >= 1
    return [code.replace("max_epochs=100", f"max_epochs={EPOCHS}") for code in codes]


@pytest.mark.slow
def test_the_chapters_cells_train_in_a_notebook_and_show_the_curve(real_text, tmp_path):
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("nbconvert")
    pytest.importorskip("ipykernel")
    real_text("timemachine.txt")
    cells = []
    for code in [BEFORE, *chapter_cells()]:
        cells.append(nbformat.v4.new_code_cell(code))
        if "trainer.fit" in code:
            cells.append(nbformat.v4.new_code_cell(AFTER))
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "chapter.ipynb")
    done = subprocess.run([sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", "--inplace",
                           "--ExecutePreprocessor.timeout=600", "chapter.ipynb"], cwd=tmp_path, capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0, done.stderr
    outputs = [output for cell in json.loads((tmp_path / "chapter.ipynb").read_text())["cells"]
               for output in cell.get("outputs", [])]
    pictures = [output["data"]["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == 2
    assert all(base64.b64decode(picture).startswith(b"\x89PNG") for picture in pictures)
    assert sum("training on the CPU" in "".join(output.get("text", "")) for output in outputs) <= 1
    printed = "".join("".join(output.get("text", "")) for output in outputs)
    (scratch, scratch_arrays), (gru, gru_arrays) = re.findall(r"\('val_ppl', ([\d.]+)\)\] (\d+)", printed)
    assert (scratch_arrays, gru_arrays) == ("8", "10")
    print(f"validation after {EPOCHS} epochs: scratch {scratch}, GRU {gru}")
    assert float(scratch) < (7.5 if EPOCHS >= 100 else 11)
    assert float(gru) < (6.8 if EPOCHS >= 100 else 11)
    generated = "".join(output["data"]["text/plain"][0] for output in outputs
                        if "text/plain" in output.get("data", {}) and "it has" in output["data"]["text/plain"][0])
    assert re.fullmatch(r"'it has[a-z ]{20}'", generated)


EXAMPLES = sorted(path.stem for path in (Path(__file__).parents[2] / "examples").glob("*.py")
                  if path.stem not in ("arguments", "texts", "onnx_text"))


def test_all_examples_are_known():
    assert EXAMPLES == ["cells_at_equal_size", "chapter_concise", "chapter_scratch", "gru_against_lstm",
                        "mixed_authors", "more_books"]


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs_with_any_available_text(name, tmp_path):
    environment = {key: value for key, value in os.environ.items() if key != "GLUON_DEEPRNN_DATA"}
    script = Path(__file__).parents[2] / "examples" / f"{name}.py"
    done = subprocess.run([sys.executable, script, "--epochs", "1"], cwd=tmp_path, capture_output=True, text=True,
                          check=False, env={**environment, "XDG_CACHE_HOME": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    numbers = [float(number) for number in re.findall(r"\b\d+\.\d\d\b", done.stdout)]
    assert len(numbers) >= 2
    assert all(1 < number < 60 for number in numbers)
    assert next((tmp_path / "runs" / "examples").glob("*.png")).stat().st_size > 5000
