"""The exceptions of this package.  Each message is one line that states what is wrong and, if possible, the remedy.

=========================  ==================  =============================================================
exception                  subclass of         raised for
=========================  ==================  =============================================================
`InputError`               ``ValueError``      an invalid argument, option, setting or text
`CorpusUnavailableError`   `InputError`        a corpus that is not on this machine and cannot be downloaded
`UnreadableTextError`      `InputError`        a file that is not read as a text
`DamagedFileError`         `InputError`        a file that is damaged, of a different run, or of another kind
`UnsupportedCellError`     `InputError`        a model with a cell that a format or another program does not have
`DivergedError`            ``RuntimeError``    a training whose loss or gradients are no longer finite
`StoppedError`             ``RuntimeError``    a training in several processes of which one has failed
=========================  ==================  =============================================================

The command line prints any `DeepRNNError` in one line and exits with status 2; `ExitStatus` has all statuses.
"""

import enum
from typing import Callable, List, Optional, Union


class Argument:
    """An argument and the value to give it, which a message shows in the terms of the caller.

    Parameters
    ----------
    name : str
        Its name in Python.
    value : object, default True
        None for the argument alone.
    in_python : str, optional
        What a message in Python says, if not ``name=value``.

    Examples
    --------
    >>> from gluon_deeprnn.errors import Argument
    >>> print(Argument('tokens', 'byte'), Argument('skip_unknown'), Argument('like', None))
    tokens='byte' skip_unknown=True like
    """

    def __init__(self, name: str, value: object = True, in_python: Optional[str] = None) -> None:
        self.name, self.value, self._in_python = name, value, in_python

    def __str__(self) -> str:
        if self._in_python is not None:
            return self._in_python
        value = f"{self.value:g}" if isinstance(self.value, float) else repr(self.value)
        return self.name if self.value is None else f"{self.name}={value}"


class Advice:
    """A text that names arguments in the terms of the caller: as a string in Python, by `told` elsewhere.

    Parameters
    ----------
    *parts : str, Argument or Advice
        The text in order.

    Examples
    --------
    >>> from gluon_deeprnn.errors import Advice, Argument
    >>> advice = Advice('try ', Argument('lr', 0.5), ' or clipping')
    >>> print(advice)
    try lr=0.5 or clipping
    >>> advice.told(lambda argument: f'--{argument.name} {argument.value:g}')
    'try --lr 0.5 or clipping'
    """

    def __init__(self, *parts: "Union[str, Argument, Advice]") -> None:
        self._parts: List[Union[str, Argument]] = []
        for part in parts:
            self._parts += part._parts if isinstance(part, Advice) else [part]

    @property
    def arguments(self) -> List[Argument]:
        """The arguments that it names."""
        return [part for part in self._parts if isinstance(part, Argument)]

    def told(self, shown: Callable[[Argument], str]) -> str:
        """The text, with each argument as ``shown`` returns it."""
        return "".join(shown(part) if isinstance(part, Argument) else part for part in self._parts)

    def __str__(self) -> str:
        return self.told(str)


class ExitStatus(enum.IntEnum):
    """How a command of the command line ends."""

    DONE = 0
    INVALID = 2
    """Its usage or its input was wrong, and it has printed one line about it."""
    INTERRUPTED = 130
    """After Ctrl-C, or a signal that ends it."""
    NO_READER = 141
    """The program that reads its output, such as ``head``, has ended."""


class DeepRNNError(Exception):
    """Base class: ``<name> must be <rule>; got <value> (<remedy>)``.

    Parameters
    ----------
    name : str
        The invalid argument, file or setting.
    rule : str
        The requirement.
    got : object
        The value: shown by ``repr``, or as plain text if it is a ``Described``.
    remedy : str or Advice, optional
        How to correct it.

    Attributes
    ----------
    name, rule
        The arguments.
    remedy : str or None
    message : str
        The message without the remedy.
    advice : Advice or None
        The remedy, which can be told in the terms of the command line.
    """

    def __init__(self, name: str, rule: str, got: object, remedy: Union[str, Advice, None] = None) -> None:
        self.name, self.rule = name, rule
        self.advice = Advice(remedy) if remedy else None
        self.remedy = str(remedy) if remedy else None
        shown = got.text if isinstance(got, Described) else _shown(got)
        if len(shown) > 200:
            shown = shown[:197] + "..."
        self.message = f"{name} must be {rule}; got {shown}"
        super().__init__(self.message + (f" ({remedy})" if remedy else ""))


class InputError(DeepRNNError, ValueError):
    """An argument, an option, a setting or a text is invalid.

    Examples
    --------
    >>> from gluon_deeprnn import GRU
    >>> from gluon_deeprnn.errors import InputError
    >>> try:
    ...     GRU(num_hiddens=0)
    ... except InputError as error:
    ...     print(error, "|", error.name)
    num_hiddens must be a positive integer; got 0 | num_hiddens
    """


class CorpusUnavailableError(InputError):
    """A corpus is not on this machine and could not be downloaded."""


class UnreadableTextError(InputError):
    """A file is not read as a text: it is empty, cannot be read, or is in another encoding.

    Parameters
    ----------
    name, rule, got, remedy
        As of `DeepRNNError`.
    reason : str
        Why, in few words, for a list of files.

    Attributes
    ----------
    reason : str
    """

    def __init__(self, name: str, rule: str, got: object, remedy: Union[str, Advice, None] = None, *,
                 reason: str) -> None:
        super().__init__(name, rule, got, remedy)
        self.reason = reason


class DamagedFileError(InputError):
    """A file is incomplete or damaged, belongs to a different run, or was not written by this package."""


class UnsupportedCellError(InputError):
    """A model has a cell that a format, or the program for which it is written, does not have."""


class DivergedError(DeepRNNError, RuntimeError):
    """Loss or gradients are not finite at several learning rates; the model has the last finite epoch's parameters.

    Parameters
    ----------
    lr : float
        The lowest learning rate that was tried.
    epoch : int
        The epoch in which it happened.
    rollbacks : int
        The number of lower learning rates that were tried.
    remedy : str or Advice
        What to try.
    """

    def __init__(self, lr: float, epoch: int, rollbacks: int, remedy: Union[str, Advice]) -> None:
        super().__init__("lr", "small enough for a finite loss and finite gradients", lr,
                         Advice(f"not finite in epoch {epoch}, nor at {rollbacks} lower rates; ", remedy))
        self._arguments = lr, epoch, rollbacks, remedy

    def with_note(self, note: str) -> "DivergedError":
        """The same error with a note after the remedy, such as which checkpoint was kept."""
        lr, epoch, rollbacks, remedy = self._arguments
        return DivergedError(lr, epoch, rollbacks, Advice(remedy, f"; {note}"))


class StoppedError(DeepRNNError, RuntimeError):
    """One of the processes of a training has failed, and all were stopped."""


class Described:
    """A value that an error message shows as plain text, such as ``5 characters``, instead of by ``repr``."""

    def __init__(self, text: str) -> None:
        self.text = text


def _shown(value: object) -> str:
    try:
        return repr(value)
    except ValueError:  # Python refuses to convert an integer of thousands of digits
        return f"a value of type {type(value).__name__} with too many digits to show"
