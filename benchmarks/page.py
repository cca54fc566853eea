"""Tokens per second of the exported page's program in node, whose engine is Chromium's: python -m benchmarks.page.

The models have random parameters: the chapter's GRU on 28 characters, and an LSTM of the size of book-lstm.  Each page
reads tokens for SECONDS, after as many as WARM_UP; the median of ROUNDS.
"""

from pathlib import Path
import statistics
import subprocess
import tempfile
import types
from typing import Any

from gluon_deeprnn import GRU, LSTM, RNNLM, Vocab
from gluon_deeprnn.export.html_format import write

ROUNDS, SECONDS, WARM_UP = 5, 2, 20
_PROGRAM = """
const fs = require("fs"), vm = require("vm");
const page = fs.readFileSync(process.argv[1], "utf8"), part = (pattern) => page.match(pattern)[1];
console.log(vm.runInNewContext(part(/<script>\\n("use strict";\\n\\/\\/ A recurrent[^]*?)<\\/script>/) + `
  const model = new LanguageModel(about, readArrays(about.arrays, bytes));
  let state = model.begin();
  const read = (count) => { for (let i = 0; i < count; i++) ({ state } = model.step(state, i % model.size)); };
  read(${process.argv[3]});
  const begin = now();
  let tokens = 0;
  while (now() - begin < ${process.argv[2]} * 1000) { read(10); tokens += 10; }
  tokens / (now() - begin) * 1000`, {
    TextEncoder, now: () => performance.now(), about: JSON.parse(part(/application\\/json">(.*?)<\\/script>/)),
    bytes: new Uint8Array(Buffer.from(part(/text\\/plain">(.*?)<\\/script>/), "base64")) }));
"""


def rate(page: Path) -> float:
    """Tokens per second of a page."""
    command = ["node", "-e", _PROGRAM, str(page), str(SECONDS), str(WARM_UP)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    """Print a line for each model."""
    vocab = Vocab("abcdefghijklmnopqrstuvwxyz ")
    models: Any = {"GRU, 2 x 32, one-hot inputs": RNNLM(GRU(32, 2), len(vocab)),
                   "LSTM, 2 x 512, embedding of 64": RNNLM(LSTM(512, 2), len(vocab), embedding=64)}
    with tempfile.TemporaryDirectory() as folder:
        for name, model in models.items():
            config = types.SimpleNamespace(prefix="the")
            run = types.SimpleNamespace(model=model, vocab=vocab, title=name, config=config)
            page, = write(run, Path(folder) / "page.html")
            rates = sorted(rate(page) for _ in range(ROUNDS))
            spread = f"{rates[0]:,.0f} to {rates[-1]:,.0f}"
            print(f"{name}: {statistics.median(rates):,.0f} characters per second ({spread}), "
                  f"a page of {page.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
