"""The program ``gluon-deeprnn``: what has to happen, or can be answered, before MXNet is imported.

It stands beside the package, since importing anything of the package imports MXNet first.
"""

import importlib.metadata
import os
import sys
from typing import Optional, Sequence


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run the command line; ``--version`` is answered at once."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # closed: the next file that is opened, by whomever, would become a standard stream
            os.open(os.devnull, os.O_RDWR)
    if given == ["--version"] and sys.stdout is not None:
        try:
            print(f"gluon_deeprnn {importlib.metadata.version('gluon_deeprnn')}", flush=True)
            return 0
        except OSError:
            pass  # the command line itself says what is wrong with the output
    try:
        from gluon_deeprnn.cli.main import main as run
    except ImportError as error:
        print(f"gluon-deeprnn: error: {error}", file=sys.stderr)
        return 2
    return run(given)


if __name__ == "__main__":
    sys.exit(main())
