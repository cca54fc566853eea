"""Trainings that are stopped, run out of disk space or share a folder: trained models are kept."""

import json
import os
import signal
import subprocess
import sys
import time

from gluon_deeprnn import load_run
from gluon_deeprnn.cli.main import main
from gluon_deeprnn.runs import RunFolder
import pytest

SMALL = ["--num-hiddens", "8", "--num-steps", "8", "--batch-size", "64", "--prefix", "the dog"]


def command(*arguments):
    return [sys.executable, "-m", "gluon_deeprnn", *map(str, arguments)]


@pytest.fixture
def training(fox_file, tmp_path):
    """A training without end that has written a checkpoint."""
    out = tmp_path / "run"
    going = subprocess.Popen(command("train", "--text", fox_file, *SMALL, "--max-epochs", "100000", "--out", out),
                             stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (out / "history.jsonl").exists():
        assert going.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield going, out
    going.kill()
    going.communicate()


def test_sigterm_writes_a_checkpoint_and_prints_the_command_to_resume(training):
    going, out = training
    going.send_signal(signal.SIGTERM)
    err = going.communicate(timeout=60)[1].splitlines()
    assert going.returncode == 130
    assert "gluon-deeprnn: stopping after a few more steps (a second signal stops immediately)" in err
    assert err[-1] == f"stopped. To resume:  gluon-deeprnn train --resume --out {out}"
    arrays, about = RunFolder(out).checkpoint()
    assert arrays
    assert about["training"]["position"]["epoch"] >= 1
    load_run(out)


def test_two_trainings_in_one_folder_are_refused(training, capsys):
    going, out = training
    assert main(["train", "--resume", "--out", str(out)]) == 2
    err = capsys.readouterr().err
    assert err == (f"gluon-deeprnn: error: out must be a folder in which no other training runs; got '{out}', where "
                   f"process {going.pid} trains\n")
    going.kill()
    going.wait()
    reached = len((out / "history.jsonl").read_text().splitlines()) + 2
    # the lock of a killed process is released
    assert main(["train", "--resume", "--out", str(out), "--max-epochs", str(reached)]) == 0


def test_temporary_files_of_a_killed_training_are_removed(training):
    going, out = training
    going.kill()
    going.wait()
    for folder in (out, out / "checkpoint"):
        (folder / ".writing-model.npz.abc").write_bytes(b"half")
    reached = len((out / "history.jsonl").read_text().splitlines()) + 1
    assert main(["train", "--resume", "--out", str(out), "--max-epochs", str(reached)]) == 0
    assert not list(out.rglob(".writing-*"))


LIMITED = """
import resource, sys
from gluon_deeprnn.cli.main import main
from gluon_deeprnn.runs import job
write = job._FileWriter.on_epoch_end
def full_from_the_third_epoch_on(writer, trainer):
    if len(trainer.history) == 3:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, -1))  # as on a full disk, a file is truncated while written
    write(writer, trainer)
job._FileWriter.on_epoch_end = full_from_the_third_epoch_on
sys.exit(main(sys.argv[1:]))
"""


def test_a_full_disk_is_one_line_and_the_last_checkpoint_is_intact(fox_file, tmp_path):
    out = tmp_path / "run"
    arguments = ["train", "--text", str(fox_file), *SMALL, "--max-epochs", "9", "--out", str(out)]
    done = subprocess.run([sys.executable, "-c", LIMITED, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"gluon-deeprnn: error: {out}/")
    assert last.endswith(" must be a file that can be written; got File too large (the previous content is intact)")
    _, about = RunFolder(out).checkpoint()
    assert about["training"]["position"]["epoch"] == 2
    assert [json.loads(line)["epoch"] for line in (out / "history.jsonl").read_text().splitlines()] == [1, 2]
    assert main(["train", "--resume", "--out", str(out), "--max-epochs", "4"]) == 0
    assert len(load_run(out).history) == 4


def test_a_folder_that_cannot_be_written_is_one_line(fox_file, capsys):
    if not os.path.isdir("/proc/self"):
        pytest.skip("needs a file system that cannot be written, such as /proc")
    assert main(["train", "--text", str(fox_file), *SMALL, "--out", "/proc/run"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("gluon-deeprnn: error: out must be a folder that can be written; got '/proc/run': ")
    assert err.count("\n") == 1


def test_a_learning_rate_that_diverges_is_rolled_back_five_times(fox_file, tmp_path, capsys):
    out = tmp_path / "run"
    assert main(["train", "--text", str(fox_file), *SMALL, "--max-epochs", "40", "--lr", "0.5", "--out", str(out)]) == 0
    config = json.loads((out / "config.json").read_text())
    assert main(["train", "--text", str(fox_file), *SMALL, "--max-epochs", "9", "--lr", "1e18", "--clip", "0", "--out",
                 str(tmp_path / "lost")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("gluon-deeprnn: error: lr must be small enough for a finite loss and finite gradients")
    assert sum("not finite in epoch 1: rolled back to the beginning" in line for line in lines) == 5
    assert config["settings"]["lr"] == 0.5
