"""Contestants, each a process of its own, that take turns; and what they measured."""

import json
import os
from pathlib import Path
import statistics
import subprocess
from typing import Any, Dict, List

from benchmarks.arithmetic import PEAK_FLOP
from benchmarks.environments import python_of

HERE = Path(__file__).parent
SCRIPTS = {"ours": "ours.py", "d2l-mxnet": "d2l_mxnet.py", "torch": "torch_peer.py", "jax": "jax_peer.py",
           "peak": "peak.py"}
INSTRUCTIONS = {
    "avx512": {"GLUON_DEEPRNN_KERNELS": "avx512", "OPENBLAS_CORETYPE": "SkylakeX"},
    "avx2": {"GLUON_DEEPRNN_KERNELS": "avx2", "OPENBLAS_CORETYPE": "Haswell", "DNNL_MAX_CPU_ISA": "AVX2",
             "ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2",
             "XLA_FLAGS": "--xla_cpu_max_isa=AVX2"},
    "neon": {"GLUON_DEEPRNN_KERNELS": "neon"},
    "mxnet": {"GLUON_DEEPRNN_KERNELS": "mxnet"}}
"""The environment in which all contestants use the same instructions, by our library's name."""

Job = Dict[str, Any]


class Contestant:
    """A process that does its work at each call."""

    def __init__(self, name: str, job: Job, instructions: str) -> None:
        self.name = name
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_", "MXNET_", "MALLOC_"))}
        who = name.split()[0]  # "ours not-hybridized" is ours
        self._process = subprocess.Popen([python_of(who), str(HERE / SCRIPTS[who]), json.dumps(job)],
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                         env={**environment, **INSTRUCTIONS[instructions]})

    def ready(self) -> None:
        """Wait until it has prepared itself."""
        self._read()

    def work(self) -> Dict[str, float]:
        """Seconds, and what else it measured, of another turn."""
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> Dict[str, float]:
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"benchmarks: {self.name} ended with status {self._process.wait()}")
        return json.loads(line)

    def close(self) -> None:
        """Let it end."""
        self._process.stdin.close()
        self._process.wait()


class Report:
    """Rounds of contestants that use the same instructions, and what came of them."""

    def __init__(self, rounds: int, folder: Path, instructions: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.rounds, self.folder, self.instructions = rounds, folder, instructions
        self.medians: Dict[str, Dict[str, float]] = {}
        self.peak = 0.0  # FLOP/s of a large product in NumPy
        self._lines = (folder / "measured.jsonl").open("w")
        self._table = (folder / "tables.md").open("w")

    def say(self, text: str = "") -> None:
        """A line of the tables."""
        print(text, flush=True)
        print(text, file=self._table, flush=True)

    def measure_peak(self) -> None:
        """Measure the processor: its fastest round."""
        self.peak = PEAK_FLOP / min(self.compare("peak", {"peak": {}})["peak"])

    def share(self, flop: int, seconds: float) -> str:
        """The share of the peak that work took."""
        return f"{flop / seconds / self.peak:.0%}"

    def compare(self, what: str, jobs: Dict[str, Job]) -> Dict[str, List[float]]:
        """Seconds of each contestant in every round."""
        contestants = []
        for name, job in jobs.items():  # one prepares itself after the other
            contestants.append(Contestant(name, job, self.instructions))
            contestants[-1].ready()
        seconds: Dict[str, List[float]] = {name: [] for name in jobs}
        for i in range(self.rounds + 1):
            for contestant in contestants:
                measured = contestant.work()
                if i > 0:
                    seconds[contestant.name].append(measured["seconds"])
                    print(json.dumps({"what": what, "who": contestant.name, "round": i, **measured}), file=self._lines,
                          flush=True)
        for contestant in contestants:
            contestant.close()
        self.medians[what] = {name: statistics.median(values) for name, values in seconds.items()}
        return seconds
