"""The data of the chapter."""

from typing import Any

from gluon_deeprnn import _checks
from gluon_deeprnn.data.corpora import time_machine
from gluon_deeprnn.data.text_data import TextData


class TimeMachine(TextData):
    """*The Time Machine*, as used in the chapter.

    Parameters
    ----------
    batch_size, num_steps : int
        Number of windows in a batch, and of characters in each.
    num_train, num_val : int, default 10000 and 5000
        Number of windows for training and for validation.
    **options
        Options of `TextData`.

    Raises
    ------
    ValueError
        If the text is not on this machine and cannot be downloaded; the message states the remedy.

    Source
    ------
    Dive into Deep Learning, section "Language Models".

    Examples
    --------
    >>> from gluon_deeprnn import TimeMachine
    >>> data = TimeMachine(batch_size=1024, num_steps=32)  # doctest: +SKIP
    >>> data.num_tokens, len(data.vocab)  # doctest: +SKIP
    (173428, 28)
    """

    def __init__(self, batch_size: int, num_steps: int, num_train: int = 10000, num_val: int = 5000,
                 **options: Any) -> None:
        sizes = {"batch_size": batch_size, "num_steps": num_steps, "num_train": num_train, "num_val": num_val}
        for name, value in sizes.items():  # before the text is searched for
            _checks.integer(name, value, at_least=1)
        super().__init__([time_machine()], batch_size, num_steps, num_train=num_train, num_val=num_val, **options)
