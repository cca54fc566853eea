"""The command line: ``gluon-deeprnn``."""
