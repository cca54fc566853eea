from fractions import Fraction
import json

from gluon_deeprnn import GRU, TextData, _checks, load_run
from gluon_deeprnn.cli.arguments import as_option
from gluon_deeprnn.cli.main import main
from gluon_deeprnn.errors import (
    Advice,
    Argument,
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


def test_a_remedy_names_arguments_in_the_terms_of_the_caller():
    remedy = Advice("use ", Argument("cleaning", "none"), ", or ", Advice("set ", Argument("lr", 0.1 + 0.2)))
    error = InputError("text", "long", 3, remedy)
    assert str(error) == "text must be long; got 3 (use cleaning='none', or set lr=0.3)"
    assert (error.message, error.remedy) == ("text must be long; got 3", "use cleaning='none', or set lr=0.3")
    assert [argument.name for argument in error.advice.arguments] == ["cleaning", "lr"]
    assert error.advice.told(as_option) == "use --cleaning none, or set --lr 0.3"


@pytest.mark.parametrize(("argument", "python", "option"), [
    (Argument("skip_unknown"), "skip_unknown=True", "--skip-unknown"),
    (Argument("hybridize", False), "hybridize=False", "--no-hybridize"),
    (Argument("like", None), "like", "--like"), (Argument("gradient_clip_val", 1), "gradient_clip_val=1", "--clip 1"),
    (Argument("resume", in_python="resume_run"), "resume_run", "--resume"),
])
def test_an_argument_is_shown_in_python_and_as_an_option(argument, python, option):
    assert (str(argument), as_option(argument)) == (python, option)


def test_the_command_line_names_its_own_options_in_a_remedy(tmp_path, capsys):
    text = tmp_path / "picture.png"
    text.write_bytes(b"\x89PNG\0\0")
    with pytest.raises(InputError, match=r"contains null bytes \(tokens='byte' reads any file\)$"):
        TextData.from_files([text], 8, 8)
    assert main(["train", "--text", str(text), "--out", str(tmp_path / "run")]) == 2
    assert capsys.readouterr().err.endswith("null bytes (--tokens byte reads any file)\n")


def test_a_remedy_that_the_command_does_not_have_is_left_out(fox_file, tmp_path, capsys):
    run, text = str(tmp_path / "run"), tmp_path / "picture.png"
    text.write_bytes(b"\x89PNG\0\0")
    assert main(["train", "--text", str(fox_file), "--num-hiddens", "4", "--max-epochs", "1", "--out", run]) == 0
    capsys.readouterr()
    assert main(["evaluate", "--run", run, "--text", str(text)]) == 2
    assert capsys.readouterr().err.endswith("which contains null bytes\n")


def test_log_messages_of_the_command_line_name_its_options(tmp_path, capsys):
    for name in ("a", "b"):
        (tmp_path / f"{name}.txt").write_text(f"the quick brown fox {name} " * 1200)
    command = ["train", "--text", str(tmp_path / "a.txt"), str(tmp_path / "b.txt"), "--num-hiddens", "8",
               "--max-epochs", "1", "--batch-size", "64", "--num-layers", "3", "--lr", "1e-9", "--implementation",
               "scratch", "--model", "rnn", "--sigma", "1e-5", "--out", str(tmp_path / "run")]
    assert main(command) == 0
    err = capsys.readouterr().err
    assert "each of the 2 texts is read by itself (--streams joined reads them as one)" in err
    assert "; try --residual or --layer-norm" in err


@pytest.mark.parametrize("value", [10**5000, -10**5000, 10**400], ids=["large", "negative", "400 digits"])
def test_a_value_of_thousands_of_digits_is_refused_in_one_line(value):
    for check, name in ((_checks.positive, "lr"), (_checks.fraction, "dropout")):
        with pytest.raises(InputError, match=rf"^{name} must be a number .*; got ") as refused:
            check(name, value)
        assert len(str(refused.value)) < 300
    with pytest.raises(InputError, match=r"^seed must be a non-negative integer"):
        _checks.integer("seed", value, at_least=0)


def test_a_fraction_beyond_all_floats_is_refused():
    with pytest.raises(InputError, match=r"^x must be a finite number; got Fraction"):
        _checks.finite("x", Fraction(10**400, 3))
