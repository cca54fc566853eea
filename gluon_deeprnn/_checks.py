"""Input validation: checks of arguments, with one form of error message.

MXNet reports an invalid argument late, in another place, or not at all.  Each public function therefore checks its
arguments before any work is done.  The message is always ``<name> must be <rule>; got <value>``, followed by a remedy
in parentheses if there is one.
"""

import difflib
import math
import numbers
from typing import Any, Iterable, Mapping, Optional, Sequence, Tuple

from gluon_deeprnn.errors import Described as Described
from gluon_deeprnn.errors import InputError as InputError
import numpy

_TOO_LARGE = 2**63


def integer(name: str, value: Any, *, at_least: int) -> int:
    """Return ``value`` as an int, if it is an integer of at least ``at_least`` that fits into 64 bits."""
    rule = {0: "a non-negative integer", 1: "a positive integer"}.get(at_least, f"an integer, at least {at_least}")
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < at_least:
        raise InputError(name, rule, value)
    found = int(value)
    if found >= _TOO_LARGE:  # for NumPy and MXNet, which fail late, or take its lowest bits
        raise InputError(name, f"{rule} below 2**63", value)
    return found


def number(name: str, value: Any, rule: str, *, above: float = -math.inf, at_least: float = -math.inf,
           below: float = math.inf, at_most: float = math.inf) -> float:
    """Return ``value`` as a float, if it is a finite real number within the bounds, which ``rule`` states in words."""
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    try:
        found = float(value) if real else math.nan
    except OverflowError:  # an integer or a fraction beyond the largest float
        found = math.inf
    if not math.isfinite(found) or not (above < found < below and at_least <= found <= at_most):
        raise InputError(name, rule, value)
    return found


def finite(name: str, value: Any) -> float:
    """Return ``value`` as a float, if it is a finite number."""
    return number(name, value, "a finite number")


def positive(name: str, value: Any) -> float:
    """Return ``value`` as a float, if it is a number above 0."""
    return number(name, value, "a number above 0", above=0)


def not_negative(name: str, value: Any) -> float:
    """Return ``value`` as a float, if it is a number of at least 0."""
    return number(name, value, "a number, at least 0", at_least=0)


def fraction(name: str, value: Any) -> float:
    """Return ``value`` as a float, if it lies in [0, 1)."""
    return number(name, value, "a number in [0, 1)", at_least=0, below=1)


def flag(name: str, value: Any) -> bool:
    """Return ``value``, if it is True or False."""
    if not isinstance(value, bool):
        raise InputError(name, "True or False", value)
    return value


def mapping(name: str, value: Any) -> Any:
    """Return ``value``, if it is a mapping with string keys."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise InputError(name, "a mapping with string keys", value)
    return value


def sequence(name: str, value: Any, of: Any, rule: str) -> list:
    """Return ``value`` as a list, if it is a sequence of instances of ``of`` and not a string."""
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable) or isinstance(value, Mapping):
        raise InputError(name, rule, value)
    members = list(value)
    if not all(isinstance(member, of) for member in members):
        raise InputError(name, rule, value)
    return members


def text(name: str, value: Any) -> str:
    """Return ``value``, if it is a non-empty string."""
    if not isinstance(value, str) or not value:
        raise InputError(name, "a non-empty string", value)
    return value


def one_of(name: str, value: Any, choices: Iterable[str]) -> str:
    """Return ``value``, if it is one of ``choices``; otherwise the error lists them and suggests the closest one."""
    known = list(choices)
    if isinstance(value, str) and value in known:
        return value
    raise InputError(name, "one of " + ", ".join(known), value, did_you_mean(value, known))


def did_you_mean(value: Any, choices: Iterable[str]) -> Optional[str]:
    """The remedy for a misspelt name, or None if no choice is similar."""
    near = difflib.get_close_matches(str(value).lower(), list(choices), n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else None


def listed(names: Sequence[str]) -> str:
    """The first two of many names, and how many more there are.

    Examples
    --------
    >>> from gluon_deeprnn._checks import listed
    >>> listed(['a.txt', 'b.txt', 'c.txt', 'd.txt'])
    'a.txt, b.txt and 2 more'
    """
    more = f" and {len(names) - 2:,} more" if len(names) > 2 else ""
    return ", ".join(names[:2]) + more


def float32(name: str, array: Any) -> None:
    """Reject an array of another dtype: MXNet's CPU operators support float32; some are wrong in float64."""
    if str(getattr(array, "dtype", "")) not in ("float32", "<class 'numpy.float32'>"):
        raise InputError(name, "float32", Described(str(getattr(array, "dtype", type(array).__name__))))


def indices(name: str, array: numpy.ndarray, below: int) -> numpy.ndarray:
    """Return ``array``, if it holds integers from 0 to ``below`` - 1.

    MXNet clips or ignores an index that is out of range, without an error.
    """
    if not isinstance(array, numpy.ndarray) or array.dtype.kind not in "iu":
        raise InputError(name, "an array of integers", Described(str(getattr(array, "dtype", type(array).__name__))))
    if array.size and not (array.min() >= 0 and array.max() < below):
        raise InputError(name, f"indices from 0 to {below - 1}", Described(f"{array.min()} to {array.max()}"))
    return array


def shape(name: str, array: Any, expected: Sequence[Optional[int]]) -> Tuple[int, ...]:
    """Return the shape of ``array``, if it is ``expected``, where None stands for any size."""
    got = getattr(array, "shape", None)
    if got is None or len(got) != len(expected) or any(e not in (None, g) for e, g in zip(expected, got)):
        wanted = "(" + ", ".join("any" if e is None else str(e) for e in expected) + ")"
        raise InputError(name, f"an array of shape {wanted}", Described(f"shape {got}") if got is not None else array)
    return tuple(got)
