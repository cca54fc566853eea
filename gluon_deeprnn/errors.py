"""The exceptions of this package.  Each message is one line that states what is wrong and, if possible, the remedy.

=========================  ==================  =============================================================
exception                  subclass of         raised for
=========================  ==================  =============================================================
`InputError`               ``ValueError``      an invalid argument, option, setting or text
`CorpusUnavailableError`   `InputError`        a corpus that is not on this machine and cannot be downloaded
`DamagedFileError`         `InputError`        a file that is damaged, of a different run, or of another kind
`UnsupportedCellError`     `InputError`        a model with a cell that a format or another program does not have
`DivergedError`            ``RuntimeError``    a training whose loss or gradients are no longer finite
`StoppedError`             ``RuntimeError``    a training in several processes of which one has failed
=========================  ==================  =============================================================

The command line prints any `DeepRNNError` in one line and exits with status 2; `ExitStatus` has all statuses.
"""

import enum
from typing import Optional


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
    remedy : str, optional
        How to correct it.

    Attributes
    ----------
    name, rule, remedy
        The arguments.
    """

    def __init__(self, name: str, rule: str, got: object, remedy: Optional[str] = None) -> None:
        self.name, self.rule, self.remedy = name, rule, remedy
        shown = got.text if isinstance(got, Described) else repr(got)
        if len(shown) > 200:
            shown = shown[:197] + "..."
        message = f"{name} must be {rule}; got {shown}"
        super().__init__(message + (f" ({remedy})" if remedy else ""))


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
    remedy : str
        What to try.
    """

    def __init__(self, lr: float, epoch: int, rollbacks: int, remedy: str) -> None:
        super().__init__("lr", "small enough for a finite loss and finite gradients", lr,
                         f"not finite in epoch {epoch}, nor at {rollbacks} lower rates; {remedy}")
        self._arguments = lr, epoch, rollbacks, remedy

    def with_note(self, note: str) -> "DivergedError":
        """The same error with a note after the remedy, such as which checkpoint was kept."""
        lr, epoch, rollbacks, remedy = self._arguments
        return DivergedError(lr, epoch, rollbacks, f"{remedy}; {note}")


class StoppedError(DeepRNNError, RuntimeError):
    """One of the processes of a training has failed, and all were stopped."""


class Described:
    """A value that an error message shows as plain text, such as ``5 characters``, instead of by ``repr``."""

    def __init__(self, text: str) -> None:
        self.text = text
