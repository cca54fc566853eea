"""Compiles the kernels file by file; what was compiled before from the same text with the same flags is used again."""

import hashlib
import os
from pathlib import Path
import subprocess
import tempfile

SECONDS = 600


def link(files, flags, program, cache, linker=()):
    """Compile files of C++ and link them.

    Parameters
    ----------
    files : sequence of path
        The files.
    flags : sequence of str
        For the compiler and the linker.
    program : path
        What is made.
    cache : path
        The folder of the objects, by the hash of their preprocessed text.
    linker : sequence of str
        For the linker only.
    """
    objects = [_compiled(Path(file), list(flags), Path(cache)) for file in files]
    subprocess.run(["g++", *flags, *linker, *map(str, objects), "-o", str(program)], check=True, timeout=SECONDS)


def _compiled(file, flags, cache):
    text = subprocess.run(["g++", *flags, "-E", "-P", str(file)], check=True, capture_output=True,
                          timeout=SECONDS).stdout
    settings = repr([flag for flag in flags if not flag.startswith("-I")])
    found = cache / f"{hashlib.sha256(text + settings.encode()).hexdigest()}.o"
    if not found.exists():
        with tempfile.NamedTemporaryFile(dir=cache, suffix=".o", delete=False) as made:
            pass
        subprocess.run(["g++", *flags, "-c", str(file), "-o", made.name], check=True, timeout=SECONDS)
        os.replace(made.name, found)  # another process may have made it too
    return found
