"""The exceptions of this package.  Each message is one line that says what is wrong and, if possible, what to do.

=========================  ==================  ===========================================================
exception                  is also             raised for
=========================  ==================  ===========================================================
`InputError`               `ValueError`        an argument, an option, a setting or a text that is not usable
`CorpusUnavailableError`   `InputError`        a corpus that is neither on this machine nor can be downloaded
`DamagedFileError`         `InputError`        a file that is not what this package wrote, or of another run
`DivergedError`            `RuntimeError`      a training whose loss or gradients are not finite any more
=========================  ==================  ===========================================================

The command line prints any `DeepRNNError` in one line and exits with status 2.
"""

from typing import Optional


class DeepRNNError(Exception):
    """Base class: ``<name> must be <rule>; got <value> (<remedy>)``.

    Parameters
    ----------
    name : str
        What is wrong: an argument, a file, a setting.
    rule : str
        What it must be.
    got : object
        What it was: shown by ``repr``, or as plain text where it is `Described`.
    remedy : str, optional
        What to do about it.

    Attributes
    ----------
    name, rule, remedy
        As given.
    """

    def __init__(self, name: str, rule: str, got: object, remedy: Optional[str] = None) -> None:
        self.name, self.rule, self.remedy = name, rule, remedy
        shown = got.text if isinstance(got, Described) else repr(got)
        if len(shown) > 200:
            shown = shown[:197] + "..."
        message = f"{name} must be {rule}; got {shown}"
        super().__init__(message + (f" ({remedy})" if remedy else ""))


class InputError(DeepRNNError, ValueError):
    """An argument, an option, a setting or a text is not usable.

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
    """A file is incomplete or damaged, of another run, or was not written by this package."""


class DivergedError(DeepRNNError, RuntimeError):
    """Loss or gradients are not finite, at several learning rates; the model has the parameters of the last good epoch.

    Parameters
    ----------
    lr : float
        The lowest learning rate that was tried.
    epoch : int
        The epoch in which it happened.
    rollbacks : int
        How many lower rates were tried.
    remedy : str
        What to try.
    """

    def __init__(self, lr: float, epoch: int, rollbacks: int, remedy: str) -> None:
        super().__init__("lr", "small enough for a finite loss and finite gradients", lr,
                         f"they were not in epoch {epoch}, nor at {rollbacks} lower rates; {remedy}")
        self._arguments = lr, epoch, rollbacks, remedy

    def with_note(self, note: str) -> "DivergedError":
        """The same error with a note behind the remedy, such as what was kept."""
        lr, epoch, rollbacks, remedy = self._arguments
        return DivergedError(lr, epoch, rollbacks, f"{remedy}; {note}")


class Described:
    """A value that an error shows as plain text, such as ``5 characters``, and not by ``repr``."""

    def __init__(self, text: str) -> None:
        self.text = text
