import json

from gluon_deeprnn import GRU, load_run
from gluon_deeprnn.cli.main import main
from gluon_deeprnn.errors import (
    CorpusUnavailableError,
    DamagedFileError,
    DeepRNNError,
    Described,
    DivergedError,
    InputError,
    UnsupportedCellError,
)
import pytest


def test_every_error_is_a_subclass_of_the_matching_builtin():
    assert issubclass(InputError, ValueError)
    assert issubclass(CorpusUnavailableError, InputError)
    assert issubclass(DamagedFileError, InputError)
    assert issubclass(UnsupportedCellError, InputError)
    assert issubclass(DivergedError, RuntimeError)
    assert not issubclass(DivergedError, ValueError)
    for kind in (InputError, CorpusUnavailableError, DamagedFileError, DivergedError):
        assert issubclass(kind, DeepRNNError)


def test_an_error_has_its_parts_as_attributes_and_in_its_message():
    error = InputError("lr", "a number above 0", -1, "try 0.1")
    assert str(error) == "lr must be a number above 0; got -1 (try 0.1)"
    assert (error.name, error.rule, error.remedy) == ("lr", "a number above 0", "try 0.1")
    assert str(InputError("text", "long", Described("5 characters"))) == "text must be long; got 5 characters"
    assert len(str(InputError("x", "short", "y" * 10_000))) < 300


def test_a_note_can_be_added_to_a_divergence_error():
    error = DivergedError(0.5, 3, 5, "try clipping")
    assert str(error.with_note("see runs/x")).endswith("5 lower rates; try clipping; see runs/x)")


def test_arguments_and_damaged_files_raise_different_errors(tmp_path):
    with pytest.raises(InputError) as bad_argument:
        GRU(num_hiddens=0)
    assert not isinstance(bad_argument.value, DamagedFileError)
    (tmp_path / "config.json").write_text(json.dumps({"format": "of another program"}))
    with pytest.raises(DamagedFileError, match=r"config\.json must be of format"):
        load_run(tmp_path)


def test_the_command_line_prints_a_divergence_in_one_line(tmp_path, capsys):
    text = tmp_path / "text.txt"
    text.write_text("the quick brown fox " * 60)
    status = main(["train", "--text", str(text), "--batch-size", "64", "--num-steps", "8", "--lr", "1e25",
                   "--clip", "0", "--max-epochs", "9", "--out", str(tmp_path / "run")])
    err = capsys.readouterr().err.strip().splitlines()
    assert status == 2
    assert err[-1].startswith("gluon-deeprnn: error: lr must be small enough for a finite loss")
