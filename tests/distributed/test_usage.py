"""The options of ``launch``, and the examples of its use."""

import argparse
from pathlib import Path
import re
import shutil
import subprocess

import gluon_deeprnn
from gluon_deeprnn.cli import launch
from gluon_deeprnn.cli.main import main
import pytest


@pytest.mark.parametrize(("arguments", "message"), [
    (["--workers", "2", "--", "generate"], "command must be one that begins with train, after --; got 'generate'"),
    (["--workers", "2"], "command must be one that begins with train, after --; got None"),
    (["--", "train"], "workers must be given; got None"),
    (["--workers", "0", "--", "train"], "workers must be a positive integer; got 0"),
    (["--workers", "2", "--", "train", "--lrr", "3"], "option must be one that .*; got '--lrr' .*"),
    (["--role", "boss", "--root", "127.0.0.1:9091"], "role must be one of scheduler, server, worker; got 'boss'"),
    (["--role", "worker", "--", "train"], "root must be given with --role; got None"),
    (["--workers", "2", "--logs", "/dev/null/x", "--", "train"], "logs must be a folder that can be written; got .*"),
    (["--role", "scheduler", "--workers", "1", "--root", "127.0.0.1:9091"], "workers must be at least 2 with .*"),
    (["--role", "server", "--root", "8.8.8.8:9091", "--address", "8.8.4.4"], "address must be one of a private .*"),
    (["--role", "server", "--root", "127.0.0.1:9091", "--", "train"], "command must be given to workers only; .*"),
    (["--workers", "2", "--index", "1", "--", "train"], "index must be given with --role server or worker only; .*")])
def test_bad_usage_is_one_line_and_starts_nothing(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["launch", *arguments]) == 2
    assert re.fullmatch(f"gluon-deeprnn: error: {message}\n", capsys.readouterr().err)
    assert not list(tmp_path.iterdir())


EXAMPLES = Path(gluon_deeprnn.__file__).parent.parent / "examples" / "launch"


@pytest.mark.parametrize("name", ["ssh.sh", "slurm.sh"])
def test_the_scripts_of_examples_are_valid(name):
    checks = [["bash", "-n"], *([["shellcheck"]] if shutil.which("shellcheck") else [])]
    for check in checks:
        done = subprocess.run([*check, str(EXAMPLES / name)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_kubernetes_example_starts_one_scheduler_one_server_and_two_workers():
    yaml = pytest.importorskip("yaml")
    found = list(yaml.safe_load_all((EXAMPLES / "kubernetes.yaml").read_text(encoding="utf-8")))
    started = {}
    for each in found:
        assert {"apiVersion", "kind", "metadata"} <= each.keys()
        if each["kind"] != "Service":
            spec = each["spec"]["template"]["spec"]
            command = " ".join(spec["containers"][0]["args"])
            started[command.split("--role ")[1].split()[0]] = each["spec"].get("completions", 1)
            assert spec["restartPolicy"] == "Never"
    assert started == {"scheduler": 1, "server": 1, "worker": 2}


def test_the_options_of_examples_exist():
    for name in ("ssh.sh", "slurm.sh", "kubernetes.yaml"):
        text = (EXAMPLES / name).read_text(encoding="utf-8")
        parser = argparse.ArgumentParser()
        launch.add_arguments(parser)
        flags = {flag for action in parser._actions for flag in action.option_strings}
        used = {word for line in text.splitlines() if "gluon-deeprnn launch" in line
                for word in re.findall(r"--[a-z-]+\b", line.split("gluon-deeprnn launch")[1].split(" -- ")[0])}
        assert used
        assert used <= flags
