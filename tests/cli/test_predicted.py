"""``evaluate`` token by token: --dynamic, --mixture and --prove."""

import re

from gluon_deeprnn import load_run, prediction, runtime
from gluon_deeprnn.cli import plot
from gluon_deeprnn.cli.main import main
from gluon_deeprnn.plotting import plot_reading
from gluon_deeprnn.prediction import log_probs_of
from gluon_deeprnn.prediction.proof import xz_bytes
from gluon_deeprnn.runs.predictors import RunPredictors
import numpy
import pytest

LINES = "\n".join(f"the {adjective} {noun} {verb}" for adjective in ("lazy", "quick", "old", "tired") for noun in
                  ("dog", "fox", "cow", "hen") for verb in ("jumps", "runs", "sleeps", "eats", "sings")) + "\n"
SMALL = ["--num-hiddens", "8", "--max-epochs", "1", "--batch-size", "8", "--num-steps", "8"]
RESULT = re.compile(r"perplexity (\d+\.\d{3}), (\d\.\d{3}) bits per character \((\d+) characters\)")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder with the text and runs, which no test changes."""
    top = tmp_path_factory.mktemp("runs")
    (top / "text.txt").write_text(LINES)
    (top / "other.txt").write_text("the old fox sings\nthe lazy dog eats\n")
    kinds = {"book": ["--prefix", "the"], "d2l": ["--protocol", "d2l", "--prefix", "the"],
             "records": ["--records", "line"]}
    for kind, options in kinds.items():
        assert main(["train", "--text", str(top / "text.txt"), *SMALL, *options,
                     "--out", str(top / kind)]) == 0
    return top


def evaluated(capsys, *arguments):
    """The perplexity, the number of characters, and all that was printed."""
    capsys.readouterr()
    assert main(["evaluate", *map(str, arguments)]) == 0
    printed = capsys.readouterr()
    found = RESULT.search(printed.out)
    return float(found[1]), int(found[3]), printed


@pytest.mark.parametrize("kind", ["book", "d2l"])
def test_a_proof_of_the_network_alone_has_the_perplexity_of_evaluate(trained, capsys, kind):
    pytest.importorskip("constriction")
    plain, characters, _ = evaluated(capsys, "--run", trained / kind)
    proved, same, printed = evaluated(capsys, "--run", trained / kind, "--prove")
    if kind == "book":  # the windows of d2l begin anew each
        assert (proved, same) == (pytest.approx(plain, rel=1e-3), characters)
    coded, of, claimed = re.search(r"coded and decoded: (\d+) bytes for (\d+) bytes of text \(([\d.]+) by the code "
                                   r"length\)", printed.out).groups()
    assert int(of) == same
    assert 0 < int(coded) - float(claimed) < 6  # the number of tokens, and the last 32 bits
    run = load_run(trained / kind)
    before, val, text = (run.vocab.tokenizer.unsplit(run.data().tokens(part)).encode()
                         for part in ("train", "val", "test" if kind == "book" else "val"))
    expected = xz_bytes(before + val, text) if kind == "book" else xz_bytes(before, text)
    assert f"\nxz: {expected} bytes more than for the text before\n" in printed.out
    assert expected > 0
    assert "PPMd, order" in printed.out or "pip install pyppmd" in printed.err


def test_each_option_lowers_the_perplexity_of_a_network_that_has_hardly_learned(trained, capsys):
    plain, characters, _ = evaluated(capsys, "--run", trained / "book")
    dynamic, one, printed = evaluated(capsys, "--run", trained / "book", "--dynamic")
    assert re.search(r"test data of the run; dynamic, learning rate \S+; after the validation data", printed.err)
    mixture, other, printed = evaluated(capsys, "--run", trained / "book", "--mixture")
    assert "; mixed with n-grams; after the validation data" in printed.err
    assert one == other == characters
    assert mixture < 0.5 * dynamic
    assert dynamic < plain


def test_another_text_is_read_after_the_validation_data(trained, capsys):
    found, characters, printed = evaluated(capsys, "--run", trained / "book", "--text", trained / "other.txt",
                                           "--mixture", "--dynamic", "--dynamic-lr", "0.001")
    run = load_run(trained / "book")
    predictors = RunPredictors(run, run.data(), dynamic=True, mixture=True, lr=0.001)
    tokens = run.vocab.encode(run.vocab.split((trained / "other.txt").read_text()))
    expected = numpy.exp(-log_probs_of(predictors.new(len(tokens)), tokens)[1:].mean())
    assert found == pytest.approx(expected, abs=6e-4)
    assert characters == len(tokens)
    assert "learning rate 0.001" in printed.err


@pytest.mark.parametrize(("arguments", "message"), [
    (["--run", "book", "--dynamic-lr", "0.1"], "--dynamic-lr must be omitted without --dynamic; got 0.1"),
    (["--run", "book", "--dynamic", "--dynamic-lr", "0"], "lr must be a number above 0; got 0.0"),
    (["--run", "book", "--dynamic", "--dynamic-lr", "x"], "lr must be a number above 0; got 'x'"),
    (["--run", "book", "--mixture", "--text", "other.txt", "--source", "text.txt"], "--source must be omitted with"),
    (["--run", "records", "--mixture"], "records must be none for dynamic evaluation, a mixture or a proof"),
])
def test_wrong_options_end_in_one_line(trained, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(trained)
    capsys.readouterr()
    assert main(["evaluate", *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines()[-1].startswith(f"gluon-deeprnn: error: {message}")


@pytest.mark.parametrize("arguments", [["evaluate"], ["evaluate", "--prove"], ["evaluate", "--dynamic"],
                                       ["generate", "--prefix", "the"]])
def test_ngrams_that_do_not_fit_into_memory_are_refused_first(trained, capsys, monkeypatch, arguments):
    monkeypatch.setattr(runtime, "memory_bytes", lambda: 100_000)
    for module in (prediction.NGrams, prediction.NetworkPredictor):
        monkeypatch.setattr(module, "observe", None)
    assert main([*arguments, "--run", str(trained / "book"), "--mixture"]) == 2
    printed = capsys.readouterr()
    assert re.fullmatch(r"gluon-deeprnn: error: text must be small enough for this machine's 0\.0 GB of memory; got "
                        r"[\d,]+ tokens of training data and [\d,]+ that a mixture reads: about 0\.0 GB",
                        printed.err.splitlines()[-1])
    assert printed.out == ""


def test_a_text_that_has_changed_is_refused(trained, capsys):
    text = (trained / "text.txt").read_text()
    (trained / "text.txt").write_text(text.replace("fox", "owl"))
    assert main(["evaluate", "--run", str(trained / "book"), "--mixture"]) == 2
    (trained / "text.txt").write_text(text)
    assert "text.txt" in capsys.readouterr().err.splitlines()[-1]


def test_generate_mixes_with_ngrams(trained, capsys):
    command = ["generate", "--run", str(trained / "book"), "--prefix", "the lazy", "--length", "30", "--seed", "1"]
    found = []
    for options in ([], ["--mixture"], ["--mixture"], ["--mixture", "--num-samples", "2"]):
        assert main([*command, *options]) == 0
        found.append(capsys.readouterr().out)
    plain, mixed, again, two = found
    assert mixed == again != plain
    assert two.startswith(mixed.rstrip("\n"))
    words = set(LINES.split())
    assert sum(word in words for word in mixed.split()) > sum(word in words for word in plain.split())


@pytest.mark.parametrize(("kind", "options", "message"), [
    ("book", ["--beam", "2"], "--beam must be omitted with --mixture; got '2'"),
    ("records", [], "records must be none for dynamic evaluation, a mixture or a proof; got 'line'")])
def test_what_a_mixture_cannot_generate_is_refused(trained, capsys, kind, options, message):
    assert main(["generate", "--run", str(trained / kind), "--prefix", "the", "--mixture", *options]) == 2
    assert message in capsys.readouterr().err


def test_the_picture_of_a_text_shows_what_evaluate_prints(trained, capsys, tmp_path, monkeypatch):
    shown = {}
    monkeypatch.setattr(plot, "plot_reading", lambda bits, *others, **options: (
        shown.update(bits) or plot_reading(bits, *others, **options)))
    path = tmp_path / "reading.png"
    arguments = ["--run", str(trained / "book"), "--text", str(trained / "other.txt")]
    assert main(["plot", *arguments, "--of", "reading", "--out", str(path)]) == 0
    assert path.read_bytes().startswith(b"\x89PNG")
    for name, options in (("network", []), ("dynamic", ["--dynamic"]), ("mixture", ["--mixture"]),
                          ("dynamic mixture", ["--dynamic", "--mixture"])):
        assert 2 ** shown[name][1:].mean() == pytest.approx(evaluated(capsys, *arguments, *options)[0], abs=1e-3)
