"""Flags as numbers; what is no number stays text, for the checks of the API to refuse in their own words."""

from typing import Any


def as_int(value: str) -> Any:
    """An int where the text is one."""
    try:
        return int(value)
    except ValueError:
        return value


def as_float(value: str) -> Any:
    """A float where the text is one."""
    try:
        return float(value)
    except ValueError:
        return value
