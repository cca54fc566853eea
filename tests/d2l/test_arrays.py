"""Operations on arrays."""

from gluon_deeprnn import d2l
import numpy


def test_operations_on_arrays_are_the_books():
    x = d2l.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert d2l.matmul(x, x).tolist() == [[7, 10], [15, 22]]
    assert (float(d2l.reduce_sum(x)), float(d2l.reduce_mean(x)), d2l.size(x)) == (10, 2.5, 4)
    assert d2l.transpose(x).tolist() == [[1, 3], [2, 4]]
    assert d2l.argmax(x, axis=1).tolist() == [1, 1]
    assert d2l.reshape(d2l.arange(4), (2, 2)).shape == d2l.zeros((2, 2)).shape
    assert d2l.stack([x, x], 1).shape == (2, 2, 2)
    assert d2l.concat([x, x], 0).shape == (4, 2)
    assert isinstance(d2l.numpy(x), numpy.ndarray)
    assert d2l.astype(x, "int32").dtype == "int32"
    assert d2l.ones((2, 3), dtype=d2l.int64).dtype == "int64"
    assert d2l.to(x, d2l.cpu()) is x
    assert d2l.randn(2, 3).shape == d2l.rand(2, 3).shape == (2, 3)
