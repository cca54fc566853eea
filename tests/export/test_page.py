"""The page for browsers: its scores, what it is made of, and what one can do with it."""

import html
import json
import re
import shutil
import subprocess

from gluon_deeprnn import Vocab, load_run
from gluon_deeprnn.cli.main import main
from gluon_deeprnn.data.evaluated_text import text_of
from gluon_deeprnn.export import checking, html_format, rounding
from gluon_deeprnn.export.forward import logits_of, nll_of
from gluon_deeprnn.models.interchange import weights_of
from models import ALL, made, tokens
import numpy
import pytest

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
needs_browser = pytest.mark.skipif(html_format.browser() is None, reason="needs chromium")
EVIL = "</script><script>document.title = 'evil'</script><img src=x onerror=\"document.title = 'evil'\"> &amp; "
IN_NODE = """
const fs = require("fs"), vm = require("vm");
const page = fs.readFileSync(process.argv[1], "utf8"), tokens = JSON.parse(process.argv[2]);
const part = (pattern) => page.match(pattern)[1];
const found = vm.runInNewContext(part(/<script>\\n("use strict";\\n\\/\\/ A recurrent[^]*?)<\\/script>/) + `
  const model = new LanguageModel(about, readArrays(about.arrays, bytes));
  let state = model.begin(), logits = [];
  for (const token of tokens) {
    const step = model.step(state, token);
    logits.push(Array.from(step.logits));
    state = step.state;
  }
  [logits, state.map(({ h, c }) => (c ? [h, c] : [h]).map((each) => Array.from(each))), model.encode(text)]`, {
    tokens, text: process.argv[3], TextEncoder, about: JSON.parse(part(/application\\/json">(.*?)<\\/script>/)),
    bytes: new Uint8Array(Buffer.from(part(/text\\/plain">(.*?)<\\/script>/), "base64")) });
console.log(JSON.stringify(found));
"""


class Of:
    """What the page needs of a run."""

    def __init__(self, model, vocab, passage):
        self.model, self.vocab, self.title, self.passage = model, vocab, "a model", passage
        self.config = type("config", (), {"prefix": "the"})


def in_node(path, indices, text=""):
    """Logits, the last state, and the tokens of a text, by the program of a page."""
    done = subprocess.run(["node", "-e", IN_NODE, str(path), json.dumps(numpy.asarray(indices).tolist()), text],
                          capture_output=True, text=True, check=True)
    logits, state, encoded = json.loads(done.stdout)
    return numpy.array(logits), numpy.array(state).swapaxes(0, 1), encoded


@pytest.fixture
def page(tmp_path, monkeypatch):
    """A function that writes the page of a model; returns its path."""
    monkeypatch.setattr(checking, "written_passage_of", lambda run, num: run.vocab.to_tokens(run.passage[:num]))

    def write(model, vocab, passage=None, dtype="float32"):
        path = tmp_path / "page.html"
        run = Of(model, vocab, 1 + tokens(60, 1)[:, 0] % (len(vocab) - 1) if passage is None else passage)
        html_format.write(run, path, dtype)
        return path, run
    return write


@pytest.mark.parametrize("name", ALL)
def test_the_equations_in_numpy_are_those_of_the_model(name):
    model, batch = made(name), tokens(20, 1)
    logits, state = logits_of(weights_of(model), batch[:, 0])
    expected, last = checking.ours(model, batch)
    numpy.testing.assert_allclose(logits, expected[:, 0], atol=1e-5)
    numpy.testing.assert_allclose(state, last[:, :, 0], atol=1e-5)


@needs_node
@pytest.mark.parametrize("name", ALL)
def test_the_program_of_the_page_computes_the_scores_and_states_of_the_model(name, page):
    model = made(name)
    path, _ = page(model, Vocab("the time machine"))
    batch = tokens(40, 1)
    logits, state, _ = in_node(path, batch[:, 0])
    expected, last = checking.ours(model, batch)
    numpy.testing.assert_allclose(logits, expected[:, 0], atol=1e-5)
    numpy.testing.assert_allclose(state, last[:, :, 0], atol=1e-5)


@needs_node
@pytest.mark.parametrize(("dtype", "most"), [("float16", 2e-2), ("int8", 0.3)])
def test_rounded_numbers_are_read_as_they_were_written_and_their_loss_is_said(dtype, most, page):
    model = made("lstm 8 layers, residual")
    path, run = page(model, Vocab("the time machine"), dtype=dtype)
    about = json.loads(re.search(r'application/json">(.*?)</script>', path.read_text())[1])
    weights = weights_of(model)
    rounded = rounding.read_back(weights, dtype)
    numpy.testing.assert_allclose(in_node(path, run.passage)[0], logits_of(rounded, run.passage)[0], atol=1e-5)
    assert 0 < abs(in_node(path, run.passage)[0] - logits_of(weights, run.passage)[0]).max() < most
    for name, each in (("exact", weights), ("stored", rounded)):
        text = text_of(run.vocab, run.vocab.to_tokens(run.passage))
        assert float(about["loss"][name]) == pytest.approx(text.bits_per_character(nll_of(each, run.passage)), abs=6e-4)


@needs_node
@pytest.mark.parametrize(("kind", "cleaning", "text"), [
    ("char", "none", "Zwölf Boxkämpfer, 운수 좋은 날 🙂"), ("char", "d2l", "The Time-Machine, 1895!"),
    ("char", "unicode", "운수 좋은 날, 1924 É"), ("word", "d2l", " The time  machine\n"), ("byte", "none", "é ab"),
    ("word-exact", "none", "It's the  time_1, isn\u2019t it?\nYes."),
    ("word-unicode", "none", "नदी में किताब है। 👩\u200d👧 नदी"),
    ("word-unicode", "none", "It's the  time_1, isn\u2019t it?\nYes.")])
def test_a_text_has_the_same_tokens_on_the_page(kind, cleaning, text, page):
    vocab = Vocab(Vocab(cleaning=cleaning, kind=kind).split(text)[:-1], cleaning=cleaning, kind=kind)
    model = made("gru 1 layer")
    path, _ = page(type(model)(type(model.rnn)(6), len(vocab)), vocab)
    found = [each["index"] for each in in_node(path, [0], text)[2]]
    assert found == [index or -1 for index in vocab.encode(vocab.split(text)).tolist()]


@needs_node
@pytest.mark.parametrize("kind", ["word-unicode", "word-exact"])
def test_a_first_word_that_is_known_after_a_space_is_known_on_the_page(kind, page):
    vocab = Vocab(Vocab(kind=kind).split("a word, the word"), cleaning="none", kind=kind)
    model = made("gru 1 layer")
    path, _ = page(type(model)(type(model.rnn)(6), len(vocab)), vocab)
    assert in_node(path, [0], "word, a")[2] == [
        {"text": text, "index": index} for text, index in zip(["word", ",", " a"], [vocab[" word"], vocab[","], -1])]


def test_the_page_is_one_small_file_that_asks_for_nothing(page):
    path, run = page(made("gru 8 layers kit"), Vocab("the time machine"))
    content = path.read_text(encoding="utf-8")
    weights = sum(array.size for array in rounding.named(weights_of(run.model)).values()) * 4
    assert len(content.encode()) - weights * 4 / 3 < 50_000
    assert "default-src 'none'" in content
    assert not re.search(r"\b(src|href)=|https?:|\bfetch\b|XMLHttpRequest|@import|innerHTML", content)


def in_browser(path, script):
    """The document after a script has run on the page, and what the script returned."""
    test = path.with_name("test.html")
    call = ("<script>(async () => { const found = document.createElement('pre'); found.id = 'result'; "
            f"found.textContent = JSON.stringify(await (async () => {{ {script} }})()); "
            "document.body.append(found); })()</script>")
    test.write_text(path.read_text(encoding="utf-8").replace("</body>", call + "</body>"), encoding="utf-8")
    document = html_format.document_of(html_format.browser(), test, path.parent / "profile").stdout
    return document, json.loads(html.unescape(re.search(r'<pre id="result">(.*?)</pre>', document)[1]))


WRITE = """
  element("prefix").value = PREFIX;
  element("length").value = "60";
  element("temperature").value = "1";
  element("write").click();
  while (running) await new Promise((resolve) => setTimeout(resolve, 5));
"""


@pytest.fixture(scope="module")
def evil(tmp_path_factory):
    """The page of a run whose text is full of markup."""
    top = tmp_path_factory.mktemp("evil")
    (top / "text.txt").write_text(EVIL * 60)
    for cell in ("rnn", "lstm", "gru"):
        assert main(["train", "--text", str(top / "text.txt"), "--model", cell, "--num-hiddens", "12", "--max-epochs",
                     "2", "--batch-size", "8", "--num-steps", "8", "--prefix", "<scr", "--out", str(top / cell)]) == 0
        assert main(["export", "--run", str(top / cell), "--format", "html", "--out", str(top / f"{cell}.html")]) == 0
    return top


@needs_browser
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_a_browser_computes_the_scores_of_a_trained_model(cell, evil):
    found = html_format.check(load_run(evil / cell), evil / f"{cell}.html")
    assert found.largest < 1e-4


@needs_browser
def test_texts_are_never_markup(evil):
    prefix = json.dumps(EVIL).replace("<", "\\u003c")
    document, result = in_browser(evil / "gru.html", WRITE.replace("PREFIX", prefix) + """
      choose(3);
      return [document.title, document.querySelectorAll("img").length, document.scripts.length,
              element("text").textContent, history.length]""")
    assert result[0] == load_run(evil / "gru").title
    assert result[3].startswith(EVIL)
    assert result[1:3] == [0, 5]
    assert result[4] > 60
    assert "evil</title>" not in document


@needs_browser
def test_one_can_write_look_and_move_by_keyboard_in_two_languages(evil):
    script = WRITE.replace("PREFIX", '"img"') + """
      const press = (key) => element("text").dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
      press("Home"); press("ArrowRight"); press("ArrowRight");
      const [place, rows] = [chosen, document.querySelectorAll("#detail tr").length];
      const detail = element("detail").textContent;
      const given = document.querySelectorAll("#text span.given").length;
      element("language").value = "ko";
      element("language").dispatchEvent(new Event("change"));
      const pixels = element("states").getContext("2d").getImageData(0, 0, 60, 10).data;
      return { place, rows, detail, given, korean: element("write").textContent, lang: document.documentElement.lang,
               about: element("about").textContent, bits: history[2].bits,
               drawn: pixels.some((each) => each > 0), written: history.length,
               status: element("status").textContent }"""
    _, found = in_browser(evil / "lstm.html", script)
    assert (found["place"], found["rows"], found["given"]) == (2, 6, 3)
    assert f"{found['bits']:.2f} bits" in found["detail"]
    assert (found["korean"], found["lang"], found["drawn"], found["written"]) == ("쓰기", "ko", True, 63)
    assert found["about"].startswith("장단기 메모리(LSTM); 은닉층 ")
    assert re.search(r"^[\d,]+ tokens per second; \d\.\d\d bits per token over 62 tokens$", found["status"])
