"""``python -m gluon_deeprnn``: the command line."""

import sys

from gluon_deeprnn.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
