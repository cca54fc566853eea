"""The format html: one page with the model and a program that writes and scores texts, without a network."""

import base64
import html
import json
from pathlib import Path
import re
import shutil
import subprocess
import tempfile
from typing import Any, Dict, Optional, Tuple

from gluon_deeprnn import storage
from gluon_deeprnn.errors import Described, InputError
from gluon_deeprnn.export import checking
from gluon_deeprnn.export.forward import logits_of
from gluon_deeprnn.export.named import description
from gluon_deeprnn.export.rounding import loss, named, read_back, rounded
from gluon_deeprnn.models.interchange import weights_of
import numpy

_PROGRAMS = Path(__file__).with_name("programs")
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")

_CHECK_PROGRAM = """
<script>
{
  let state = model.begin(), logits = [];
  for (const token of TOKENS) {
    const step = model.step(state, token);
    logits.push(Array.from(step.logits));
    state = step.state;
  }
  const found = document.createElement("pre");
  found.id = "found";
  const last = state.map(({ h, c }) => (c ? [h, c] : [h]).map((each) => Array.from(each)));
  found.textContent = JSON.stringify({ logits, state: last });
  document.body.append(found);
}
</script>
"""


def _packed(array: numpy.ndarray, dtype: str) -> Tuple[Dict[str, Any], bytes]:
    """How an array is stored, and its bytes."""
    found = rounded(array, dtype)
    if found.scales is not None:
        return {"dtype": "int8", "row": array.shape[1]}, found.scales.tobytes() + found.stored.tobytes()
    return {"dtype": found.stored.dtype.name}, found.stored.tobytes()


def write(run: Any, path: Path, dtype: str = "float32") -> Tuple[Path, ...]:
    """Write the page; with float16 or int8 it says how many bits per character the rounding costs."""
    weights = weights_of(run.model)
    parts, listed = [], []
    for name, array in named(weights).items():
        how, packed = _packed(array, dtype)
        listed.append({"name": name, "size": int(array.size), **how})
        parts.append(packed)
    about, vocab = description(weights, run.vocab), run.vocab
    about.update({
        "title": run.title, "arrays": listed, "dtype": dtype,
        "prefix": run.config.prefix if vocab.begin_index is None else "",
        "parameters": f"{sum(parameter.data().size for _, parameter in run.model.named_parameters()):,}",
        "shown": [_shown(vocab, i) for i in range(len(vocab))],
        "loss": loss(run, weights, dtype)})
    page = (_PROGRAMS / "page.html").read_text(encoding="utf-8")
    for mark, content in (("@MODEL@", (_PROGRAMS / "model.js").read_text(encoding="utf-8")),
                          ("@PAGE@", (_PROGRAMS / "page.js").read_text(encoding="utf-8")),
                          ("@ARRAYS@", base64.b64encode(b"".join(parts)).decode()), ("@ABOUT@", _in_script(about))):
        before, after = page.split(mark)
        page = before + content + after
    storage.replace_file(path, page.encode("utf-8"))
    return (path,)


def _in_script(about: Dict[str, Any]) -> str:
    """JSON that no HTML parser takes for markup, whatever the texts in it are."""
    text = json.dumps(about, ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _shown(vocab: Any, index: int) -> str:
    return "" if index in vocab.special and index != vocab.unknown_index else "".join(vocab.text([index]))


def browser() -> Optional[str]:
    """The path of a browser that can run without a window; None if there is none."""
    return next((found for name in _BROWSERS if (found := shutil.which(name))), None)


def document_of(program: str, page: Path, profile: Path) -> "subprocess.CompletedProcess[str]":
    """Run a browser without a window; its output is the document after the page's scripts have run."""
    command = [program, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}",
               "--virtual-time-budget=20000", "--dump-dom", page.absolute().as_uri()]
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603


def check(run: Any, path: Path) -> checking.Compared:
    """Compare the scores of the page in a headless browser with those of our model, or of its rounded numbers."""
    program = browser()
    if program is None:
        return checking.Compared(None, f"needs a browser, one of {', '.join(_BROWSERS)}")
    page, tokens = path.read_text(encoding="utf-8"), checking.passage_of(run)
    about = json.loads(re.search(r'type="application/json">(.*?)</script>', page)[1])  # type: ignore[index]
    script = _CHECK_PROGRAM.replace("TOKENS", json.dumps(tokens.tolist()))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "page.html"
        file.write_text(page.replace("</body>", script + "</body>"), encoding="utf-8")
        done = document_of(program, file, Path(folder) / "profile")
    match = re.search(r'<pre id="found">(.*?)</pre>', done.stdout)
    if match is None:
        said = done.stderr.strip().splitlines() or ["nothing"]
        raise InputError("the exported page", f"one that {Path(program).name} runs", Described(said[-1]))
    found = json.loads(html.unescape(match[1]))
    logits, state = numpy.array(found["logits"])[:, None], numpy.array(found["state"]).swapaxes(0, 1)[:, :, None]
    expected = checking.ours(run.model, tokens[:, None])
    if about["dtype"] != "float32":
        scores, last = logits_of(read_back(weights_of(run.model), about["dtype"]), tokens)
        expected = scores[:, None], last[:, :, None]
    return checking.compared(expected, (logits, state), Path(program).name)
