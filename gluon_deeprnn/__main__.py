"""``python -m gluon_deeprnn``: the command line."""

import sys

from gluon_deeprnn_command import main

if __name__ == "__main__":
    sys.exit(main())
