"""Measured times."""

import itertools
import time
from typing import List


class Timer:
    """A stopwatch that keeps every time it measured.  It starts when it is made.

    Attributes
    ----------
    times : list of float
        The measured times, in seconds.

    Source
    ------
    Dive into Deep Learning, section "Minibatch Stochastic Gradient Descent".

    Examples
    --------
    >>> from gluon_deeprnn import d2l
    >>> timer = d2l.Timer()
    >>> seconds = timer.stop()
    >>> timer.start()
    >>> seconds + timer.stop() == timer.sum() == timer.cumsum()[-1]
    True
    """

    def __init__(self) -> None:
        self.times: List[float] = []
        self.start()

    def start(self) -> None:
        """Start measuring a time."""
        self._started = time.perf_counter()

    def stop(self) -> float:
        """Append the time since the last start to ``times``, and return it."""
        self.times.append(time.perf_counter() - self._started)
        return self.times[-1]

    def avg(self) -> float:
        """The mean of the times."""
        return self.sum() / len(self.times)

    def sum(self) -> float:
        """The sum of the times."""
        return sum(self.times)

    def cumsum(self) -> List[float]:
        """The sums of the first 1, 2, ... times."""
        return list(itertools.accumulate(self.times))
