from gluon_deeprnn.data.windows import Windows
from hypothesis import given
from hypothesis import strategies as st
import numpy
import pytest


@st.composite
def windows(draw):
    first, num, num_steps = (draw(st.integers(low, high)) for low, high in ((0, 5), (1, 20), (1, 8)))
    tokens = numpy.random.default_rng(draw(st.integers(0, 9))).integers(0, 50, first + num + num_steps + 3)
    return tokens.astype("int32"), first, num, num_steps, draw(st.integers(1, 24))


@given(windows())
def test_windows_in_order_equal_a_brute_force_enumeration(case):
    tokens, first, num, num_steps, batch_size = case
    source = Windows(tokens, first, num, batch_size=batch_size, num_steps=num_steps)
    x = numpy.concatenate([x for x, _ in source.batches()], axis=1)
    y = numpy.concatenate([y for _, y in source.batches()], axis=1)
    assert x.T.tolist() == [tokens[i:i + num_steps].tolist() for i in range(first, first + num)]
    assert y.T.tolist() == [tokens[i + 1:i + num_steps + 1].tolist() for i in range(first, first + num)]
    assert len(list(source.batches())) == len(source)
    assert x.size == source.num_tokens


@given(windows(), st.integers(0, 3))
def test_shuffled_windows_are_a_permutation_of_the_same_windows(case, epoch):
    tokens, first, num, num_steps, batch_size = case
    source = Windows(tokens, first, num, batch_size=batch_size, num_steps=num_steps, shuffle=True, seed=3)
    rows = [tuple(row) for x, y in source.batches(epoch) for row in numpy.concatenate([x, y]).T.tolist()]
    expected = [(*tokens[i:i + num_steps].tolist(), *tokens[i + 1:i + num_steps + 1].tolist())
                for i in range(first, first + num)]
    assert sorted(rows) == sorted(expected)
    again = [tuple(row) for x, y in source.batches(epoch) for row in numpy.concatenate([x, y]).T.tolist()]
    assert rows == again


@given(windows(), st.integers(0, 5))
def test_a_later_start_yields_the_remaining_batches_of_the_same_epoch(case, start):
    tokens, first, num, num_steps, batch_size = case
    source = Windows(tokens, first, num, batch_size=batch_size, num_steps=num_steps, shuffle=True)
    whole = [x.tolist() for x, _ in source.batches(2)]
    assert [x.tolist() for x, _ in source.batches(2, start=start)] == whole[start:]


def test_orders_differ_from_epoch_to_epoch():
    source = Windows(numpy.arange(200, dtype="int32"), 0, 100, batch_size=100, num_steps=2, shuffle=True)
    (first, _), (second, _) = next(iter(source)), next(iter(source))
    assert not (first == second).all()


def test_windows_do_not_copy_the_text():
    tokens = numpy.arange(100_000, dtype="int32")
    assert numpy.shares_memory(Windows(tokens, 0, 90_000, batch_size=8, num_steps=64)._windows, tokens)


def test_batches_are_int32_and_contiguous():
    x, y = next(Windows(numpy.arange(50, dtype="int32"), 0, 20, batch_size=4, num_steps=6).batches())
    assert (x.dtype, y.dtype, x.flags.c_contiguous, y.flags.c_contiguous) == ("int32", "int32", True, True)


def test_too_few_tokens_are_refused():
    with pytest.raises(ValueError, match=r"^tokens must be at least 16 tokens long; got 15 tokens$"):
        Windows(numpy.arange(15), 1, 10, batch_size=2, num_steps=5)
