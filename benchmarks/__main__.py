"""Time the same work, ours and the peers', in turn; print tables, write JSON lines and a picture.

usage: python -m benchmarks [--rounds N] [--only epoch,scratch,generate,step,predict] [--without torch,jax]
                            [--libraries avx512,avx2] [--out DIR]

Every contestant is a process of its own with its own packages, threads and settings.  It prepares itself, then works
whenever it reads a line, and answers with the seconds that it took.  All take their turn in each round, so that a
machine whose speed drifts treats them alike.  The first round warms up and is not counted.  Everything is measured once
with each of our libraries that works on this processor, and with the peers limited to the same instructions.
"""

import argparse
import math
import os
from pathlib import Path
import platform
import statistics
import tempfile
from typing import Dict, List

from gluon_deeprnn.data import TextData, default_corpus
from gluon_deeprnn.kernels.libraries import processor, verdicts
import numpy

from benchmarks.arithmetic import of_epoch, of_layers
from benchmarks.contest import HERE, INSTRUCTIONS, Report
from benchmarks.environments import python_of
from benchmarks.picture import draw

CELLS = ("gru", "lstm", "rnn", "scratch")
TEXT_MODELS = ((32, 28), (256, 65), (512, 65))
SIZES = [(hiddens, layers) for hiddens in (64, 256, 1024) for layers in (1, 2, 4, 8)]


def epochs(report: Report, peers: List[str]) -> None:
    """One epoch of the chapter's job."""
    source = default_corpus()
    data = TextData([source], 1024, 32)
    report.say(f"One epoch of the chapter's job (2 layers, 32 hidden units, batch 1024, 32 steps, 10 training and 5 "
               f"validation batches) on {source.name}, in seconds; median (min to max).\n")
    report.say("| cell | who | seconds an epoch | ours is faster by | share of the peak |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        tokens = Path(folder) / "tokens.npy"
        numpy.save(tokens, data.vocab.encode(data.vocab.split(source.text)))
        for cell in CELLS:
            job = {"job": "epoch", "cell": cell, "tokens": str(tokens), "vocab_size": len(data.vocab)}
            names = ["ours", "d2l-mxnet", *(p for p in peers if not (p == "jax" and cell == "scratch"))]
            jobs = dict.fromkeys(names, job)
            if "torch" in peers:
                jobs["torch compiled"] = {**job, "compiled": True}
            seconds = report.compare(f"epoch {cell}", jobs)
            ours = statistics.median(seconds["ours"])
            flop = of_epoch(cell, len(data.vocab), train_tokens=10_000 * 32, val_tokens=5_000 * 32)
            for name, values in seconds.items():
                median = statistics.median(values)
                report.say(f"| {cell} | {name} | {median:.3f} ({min(values):.3f} to {max(values):.3f}) | "
                           f"{median / ours:.2f} | {report.share(flop, median)} |")
    report.say()


def scratch(report: Report) -> None:
    """The scratch network hybridized against the same block not hybridized."""
    report.say("The scratch network, forward and backward (2 x 32, 32 steps), in milliseconds; median.\n")
    report.say("| batch | hybridized | not hybridized | faster by |\n|---|---|---|---|")
    for batch in (1024, 32):
        job = {"job": "step", "cell": "scratch", "num_hiddens": 32, "num_layers": 2, "batch_size": batch,
               "num_steps": 32, "train": True}
        report.compare(f"scratch {batch}", {"ours": job, "ours not-hybridized": {**job, "hybridize": False}})
        fast, slow = report.medians[f"scratch {batch}"].values()
        report.say(f"| {batch} | {fast * 1e3:.1f} | {slow * 1e3:.1f} | {slow / fast:.1f} |")
    report.say()


def steps(report: Report, *, train: bool) -> None:
    """The layers alone at many sizes, against torch."""
    kind = "forward and backward" if train else "prediction alone"
    report.say(f"The layers alone, {kind}, batch 64, 35 steps, inputs as wide as the layers: torch's time over ours, "
               "and in brackets our share of the peak.\n")
    report.say("| cell | hidden | 1 layer | 2 | 4 | 8 | geometric mean |\n|---|---|---|---|---|---|---|")
    for cell in CELLS[:3]:
        ratios: List[float] = []
        shares: List[str] = []
        for hiddens, layers in SIZES:
            job = {"job": "step", "cell": cell, "num_hiddens": hiddens, "num_layers": layers, "train": train}
            what = f"{'step' if train else 'predict'} {cell} {hiddens} {layers}"
            report.compare(what, {"ours": job, "torch": job})
            ours = report.medians[what]["ours"]
            ratios.append(report.medians[what]["torch"] / ours)
            shares.append(report.share(of_layers(cell, hiddens, layers, 64 * 35, train=train), ours))
            if layers == 8:
                row = " | ".join(f"{ratio:.2f} ({share})" for ratio, share in list(zip(ratios, shares))[-4:])
                mean = f"{math.exp(statistics.mean(map(math.log, ratios))):.2f}" if hiddens == 1024 else ""
                report.say(f"| {cell} | {hiddens} | {row} | {mean} |")
    report.say()


def generation(report: Report, peers: List[str]) -> None:
    """Text from GRUs of three sizes, one stream and many."""
    report.say("Text sampled from a GRU, 500 characters, in microseconds per character; median.\n")
    report.say("| layers x units, symbols | who | 1 stream | 64 streams, per character |\n|---|---|---|---|")
    names = ["ours", *(peer for peer in peers if peer == "torch")]
    for hiddens, symbols in TEXT_MODELS:
        rows: Dict[str, List[float]] = {}
        for streams in (1, 64):
            what = f"generate {hiddens} {streams}"
            job = {"job": "generate", "length": 500, "streams": streams, "num_hiddens": hiddens, "vocab_size": symbols}
            report.compare(what, dict.fromkeys(names, job))
            for name, median in report.medians[what].items():
                rows.setdefault(name, []).append(median / 500 / streams * 1e6)
        for name, (one, many) in rows.items():
            report.say(f"| 2 x {hiddens}, {symbols} | {name} | {one:.1f} | {many:.2f} |")
    report.say()


def main() -> None:
    """Run what is asked for."""
    works = [name for name, verdict in verdicts().items() if not verdict]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="epoch,scratch,generate,step,predict")
    parser.add_argument("--without", default="", help="peers to leave out: torch, jax")
    parser.add_argument("--libraries", default=",".join(works) or "mxnet", help="which of ours; default: %(default)s")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    options = parser.parse_args()
    peers = [peer for peer in ("torch", "jax") if peer not in options.without.split(",")]
    for peer in peers:
        python_of(peer)
    for library in options.libraries.split(","):
        if library not in INSTRUCTIONS:
            parser.error(f"--libraries must be of {', '.join(INSTRUCTIONS)}; got {library}")
        measure(Report(options.rounds, options.out / library, library), options.only.split(","), peers)


def measure(report: Report, tasks: List[str], peers: List[str]) -> None:
    """Measure with one of our libraries."""
    load = os.getloadavg()[0]
    report.measure_peak()
    report.say(f"{processor()[0] or platform.machine()}, {len(os.sched_getaffinity(0))} cores, library "
               f"{report.instructions}, load {load:.1f} at the beginning, {report.rounds} rounds. The peak, a large "
               f"product in NumPy with the same instructions: {report.peak / 1e9:.0f} GFLOP/s.\n")
    for what in tasks:
        if what == "epoch":
            epochs(report, peers)
        elif what == "scratch":
            scratch(report)
        elif what == "generate":
            generation(report, peers)
        elif what in ("step", "predict") and "torch" in peers:
            steps(report, train=what == "step")
    draw(report.medians, report.folder / "epochs.png")


if __name__ == "__main__":
    main()
