"""How the libraries are built, for tests that build them again."""

from pathlib import Path
import platform
import shutil
import types

import gluon_deeprnn
import pytest

PACKAGE = Path(gluon_deeprnn.__file__).parent
FOLDER = PACKAGE / "kernels"

x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="needs x86-64")


def needs(*programs):
    missing = [program for program in programs if shutil.which(program) is None]
    return pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(missing)}")


def settings(name):
    """What setup.py compiles a library with."""
    # It is run up to its last statement, which would build.
    source = (PACKAGE.parent / "setup.py").read_text(encoding="utf-8")
    assert source.rstrip().splitlines()[-1].startswith("setup(")
    module = types.ModuleType("setup_of_the_package")
    exec("\n".join(source.rstrip().splitlines()[:-1]), vars(module))
    return [*module.FLAGS, *{k: v for targets in module.TARGETS.values() for k, v in targets.items()}[name]]
