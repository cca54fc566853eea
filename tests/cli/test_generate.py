"""The command generate: beam search, records, copies.  (tests/cli/test_interactive.py has texts in turns.)"""

import types

from gluon_deeprnn import GRU, RNNLM, Vocab, generate, load_run
from gluon_deeprnn.cli import generate as command
from gluon_deeprnn.cli.main import main
from gluon_deeprnn.generation import TrainingText, generate_many
import mxnet
import pytest

SMALL = ["--num-hiddens", "16", "--max-epochs", "3", "--batch-size", "64", "--num-steps", "8", "--prefix", "the dog",
         "--optimizer", "adam", "--lr", "0.02"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("generate")
    (folder / "fox.txt").write_text("The quick brown fox jumps over the lazy dog, and the dog does not care. " * 20)
    assert main(["train", "--text", str(folder / "fox.txt"), *SMALL, "--out", str(folder / "run")]) == 0
    return folder / "run"


def printed(capsys, run, *arguments, status=0):
    capsys.readouterr()
    assert main(["generate", "--run", str(run), *arguments]) == status
    return capsys.readouterr()


def test_a_beam_search_prints_the_best_text_or_the_best_ones(run, capsys):
    trained = load_run(run)
    of = trained.model, trained.vocab, "the dog"
    options = {"length_penalty": 0.6, "stop": "."}
    best = generate_many(*of, 40, 3, beam=4, **options)
    command = ["--prefix", "the dog", "--length", "40", "--beam", "4", "--length-penalty", "0.6", "--stop", "."]
    assert printed(capsys, run, *command).out == f"the dog{best[0]}\n"
    assert printed(capsys, run, *command, "--num-samples", "3").out == "\n----\n".join(
        "the dog" + text for text in best) + "\n"


@pytest.mark.parametrize(("arguments", "message"), [
    (["--beam", "0"], "beam must be a positive integer; got 0"), (["--beam", "x"], "beam must be a positive integer"),
    (["--beam", "3", "--temperature", "0.7"], "temperature must be omitted with beam; got 0.7"),
    (["--beam", "3", "--top-k", "0"], "top_k must be omitted with beam; got 0"),
    (["--beam", "3", "--top-p", "1"], "top_p must be omitted with beam; got 1.0"),
    (["--beam", "3", "--min-p", "0"], "min_p must be omitted with beam; got 0.0"),
    (["--beam", "3", "--seed", "0"], "seed must be omitted with beam; got 0"),
    (["--beam", "3", "--num-samples", "4"], "num_samples must be at most the width of the beam, 3; got 4"),
    (["--length-penalty", "1"], "length_penalty must be 0 without a beam; got 1.0"),
    (["--beam", "3", "--length-penalty", "-1"], "length_penalty must be a number, at least 0; got -1.0"),
    (["--no-copy", "0"], "no_copy must be a positive integer; got 0"),
    (["--no-copy", "few"], "no_copy must be a positive integer; got 'few'"),
    (["--length", ""], "length must be a non-negative integer; got ''"),
])
def test_a_bad_option_is_refused_in_one_line_before_anything_is_printed(run, capsys, arguments, message):
    out, err = printed(capsys, run, "--prefix", "the dog", *arguments, status=2)
    assert out == ""
    assert err.startswith("gluon-deeprnn: error: " + message)
    assert err.count("\n") == 1


def test_a_prefix_is_required(run, capsys):
    out, err = printed(capsys, run, status=2)
    assert (out, err) == ("", "gluon-deeprnn: error: prefix must be given, except for a run on records, with "
                              "--source or with --interactive; got None\n")


def test_copied_reports_what_was_copied_on_standard_error(run, capsys):
    trained = load_run(run)
    training, vocab = TrainingText.of(trained.data()), trained.vocab
    text = "".join(generate(trained.model, vocab, "the dog", 80, seed=2))
    out, err = printed(capsys, run, "--prefix", "the dog", "--length", "80", "--seed", "2", "--copied")
    assert out == f"the dog{text}\n"
    assert err == f"{training.report([vocab.encode(list(text))])}\n"
    assert err.startswith("longest copied sequence: ")
    assert "(held-out text: 100%)" in err
    texts = generate_many(trained.model, vocab, "the dog", 80, 3, seed=2)
    out, err = printed(capsys, run, "--prefix", "the dog", "--length", "80", "--seed", "2", "--copied", "--num-samples",
                       "3")
    assert out.split("\n----\n")[0] == f"the dog{texts[0]}"
    assert err == f"{training.report([vocab.encode(list(text)) for text in texts])}\n"


@pytest.mark.parametrize("options", [
    [], ["--beam", "3"], ["--num-samples", "3"], ["--beam", "3", "--num-samples", "2"]], ids=" ".join)
def test_no_copy_limits_the_longest_run(run, capsys, options):
    out, err = printed(capsys, run, "--prefix", "the dog", "--length", "80", *options, "--copied", "--no-copy", "5")
    assert int(err.split("longest copied sequence: ")[1].split()[0]) <= 5
    trained = load_run(run)
    text = trained.data().sources[0].text
    for written in out[:-1].split("\n----\n"):
        assert not any(written[i:i + 6] in text for i in range(2, len(written) - 5))  # with the end of the prefix


def test_copies_need_the_training_text_unchanged(run, capsys):
    text = run.parent / "fox.txt"
    before = text.read_text()
    text.write_text(before + "!")
    try:
        for option in (["--copied"], ["--no-copy", "5"]):
            out, err = printed(capsys, run, "--prefix", "the dog", *option, status=2)
            assert out == ""
            assert err.startswith("gluon-deeprnn: error: text must be unchanged since the run was started, fox.txt (")
    finally:
        text.write_text(before)


@pytest.fixture
def records(monkeypatch):
    """A run of records of a kind; ``load_run`` finds it anywhere."""
    vocab = Vocab("abcdef", boundaries=True)
    mxnet.random.seed(1)
    model = RNNLM(GRU(8), len(vocab))
    for _, parameter in model.named_parameters():
        parameter.set_data(parameter.data() * 2)

    def of_kind(kind):
        trained = types.SimpleNamespace(model=model, vocab=vocab, config=types.SimpleNamespace(records=kind))
        monkeypatch.setattr(command, "load_run", lambda folder: trained)
        return trained

    return of_kind


@pytest.mark.parametrize(("kind", "between"), [("line", "\n"), ("paragraph", "\n\n"), ("blank-line", "\n\n")])
def test_records_are_separated_as_in_their_file(records, capsys, kind, between):
    trained = records(kind)
    texts = generate_many(trained.model, trained.vocab, "", 1000, 10, temperature=1.0)
    assert printed(capsys, "any", "--num-samples", "10", "--temperature", "1").out == between.join(texts) + "\n"
    assert printed(capsys, "any", "--temperature", "1").out == texts[0] + "\n"
    assert printed(capsys, "any", "--temperature", "1", "--seed", "3").out == texts[3] + "\n"
    with_prefix = generate_many(trained.model, trained.vocab, "abc", 1000, 10, temperature=1.0)
    out = printed(capsys, "any", "--prefix", "abc", "--num-samples", "10", "--temperature", "1").out
    assert out == between.join("abc" + text for text in with_prefix) + "\n"


def test_records_have_at_most_1000_tokens_and_other_texts_200(run, records, capsys):
    assert len(printed(capsys, run, "--prefix", "the dog").out) == len("the dog") + 200 + 1
    trained = records("line")
    trained.model.dense.bias.set_data(mxnet.np.array([0, 0, -99.0, 0, 0, 0, 0, 0, 0]))  # it never ends
    assert len(printed(capsys, "any").out) == 1000 + 1
    assert len(printed(capsys, "any", "--length", "30").out) == 30 + 1


@pytest.fixture(scope="module")
def run_on_lines(tmp_path_factory):
    """A run on a text of lines, tabs and backslashes."""
    top = tmp_path_factory.mktemp("lines")
    (top / "lines.txt").write_text("ab\tc\nd \\n e\n" * 120)
    assert main(["train", "--text", str(top / "lines.txt"), "--num-hiddens", "32", "--max-epochs", "20", "--lr", "0.02",
                 "--batch-size", "8", "--num-steps", "12", "--out", str(top / "run")]) == 0
    return top / "run"


@pytest.mark.parametrize(("stop", "text"), [
    ("\\n", "ab\tc"), ("\n", "ab\tc"), ("\\t", "ab"), ("\t", "ab"), ("c\\nd", "ab\t"), ("\\\\n", "ab\tc\nd ")])
def test_stop_understands_escapes_and_the_characters_themselves(run_on_lines, stop, text, capsys):
    printed(capsys, run_on_lines, "--prefix", "a", "--length", "12", "--temperature", "0")
    out = printed(capsys, run_on_lines, "--prefix", "a", "--length", "12", "--temperature", "0", "--stop", stop).out
    assert out == text + "\n"


@pytest.mark.parametrize(("arguments", "message"), [
    (["--stop", "\\d"], r"stop must be a text in which a backslash begins one of \n, \t and \\; got '\\d'"),
    (["--stop", "b\\"], r"stop must be a text in which a backslash begins one of \n, \t and \\; got 'b\\'"),
    (["--stop", "Z."], "stop must be made of characters that the model can write; got 'Z.' (it never writes 'Z.'"),
    (["--temperature", "0", "--top-k", "0"], "top_k must be omitted with temperature 0; got 0"),
    (["--prefix", "", "--skip-unknown"], "skip_unknown must be omitted without a prefix; got True"),
    (["--temperature", "0", "--seed", "3"], "seed must be omitted with temperature 0; got 3"),
])
def test_an_option_that_would_have_no_effect_is_one_line(run_on_lines, arguments, message, capsys):
    err = printed(capsys, run_on_lines, "--prefix", "a", *arguments, status=2).err
    assert err.startswith("gluon-deeprnn: error: " + message)
    assert err.count("\n") == 1


def test_the_help_says_which_escapes_stop_understands(capsys):
    with pytest.raises(SystemExit):
        main(["generate", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert r"(repeatable); \n is a line end, \t a tab, \\ a backslash" in shown
