"""The MXNet cells of the book's sections run as they are, each section as a notebook.

GLUON_DEEPRNN_EPOCHS trains for another number of epochs than the book; with the book's all sections take 20 minutes.
"""

import json
import math
import os
import re
import subprocess
import sys
import time

import book
import pytest

BEFORE = """
from gluon_deeprnn import d2l; d2l.register()
class tab:
    selected = staticmethod(lambda *tabs: 'mxnet' in tabs)
"""
AFTER = "print('TRAINED', {key: points[-1].y for key, points in model.board.data.items()})"
# How often each section trains a model.
TRAININGS = {"sequence": 1, "rnn-scratch": 1, "rnn-concise": 1, "lstm": 2, "gru": 2, "deep-rnn": 1}


def section_cells(section):
    if book.sources() is None:
        pytest.skip("needs the book's sources in the folder that GLUON_DEEPRNN_BOOK names")
    codes = book.cells((book.sources() / f"{section}.md").read_text("utf-8"))
    epochs = os.environ.get("GLUON_DEEPRNN_EPOCHS")
    return [re.sub(r"max_epochs=\d+", f"max_epochs={epochs}", code) if epochs else code for code in codes]


@pytest.mark.slow
@pytest.mark.parametrize("section", book.SECTIONS)
def test_the_cells_of_a_section_run(section, real_text, tmp_path):
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("nbconvert")
    pytest.importorskip("ipykernel")
    real_text("timemachine.txt")
    codes = section_cells(section)
    name = section.rpartition("/")[2]
    assert bool(codes) == (name != "bptt")
    cells = [nbformat.v4.new_code_cell(BEFORE)]
    for code in codes:
        cells.append(nbformat.v4.new_code_cell(code))
        if re.search(r"^trainer\.fit", code, re.M):
            cells.append(nbformat.v4.new_code_cell(AFTER))
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "section.ipynb")
    environment = {key: value for key, value in os.environ.items() if key != "MPLBACKEND"}
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", "--inplace",
                           "--ExecutePreprocessor.timeout=3600", "section.ipynb"], cwd=tmp_path, capture_output=True,
                          text=True, check=False, env=environment)
    seconds = time.perf_counter() - started
    assert done.returncode == 0, done.stderr
    outputs = [output for cell in json.loads((tmp_path / "section.ipynb").read_text())["cells"]
               for output in cell.get("outputs", [])]
    printed = "".join("".join(output.get("text", "")) for output in outputs)
    trained = [{key: float(value) for key, value in re.findall(r"'(\w+)': ([\w.]+)", line)}
               for line in re.findall(r"TRAINED (.*)", printed)]
    shown = [text for output in outputs if output["output_type"] == "execute_result"
             for text in output["data"]["text/plain"] if "it has" in text]
    print(f"\n{name}: {len(codes)} cells, {seconds:.0f} s, {trained}, {shown}")
    assert len(trained) == TRAININGS.get(name, 0)
    for values in trained:
        assert all(math.isfinite(value) for value in values.values())
        assert 1 < values.get("val_ppl", 2) < 28  # that of guessing
    figures = [kind for output in outputs for kind in output.get("data", {}) if kind.startswith("image/")]
    assert len(figures) >= len(trained) + (2 if name == "text-sequence" else 0)
