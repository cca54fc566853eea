"""Converts options to arguments of the API, which validates them, and arguments that it names to options."""

import re
from typing import Any

from gluon_deeprnn.errors import Argument, InputError

_NAMES = {"gradient_clip_val": "clip"}
"""Options whose name is not that of the argument."""
_ESCAPES = {"\\n": "\n", "\\t": "\t", "\\\\": "\\"}


def as_int(value: str) -> Any:
    """The text as an int if it is one; an invalid number remains text, for the API to reject."""
    try:
        return int(value)
    except ValueError:
        return value


def as_float(value: str) -> Any:
    """The text as a float if it is one, likewise."""
    try:
        return float(value)
    except ValueError:
        return value


def as_text(name: str, value: str) -> str:
    r"""The text with its escapes: ``\n`` is a line end, ``\t`` a tab, and ``\\`` a backslash.

    Raises
    ------
    ValueError
        For other characters after a backslash.
    """
    def escaped(found: "re.Match[str]") -> str:
        if found[0] not in _ESCAPES:
            raise InputError(name, r"a text in which a backslash begins one of \n, \t and \\", value)
        return _ESCAPES[found[0]]

    return re.sub(r"\\.?", escaped, value, flags=re.DOTALL)


def flag(name: str) -> str:
    """The option for an argument of the API."""
    return "--" + _NAMES.get(name, name).replace("_", "-")


def as_option(argument: Argument) -> str:
    """An argument that a message of the API names, as an option with its value."""
    option, value = flag(argument.name), argument.value
    if value is None or value is True:
        return option
    if value is False:
        return option.replace("--", "--no-", 1)
    return f"{option} {value:g}" if isinstance(value, float) else f"{option} {value}"
