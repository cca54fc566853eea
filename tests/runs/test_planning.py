import dataclasses
import logging
import shlex

from gluon_deeprnn import load_run
from gluon_deeprnn.cli.main import main
from gluon_deeprnn.data import Source
from gluon_deeprnn.runs import planning, read_recipe
from gluon_deeprnn.runs.planning import PLANNED, Budget, plan
import pytest

SECONDS_PER_TOKEN = {64: 1e-6, 128: 4e-6, 256: 16e-6, 512: 64e-6}


@pytest.fixture
def machine(monkeypatch):
    """A machine of known speed; the list of the sizes that were measured on it."""
    measured = []

    def measure(config, data, tokens):
        measured.append(config.num_hiddens)
        return 1 / SECONDS_PER_TOKEN[config.num_hiddens], tokens * SECONDS_PER_TOKEN[config.num_hiddens]

    monkeypatch.setattr(planning, "_measure", measure)
    return measured


def text(characters):
    return [Source("text", ("The quick brown fox jumps over the lazy dog. " * (characters // 45 + 1))[:characters], "")]


def planned(characters, minutes, **given):
    config = read_recipe("own-text").config.replace(**given)
    return plan(config, text(characters), Budget(minutes, frozenset(given))).config


@pytest.mark.parametrize("characters", [200, 5_000, 150_000, 1_200_000])
def test_the_training_fits_into_the_budget(characters, machine):
    for minutes in (0.5, 2, 5, 15):
        config = planned(characters, minutes)
        seconds = config.max_epochs * 0.85 * characters * SECONDS_PER_TOKEN[config.num_hiddens]
        assert seconds <= 60 * minutes or (config.num_hiddens, config.max_epochs) == (64, 1)


def test_more_time_never_means_a_smaller_model(machine):
    for characters in (30_000, 1_200_000):
        sizes = [planned(characters, minutes).num_hiddens for minutes in (0.1, 0.5, 1, 2, 5, 15, 60)]
        assert sizes == sorted(sizes)
        assert len(set(sizes)) > 1 or characters == 30_000


def test_longer_texts_get_larger_models_larger_batches_and_less_dropout(machine):
    configs = [planned(characters, 60) for characters in (3_000, 30_000, 300_000, 1_200_000)]
    for name, falling in (("num_hiddens", False), ("batch_size", False), ("dropout", True)):
        values = [getattr(config, name) for config in configs]
        assert values == sorted(values, reverse=falling), name
        assert len(set(values)) > 1, name


def test_settings_of_the_user_are_left_alone_and_need_no_measurement_if_the_epochs_are_among_them(machine):
    config = planned(150_000, 5, num_hiddens=99, max_epochs=3, dropout=0.25)
    assert (config.num_hiddens, config.max_epochs, config.dropout) == (99, 3, 0.25)
    assert machine == []
    given = {name: getattr(config, name) for name in PLANNED}
    assert plan(config, text(150_000), Budget(5, frozenset(given))) == planning.Plan(config, [])


def test_large_vocabularies_are_embedded_and_their_rare_tokens_unknown(machine):
    korean = "".join(chr(0xac00 + 7 * i % 3000) for i in range(20_000))
    config = plan(read_recipe("own-text").config, [Source("text", korean, "")], Budget(5)).config
    assert (config.embedding, config.min_freq) == (128, 2)
    assert (planned(20_000, 5).embedding, planned(20_000, 5).min_freq) == (0, 0)


def test_the_notes_say_what_was_chosen_and_the_command_that_repeats_it(machine):
    found = plan(read_recipe("own-text").config, text(150_000), Budget(5))
    assert f"2 layers of {found.config.num_hiddens} units" in found.notes[0]
    assert f"{found.config.max_epochs} epochs" in found.notes[0]
    assert "the text is small" in " ".join(plan(read_recipe("own-text").config, text(5_000), Budget(5)).notes)
    assert "small" not in " ".join(found.notes)
    words = shlex.split(found.notes[-1].split(": ", 1)[1])
    assert {word[2:].replace("-", "_") for word in words if word.startswith("--")} == {"recipe", *PLANNED}


def test_the_speed_of_this_machine_is_measured():
    config = read_recipe("own-text").config.replace(num_hiddens=16, batch_size=4, num_steps=8)
    data = planning.build_data(config, text(5_000))
    tokens = data.train_dataloader().num_tokens
    speed, seconds = planning._measure(config, data, tokens)
    assert 0 < tokens / speed < seconds


@pytest.mark.slow
def test_the_printed_command_repeats_the_training_bitwise(tmp_path, monkeypatch, capsys, caplog):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my text.txt").write_text(text(4_000)[0].text, encoding="utf-8")
    with caplog.at_level(logging.INFO, "gluon_deeprnn"):
        assert main(["train", "--text", "my text.txt", "--budget", "0.1", "--seed", "3", "--out", "first"]) == 0
    note = next(line for line in capsys.readouterr().err.splitlines() if "repeats" in line)
    words = shlex.split(note.split("training: ", 1)[1])
    assert words[0] == "gluon-deeprnn"
    assert main([*words[1:], "--out", "second"]) == 0
    assert "repeats" not in capsys.readouterr().err  # nothing is left to choose
    first, second = load_run("first"), load_run("second")
    assert first.config == second.config
    assert [row["val_ppl"] for row in first.history] == [row["val_ppl"] for row in second.history]


@pytest.mark.parametrize(("arguments", "message"), [
    (["--budget", "0"], "budget must be a number above 0; got 0.0"),
    (["--budget", "soon"], "budget must be a number above 0; got 'soon'"),
    (["--budget", "5", "--max-epochs", "3"], "budget must be omitted with --max-epochs; got '5'"),
    (["--budget", "5", "--recipe", "chapter-gru"], "budget must be omitted for recipe chapter-gru; got '5'"),
    (["--budget", "5", "--resume", "--out", "x"], "budget must be omitted with --resume; got '5'"),
])
def test_bad_input_is_one_line(arguments, message, tmp_path, capsys):
    (tmp_path / "text").write_text(text(4_000)[0].text, encoding="utf-8")
    assert main(["train", "--text", str(tmp_path / "text"), *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"gluon-deeprnn: error: {message}")
    assert error.count("\n") == 1


def test_budget_is_checked():
    with pytest.raises(ValueError, match=r"^budget must be a number above 0; got -1"):
        Budget(-1)
    assert dataclasses.asdict(Budget())["minutes"] == 5
