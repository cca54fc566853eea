"""Run folders with damaged, mixed-up or malicious files."""

import io
import json
import os
from pathlib import Path
import subprocess
import sys
import zipfile

from gluon_deeprnn import load_run, storage
from gluon_deeprnn.runs import RunConfig, RunFolder
from gluon_deeprnn.runs.job import begin_run, resume_run
from gluon_deeprnn.runs.stored import stored_run
import numpy
import pytest

HERE = Path(__file__).parent


def driven(script, *arguments, timeout=600):
    """Run a script in a separate process and return its counts."""
    done = subprocess.run([sys.executable, HERE / script, *map(str, arguments)], capture_output=True, text=True,
                          check=False, timeout=timeout)
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads(done.stdout)
    print(script, seen)
    return seen


@pytest.mark.slow
def test_a_training_killed_fifty_times_equals_an_uninterrupted_run(tmp_path):
    seen = driven("kill.py", tmp_path, 50)
    assert seen["kills"] == 50
    assert seen["kills_with_a_checkpoint"] >= 25
    assert seen["runs"] >= 3


@pytest.mark.slow
def test_six_hundred_damaged_files_are_refused_or_read_unchanged(tmp_path):
    seen = driven("fuzz.py", tmp_path, 600)
    assert seen["refused"] + seen["read"] >= 500
    assert seen["refused"] >= 300
    assert seen["megabytes_grown"] < 100
    assert seen["slowest_cpu_seconds"] < 10


@pytest.fixture
def folder(fox_file, tmp_path):
    made = RunFolder(tmp_path / "run")
    begin_run(RunConfig(text=(str(fox_file),), num_hiddens=6, max_epochs=1, num_steps=6, batch_size=64, num_train=128,
                        num_val=64, prefix="the dog"), made, None, progress=False)
    return made


def member(shape, content=b"\0" * 16, kind="<f4"):
    """A .npy file with an arbitrary header."""
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}"
    header += " " * (117 - len(header)) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + content


def archive(members, **options):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **options) as made:
        for name, content in members.items():
            made.writestr(name, content)
    return buffer.getvalue()


ABOUT = json.dumps({"format": "gluon_deeprnn arrays 1", "sha256": "0" * 64, "about": "{}"})


@pytest.mark.parametrize(("content", "message"), [
    (archive({"about.json": ABOUT, "a.npy": member("(99999999999,)")}), r"shape \(99999999999,\) in 16 bytes"),
    (archive({"about.json": ABOUT, "a.npy": member("(4,)", kind="|O")}), "a kind that this package does not write"),
    (archive({"about.json": ABOUT, "a.npy": member("__import__('os').abort()")}), "a kind that this package does not"),
    (archive({"about.json": ABOUT, "a.npy": member("(4,)")}), "a checksum that does not match"),
    (archive({"about.json": ABOUT, "a.npy": b"\0" * 10**7}, compression=zipfile.ZIP_DEFLATED), "compressed"),
    (archive({"about.json": "[" * 10**6}), "nested too deeply"), (archive({}), "no item named 'about.json'"),
    (archive({"about.json": ABOUT.replace("arrays 1", "arrays 2")}), "format 'gluon_deeprnn arrays 2', not"),
])
def test_malicious_array_files_are_one_error(folder, content, message):
    (folder.path / "model.npz").write_bytes(content)
    with pytest.raises(ValueError, match=rf"model\.npz must be a complete file that this .*; got .*{message}"):
        load_run(folder.path)


def test_array_names_are_never_used_as_paths(tmp_path):
    storage.write_arrays(tmp_path / "x.npz", {"../../outside": numpy.zeros(3, "float32"), "/outside/x": numpy.ones(2)})
    assert sorted(storage.read_arrays(tmp_path / "x.npz")[0]) == ["../../outside", "/outside/x"]
    assert [path.name for path in tmp_path.iterdir()] == ["x.npz"]


def test_a_pipe_instead_of_a_file_does_not_block(folder):
    for name in ("model.npz", "config.json", "history.jsonl", "vocab.json"):
        content = (folder.path / name).read_bytes()
        (folder.path / name).unlink()
        os.mkfifo(folder.path / name)
        with pytest.raises(ValueError, match=f"{name} must be .*; got not a regular file"):
            load_run(folder.path)
        (folder.path / name).unlink()
        (folder.path / name).write_bytes(content)
    load_run(folder.path)


def test_settings_that_need_gigabytes_are_refused_before_allocation(folder):
    """Even if the model file has the matching fingerprint, as an attacker could write it."""
    arrays, _ = folder.model()
    content = json.loads((folder.path / "config.json").read_text())
    content["settings"]["num_hiddens"] = 60000
    (folder.path / "config.json").write_text(json.dumps(content))
    folder.write_model(arrays, {"run": stored_run(folder)[0].fingerprint, "epoch": 1, "val_ppl": 3.0})
    with pytest.raises(ValueError, match=r"model\.npz must be a model with the settings in config\.json; got \d+ w"):
        load_run(folder.path)
    with pytest.raises(ValueError, match=r"^num_hiddens, num_layers, batch_size and num_steps must be small enough"):
        resume_run(folder, 3, progress=False)


def test_files_of_two_runs_are_not_mixed_up(folder, fox_file, tmp_path):
    other = RunFolder(tmp_path / "other")
    begin_run(stored_run(folder)[0].config.replace(seed=7), other, None, progress=False)
    for name in ("model.npz", "checkpoint/checkpoint.npz"):
        own = (folder.path / name).read_bytes()
        (folder.path / name).write_bytes((other.path / name).read_bytes())
        with pytest.raises(ValueError, match=rf"{name} must be a file of the same run as config.json and vocab"):
            load_run(folder.path) if name == "model.npz" else resume_run(folder, 3, progress=False)
        (folder.path / name).write_bytes(own)
    load_run(folder.path)
