import collections

from gluon_deeprnn.data import MixedStreams
from hypothesis import given
from hypothesis import strategies as st
import numpy
import pytest

STARTS = (0, 10_000, 20_000)


def texts(*lengths):
    """Texts of different tokens: text i has the tokens 10,000 i, 10,000 i + 1, ..."""
    return [numpy.arange(start, start + length, dtype="int32") for start, length in zip(STARTS, lengths)]


def columns(mixture, epoch):
    """The columns of an epoch, (x, y) each, without those that are padding."""
    found = []
    per_group = mixture.num_rows // mixture.num_steps
    batches = list(mixture.batches(epoch))
    assert len(batches) == len(mixture)
    for first in range(0, len(batches), per_group):
        group = batches[first:first + per_group]
        assert [mixture.continues(epoch, first + i) for i in range(per_group)] == [False] + [True] * (per_group - 1)
        x, y = (numpy.concatenate(arrays) for arrays in zip(*group))
        assert x.shape == y.shape == (mixture.num_rows, mixture.batch_size)
        found += [(x[:, i], y[:, i]) for i in range(mixture.batch_size) if (y[:, i] >= 0).all()]
        assert all((y[:, i] >= 0).all() or (y[:, i] == -1).all() for i in range(mixture.batch_size))
    return found


@given(st.integers(1, 9), st.integers(1, 7), st.lists(st.integers(20, 700), min_size=1, max_size=3),
       st.integers(0, 3))
def test_every_column_is_a_piece_of_one_text_and_no_token_occurs_twice(batch_size, num_steps, lengths, epoch):
    mixture = MixedStreams(texts(*lengths), batch_size=batch_size, num_steps=num_steps)
    found = columns(mixture, epoch)
    targets = numpy.concatenate([y for _, y in found])
    assert len(set(targets.tolist())) == len(targets) == mixture.num_tokens
    for x, y in found:
        assert (y == x + 1).all()
        assert (numpy.diff(y) == 1).all()
    for i, length in enumerate(lengths):  # what is left over of a text is less than a column
        of_this = ((targets >= STARTS[i]) & (targets < STARTS[i] + length)).sum()
        assert 0 <= length - 1 - of_this < mixture.num_rows


def test_with_a_token_of_the_text_the_first_target_of_a_column_is_the_one_after_it():
    mixture = MixedStreams(texts(300, 400), begins=[91, 92], batch_size=4, num_steps=5)
    for x, y in columns(mixture, 0):
        assert x[0] == (91 if y[0] < STARTS[1] else 92)
        assert (x[1:] == y[:-1]).all()
    firsts = {int(y[0]) for epoch in range(200) for _, y in columns(mixture, epoch)}
    assert firsts >= {0, STARTS[1]}  # the very first token of a text is a target, too


def test_a_weight_says_how_often_a_text_is_read_in_an_epoch():
    lengths, weights = (400, 400, 400), (1, 2, 0.5)
    mixture = MixedStreams(texts(*lengths), weights=weights, batch_size=4, num_steps=5)
    for epoch in range(3):
        counts = collections.Counter(int(y[0]) // STARTS[1] for _, y in columns(mixture, epoch))
        assert [counts[i] / counts[0] for i in range(3)] == pytest.approx(weights, abs=0.1)
    seen = [numpy.concatenate([y for _, y in columns(mixture, epoch) if y[0] >= STARTS[2]]) for epoch in range(20)]
    assert len(set(seen[0].tolist())) == len(seen[0])
    assert len({tuple(sorted(part.tolist())) for part in seen}) == 20  # another half in every epoch
    assert len(set(numpy.concatenate(seen).tolist())) > 390


def test_a_later_start_yields_the_remaining_batches_of_the_same_epoch():
    mixture = MixedStreams(texts(300, 400), weights=[1.5, 1], batch_size=4, num_steps=5, seed=3)
    whole = list(mixture.batches(epoch=2))
    for (x, y), (also_x, also_y) in zip(whole[5:], mixture.batches(epoch=2, start=5)):
        assert (x == also_x).all()
        assert (y == also_y).all()
    assert any((x != other).any() for (x, _), (other, _) in zip(whole, mixture.batches(epoch=3)))
    assert len(list(mixture)) == len(mixture)


def test_columns_of_all_texts_are_in_the_first_batches():
    mixture = MixedStreams(texts(3000, 3000), batch_size=16, num_steps=8)
    x, _ = next(mixture.batches())
    assert {bool(token < STARTS[1]) for token in x[0].tolist()} == {True, False}


def test_columns_are_as_long_as_leaves_little_unused():
    for lengths in ((150_000,), (9_000, 9_900), (5_000, 9_999, 1_200)):
        mixture = MixedStreams(texts(*lengths), batch_size=16, num_steps=32)
        computed = len(mixture) * mixture.num_steps * mixture.batch_size
        assert mixture.num_rows % 32 == 0
        assert mixture.num_tokens > 0.85 * sum(lengths)
        assert computed < 1.2 * sum(lengths)


@pytest.mark.parametrize(("options", "message"), [
    ({"texts": texts(40, 9)}, "texts must be at least 11 tokens long each for num_steps=10; got 9 tokens$"),
    ({"texts": []}, r"texts must be a sequence of arrays, not empty; got \[\]$"),
    ({"weights": [1, 0]}, "weights must be numbers above 0, at most 1000; got 0$"),
    ({"weights": [1]}, r"weights must be 2 numbers, one for each text; got \[1.0\]$"),
    ({"begins": [1]}, r"begins must be one token for each of the 2 texts; got \[1\]$"),
])
def test_bad_values_are_refused(options, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        MixedStreams(**{"texts": texts(40, 90), "batch_size": 2, "num_steps": 10, **options})
