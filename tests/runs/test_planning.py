import dataclasses
import logging
from pathlib import Path
import random
import shlex
import time

from gluon_deeprnn import load_run
from gluon_deeprnn.cli.main import main
from gluon_deeprnn.data import Source
from gluon_deeprnn.data.vocab import Vocab
from gluon_deeprnn.errors import InputError
from gluon_deeprnn.runs import planning, read_recipe
from gluon_deeprnn.runs.build import build_data, build_model, build_trainer, num_weights
from gluon_deeprnn.runs.folder import RunFolder
from gluon_deeprnn.runs.job import Job, begin_run
from gluon_deeprnn.runs.planning import PLANNED, Budget, plan
from gluon_deeprnn.runs.speed import Speed, measure
import numpy
import pytest

SECONDS_PER_TOKEN = {64: 1e-6, 128: 4e-6, 256: 16e-6, 512: 64e-6}


@pytest.fixture
def machine(monkeypatch):
    """A machine of known speed; the list of the sizes that were measured on it."""
    measured = []

    def measure(config, data):
        measured.append(config.num_hiddens)
        return Speed(1 / SECONDS_PER_TOKEN[config.num_hiddens], 1 / SECONDS_PER_TOKEN[config.num_hiddens])

    monkeypatch.setattr(planning, "measure", measure)
    return measured


def text(characters):
    return [Source("text", ("The quick brown fox jumps over the lazy dog. " * (characters // 45 + 1))[:characters], "")]


def korean(characters):
    return [Source("text", "".join(chr(0xac00 + 7 * i % 3000) for i in range(characters)), "")]


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
    lengths = 3_000, 30_000, 300_000, 1_200_000
    configs = [planned(characters, 60) for characters in lengths]
    of_one_size = [planned(characters, 60, num_hiddens=64) for characters in lengths]
    for name, falling in (("num_hiddens", False), ("batch_size", False), ("dropout", True)):
        values = [getattr(config, name) for config in (of_one_size if falling else configs)]
        assert values == sorted(values, reverse=falling), name
        assert len(set(values)) > 1, name


def test_settings_of_the_user_are_left_alone_and_need_no_measurement_if_the_epochs_are_among_them(machine):
    config = planned(150_000, 5, num_hiddens=99, max_epochs=3, dropout=0.25)
    assert (config.num_hiddens, config.max_epochs, config.dropout) == (99, 3, 0.25)
    assert machine == []
    given = {name: getattr(config, name) for name in PLANNED}
    again = plan(config, text(150_000), Budget(5, frozenset(given)))
    assert (again.config, again.notes) == (config, [])


@pytest.mark.parametrize("given", [{}, {"records": "line"}, {"protocol": "d2l"}, {"batch_size": 5}])
def test_the_data_of_a_plan_are_those_of_a_run_with_its_settings(given, machine):
    sources = names(200) if "records" in given else text(9_000)
    found = plan(read_recipe("own-text").config.replace(**given), sources, Budget(1, frozenset(given)))
    data = build_data(found.config, sources)
    assert found.data.vocab.idx_to_token == data.vocab.idx_to_token
    for name in ("train_dataloader", "val_dataloader"):
        one, other = (list(getattr(each, name)().batches(0)) for each in (found.data, data))
        assert len(one) == len(other) > 0
        assert all((x == z).all() and (y == w).all() for (x, y), (z, w) in zip(one, other))


def test_large_vocabularies_are_embedded_and_their_rare_tokens_unknown(machine):
    config = plan(read_recipe("own-text").config, korean(20_000), Budget(5)).config
    assert (config.embedding, config.min_freq) == (128, 2)
    assert (planned(20_000, 5).embedding, planned(20_000, 5).min_freq) == (0, 0)


def test_the_notes_say_what_was_chosen_and_the_command_that_repeats_it(machine):
    found = plan(read_recipe("own-text").config, text(150_000), Budget(5))
    assert f"2 layers of {found.config.num_hiddens} units" in found.notes[0]
    assert f"{found.config.max_epochs} epochs" in found.notes[0]
    assert "the text is short" in " ".join(plan(read_recipe("own-text").config, text(5_000), Budget(5)).notes)
    assert "short" not in " ".join(found.notes)
    words = shlex.split(found.notes[-1].split(": ", 1)[1])
    assert {word[2:].replace("-", "_") for word in words if word.startswith("--")} == {"recipe", *PLANNED}


def names(num):
    """Different records of 3 to 14 letters, as one text."""
    rng = random.Random(1)
    return [Source("names", "".join(f"{''.join(rng.choices('abcdefghij', k=rng.randint(3, 14)))}\n"
                                    for _ in range(num)), "")]


def test_the_batch_size_of_records_leaves_four_groups_of_them(machine):
    config = read_recipe("own-text").config.replace(records="line")
    for num in (30, 60, 4_000):
        chosen = plan(config, names(num), Budget(5)).config
        data = build_data(chosen, names(num))
        assert chosen.batch_size == min(16, data.num_records["train"] // 4)
        updates = chosen.max_epochs * len(data.train_dataloader())
        assert updates <= max(5 * len(data.train_dataloader()), 1.1 * len(data.indices("train")) / 8)


def test_windows_do_not_make_a_text_longer(machine):
    config, windows = read_recipe("own-text").config, {"protocol": "d2l", "num_train": 10_000, "num_val": 1_000}
    found = {own.protocol: plan(own, text(13_500), Budget(60)) for own in (config.replace(**windows), config)}
    assert [found[protocol].config.num_hiddens for protocol in ("d2l", "book")] == [128, 128]
    assert found["d2l"].notes[0].startswith("10,063 tokens to train on")  # 10,000 windows of 64 tokens and a target
    assert "the text is short" in found["d2l"].notes[1]
    data = build_data(found["d2l"].config, text(13_500))
    weights_per_token = num_weights(found["d2l"].config, len(data.vocab)) / 10_063
    assert found["d2l"].config.dropout == planning._dropout(weights_per_token)
    assert [each.config.max_epochs for each in found.values()] == [80, 80]
    short = plan(read_recipe("own-text").config.replace(protocol="d2l", num_train=10_000, num_val=1_000),
                 text(13_500), Budget(0.52)).config
    # The time is that of all windows, 640,000 tokens to train on and 64,000 for validation, which is the last, too.
    assert (short.num_hiddens, short.max_epochs) == (128, int((31.2 - 4 - 0.256) / (704_000 * 4e-6))) == (128, 9)


@pytest.mark.parametrize(("given", "size"), [
    ({}, None), ({"embedding": 256}, 256), ({"num_hiddens": 64}, 64), ({"num_hiddens": 512, "embedding": 512}, 512)])
def test_tied_weights_have_one_size(given, size, machine):
    together = dict.fromkeys(("num_hiddens", "embedding"), size or 256)
    config = read_recipe("own-text").config.replace(tied=True, **together)
    for sources in (text(5_000), korean(20_000)):
        chosen = plan(config, sources, Budget(60, frozenset({"tied", *given}))).config
        assert chosen.num_hiddens == chosen.embedding == (size or 128)


def test_the_vocabulary_without_its_special_tokens_decides_whether_it_is_embedded(machine):
    for tokens, records, expected in (("byte", "none", (0, 0)), ("byte", "line", (0, 0)), ("word", "none", (128, 2))):
        config = read_recipe("own-text").config.replace(tokens=tokens, records=records)
        rng = random.Random(2)
        words = [Source("words", "".join(f"w{rng.randint(0, 900)}\n" for _ in range(9_000)), "")]
        chosen = plan(config, words, Budget(5)).config
        assert (chosen.embedding, chosen.min_freq) == expected, tokens


def test_the_plan_is_made_for_the_extended_vocabulary(machine):
    config, budget = read_recipe("own-text").config.replace(num_hiddens=64), Budget(5, frozenset({"num_hiddens"}))
    start = Vocab([chr(0xac00 + i) for i in range(200)])
    found = [plan(config, text(100_000), budget, vocab) for vocab in (None, start)]
    for each, vocab in zip(found, (Vocab(), start)):
        assert f"{len(vocab.extended(sorted(set(text(100_000)[0].text))))} in the vocabulary" in each.notes[0]
    assert found[1].config.dropout > found[0].config.dropout  # more weights


def test_training_from_a_run_is_planned_for_the_vocabulary_with_which_it_is_trained(tmp_path, monkeypatch):
    (tmp_path / "fox").write_text(text(300)[0].text, encoding="utf-8")
    (tmp_path / "more").write_text("12345 67890\n" * 40, encoding="utf-8")
    first, second = str(tmp_path / "first"), str(tmp_path / "second")
    arguments = ["--sample-length", "1", "--prefix", "T"]
    assert main(["train", "--text", str(tmp_path / "fox"), "--num-hiddens", "8", "--max-epochs", "1", "--out", first,
                 *arguments]) == 0
    sizes = []
    monkeypatch.setattr(planning, "measure", lambda config, data: sizes.append(len(data.vocab)) or Speed(1e3, 1e3))
    assert main(["train", "--from", first, "--text", str(tmp_path / "more"), "--budget", "0.08", "--out", second,
                 *arguments]) == 0
    assert sizes == [len(load_run(second).vocab)] == [len(load_run(first).vocab) + 11]


def test_a_size_that_does_not_fit_into_memory_is_not_chosen(machine, monkeypatch):
    def fits_up_to(limit):
        def check(config, vocab_size):
            if config.num_hiddens > limit:
                raise InputError("num_hiddens", "small", config.num_hiddens)
        monkeypatch.setattr(planning, "check_memory", check)

    fits_up_to(128)
    for given in ({}, {"max_epochs": 3}):
        assert planned(150_000, 600, **given).num_hiddens == 128
    assert machine == [128]
    with pytest.raises(InputError, match="num_hiddens must be small; got 200"):
        planned(150_000, 600, num_hiddens=200)
    fits_up_to(32)
    with pytest.raises(InputError, match="num_hiddens must be small; got 64"):
        planned(150_000, 600)


def test_the_budget_includes_the_measurement_and_the_evaluation_at_the_end(monkeypatch):
    def epochs(speed, waited=0.0):
        now = [0.0]
        monkeypatch.setattr(planning.time, "monotonic", lambda: now[0])
        monkeypatch.setattr(planning, "measure", lambda config, data: now.__setitem__(0, now[0] + waited) or speed)
        return planned(400_000, 2, num_hiddens=64).max_epochs

    # Per epoch: 340,000 tokens at 50,000/s, and 20,000 of validation; at the end 40,000 of test.
    assert epochs(Speed(50_000, 1e9)) == int(116 / 6.8) == 17
    assert epochs(Speed(50_000, 1e9), waited=20) == int(96 / 6.8) == 14
    assert epochs(Speed(50_000, 2_500)) == int((116 - 16) / (6.8 + 8)) == 6


def test_a_budget_that_is_too_short_for_one_epoch_is_said_to_be_so(monkeypatch):
    monkeypatch.setattr(planning, "measure", lambda config, data: Speed(100, 1e9))
    found = plan(read_recipe("own-text").config, text(84_000), Budget(0.05))
    assert found.config.max_epochs == 1
    assert found.notes[0].endswith(", 1 epoch; one epoch takes about 12 minutes with all else, more than the budget "
                                   "of 0.05")


@pytest.mark.parametrize(("speed", "epochs", "words"), [
    (1e9, 100, "100 epochs, which take about"), (1e4, 18, "18 of the 100 epochs of the recipe, which take about"),
    (100, 1, "1 of the 100 epochs of the recipe; one epoch takes about")])
def test_a_budget_only_shortens_other_recipes(speed, epochs, words, monkeypatch):
    monkeypatch.setattr(planning, "measure", lambda config, data: Speed(speed, 1e9))
    config = read_recipe("chapter-gru").config.replace(num_train=3_200)
    budget = Budget(18.5 * 3_200 * 32 / 1e4 / 60, frozenset(PLANNED) - {"max_epochs"}, "gluon-deeprnn train", 100)
    found = plan(config, text(10_032), budget)
    assert found.config == config.replace(max_epochs=epochs)
    assert words in found.notes[0]
    assert found.notes[-1] == f"the command that repeats this training: gluon-deeprnn train --max-epochs {epochs}"


@pytest.mark.parametrize(("speed", "recipe"), [(1e9, "chapter-gru"), (1.0, None)])
def test_a_run_with_fewer_epochs_does_not_bear_the_name_of_the_recipe(speed, recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(planning, "measure", lambda config, data: Speed(speed, 1e9))
    monkeypatch.setattr(planning.time, "monotonic", lambda: 0.0)
    monkeypatch.setattr(Job, "train", lambda self, **options: self.stored)
    config = read_recipe("chapter-gru").config.replace(text=(str(tmp_path / "text"),))
    (tmp_path / "text").write_text(text(10_032)[0].text, encoding="utf-8")
    budget = Budget(1, frozenset(PLANNED) - {"max_epochs"}, "gluon-deeprnn train", 100)
    assert begin_run(config, RunFolder(tmp_path / "run"), "chapter-gru", budget=budget).recipe == recipe


def test_one_epoch_is_singular(machine, monkeypatch):
    assert "1 epoch as given" in plan(read_recipe("own-text").config.replace(max_epochs=1), text(5_000),
                                      Budget(5, frozenset({"max_epochs"}))).notes[0]
    monkeypatch.setattr(planning, "measure", lambda config, data: Speed(100, 1e9))
    assert "1 epoch, which takes about" in plan(read_recipe("own-text").config, text(84_000), Budget(20)).notes[0]


def test_a_batch_size_that_is_too_large_is_refused_before_any_measurement(machine):
    with pytest.raises(InputError, match=r"^text must be at least 1178 tokens long for batch_size=1000"):
        planned(1_000, 5, batch_size=1_000)
    assert machine == []


def test_no_command_is_printed_for_a_stream_which_cannot_be_read_again(machine):
    config, source = read_recipe("own-text").config.replace(text=("-",)), text(5_000)[0]
    printed = [plan(config, [dataclasses.replace(source, path=path)], Budget(5)).notes[-1].startswith("the command")
               for path in (Path("text.txt"), None)]
    assert printed == [True, False]


@pytest.mark.slow
@pytest.mark.parametrize(("settings", "sources"), [
    ({"num_hiddens": 64}, text(60_000)),
    ({"num_hiddens": 64, "records": "line"}, names(4_000)),
    ({"num_hiddens": 32, "protocol": "d2l", "num_train": 2_000, "num_val": 1_000}, text(60_000)),
])
def test_the_time_of_an_epoch_is_estimated_within_a_factor_of_two(settings, sources, monkeypatch):
    for clock in ("monotonic", "perf_counter"):
        monkeypatch.setattr(time, clock, time.process_time)  # other processes do not count
    config = read_recipe("own-text").config.replace(batch_size=16, max_epochs=4, **settings)
    data = build_data(config, sources)
    speeds = numpy.max([measure(config, data) for _ in range(3)], axis=0)
    estimate = data.train_dataloader().num_tokens / speeds[0] + data.val_dataloader().num_tokens / speeds[1]
    rows = build_trainer(config, progress=False).fit(build_model(config, len(data.vocab)), data)
    assert 0.5 < estimate / min(row["seconds"] for row in rows) < 2


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


@pytest.mark.parametrize("given", [[], ["--embedding", "16"], ["--num-hiddens", "16"]])
def test_tied_weights_may_be_given_without_sizes(given, tmp_path, monkeypatch):
    monkeypatch.setattr(planning, "measure", lambda config, data: Speed(1e3, 1e3))
    (tmp_path / "text").write_text(text(300)[0].text, encoding="utf-8")
    out = tmp_path / "run"
    assert main(["train", "--text", str(tmp_path / "text"), "--tied", *given, "--budget", "0.08", "--sample-length",
                 "1", "--out", str(out)]) == 0
    config = load_run(out).config
    assert config.tied
    assert config.num_hiddens == config.embedding == (16 if given else 64)


@pytest.mark.parametrize(("arguments", "message"), [
    (["--tied", "--embedding", "-3"], "embedding must be a non-negative integer; got -3"),
    (["--tied", "--embedding", "16", "--num-hiddens", "8"], "embedding must be num_hiddens, 8, with tied weights; got"),
    (["--budget", "0"], "budget must be a number above 0; got 0.0"),
    (["--budget", "soon"], "budget must be a number above 0; got 'soon'"),
    (["--budget", "5", "--max-epochs", "3"], "budget must be omitted with --max-epochs; got '5'"),
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
