"""Converts options to numbers; invalid numbers remain text, for the input validation of the API to reject."""

from typing import Any


def as_int(value: str) -> Any:
    """The text as an int if it is one."""
    try:
        return int(value)
    except ValueError:
        return value


def as_float(value: str) -> Any:
    """The text as a float if it is one."""
    try:
        return float(value)
    except ValueError:
        return value
