import dataclasses
from importlib import resources
import math
from pathlib import Path

from gluon_deeprnn.runs import RunConfig, read_recipe, recipe_names
from gluon_deeprnn.runs.build import build_trainer
from gluon_deeprnn.runs.config import typed
import pytest

# An invalid value for every setting; a new setting requires one.
BAD = {
    "corpus": ("time-machin", r"one of time-machine, python-docs; got 'time-machin' \(did you mean 'time-machine'\?\)"),
    "text": ("x.txt", "a list of files; got 'x.txt'"), "reading": (3, "1 or 2; got 3"),
    "encoding": ("cp94", r"an encoding that Python knows, such as .*; got 'cp94' \(did you mean 'cp949'\?\)"),
    "protocol": ("books", r"one of d2l, book; got 'books' .*"),
    "cleaning": ("", "one of none, d2l, unicode; got ''"),
    "tokens": ("bytes", "one of char, word, word-unicode, word-exact, byte; got 'bytes' .*"),
    "records": ("lines", "one of none, line, paragraph, blank-line; got 'lines' .*"),
    "streams": ("apart", "one of auto, joined, separate; got 'apart' .*"),
    "source_weights": ("1,x", "numbers above 0, separated by commas; got '1,x'"),
    "source_token": ("yes", "True or False; got 'yes'"), "val_from": ("x.txt", "a list of names of texts; got 'x.txt'"),
    "val_fraction": (0, "a number from 0.001 to 0.5; got 0.0"),
    "min_freq": (-1, "a non-negative integer; got -1"), "num_train": (0, "a positive integer; got 0"),
    "num_val": (0, "a positive integer; got 0"), "model": ("gruu", r"one of rnn, lstm, gru, mgu; got 'gruu' .*"),
    "implementation": ("fast", "one of fused, scratch; got 'fast'"),
    "num_hiddens": ("x", "a positive integer; got 'x'"),
    "num_layers": (2.0, "a positive integer; got 2.0"), "dropout": (1, r"a number in \[0, 1\); got 1"),
    "embedding": (-1, "a non-negative integer; got -1"), "max_epochs": (0, "a positive integer; got 0"),
    "batch_size": (0, "a positive integer; got 0"), "num_steps": (True, "a positive integer; got True"),
    "optimizer": ("adan", r"one of .*; got 'adan' \(did you mean 'adam'\?\)"), "lr": (0, "a number above 0; got 0"),
    "momentum": (1.5, r"a number in \[0, 1\); got 1.5"), "weight_decay": (-1, "a number, at least 0; got -1"),
    "decay_biases": (True, "False without weight decay; got True"),
    "clip": (float("inf"), "a number, at least 0; got inf"),
    "ar": (-1, "a number, at least 0; got -1"), "tar": (float("nan"), "a number, at least 0; got nan"),
    "label_smoothing": (1, r"a number in \[0, 1\); got 1"),
    "clip_value": ("x", "a number, at least 0; got 'x'"),
    "schedule": ("linear", "one of constant, .*; got 'linear'"),
    "lr_factor": (1, r"a number in \(0, 1\); got 1"), "lr_epochs": (0, "a positive integer; got 0"),
    "patience": (-1, "a non-negative integer; got -1"), "seed": (0.5, "a non-negative integer; got 0.5"),
    "output_dropout": (1.0, r"a number in \[0, 1\); got 1.0"),
    "warmup": (-1, "a non-negative integer; got -1"),
    "averaging": (1, r"a number in \[0, 1\); got 1"), "asgd": (2.5, "a non-negative integer; got 2.5"),
    "input_dropout": (1.0, r"a number in \[0, 1\); got 1.0"),
    "embedding_dropout": (-1, r"a number in \[0, 1\); got -1"),
    "weight_dropout": ("x", r"a number in \[0, 1\); got 'x'"), "variational": (1, "True or False; got 1"),
    "tied": ("yes", "True or False; got 'yes'"), "layer_norm": (0, "True or False; got 0"),
    "residual": (None, "True or False; got None"), "learned_state": ("", "True or False; got ''"),
    "skip": (2, "True or False; got 2"),
    "initializer": ("xavir", r"one of default, uniform, .*; got 'xavir' \(did you mean 'xavier'\?\)"),
    "recurrent_initializer": ("eye", "one of default, uniform, .*; got 'eye'"), "sigma": (-1, "a number, .*; got -1"),
    "forget_bias": (float("nan"), "a finite number; got nan"),
    "activation": ("tanh,tan", "one of tanh, .*; got 'tan' .*"),
    "reset": ("never", "one of after, before; got 'never'"),
    "checkpoint_seconds": (-1, "a number, at least 0; got -1"),
    "ctx": ("", "a non-empty string; got ''"), "prefix": ("", "a non-empty string; got ''"),
    "sample_length": (0, "a positive integer; got 0"),
}


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(RunConfig)])
def test_every_setting_refuses_a_bad_value(name):
    value, rule = BAD[name]
    with pytest.raises(ValueError, match=f"^{name} must be {rule}$"):
        RunConfig(**{name: value})


@pytest.mark.parametrize(("settings", "message"), [
    ({"corpus": "time-machine", "text": ("a",)}, "corpus must be omitted if a text is given; got 'time-machine'"),
    ({"records": "line"}, r"protocol must be book for records line; got 'd2l' \(protocol='book' splits them into"),
    ({"streams": "separate"}, "streams must be joined for protocol d2l; got 'separate'"),
    ({"source_token": True}, "source_token must be omitted for protocol d2l; got True"),
    ({"val_fraction": 0.1}, r"val_fraction must be omitted for protocol d2l; got 0.1 \(num_val is the number of its"),
    ({"val_from": ("x",), "protocol": "book", "records": "line"}, r"val_from must be omitted for records line; got"),
    ({"source_weights": "1,2", "protocol": "book", "streams": "joined"},
     "streams must be separate with source_weights; got 'joined'"),
    ({"source_weights": "1,0"}, "source_weights must be a number above 0; got 0.0"),
    ({"model": "lstm", "reset": "before"}, "reset must be omitted for model lstm; got 'before'"),
    ({"reset": "before"}, "reset must be after, for a fused GRU; got 'before'"),
    ({"model": "mgu"}, "model must be one of rnn, lstm, gru for fused layers; got 'mgu'"),
    ({"sigma": 0.1}, "sigma must be omitted for implementation fused; got 0.1"),
    ({"activation": "relu"}, "activation must be omitted for model gru; got 'relu'"),
    ({"forget_bias": 1.0}, "forget_bias must be omitted for model gru; got 1.0"),
    ({"embedding": 8, "tied": True}, "embedding must be num_hiddens, 32, with tied weights; got 8"),
    ({"averaging": 0.9, "asgd": 5}, "asgd must be 0 with averaging; got 5"),
    ({"embedding": 32, "tied": True, "skip": True}, "tied must be False with skip connections; got True"),
    ({"optimizer": "adam", "momentum": 0.9}, "momentum must be 0 for optimizer adam; got 0.9"),
])
def test_inconsistent_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        RunConfig(**settings)


def test_the_error_for_a_misspelt_setting_suggests_the_right_one():
    with pytest.raises(ValueError, match=r"got 'num_hidden' \(did you mean 'num_hiddens'\?\)$"):
        RunConfig().replace(num_hidden=3)


def test_settings_from_before_records_have_none():
    settings = RunConfig().as_dict()
    del settings["records"]
    assert RunConfig.from_dict(settings).records == "none"
    assert all(read_recipe(name).config.records == "none" for name in recipe_names())


def test_settings_from_before_separate_texts_join_them_and_new_runs_choose():
    settings = RunConfig().as_dict()
    for name in ("streams", "source_weights", "source_token", "val_from"):
        del settings[name]
    assert RunConfig.from_dict(settings).streams == "joined"
    assert RunConfig().streams == "auto"


@pytest.mark.parametrize(("settings", "meaning"), [
    ({"weight_decay": 0.1}, True), ({"weight_decay": 0.1, "optimizer": "adam"}, True),
    ({"weight_decay": 0.1, "optimizer": "adamw"}, False), ({}, False), ({"optimizer": "adam"}, False)])
def test_runs_from_before_decay_biases_decay_what_they_did(settings, meaning):
    written = RunConfig(**settings).as_dict()
    assert written.pop("decay_biases") is False
    assert RunConfig.from_dict(written).decay_biases is meaning
    assert build_trainer(RunConfig.from_dict(written)).decay_biases is meaning


def test_settings_are_recovered_from_json():
    config = RunConfig(text=("a.txt", "b.txt"), lr=0.1, protocol="book", val_from=("a.txt",))
    assert RunConfig.from_dict(config.as_dict()) == config


def test_a_text_replaces_a_corpus_and_vice_versa():
    assert RunConfig(corpus="python-docs").replace(text=["a"]).corpus is None
    assert RunConfig(text=("a",)).replace(corpus="python-docs").text == ()


@pytest.mark.parametrize(("name", "text", "value"), [
    ("num_hiddens", "64", 64), ("lr", "1e-3", 0.001), ("num_hiddens", "6.4", "6.4"), ("model", "gru", "gru"),
    ("ctx", "0", "0"), ("dropout", "half", "half"),
])
def test_flags_become_the_type_of_their_setting_or_stay_text(name, text, value):
    assert typed(name, text) == value


CHAPTER = ["chapter-gru", "chapter-lstm", "chapter-scratch"]
WHOLE = {"book-gru": 15, "book-lstm": 15, "shakespeare": 15, "shakespeare-large": 60}  # minutes of training
DEPTH = ["depth-1", "depth-2", "depth-4", "depth-8"]


def test_the_recipes_are_these():
    assert sorted(recipe_names()) == sorted([*WHOLE, *CHAPTER, *DEPTH, "own-text"])


@pytest.mark.parametrize("name", WHOLE)
def test_recipes_for_whole_texts_have_measured_bits_of_all_predictors(name):
    measured = read_recipe(name).measured
    assert {"command", "machine", "text", "seconds", "epochs"} <= measured.keys()
    bits = measured["bits_per_character"]
    assert list(bits) == ["network", "dynamic", "mixture", "dynamic_mixture"]
    assert bits["network"] == pytest.approx(math.log2(measured["test_ppl"]), abs=0.002)
    assert bits["dynamic_mixture"] < min(bits["mixture"], bits["dynamic"]) < bits["network"]
    assert measured["seconds"] <= 60 * WHOLE[name]


def test_the_chapters_recipes_are_the_chapters():
    for name in CHAPTER:
        config = read_recipe(name).config
        assert (config.num_layers, config.num_hiddens, config.batch_size, config.num_steps) == (2, 32, 1024, 32)
        assert (config.max_epochs, config.clip, config.optimizer) == (100, 1, "sgd")
        assert config.lr == (4 if name == "chapter-lstm" else 2)
    assert read_recipe("chapter-scratch").config.implementation == "scratch"


def test_the_depth_recipes_differ_from_the_chapters_in_few_settings():
    for name in DEPTH:
        config, chapter = read_recipe(name).config, read_recipe("chapter-gru").config
        assert (config.num_layers, config.num_hiddens) == (int(name[-1]), 64)
        little = {"num_layers": 2, "num_hiddens": 32, "lr": 2.0, "residual": False, "layer_norm": False}
        assert config.replace(**little) == chapter


def test_the_first_recipe_names_and_explains_every_setting():
    lines = (resources.files("gluon_deeprnn.runs.recipes") / "chapter-gru.toml").read_text().splitlines()
    for field in dataclasses.fields(RunConfig):
        assert any(line.startswith((f"{field.name} = ", f"# {field.name} = ")) for line in lines), field.name


@pytest.mark.parametrize("name", CHAPTER + DEPTH)
def test_a_recipe_has_measured_results(name):
    measured = read_recipe(name).measured
    assert {"command", "machine", "text"} <= measured.keys()
    assert 1 < measured["train_ppl"] < measured["val_ppl"]
    assert 1 < measured["best_val_ppl"] <= measured["val_ppl"]
    assert measured["epochs"] == 100
    assert measured["seconds"] > 10


def test_the_page_on_depth_quotes_the_recorded_results_of_the_recipes():
    page = (Path(__file__).parents[2] / "docs" / "depth.md").read_text(encoding="utf-8")
    for name in DEPTH:
        row = next(line for line in page.splitlines() if line.endswith(f"| `--recipe {name}` |"))
        measured = read_recipe(name).measured
        assert [f"{measured[key]:.2f}" for key in ("train_ppl", "val_ppl", "best_val_ppl")] == row.split(" | ")[3:6]


# For each setting that can be without effect: a value, and the settings beside which it has none, and some.
WITHOUT_EFFECT = [
    ("num_train", 500, {"protocol": "book"}, {}, "for protocol book"),
    ("num_val", 500, {"protocol": "book"}, {}, "for protocol book"),
    ("prefix", "the", {"protocol": "book", "records": "line"}, {}, "for records line, whose samples are whole records"),
    ("min_freq", 2, {"tokens": "byte"}, {}, "for tokens byte, which are all in the vocabulary"),
    ("dropout", 0.5, {"num_layers": 1}, {}, "for one layer"),
    ("layer_norm", True, {"num_layers": 1}, {}, "for one layer"),
    ("residual", True, {"num_layers": 1}, {}, "for one layer"),
    ("skip", True, {"num_layers": 1}, {}, "for one layer"),
    ("variational", True, {}, {"dropout": 0.5}, "without dropout, input_dropout and output_dropout"),
    ("variational", True, {"weight_dropout": 0.5}, {"output_dropout": 0.5}, "without dropout, input_dropout and"),
    ("sigma", 0.1, {"implementation": "scratch", "initializer": "xavier", "embedding": 8}, {
        "implementation": "scratch", "initializer": "xavier"}, "without normal initial weights"),
    ("lr_factor", 0.3, {}, {"schedule": "step"}, "for schedule constant"),
    ("lr_epochs", 3, {"schedule": "cosine"}, {"schedule": "plateau"}, "for schedule cosine"),
]


@pytest.mark.parametrize(("name", "value", "beside", "other", "reason"), WITHOUT_EFFECT)
def test_a_setting_without_effect_is_refused_where_it_is_given_and_read_where_it_is_stored(
        name, value, beside, other, reason):
    message = f"^{name} must be omitted {reason}.*; got {value!r}$"
    with pytest.raises(ValueError, match=message):
        RunConfig(**beside, **{name: value})
    with pytest.raises(ValueError, match=message):
        RunConfig(**beside).replace(**{name: value})
    assert getattr(RunConfig(**other, **{name: value}), name) == value
    default = getattr(RunConfig, name)
    assert getattr(RunConfig(**beside, **{name: default}), name) == default
    stored = {**RunConfig(**beside).as_dict(), name: value}  # of an earlier version, which accepted it
    config = RunConfig.from_dict(stored)
    assert config.as_dict() == stored
    assert config.replace(max_epochs=3).as_dict() == {**stored, "max_epochs": 3}
    assert build_trainer(config, progress=False).max_epochs == config.max_epochs


def test_no_recipe_sets_what_has_no_effect():
    for name in recipe_names():
        config = read_recipe(name).config
        config.check_effect(config.as_dict())
