from gluon_deeprnn.data.bptt import Stream
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
