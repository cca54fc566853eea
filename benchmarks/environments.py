"""An environment for each peer, made by the benchmark and kept beside it."""

from pathlib import Path
import subprocess
import sys
import venv

_HERE = Path(__file__).parent / ".peers"
PACKAGES = {"torch": ["torch", "numpy"], "jax": ["jax", "flax", "optax"]}


def python_of(peer: str) -> str:
    """The interpreter of a peer's environment, which is made if it is not there; ours for who needs none.

    Raises
    ------
    SystemExit
        When its packages cannot be installed, with what pip said last.
    """
    if peer not in PACKAGES:
        return sys.executable
    folder = _HERE / peer
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        print(f"benchmarks: installing {', '.join(PACKAGES[peer])} into {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        done = subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES[peer]], capture_output=True,
                              text=True, check=False)
        if done.returncode:
            raise SystemExit(f"benchmarks: {peer} must be installable; got {done.stderr.strip().splitlines()[-1]} "
                             f"(leave it out: --without {peer})")
        (folder / "ready").touch()
    return str(python)
