"""The version, where the package's metadata and the package itself read it."""

__version__ = "0.1.0"
