"""The kernels under sanitizers: ``python tests/kernels/sanitizers.py`` builds, runs, and ends with status 0 or not.

Two builds of ``check_kernels.cc`` and ``check_writing.cc``, with all warnings as errors:

``address``
    Address, leak and undefined-behaviour sanitizer, with OpenMP, for vectors of 4, 8 and 16 floats.
``thread``
    Thread sanitizer.  It does not know how libgomp's threads wait for each other and would report every loop.  So the
    parallel loops run on threads of the standard library (``STD_THREADS`` in ``parallel.h``), which it knows.  It finds
    races between the iterations of our loops and between layers that work at the same time.  It says nothing about
    libgomp itself, nor about code outside ``parallel.h`` that would begin a parallel region of its own; a test sees
    that there is none.

Both take the portable loads and stores for ragged ends (``PLAIN_ENDS``): sanitizers do not see what masked
instructions access.  Those are covered by the tests of the libraries themselves.
"""

import os
from pathlib import Path
import shutil
import subprocess
import sys
import tempfile

from compiling import link

HERE = Path(__file__).parent
KERNELS = HERE.parents[1] / "gluon_deeprnn" / "kernels"
FLAGS = ["-std=c++17", "-O0", "-g", "-fno-omit-frame-pointer", "-Wall", "-Wextra", "-Werror", "-Wno-psabi",
         "-ffp-contract=off", "-DPLAIN_ENDS"]
KINDS = {
    "address": ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fopenmp"],
    "thread": ["-fsanitize=thread", "-DSTD_THREADS", "-pthread"],
}
LANES = {"address": (4, 8, 16), "thread": (16,)}
SOURCES = ("layer.cc", "layer_norm.cc", "cross_entropy.cc", "operator.cc", "output_operators.cc", "abi.cc",
           "writing.cc", "weight_dropout.cc", "activity.cc", "regularisation_operators.cc")
CHECKS = ("check_kernels.cc", "check_writing.cc")
SECONDS = 600


def missing(kind: str) -> str:
    """Why a kind cannot be built here; "" where it can."""
    if shutil.which("g++") is None:
        return "needs g++"
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a.cc").write_text("int main() {}\n")
        flags = [flag for flag in KINDS[kind] if flag != "-DSTD_THREADS"]
        done = subprocess.run(["g++", *flags, "a.cc", "-o", "a"], cwd=folder, capture_output=True, check=False)
        if done.returncode == 0:  # some systems cannot run what they build
            done = subprocess.run([f"{folder}/a"], capture_output=True, check=False)
    return "" if done.returncode == 0 else f"needs g++ with its libraries for -fsanitize ({kind})"


def check(kind: str, lanes: int, folder: Path, cache: Path, kernels: Path = KERNELS) -> subprocess.CompletedProcess:
    """Build the program and run it; what it reported.  ``cache`` is the folder of its objects."""
    program = folder / f"check_{kind}_{lanes}"
    files = [*(HERE / name for name in CHECKS), *(kernels / name for name in SOURCES)]
    link(files, [*FLAGS, *KINDS[kind], f"-DLANES={lanes}", f"-I{kernels}"], program, cache)
    settings = {"OMP_NUM_THREADS": "4", "OMP_WAIT_POLICY": "passive", "TSAN_OPTIONS": "halt_on_error=1:exitcode=66",
                "ASAN_OPTIONS": "detect_leaks=1:exitcode=67"}
    return subprocess.run([str(program)], env={**os.environ, **settings}, capture_output=True, text=True, check=False,
                          timeout=SECONDS)


def main() -> int:
    """All kinds and sizes of vectors; the number of those that failed or could not be built."""
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for kind in KINDS:
            for lanes in LANES[kind]:
                reason = missing(kind)
                done = None if reason else check(kind, lanes, Path(folder), Path(folder))
                failed += done is None or done.returncode != 0
                verdict = reason if done is None else done.stderr if done.returncode else "nothing to report"
                print(f"{kind}, vectors of {lanes}: {verdict}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
