"""See to it that our library and MXNet share one OpenMP runtime.

Each OpenMP runtime of a process has threads of its own.  Packages such as torch and scikit-learn bring copies of
libgomp, and other builds bring libiomp5 or libomp.  That such a copy is loaded does no harm to us: MXNet and we run our
parallel regions one after the other, on the threads of one runtime.  But if our library called another runtime than
MXNet's, every core would have two threads that take turns at the layers of one network, each spinning while it waits
for the other's to end: more threads than cores, and after a fork two pools of threads that are gone.

Which runtime a library calls is decided when it is loaded: first by what had been loaded for all (``RTLD_GLOBAL``,
``LD_PRELOAD``), then by what it depends on.  MXNet is imported before our library is loaded, so a package that is
imported in between can make the difference.  Where it would, our library is bound to what it depends on, as MXNet was;
where the two still differ, it is not used.
"""

import ctypes
import os
from pathlib import Path

FOLDER = Path(__file__).parent
_FUNCTION = "GOMP_parallel"


def runtime_of(library: str) -> str:
    """The file of the OpenMP runtime that a loaded library calls; "" where that is not known.

    Parameters
    ----------
    library : str
        The library's file.
    """
    if not (FOLDER / "processor.any.so").exists():
        return ""
    ask = ctypes.CDLL(str(FOLDER / "processor.any.so")).gluon_deeprnn_openmp
    ask.restype = ctypes.c_char_p
    found = os.fsdecode(ask(os.fsencode(library)))
    return os.path.realpath(found) if found else ""


def bind(library: str, beside: str) -> str:
    """Load a library so that it shares the OpenMP runtime of one that is loaded.

    Parameters
    ----------
    library, beside : str
        Their files.

    Returns
    -------
    str
        "", or why the library must not be used.
    """
    theirs = runtime_of(beside)
    mode = os.RTLD_NOW
    if theirs and _runtime_for_all() not in ("", theirs):
        mode |= getattr(os, "RTLD_DEEPBIND", 0)
    try:
        ctypes.CDLL(library, mode)
    except OSError as error:
        return f"it cannot be loaded ({error})"
    return conflict(runtime_of(library), theirs)


def conflict(ours: str, theirs: str) -> str:
    """Why two libraries must not work together, by the files of their OpenMP runtimes ("" where one is not known)."""
    if not ours or not theirs or ours == theirs:
        return ""
    return (f"it would use another OpenMP runtime, {ours}, than MXNet, {theirs}: twice as many threads as cores; "
            "import gluon_deeprnn before other packages")


def _runtime_for_all() -> str:
    """The runtime that is loaded for all libraries; "" where there is none."""
    everyone = ctypes.CDLL(None)
    if not hasattr(everyone, _FUNCTION):
        return ""
    address = ctypes.cast(getattr(everyone, _FUNCTION), ctypes.c_void_p).value or 0
    for line in Path("/proc/self/maps").read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        begin, _, end = line.split()[0].partition("-")
        if int(begin, 16) <= address < int(end, 16):
            return os.path.realpath(line.split(maxsplit=5)[-1])
    return ""
