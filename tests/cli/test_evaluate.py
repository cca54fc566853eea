"""What ``evaluate`` says about simple models of the run's training text."""

import re
import shutil

from gluon_deeprnn import load_run
from gluon_deeprnn.cli.main import main
from gluon_deeprnn.data import read_texts
from gluon_deeprnn.evaluation import references
import pytest

SMALL = ["--num-hiddens", "8", "--max-epochs", "1", "--batch-size", "16", "--num-steps", "8"]
RESULT = re.compile(r"^perplexity \d+\.\d{3}( per (word|byte|token))?, \d+\.\d{3} bits per character \(\d+ characters"
                    r"(; \d+ of \d+ tokens unknown, \d+\.\d%)?\)\n$")
KINDS = {
    "d2l": ["--protocol", "d2l", "--prefix", "the dog"], "book": ["--prefix", "the dog"],
    "words": ["--tokens", "word", "--prefix", "the dog"], "bytes": ["--tokens", "byte", "--prefix", "the dog"],
    "records": ["--records", "line"],
}
LINES = "\n".join(f"the {adjective} {noun} {verb}" for adjective in ("lazy", "quick", "old") for noun in
                  ("dog", "fox", "cow", "hen") for verb in ("jumps", "runs", "sleeps", "eats", "sings"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder with the text and a run of every kind, which no test changes."""
    top = tmp_path_factory.mktemp("runs")
    (top / "text.txt").write_text(LINES + "\n")
    (top / "other.txt").write_text("the old fox sings\nthe lazy dog eats \u03a9\n", encoding="utf-8")
    for kind, options in KINDS.items():
        assert main(["train", "--text", str(top / "text.txt"), *SMALL, *options, "--out", str(top / kind)]) == 0
    return top


def compared(err):
    """What follows the last line of stderr, for comparison."""
    return re.match(r"^gluon-deeprnn: for comparison: (.*)$", err.splitlines()[-1])[1]


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_computed_on_what_the_model_is_evaluated_on_and_stdout_stays_one_line(kind, trained, capsys):
    run = load_run(trained / kind)
    data = run.data()
    train, val, size = data.train_dataloader(), data.val_dataloader(), len(run.vocab)
    assert main(["evaluate", "--run", str(trained / kind)]) == 0
    out, err = capsys.readouterr()
    assert RESULT.match(out)
    assert compared(err) == str(references(train, data.held_out()[1], size, validation=val))
    assert main(["evaluate", "--run", str(trained / kind), "--text", str(trained / "other.txt")]) == 0
    out, err = capsys.readouterr()
    assert RESULT.match(out)
    batches = run.stream(read_texts([trained / "other.txt"], raw=kind == "bytes"))
    assert (batches.text.num_unknown > 0) == (kind != "bytes")  # each byte is in the vocabulary
    assert compared(err) == str(references(train, batches, size, validation=val))
    assert re.match(rf"^{size}(\.0+)? uniform, [\d.]+ unigram(, [\d.]+ \d-gram)? \(perplexity\)$", compared(err))


@pytest.mark.parametrize("change", ["moved", "changed"])
def test_without_the_training_text_the_line_says_so_and_the_result_is_printed(change, trained, tmp_path, capsys):
    shutil.copy(trained / "text.txt", tmp_path / "text.txt")
    assert main(["train", "--text", str(tmp_path / "text.txt"), *SMALL, *KINDS["book"], "--out",
                 str(tmp_path / "run")]) == 0
    arguments = ["evaluate", "--run", str(tmp_path / "run"), "--text", str(trained / "other.txt")]
    capsys.readouterr()
    assert main(arguments) == 0
    before = capsys.readouterr().out
    if change == "moved":
        (tmp_path / "text.txt").rename(tmp_path / "elsewhere.txt")
    else:
        (tmp_path / "text.txt").write_text("another text\n" * 20)
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert out == before
    assert compared(err).startswith("nothing, since the training text could not be read: text must be ")
    assert ("No such file" if change == "moved" else "unchanged since the run was started") in compared(err)
    assert main(["evaluate", "--run", str(tmp_path / "run")]) == 2  # its own held-out text is not there
