"""The format html: one page with the model and a program that writes and scores texts, without a network."""

import base64
import dataclasses
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
from gluon_deeprnn.export.forward import bits_per_token, logits_of
from gluon_deeprnn.export.named import description
from gluon_deeprnn.models.interchange import Arrays, Layer, Weights, weights_of
import numpy

DTYPES = ("float32", "float16", "int8")
_PROGRAMS = Path(__file__).with_name("programs")
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_LOSS_ON = 2000  # tokens

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


def _named(weights: Weights) -> Arrays:
    """The arrays under the names of ``model.js``."""
    found: Arrays = {} if weights.embedding is None else {"embedding": weights.embedding}
    for i, layer in enumerate(weights.layers):
        found.update({f"layer{i}.{name}": array for name, array in layer.arrays.items()})
    for i, norm in enumerate(weights.norms):
        found.update({f"norm{i + 1}.{name}": array for name, array in norm.items()})
    return {**found, "output": weights.output, "bias": weights.bias, "first_state": weights.first_state}


def _packed(array: numpy.ndarray, dtype: str) -> Tuple[Dict[str, Any], bytes, numpy.ndarray]:
    """How an array is stored, its bytes, and what is read from them; vectors are not rounded to 8 bits."""
    if dtype == "int8" and array.ndim == 2:
        scales = numpy.maximum(abs(array).max(1, keepdims=True), 1e-12).astype("<f4") / numpy.float32(127)
        rounded = numpy.rint(array / scales).astype("int8")
        return {"dtype": "int8", "row": array.shape[1]}, scales.tobytes() + rounded.tobytes(), rounded * scales
    kind = "float16" if dtype == "float16" else "float32"
    stored = array.astype({"float16": "<f2", "float32": "<f4"}[kind])
    return {"dtype": kind}, stored.tobytes(), stored.astype("float32")


def _read_back(weights: Weights, arrays: Arrays) -> Weights:
    """The same weights with the numbers that the page has."""
    layers = [Layer(layer.computes, layer.gates, {name: arrays[f"layer{i}.{name}"] for name in layer.arrays})
              for i, layer in enumerate(weights.layers)]
    norms = [{name: arrays[f"norm{i + 1}.{name}"] for name in norm} for i, norm in enumerate(weights.norms)]
    return dataclasses.replace(weights, layers=layers, norms=norms, embedding=arrays.get("embedding"),
                               output=arrays["output"], bias=arrays["bias"], first_state=arrays["first_state"])


def write(run: Any, path: Path, dtype: str = "float32") -> Tuple[Path, ...]:
    """Write the page; with float16 or int8 it says how many bits per character the rounding costs."""
    weights = weights_of(run.model)
    parts, listed, stored = [], [], {}
    for name, array in _named(weights).items():
        how, packed, stored[name] = _packed(array, dtype)
        listed.append({"name": name, "size": int(array.size), **how})
        parts.append(packed)
    about, vocab = description(weights, run.vocab), run.vocab
    about.update({
        "title": run.title, "arrays": listed, "dtype": dtype,
        "prefix": run.config.prefix if vocab.begin_index is None else "",
        "parameters": f"{sum(parameter.data().size for _, parameter in run.model.named_parameters()):,}",
        "kinds": ", ".join(dict.fromkeys(layer.computes.replace("_", " ") for layer in weights.layers)),
        "shown": [_shown(vocab, i) for i in range(len(vocab))],
        "loss": _loss(run, weights, _read_back(weights, stored)) if dtype != "float32" else None})
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


def _loss(run: Any, exact: Weights, stored: Weights) -> Dict[str, str]:
    """Bits per character on a text that the run was not trained on, with both."""
    tokens = checking.passage_of(run, _LOSS_ON)
    per_token = run.vocab.tokenizer.characters_per_token(run.vocab.to_tokens(tokens.tolist()))
    return {name: f"{bits_per_token(each, tokens) / per_token:.3f}"
            for name, each in (("exact", exact), ("stored", stored))}


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
        weights = weights_of(run.model)
        stored = {name: _packed(array, about["dtype"])[2] for name, array in _named(weights).items()}
        scores, last = logits_of(_read_back(weights, stored), tokens)
        expected = scores[:, None], last[:, :, None]
    return checking.compared(expected, (logits, state), Path(program).name)
