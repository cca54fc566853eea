"""The rows of a history: what simple models reach on the validation data, and what is refused."""

import json

from gluon_deeprnn import TextData, Trainer
from gluon_deeprnn.data import Source
from gluon_deeprnn.evaluation import references
from gluon_deeprnn.plotting import plot_history
from gluon_deeprnn.training.history import check_history
import pytest
from trainings import Keep, data_of, model_of

COMPARED = ("unigram_ppl", "ngram_ppl", "ngram_order")


@pytest.mark.parametrize("protocol", ["d2l", "book", "records"])
def test_every_row_has_the_perplexities_of_simple_models_on_the_validation_data(protocol):
    data = data_of(protocol)
    history = Trainer(2, progress=False).fit(model_of(data), data)
    found = references(data.train_dataloader(), data.val_dataloader(), len(data.vocab))
    for row in check_history(json.loads(json.dumps(history))):
        assert tuple(row[name] for name in COMPARED) == (found.unigram, found.ngram, found.order)
    assert found.unigram < 7.5  # of tokens of which 6 are as frequent as the others, of 7 or, with ends, 9


def test_every_row_says_how_many_validation_tokens_are_unknown():
    data = TextData([Source("text", "ab" * 300 + "z" * 80, "")], 2, 8, protocol="book", cleaning="none")
    history = Trainer(2, progress=False).fit(model_of(data), data)
    text = data.val_dataloader().text
    assert text.num_unknown > 0
    for row in check_history(json.loads(json.dumps(history))):
        assert (row["val_tokens"], row["val_unknown"]) == (text.num_tokens, text.num_unknown)
    ax = plot_history(history)
    labels = [each.get_text() for each in ax.get_legend().get_texts()]
    assert labels[1].endswith(f" ({text.num_unknown / text.num_tokens:.1%} of the tokens unknown)")


class Users:
    """A batch source of a user, whose text is not known."""

    def __init__(self, source):
        self.batches, self.carries_state, self._length = source.batches, False, len(source)

    def __len__(self):
        return self._length


def test_rows_on_a_users_batch_source_have_none(monkeypatch):
    data = data_of("d2l")
    val = Users(data.val_dataloader())
    monkeypatch.setattr(data, "val_dataloader", lambda: val)
    row, = Trainer(1, progress=False).fit(model_of(data), data)
    assert not set(COMPARED) & set(row)


def test_a_training_that_an_earlier_version_began_has_them_in_the_rows_of_the_new_epochs():
    data, keep = data_of("d2l"), Keep()
    Trainer(1, progress=False, callbacks=[keep]).fit(model_of(data), data)
    arrays, about = keep.checkpoints[0]
    about["history"] = [{name: value for name, value in row.items() if name not in COMPARED}
                        for row in about["history"]]
    old, new = Trainer(2, progress=False).fit(model_of(data), data, resume=(arrays, about))
    assert not set(COMPARED) & set(old)
    assert set(COMPARED) < set(new)


@pytest.mark.parametrize(("changed", "message"), [
    ({"ngram_ppl": None}, "does not have its fields"), ({"ngram_order": 2.5}, "is not that of epoch 1"),
    ({"ngram_order": 0}, "is not that of epoch 1"), ({"unigram_ppl": 0.0}, "is not that of epoch 1"),
    ({"unigram_ppl": "low"}, "values that are not finite numbers"), ({"val_unknown": -1}, "values that are not finite"),
    ({"val_unknown": 10**9}, "more unknown tokens than tokens"),
])
def test_rows_with_other_entries_are_refused(changed, message):
    data = data_of("d2l")
    row, = Trainer(1, progress=False).fit(model_of(data), data)
    damaged = {name: value for name, value in {**row, **changed}.items() if value is not None}
    assert check_history([row]) == [row]
    with pytest.raises(ValueError, match=message):
        check_history([damaged])
