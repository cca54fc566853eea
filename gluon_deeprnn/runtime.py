"""Setup that is required before, or right after, MXNet 1.9.1 is imported.

``import gluon_deeprnn`` imports this module first.  It imports MXNet such that MXNet

* works with NumPy 1.24 and later, NumPy 2 included: names that MXNet reads and NumPy has removed are added to NumPy
  again; a name that NumPy has is never replaced;
* uses all CPU cores that are available to this process (MXNet's default is half of the machine's processors);
* does not spin for long on a busy core.  libgomp's threads spin while they wait for each other.  With a spin count of
  1,000 the chapter's GRU step takes 20 ms on an idle machine, as with any other; next to another training 36 ms, where
  it takes 55 with 30,000 and 48 to 65 with 300,000.  Steps of many small operators take 220 ms there, against 2,700
  and 310 to 410 (2 cores of an AMD EPYC, a virtual machine);
* reuses the memory that operators free (glibc only).  Otherwise each array above 128 KiB is mapped and unmapped again,
  and the page faults take as much time as the arithmetic;
* takes NumPy 2's scalars, such as ``numpy.int64(3)``, in shapes and other arguments of its operators;
* works in NumPy mode in every thread, and prints no warnings of its own, even with ``python -W error``.

These environment variables are read at import, so later changes of them have no effect.  Values that the user has set
take precedence:

``OMP_NUM_THREADS``
    The number of threads; `threads` returns the number in use.
``GOMP_SPINCOUNT``, ``OMP_WAIT_POLICY``
    How long libgomp spins; if either is set, neither is changed.
``GLUON_DEEPRNN_KEEP_MEMORY``
    ``0`` disables the malloc setting.  Any of glibc's own ``MALLOC_*`` variables disables it too.
"""

import contextlib
import ctypes
import importlib
import math
import os
from pathlib import Path
import platform
import sys
import types
from typing import Any, Callable, Dict, Iterator, Optional, Tuple
import warnings

from gluon_deeprnn.errors import Described, InputError
import numpy

_MXNET_VERSION = "1.9.1"
_INSTALL = "python3 -m pip install --no-deps mxnet==1.9.1 gluonnlp==0.10.0"
_SHARED_LIBRARIES = {"libgomp": "libgomp1", "libquadmath": "libquadmath0", "libgfortran": "libgfortran5",
                     "libopenblas": "libopenblas0"}
_SPIN_TURNS = "1000"

_REMOVED_VALUES = {"PZERO": 0.0, "NZERO": -0.0, "NINF": -math.inf, "PINF": math.inf, "Inf": math.inf, "infty": math.inf,
                   "Infinity": math.inf, "NaN": math.nan, "NAN": math.nan}
_RENAMED = {"alltrue": "all", "sometrue": "any", "product": "prod", "cumproduct": "cumprod", "row_stack": "vstack",
            "in1d": "isin", "trapz": "trapezoid", "round_": "round", "float_": "float64"}
_FINANCIAL = ("mirr", "npv", "pmt", "ppmt", "pv", "rate")
"""Names that MXNet 1.9.1 reads from NumPy and that NumPy has removed.  MXNet reads them at import.  Some MXNet modules
that a user may import later read them again, so they are not deleted afterwards."""


def usable_cores() -> int:
    """The number of CPU cores available to this process: its affinity, limited by the quota of its control group."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    return max(1, int(min(affinity, _control_group_cores())))


_GROUPS, _MEMBERSHIP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def _control_groups(controller: str, root: Path, membership: Path) -> Iterator[Path]:
    """The folders of this process's control group, by version 1 or 2, and of all groups that contain it.

    In a container the folder can be missing, since its path is that of the machine; those above it are there.
    """
    try:
        lines = [line.split(":", 2) for line in membership.read_text().splitlines()]
    except OSError:
        return
    for _, controllers, path in (line for line in lines if len(line) == 3):
        if controllers and controller not in controllers.split(","):
            continue
        base = root / controllers if controllers else root  # version 1 has a tree for each controller, 2 has one tree
        group = base / path.lstrip("/")
        for folder in (group, *group.parents):
            yield folder
            if folder == base:
                break


def _control_group_cores(root: Path = _GROUPS, membership: Path = _MEMBERSHIP) -> float:
    """The CPU quota, in cores, of this process's control group and of all that contain it; inf if there is none."""
    return min(map(_quota, _control_groups("cpu", root, membership)), default=math.inf)


def _quota(folder: Path) -> float:
    for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
        try:
            quota, period = " ".join((folder / name).read_text() for name in names).split()
            if quota not in ("max", "-1"):
                return int(quota) / int(period)
        except (OSError, ValueError):
            continue
    return math.inf


def _control_group_memory(root: Path = _GROUPS, membership: Path = _MEMBERSHIP) -> float:
    """The memory limit, in bytes, of this process's control group and of all that contain it; inf if there is none."""
    return min(map(_memory_limit, _control_groups("memory", root, membership)), default=math.inf)


def _memory_limit(folder: Path) -> float:
    """The lowest limit of one group: above ``memory.high`` a process is not killed, but as good as stopped."""
    limit = math.inf
    for name in ("memory.max", "memory.high", "memory.limit_in_bytes"):
        try:
            limit = min(limit, int((folder / name).read_text()))
        except (OSError, ValueError):  # "max"
            continue
    return limit


@contextlib.contextmanager
def _environment(settings: Dict[str, str]) -> Iterator[None]:
    """Set environment variables during an import: libraries read them when loaded, child processes do not need them."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _asked_threads() -> Optional[int]:
    """The value of ``OMP_NUM_THREADS``; the first one of a list, which has one value for each nesting level."""
    asked = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(asked) if asked.isdigit() and int(asked) > 0 else None


def _keep_freed_memory() -> bool:
    """Make glibc's malloc keep freed memory; return False if the user disabled this or there is no glibc."""
    if os.environ.get("GLUON_DEEPRNN_KEEP_MEMORY") == "0" or any(name.startswith("MALLOC_") for name in os.environ):
        return False
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    trim_threshold, top_pad, mmap_threshold = -1, -2, -3  # from malloc.h
    return all([mallopt(mmap_threshold, 2**30), mallopt(trim_threshold, 2**31 - 1), mallopt(top_pad, 2**26)])


def _removed_names() -> Iterator[Tuple[str, Any]]:
    """The removed NumPy names that MXNet reads, with their values."""
    yield "bool", bool
    yield from _REMOVED_VALUES.items()
    yield from ((old, getattr(numpy, new)) for old, new in _RENAMED.items() if hasattr(numpy, new))
    yield "msort", lambda a: numpy.sort(a, axis=0)
    yield "compat", types.SimpleNamespace(basestring=str)
    for name in _FINANCIAL:
        yield name, _gone(name)


def _gone(name: str) -> Callable[..., Any]:
    def function(*_: Any, **__: Any) -> Any:
        raise RuntimeError(f"numpy.{name} was removed from NumPy (NEP 32); the package numpy_financial has it")
    function.__name__ = name
    return function


def _put_back_removed_names() -> None:
    """Add to NumPy the names that MXNet reads and this NumPy does not have, or has only with a warning."""
    for name, meaning in _removed_names():
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                getattr(numpy, name)
            except (AttributeError, Warning):
                setattr(numpy, name, meaning)


def _import_mxnet() -> None:
    if sys.flags.optimize > 1:
        raise ImportError("Python must keep docstrings, which MXNet reads; got -OO or PYTHONOPTIMIZE=2 (-O is fine)")
    if "mxnet" not in sys.modules and any(name.startswith("mxnet.") for name in sys.modules):
        raise ImportError(
            "mxnet must be imported after gluon_deeprnn; got an earlier import of mxnet that failed (mxnet alone does "
            f"not support NumPy {numpy.__version__}: restart Python and write `import gluon_deeprnn` first)")
    _put_back_removed_names()
    # MXNet crashes on a list of numbers, which OpenMP allows.
    settings = {"OMP_NUM_THREADS": str(_threads or usable_cores())}
    if not _spin_settings:
        settings["GOMP_SPINCOUNT"] = _SPIN_TURNS
    with warnings.catch_warnings(), _environment(settings):
        warnings.simplefilter("ignore")
        try:
            if sys.version_info >= (3, 12):
                importlib.import_module("setuptools")  # provides distutils, which MXNet imports
            importlib.import_module("mxnet")
            importlib.import_module("gluonnlp")
        except ModuleNotFoundError as error:
            name = "setuptools" if error.name == "distutils" else error.name
            line = _INSTALL if name in ("mxnet", "gluonnlp") else f"python3 -m pip install {name}"
            raise ImportError(f"{name} must be installed; got none (run: {line})") from None
        except OSError as error:  # a shared library that is not part of the wheel
            missing = next((name for name in _SHARED_LIBRARIES if name in str(error)), None)
            remedy = f" (on Debian or Ubuntu: apt-get install {_SHARED_LIBRARIES[missing]})" if missing else ""
            raise ImportError(f"mxnet must be loadable; got {error}{remedy}") from None


_imported_before = "mxnet" in sys.modules
_threads = _asked_threads() or (None if _imported_before else usable_cores())
_spin_settings = {name: os.environ[name] for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY") if name in os.environ}
keeps_memory: bool = _keep_freed_memory()
_import_mxnet()

from gluon_deeprnn import mxnet_private  # noqa: E402
import mxnet  # noqa: E402

if mxnet.__version__ != _MXNET_VERSION:
    warnings.warn(f"gluon_deeprnn is written for mxnet {_MXNET_VERSION}; got {mxnet.__version__}", stacklevel=2)
mxnet.npx.set_np()
mxnet_private.numpy_mode_in_every_thread()
mxnet_private.accept_numpy_scalars()
mxnet_private.accept_names_of_earlier_versions()


def threads() -> Optional[int]:
    """The number of OpenMP threads that MXNet uses, or None if mxnet was imported earlier, with its own default."""
    return _threads


def spin_count() -> Tuple[Optional[str], str]:
    """How many turns of a loop an OpenMP thread waits for others before it sleeps, and what sets that number.

    The number is None where OpenMP chooses it.
    """
    if "GOMP_SPINCOUNT" in _spin_settings:
        return _spin_settings["GOMP_SPINCOUNT"], "GOMP_SPINCOUNT, set by the user"
    if "OMP_WAIT_POLICY" in _spin_settings:
        return None, f"OMP_WAIT_POLICY={_spin_settings['OMP_WAIT_POLICY']}, set by the user"
    if _imported_before:
        return None, "mxnet was imported before gluon_deeprnn"
    return _SPIN_TURNS, "GOMP_SPINCOUNT, set by gluon_deeprnn"


def check_memory(name: str, got: str, needed: int) -> None:
    """Raise an error, before any memory is allocated, if more is needed than there is.

    Parameters
    ----------
    name, got : str
        What needs it, and its value, for the message.
    needed : int
        The bytes.

    Raises
    ------
    ValueError
        "num_samples must be small enough for this machine's 8.0 GB of memory; got 1000000: about 81.9 GB".
    """
    available = memory_bytes()
    if needed > available:
        raise InputError(name, f"small enough for this machine's {available / 1e9:.1f} GB of memory",
                         Described(f"{got}: about {needed / 1e9:.1f} GB"))


def memory_bytes() -> int:
    """The memory that this process may use, in bytes: the machine's, or the limit of its control group if it is lower.

    The limits of all groups that contain its group count too, as of a container, a job of Slurm or a unit of systemd.
    """
    return int(min(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), _control_group_memory()))


def versions() -> Dict[str, str]:
    """The versions that a result depends on: Python, this package and its dependencies, the platform."""
    from importlib import metadata

    found = {"python": platform.python_version()}
    for package in ("gluon_deeprnn", "mxnet", "gluonnlp", "numpy", "matplotlib", "regex"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    found["platform"] = f"{platform.system()} {platform.machine()}"
    return found
