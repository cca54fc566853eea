"""The base of the book's object-oriented design: methods added to a class, arguments kept as attributes."""

import inspect
from typing import TYPE_CHECKING, Any, Callable, Sequence

from gluon_deeprnn import _checks
from gluon_deeprnn.errors import Described, InputError


def add_to_class(Class: type) -> Callable[[Any], Any]:
    """A decorator that makes a function a method of ``Class``, for existing instances too.

    Parameters
    ----------
    Class : type
        The class that gets the method.

    Source
    ------
    Dive into Deep Learning, section "Object-Oriented Design for Implementation".

    Examples
    --------
    >>> from gluon_deeprnn import d2l
    >>> class A:
    ...     b = 1
    >>> a = A()
    >>> @d2l.add_to_class(A)
    ... def double(self):
    ...     return 2 * self.b
    >>> a.double()
    2
    """
    def add(method: Any) -> Any:
        setattr(Class, method.__name__, method)
        return method
    return add


class HyperParameters:
    """Base class of classes that save the arguments of their constructor as attributes.

    Source
    ------
    Dive into Deep Learning, section "Object-Oriented Design for Implementation".

    Examples
    --------
    >>> from gluon_deeprnn import d2l
    >>> class B(d2l.HyperParameters):
    ...     def __init__(self, a, b, c):
    ...         self.save_hyperparameters(ignore=['c'])
    >>> b = B(a=1, b=2, c=3)
    >>> b.a, b.b, hasattr(b, 'c'), b.hparams
    (1, 2, False, {'a': 1, 'b': 2})
    """

    if TYPE_CHECKING:
        def __getattr__(self, name: str) -> Any: ...

    def save_hyperparameters(self, ignore: Sequence[str] = ()) -> None:
        """Save the caller's local variables as attributes and in ``hparams``.

        Left out are ``self``, the names in ``ignore``, and names that begin with ``_``.
        """
        caller = inspect.currentframe().f_back  # type: ignore[union-attr]
        names = inspect.getargvalues(caller).locals  # type: ignore[arg-type]
        ignored = {"self", *ignore}
        self.hparams = {name: value for name, value in names.items() if name not in ignored and name[0] != "_"}
        for name, value in self.hparams.items():
            setattr(self, name, value)


def check_len(a: Sequence[Any], n: int) -> None:
    """Raise an error unless ``a`` has ``n`` elements."""
    if len(a) != n:
        raise InputError("a", f"{n} long", Described(f"{len(a)} elements"))


def check_shape(a: Any, shape: Sequence[int]) -> None:
    """Raise an error unless the array ``a`` has this shape."""
    _checks.shape("a", a, list(shape))
