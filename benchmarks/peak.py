"""What the processor can do: a product of two matrices in NumPy; usage peak.py JOB.json."""

from arithmetic import PEAK_SIZE as SIZE
from epochs import timed
import numpy


def main() -> None:
    """Multiply two matrices at each call."""
    left, right = numpy.random.default_rng(0).normal(size=(2, SIZE, SIZE)).astype("float32")
    out = numpy.empty_like(left)
    timed(lambda: numpy.matmul(left, right, out=out))


if __name__ == "__main__":
    main()
