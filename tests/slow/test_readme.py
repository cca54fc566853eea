"""The README's commands run, in their order, in a folder with a text; only the number of epochs is reduced."""

import json
from pathlib import Path
import re
import shlex
import subprocess
import sys

import gluon_deeprnn
from gluon_deeprnn import TextData, TimeMachine
import numpy
import pytest
from written import write_state_dict

TOP = Path(gluon_deeprnn.__file__).parent.parent
README = (TOP / "README.md").read_text(encoding="utf-8")

pytestmark = pytest.mark.slow


def commands():
    """The commands in indented blocks or backticks, in order, without duplicates."""
    found = re.findall(r"^    ((?:gluon-deeprnn|make) [^#\n]*)|`((?:gluon-deeprnn|make) [^`]*)`", README, re.M)
    return list(dict.fromkeys((block or inline).strip() for block, inline in found))


def write_a_model_of_d2l(folder, monkeypatch):
    """The files of the README's import: the state_dict of D2L's concise GRU of torch, and its vocabulary."""
    tokens, units = ["<unk>", " ", *"abcdefghijklmnopqrstuvwxyz"], 6
    shapes = {"rnn.rnn.weight_ih_l0": (3 * units, len(tokens)), "rnn.rnn.weight_hh_l0": (3 * units, units),
              "rnn.rnn.bias_ih_l0": (3 * units,), "rnn.rnn.bias_hh_l0": (3 * units,),
              "linear.weight": (len(tokens), units), "linear.bias": (len(tokens),)}
    rng = numpy.random.default_rng(0)
    arrays = {name: rng.uniform(-0.3, 0.3, shape).astype("float32") for name, shape in shapes.items()}
    write_state_dict(folder / "d2l.pt", arrays, monkeypatch)
    (folder / "vocab.json").write_text(json.dumps(tokens), encoding="utf-8")


def test_every_command_of_the_readme_runs(tmp_path, fox_file, real_text, monkeypatch):
    with monkeypatch.context() as patch:
        write_a_model_of_d2l(tmp_path, patch)
    (tmp_path / "my.txt").write_text(fox_file.read_text(encoding="utf-8") + "It was night. " * 40, encoding="utf-8")
    (tmp_path / "another.txt").write_text("The lazy dog does not care about the fox at all.", encoding="utf-8")
    ran = 0
    for command in commands():
        program, *arguments = shlex.split(command)
        if program == "make":  # a dry run: their commands are tested elsewhere
            line = ["make", "--dry-run", "--always-make", "--directory", str(TOP), *arguments]
        else:
            if "time-machine" in arguments:
                real_text("timemachine.txt")
            short = ["--max-epochs", "1"] if "train" in arguments and "--help" not in arguments else []
            line = [sys.executable, "-m", "gluon_deeprnn", *arguments, *short]
        done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        assert done.stdout or done.stderr, command
        ran += 1
    assert ran >= 10


def test_the_python_of_the_readme_runs(real_text, capsys):
    real_text("timemachine.txt")
    blocks = re.findall(r"^```python\n(.*?)^```", README, re.M | re.S)
    assert len(blocks) == 1
    scope = {}
    exec(blocks[0].replace("max_epochs=100", "max_epochs=1"), scope)
    assert isinstance(scope["data"], (TimeMachine, TextData))
    assert len(scope["history"]) == 1
    assert capsys.readouterr().out.splitlines()[-1].startswith("it has")
