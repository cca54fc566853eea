from gluon_deeprnn.data import Records
from gluon_deeprnn.data.buckets import NUM_SHAPES
from hypothesis import given
from hypothesis import strategies as st
import numpy
import pytest

BEGIN, END = 1, 2
lengths = st.lists(st.integers(0, 70), min_size=1, max_size=60)
sizes = st.integers(1, 9)
steps = st.integers(1, 40)


def flat(lengths):
    """Records of these lengths, with a different first token each, one after the other."""
    return numpy.array([token for i, length in enumerate(lengths)
                        for token in [BEGIN, *range(3 + i, 3 + i + length), END]], dtype="int32")


def read_back(source, epoch):
    """The records of an epoch, by following each column through the chunks of its group."""
    found, open_ = [], None
    for i, (x, y) in enumerate(source.batches(epoch)):
        if source.continues(epoch, i):
            open_ = [(a + x[:, n].tolist(), b + y[:, n].tolist()) for n, (a, b) in enumerate(open_)]
        else:
            found += open_ or []
            open_ = [(x[:, n].tolist(), y[:, n].tolist()) for n in range(x.shape[1])]
    return found + open_


@given(lengths, sizes, steps, st.integers(0, 3))
def test_every_record_is_read_once_per_epoch_from_its_beginning_to_its_end(lengths, batch_size, num_steps, epoch):
    tokens = flat(lengths)
    source = Records(tokens, BEGIN, batch_size=batch_size, num_steps=num_steps, shuffle=True, seed=4)
    records, num_padded = [], 0
    for x, y in read_back(source, epoch):
        real = [target for target in y if target != -1]
        assert y == real + [-1] * (len(y) - len(real))  # padding is at the end
        if not real:
            num_padded += 1
            continue
        assert x[1:len(real)] == real[:-1]
        records.append([x[0], *real])
    expected = [[BEGIN, *range(3 + i, 3 + i + length), END] for i, length in enumerate(lengths)]
    assert sorted(records) == sorted(expected)
    assert num_padded == -len(lengths) % source.batch_size
    assert source.num_records == len(lengths)
    assert source.num_tokens == sum(lengths) + len(lengths) == sum(
        int((y >= 0).sum()) for _, y in source.batches(epoch))


@given(lengths, sizes, steps)
def test_batches_have_one_batch_size_few_shapes_and_a_target_each(lengths, batch_size, num_steps):
    source = Records(flat(lengths), BEGIN, batch_size=batch_size, num_steps=num_steps, shuffle=True)
    shapes = set()
    for epoch in range(4):
        batches = list(source.batches(epoch))
        assert len(batches) == len(source)  # in every epoch
        for x, y in batches:
            assert x.shape == y.shape
            assert x.dtype == y.dtype == "int32"
            assert x.min() >= 0
            assert (y >= 0).any()
            shapes.add(x.shape)
    assert {columns for _, columns in shapes} == {source.batch_size} == {min(batch_size, len(lengths))}
    assert max(rows for rows, _ in shapes) <= num_steps
    assert len(shapes) <= NUM_SHAPES


@given(lengths, sizes, steps, st.integers(0, 2), st.data())
def test_a_later_start_yields_the_remaining_batches(lengths, batch_size, num_steps, epoch, data):
    source = Records(flat(lengths), BEGIN, batch_size=batch_size, num_steps=num_steps, shuffle=True)
    again = Records(flat(lengths), BEGIN, batch_size=batch_size, num_steps=num_steps, shuffle=True)
    start = data.draw(st.integers(0, len(source)))
    whole, rest = list(source.batches(epoch)), list(again.batches(epoch, start=start))
    assert len(rest) == len(whole) - start
    for (x, y), (x_again, y_again) in zip(whole[start:], rest):
        assert (x == x_again).all()
        assert (y == y_again).all()
    assert [again.continues(epoch, i) for i in range(len(whole))] == [source.continues(epoch, i) for i in range(
        len(whole))]
    assert not source.continues(epoch, 0)
    assert not source.continues(epoch, len(whole))


def test_padding_is_less_than_a_fifth_for_records_of_many_lengths():
    rng = numpy.random.default_rng(0)
    for sample in (rng.poisson(7, 2000), rng.integers(0, 64, 2000), rng.geometric(0.005, 2000)):
        source = Records(flat(sample), BEGIN, batch_size=32, num_steps=32, shuffle=True)
        assert source.num_tokens > 0.8 * sum(x.size for x, _ in source.batches(1))


def groups(source, epoch):
    """The first tokens of the records of each group."""
    batches = enumerate(source.batches(epoch))
    return [frozenset(x[1].tolist()) for i, (x, _) in batches if not source.continues(epoch, i)]


def test_groups_and_their_order_differ_between_epochs_and_seeds_and_are_otherwise_the_same():
    tokens = flat(numpy.random.default_rng(0).integers(1, 90, 600))

    def source(seed):
        return Records(tokens, BEGIN, batch_size=10, num_steps=16, shuffle=True, seed=seed)

    assert groups(source(1), 3) == groups(source(1), 3)
    for a, b in ((groups(source(1), 0), groups(source(1), 1)), (groups(source(1), 0), groups(source(2), 0))):
        assert len(set(a) & set(b)) < 0.1 * len(a)  # other records fall together
    first = [min(group) for group in groups(source(1), 0)]
    assert sorted(first) != first


def test_without_shuffling_all_epochs_are_the_same():
    source = Records(flat([5, 1, 30, 8]), BEGIN, batch_size=2, num_steps=8)
    assert [x.tolist() for x, _ in source.batches(0)] == [x.tolist() for x, _ in source.batches(5)]


def test_a_long_record_is_read_in_chunks_with_its_state():
    source = Records(flat([100, 3, 90]), BEGIN, batch_size=2, num_steps=40)
    assert [source.continues(0, i) for i in range(len(source))] == [False, False, True, True]
    assert [x.shape for x, _ in source.batches()] == [(5, 2), (40, 2), (40, 2), (25, 2)]


def test_iteration_yields_one_epoch_after_the_other():
    source = Records(flat(range(30)), BEGIN, batch_size=4, num_steps=8, shuffle=True)
    for epoch in range(2):
        assert [x.tolist() for x, _ in source] == [x.tolist() for x, _ in source.batches(epoch)]


@pytest.mark.parametrize("tokens", [[], [5, 1, 2], [1, 1, 2], [1, 4, 2, 1], [3, 4]])
def test_tokens_that_are_not_records_are_refused(tokens):
    with pytest.raises(ValueError, match=r"^tokens must be records that begin with token 1 and have at least one more; "
                                         rf"got {len(tokens)} tokens with {tokens.count(1)} beginnings$"):
        Records(numpy.array(tokens, dtype="int32"), BEGIN, batch_size=2, num_steps=4)
