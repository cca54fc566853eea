"""The entry point of ``gluon-deeprnn``: all that runs before MXNet is imported.

This module is not part of the package, since importing any module of the package imports MXNet.
"""

import importlib.metadata
import os
import sys
from typing import Optional, Sequence


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run the command line; ``--version`` does not import MXNet."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # closed: the next file that is opened would become a standard stream
            os.open(os.devnull, os.O_RDWR)
    if given == ["--version"] and sys.stdout is not None:
        try:
            print(f"gluon_deeprnn {importlib.metadata.version('gluon_deeprnn')}", flush=True)
            return 0
        except OSError:
            pass  # the command line reports the error
    try:
        from gluon_deeprnn.cli.main import main as run
    except ImportError as error:
        print(f"gluon-deeprnn: error: {error}", file=sys.stderr)
        return 2
    return run(given)


if __name__ == "__main__":
    sys.exit(main())
