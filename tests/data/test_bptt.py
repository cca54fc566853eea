from gluon_deeprnn.data.bptt import RandomStream, Stream
from hypothesis import given
from hypothesis import strategies as st
import numpy
import pytest


@given(st.integers(1, 6), st.integers(1, 9), st.integers(2, 120))
def test_concatenated_columns_equal_the_text(batch_size, num_steps, length):
    if length < batch_size + 1:
        length += batch_size
    tokens = numpy.random.default_rng(length).integers(0, 30, length).astype("int32")
    source = Stream(tokens, batch_size=batch_size, num_steps=num_steps)
    batches = list(source.batches())
    x = numpy.concatenate([x for x, _ in batches])  # (rows, columns)
    y = numpy.concatenate([y for _, y in batches])
    rows = (length - 1) // batch_size
    for column in range(batch_size):
        assert x[:, column].tolist() == tokens[column * rows:(column + 1) * rows].tolist()
        assert y[:, column].tolist() == tokens[column * rows + 1:(column + 1) * rows + 1].tolist()
    assert [len(x) for x, _ in batches[:-1]] == [num_steps] * (len(batches) - 1)
    assert (len(source), source.num_tokens) == (len(batches), x.size)
    assert length - 1 - x.size < batch_size  # dropped tokens do not fill a row


@given(st.integers(2, 60), st.integers(1, 9))
def test_one_column_predicts_every_token_but_the_first(length, num_steps):
    tokens = numpy.arange(length, dtype="int32")
    source = Stream(tokens, batch_size=1, num_steps=num_steps)
    assert [t for _, y in source.batches() for t in y[:, 0].tolist()] == list(range(1, length))


def test_a_later_start_yields_the_remaining_batches():
    source = Stream(numpy.arange(100, dtype="int32"), batch_size=3, num_steps=4)
    whole = [x.tolist() for x, _ in source.batches()]
    assert [x.tolist() for x, _ in source.batches(start=5)] == whole[5:]


def test_too_few_tokens_are_refused():
    with pytest.raises(ValueError, match=r"^tokens must be at least 9 tokens long for 8 columns; got 8 tokens"):
        Stream(numpy.arange(8), batch_size=8, num_steps=2)


@given(st.integers(1, 5), st.integers(1, 70), st.integers(6, 4000), st.integers(0, 3))
def test_random_steps_read_every_row_once_in_the_same_number_of_batches(batch_size, num_steps, length, epoch):
    tokens = numpy.random.default_rng(length).integers(0, 30, length).astype("int32")
    plain = Stream(tokens, batch_size=batch_size, num_steps=num_steps)
    source = RandomStream(tokens, batch_size=batch_size, num_steps=num_steps, seed=1)
    batches = list(source.batches(epoch))
    assert len(batches) == len(source)
    assert min(len(x) for x, _ in batches) >= 1
    for side in (0, 1):
        rows = [numpy.concatenate([batch[side] for batch in each]) for each in (batches, list(plain.batches()))]
        assert (rows[0] == rows[1]).all()
    assert len(batches[-1][0]) <= -(-num_steps // 8)
    start = len(batches) // 2
    later = list(source.batches(epoch, start=start))
    assert [x.tolist() for x, _ in later] == [x.tolist() for x, _ in batches[start:]]
    assert source.num_tokens == plain.num_tokens
    assert (source.continues(epoch, 0), source.continues(epoch, 1)) == (False, True)


def lengths_of(source, epoch):
    return [len(x) for x, _ in source.batches(epoch)][:-1]


def test_random_steps_are_those_of_the_paper_rounded_to_few_shapes():
    source = RandomStream(numpy.zeros(400_000, dtype="int32"), batch_size=1, num_steps=64, seed=3)
    lengths = numpy.array([lengths_of(source, epoch) for epoch in range(20)])
    assert set(lengths.ravel()) == {32, 48, 56, 64, 72, 80}
    halves = (lengths == 32).mean()
    assert 0.04 < halves < 0.06
    normal = lengths[lengths != 32]
    assert abs(normal.mean() - 64) < 0.5
    assert abs(normal.std() - numpy.hypot(64 / 14, 8 / 12**0.5)) < 0.5  # of the distribution, and of the rounding
    assert (lengths[0] != lengths[1]).any()
    assert lengths_of(source, 1) == lengths[1].tolist()
    other = RandomStream(numpy.zeros(400_000, dtype="int32"), batch_size=1, num_steps=64, seed=4)
    assert lengths_of(other, 1) != lengths[1].tolist()
