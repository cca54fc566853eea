"""A ``%%bash`` for the pages: one output in one piece, errors included; a command that fails stops the build.

IPython's own sends what a command writes in pieces of a hundred bytes, and each would begin a line of its own.
``%%fails`` runs commands that must fail: one that succeeds stops the build.
"""

import subprocess


def run(line, cell):
    """Run a cell of shell commands."""
    done = subprocess.run(["bash", "-e"], input=cell, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(done.stdout.rstrip())
    done.check_returncode()


def fail(line, cell):
    """Run a cell of shell commands, each of which must fail."""
    command = "".join(f"{part}\n[ $? != 0 ] || exit 99\n" for part in cell.replace("\\\n", " ").splitlines() if part)
    done = subprocess.run(["bash"], input=command + "exit 0\n", stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True)
    print(done.stdout.rstrip())
    done.check_returncode()


def load_ipython_extension(ipython):
    """``%load_ext shell``."""
    ipython.register_magic_function(run, "cell", "bash")
    ipython.register_magic_function(fail, "cell", "fails")
