"""Damage the files of a run in many ways and read them: python fuzz.py FOLDER EXAMPLES.  Prints the counts as JSON.

It runs in a separate process, so that a crash of the reader, or the allocation of gigabytes, would be detected.
"""

import collections
import json
from pathlib import Path
import resource
import shutil
import sys
import time

from gluon_deeprnn.errors import DeepRNNError
from gluon_deeprnn.models.weights import parameter_arrays
from gluon_deeprnn.runs import RunConfig, RunFolder, load_run
from gluon_deeprnn.runs.build import build_data, build_model, build_trainer
from gluon_deeprnn.runs.job import begin_run
from gluon_deeprnn.runs.stored import same_sources, stored_run
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

TEXT = "The quick brown fox jumps over the lazy dog, and the dog does not care at all. " * 20
FILES = ["config.json", "vocab.json", "history.jsonl", "model.npz", "checkpoint/checkpoint.npz"]

kinds = st.sampled_from(["cut", "flip", "overwrite", "insert", "delete", "double", "replace", "swap", "edit"])
PIECES = [b"", b"\0" * 64, b"[" * 5000, b"{}", b"[]", b"null", b"NaN", b"1e999", b"-1", b"9" * 400, b"../../etc/passwd",
          b"PK\x03\x04", b"PK\x05\x06", b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': ("
          b"99999999999,), }", b"cos\nsystem\n(S'echo'\ntR.", b"\xff\xfe", b"true", b'"' * 3]


def damaged(content: bytes, other: bytes, kind: str, where: float, piece: bytes, bit: int) -> bytes:
    """Return ``content``, damaged at the relative position ``where``."""
    at = min(int(where * len(content)), max(0, len(content) - 1))
    if kind == "cut":
        return content[:at]
    if kind == "flip":
        return content[:at] + bytes([content[at] ^ (1 << bit)]) + content[at + 1:]
    if kind == "overwrite":
        return content[:at] + piece + content[at + len(piece):]
    if kind == "insert":
        return content[:at] + piece + content[at:]
    if kind == "delete":
        return content[:at] + content[at + 1 + 7 * bit:]
    if kind == "double":
        return content + content
    if kind == "replace":
        return piece
    if kind == "swap":
        return other
    digits = [i for i, byte in enumerate(content) if 48 <= byte <= 57]  # edit: a number is changed
    i = digits[min(int(where * len(digits)), len(digits) - 1)]
    return content[:i] + str(10 ** bit).encode() + content[i + 1:]


def read(folder: RunFolder):
    """Return everything that the package reads from a run folder, as plain values."""
    run = load_run(folder.path)
    stored, vocab = stored_run(folder)
    data = build_data(stored.config, same_sources(stored, folder), vocab)
    arrays, about = folder.checkpoint()
    training = stored.own(about, folder.path).get("training")
    model = build_model(stored.config, len(vocab))
    trainer = build_trainer(stored.config.replace(max_epochs=2), progress=False)
    history = trainer.fit(model, data, resume=(arrays, training))
    ignored = ("max_epochs", "checkpoint_seconds", "ctx", "prefix")
    return ({k: v for k, v in run.config.as_dict().items() if k not in ignored}, run.vocab.idx_to_token,
            {k: v.tolist() for k, v in parameter_arrays(run.model).items()},
            {k: v.tolist() for k, v in parameter_arrays(model).items()}, history)


def main() -> None:
    """Damage, read, count."""
    top, examples = Path(sys.argv[1]), int(sys.argv[2])
    (top / "fox.txt").write_text(TEXT, encoding="utf-8")
    made = []
    for name, seed in (("run", 0), ("other", 1)):
        config = RunConfig(text=(str(top / "fox.txt"),), num_hiddens=6, num_layers=1, batch_size=64, num_steps=6,
                           num_train=64, num_val=64, max_epochs=2, prefix="the dog", optimizer="adam", lr=0.01,
                           seed=seed)
        folder = RunFolder(top / name)
        begin_run(config, folder, None, progress=False)
        made.append({file: (folder.path / file).read_bytes() for file in FILES})
    whole, others = made
    folder = RunFolder(top / "damaged")
    shutil.copytree(top / "run", folder.path)
    expected = read(folder)
    counts, slowest = collections.Counter(), [0.0]

    @settings(max_examples=examples, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(FILES), kinds, st.floats(0, 1), st.sampled_from(PIECES), st.integers(0, 7))
    def one(file, kind, where, piece, bit):
        content = damaged(whole[file], others[file], kind, where, piece, bit)
        (folder.path / file).write_bytes(content)
        started = time.process_time()
        try:
            got = read(folder)
            counts["read"] += 1
            # a change that is not detected must have no effect
            assert got == expected, f"{file} {kind} {where} {piece} {bit}"
        except DeepRNNError as error:
            counts["refused"] += 1
            if " must be " not in str(error) or "\n" in str(error):
                raise AssertionError(f"not a one-line error of this package: {error}") from error
        finally:
            slowest[0] = max(slowest[0], time.process_time() - started)
            (folder.path / file).write_bytes(whole[file])
        counts[file] += 1

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    one()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(json.dumps({**counts, "megabytes_grown": round(grown), "slowest_cpu_seconds": round(slowest[0], 2)}))


if __name__ == "__main__":
    main()
