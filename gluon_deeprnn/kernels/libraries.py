"""Choose the compiled library for this processor: find it, try it once, load it.

A library that was built for another processor, or is damaged, would end the process that calls it.  So each is tried
first in a process of its own (`gluon_deeprnn.kernels.trial`), on small layers whose results are known.  The result of
the trial is kept in the user's cache, for this processor and this build: later starts read it in a millisecond.

Environment variable, read at the first use:

``GLUON_DEEPRNN_KERNELS``
    ``mxnet`` leaves our operators out; ``avx2``, ``avx512`` or ``neon`` ask for one of the libraries.
"""

import contextlib
import ctypes
import functools
import hashlib
import logging
import os
from pathlib import Path
import platform
import signal
import subprocess
import sys
import threading
from typing import Dict, List, Optional, Tuple

from gluon_deeprnn import mxnet_private
from gluon_deeprnn.errors import Described, InputError
from gluon_deeprnn.kernels import openmp
from gluon_deeprnn.kernels.trial import interface
from gluon_deeprnn.storage import cache_folder, read_json, write_json
from mxnet import ndarray, symbol
from mxnet.base import MXNetError, OpHandle, c_str, check_call, mx_uint

_FOLDER = Path(__file__).parent
_OPERATORS = ("gluon_deeprnn_layer", "gluon_deeprnn_layer_norm", "gluon_deeprnn_cross_entropy",
              "gluon_deeprnn_log_probs", "gluon_deeprnn_weight_dropout", "gluon_deeprnn_activity")
_TRIAL = _FOLDER / "trial"
_TRIAL_SECONDS = 120.0
_MOST_VERDICTS = 64
_PASSED = ""
_CACHE = "libraries.json"

_log = logging.getLogger(__name__)
_one_at_a_time = threading.RLock()
_refused: Dict[str, str] = {}
"""Libraries that work on this processor and yet are not used in this process, and why."""


def loaded() -> Optional[str]:
    """The library whose operators are used, "avx512", "avx2" or "neon"; None where MXNet's do all the work.

    Raises
    ------
    ValueError
        "GLUON_DEEPRNN_KERNELS must be mxnet, or a library that is compiled and works on this processor: ...".
    """
    with _one_at_a_time:
        return _chosen()


def opened() -> ctypes.CDLL:
    """The library that `loaded` names, for its plain functions.

    Raises
    ------
    ValueError
        Where none is loaded.
    """
    name = loaded()
    if name is None:
        raise InputError("the operators", "compiled, and work on this processor", Described(why_not()))
    return ctypes.CDLL(str(_FOLDER / f"layer.{name}.so"))  # the one that is loaded


@functools.cache
def _chosen() -> Optional[str]:
    asked = os.environ.get("GLUON_DEEPRNN_KERNELS", "")
    if asked == "mxnet":
        return None
    found = verdicts()
    passed = [name for name, verdict in found.items() if verdict == _PASSED]
    if asked and asked not in passed:
        raise InputError("GLUON_DEEPRNN_KERNELS", "mxnet, or a library that is compiled and works on this processor: "
                         f"{', '.join(passed) or 'none'}", asked, found.get(asked) or None)
    failed: List[str] = []
    for name in [asked] if asked else list(found):
        verdict = found[name] or _load(_FOLDER / f"layer.{name}.so")
        if verdict == _PASSED:
            _say_what_failed(failed, f"the library for {name}")
            return name
        _refused[name] = verdict
        failed.append(f"{name}: {verdict}")
    _say_what_failed(failed, "MXNet's own, slower, operators")
    return None


def _say_what_failed(failed: List[str], instead: str) -> None:
    if failed:
        _log.warning("%s will compute the recurrent layers, as a compiled library does not work here (%s)", instead,
                     "; ".join(failed))


def processor() -> Tuple[str, List[str]]:
    """The processor's name, and the libraries that it can run, the fastest first; ("", []) where it is not known.

    The processor itself is asked, by a small library that every processor of its kind runs.
    """
    library = _FOLDER / "processor.any.so"
    if not library.exists() or _verdict(library, "any processor") != _PASSED:
        return "", []
    name, _, runs = interface.describe(str(library)).partition("\n")
    return name, runs.split()


def verdicts() -> Dict[str, str]:
    """For each library that is compiled and that this processor can run, the fastest first: "" where it works, or why
    it is not used.

    Libraries that were not tried yet are tried now.  Where the library that asks for the processor does not work, it
    is the only one, as "processor".
    """
    asks = _FOLDER / "processor.any.so"
    if asks.exists() and _verdict(asks, "any processor") != _PASSED:
        return {"processor": _verdict(asks, "any processor")}
    name, runs = processor()
    libraries = {target: _FOLDER / f"layer.{target}.so" for target in runs}
    return {target: _verdict(library, name) for target, library in libraries.items() if library.exists()}


def _verdict(library: Path, processor_name: str) -> str:
    files = (library, *sorted(_TRIAL.glob("*.py")))
    tried = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    key = f"{library.name} {tried} on {processor_name}"
    kept = _kept()
    if key not in kept:
        verdict, is_final = _try(library)
        if not is_final:
            return verdict
        kept = {**dict(list(kept.items())[1 - _MOST_VERDICTS:]), key: verdict}
        with contextlib.suppress(InputError, OSError, RuntimeError):  # no home, or none that can be written to
            cache_folder().mkdir(parents=True, exist_ok=True)
            write_json(cache_folder() / _CACHE, kept)
    return kept[key]


def _kept() -> Dict[str, str]:
    """The verdicts in the cache; none where it cannot be read, as those can be had again."""
    try:
        kept = read_json(cache_folder() / _CACHE)
    except (InputError, RuntimeError):
        return {}
    return {k: v for k, v in kept.items() if isinstance(v, str)} if isinstance(kept, dict) else {}


def _try(library: Path) -> Tuple[str, bool]:
    """The verdict of a trial, and whether another trial would say the same."""
    if not sys.executable:
        return "there is no Python interpreter that could try it", False
    try:
        # -I: whatever else is installed, or set in the environment, has no part in it; -B: no files are written.
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-I", "-S", "-B", str(_TRIAL), str(library)], stdin=subprocess.DEVNULL,
            capture_output=True, text=True, errors="replace", timeout=_TRIAL_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"it could not be tried ({error})", False
    if done.returncode == 0:
        return _PASSED, True
    if done.returncode < 0:
        died = -done.returncode
        name = signal.Signals(died).name if died in set(signal.Signals) else f"signal {died}"
        return f"{name} ended its trial", died not in (signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGHUP)
    lines = done.stderr.split("\n")
    return f"its trial failed ({next((line for line in reversed(lines) if line), 'without a message')})", True


def _load(library: Path) -> str:
    """As ``mxnet.library.load``, which makes Python functions for all of MXNet's operators again and takes 0.5 s."""
    reason = openmp.bind(str(library), mxnet_private.library._name)
    if reason:
        return reason
    try:
        check_call(mxnet_private.library.MXLoadLib(c_str(str(library)), mx_uint(0)))
        for name in _OPERATORS:
            handle = OpHandle()
            check_call(mxnet_private.library.NNGetOpHandle(c_str(name), ctypes.byref(handle)))
            setattr(ndarray, name, mxnet_private.make_ndarray_function(handle, name, name))
            setattr(symbol, name, mxnet_private.make_symbol_function(handle, name, name))
    except MXNetError as error:
        return f"MXNet does not take it ({str(error).strip().splitlines()[-1]})"
    return _PASSED


def why_not() -> str:
    """Why our operators are not used, and what to do about it, for a person to read."""
    if os.environ.get("GLUON_DEEPRNN_KERNELS") == "mxnet":
        return "GLUON_DEEPRNN_KERNELS=mxnet asks for it"
    if platform.system() != "Linux" or platform.machine() not in ("x86_64", "aarch64"):
        return "ours need Linux on x86-64 or aarch64"
    if not (_FOLDER / "processor.any.so").exists():
        return "ours were not compiled: install g++, then this package again"
    failed = [f"{target}: {verdict}" for target, verdict in {**verdicts(), **_refused}.items() if verdict]
    if failed:
        return "; ".join(failed)
    name, runs = processor()
    if not runs:
        return f"ours need AVX2, which this processor has not: {name}"
    return "ours were not compiled for this processor: install g++, then this package again"
