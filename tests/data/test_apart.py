from gluon_deeprnn import GRU, RNNLM, TextData, Vocab, evaluate
from gluon_deeprnn.data import Apart, MixedStreams, Source, Stream
from gluon_deeprnn.data.apart import read_apart, stream
import numpy
import pytest

SOURCES = [Source("one", "abc " * 300, ""), Source("two", "xyz. " * 200, "")]


def data(sources=SOURCES, **options):
    return TextData(sources, 4, 8, **{"protocol": "book", "cleaning": "none", "streams": "separate", **options})


def test_batches_and_their_states_are_those_of_the_texts_one_after_the_other():
    rng = numpy.random.default_rng(0)
    streams = {name: stream(rng.integers(0, 9, length).astype("int32")) for name, length in (("a", 300), ("b", 40))}
    source = Apart(streams)
    whole = [(x.tolist(), y.tolist()) for each in streams.values() for x, y in each.batches()]
    assert [(x.tolist(), y.tolist()) for x, y in source] == whole
    assert [(x.tolist(), y.tolist()) for x, y in source.batches(start=2)] == whole[2:]
    assert [source.continues(0, i) for i in range(len(source))] == [False, True, True, False]
    assert source.num_tokens == 299 + 39


def test_the_loss_of_all_texts_is_the_sum_of_that_of_each_from_the_initial_state():
    held_out = data().test_dataloader()
    model = RNNLM(GRU(8), len(data().vocab))
    together = evaluate(model, held_out)
    alone = {name: evaluate(model, Stream(tokens, batch_size=1, num_steps=128))
             for name, tokens in zip(("one", "two"), (data().vocab.encode(list(source.text[-len(source.text) // 10:]))
                                                      for source in SOURCES))}
    assert list(together.by_source) == ["one", "two"]
    for name, each in alone.items():
        assert together.by_source[name].nll == pytest.approx(each.nll, rel=1e-6)
        assert together.by_source[name].num_tokens == each.num_tokens
    assert together.nll == pytest.approx(sum(each.nll for each in alone.values()), rel=1e-9)


def test_each_text_has_its_own_parts():
    apart = data()
    assert {name: each.num_tokens for name, each in apart.val_dataloader().streams.items()} == {"one": 59, "two": 49}
    assert {name: each.num_tokens for name, each in apart.test_dataloader().streams.items()} == {"one": 119, "two": 99}
    letters = apart.vocab[list("abc")]
    for x, _ in apart.train_dataloader().batches():
        ours = numpy.isin(x, letters).any(axis=0)
        assert (ours != numpy.isin(x, apart.vocab[list("xyz")]).any(axis=0)).all()


def test_with_tokens_of_sources_every_stream_begins_with_its_own():
    apart = data(source_token=True)
    index = {name: apart.vocab.source_index(name) for name in ("one", "two")}
    for name, each in apart.test_dataloader().streams.items():
        x, _ = next(each.batches())
        assert x[0].item() == index[name]
        assert not numpy.isin(x[1:], list(index.values())).any()
    assert apart.test_dataloader().streams["one"].num_tokens == 120  # the first one is predicted, too
    x, y = next(apart.train_dataloader().batches())
    assert set(x[0].tolist()) == set(index.values())
    assert not numpy.isin(y, list(index.values())).any()


def test_val_from_trains_on_all_of_the_other_texts():
    for streams in ("separate", "joined"):
        only = data(val_from=["two"], streams=streams)
        assert len(only.indices("train")) == 1200 + 850
        assert len(only.indices("test")) == 100
        assert [source.name for source in only.held_out_texts()[1]] == ["two"]
    assert list(data(val_from=["two"]).test_dataloader().streams) == ["two"]


def test_one_separate_text_is_read_as_a_joined_one():
    separate, joined = data(SOURCES[:1]), data(SOURCES[:1], streams="joined")
    for part in ("train_dataloader", "val_dataloader", "test_dataloader"):
        ours, theirs = getattr(separate, part)(), getattr(joined, part)()
        assert type(ours) is type(theirs) is Stream
        assert [(x.tolist(), y.tolist()) for x, y in ours] == [(x.tolist(), y.tolist()) for x, y in theirs]
    assert type(data(SOURCES[:1], source_token=True).train_dataloader()) is MixedStreams


def test_a_text_without_the_token_of_a_source_has_no_prediction_of_its_first_token():
    vocab = Vocab("ab", sources=["one"])
    read = read_apart(vocab, {"x": list("abab"), "y": list("abab")}, {"y": "one"})
    assert [each.num_tokens for each in read.streams.values()] == [3, 4]


@pytest.mark.parametrize(("options", "message"), [
    ({"source_token": True, "streams": "joined"}, "streams must be separate with source_token; got 'joined'$"),
    ({"source_weights": [1, 2], "streams": "joined"}, "streams must be separate with source_weights; got 'joined'$"),
    ({"source_weights": [1]}, r"source_weights must be 2 numbers, one for each text; got \[1.0\]$"),
    ({"source_weights": [1, -1]}, "source_weights must be numbers above 0, at most 1000; got -1$"),
    ({"val_from": ["three"]}, "val_from must be one of one, two; got 'three'"),
    ({"protocol": "d2l"}, "streams must be joined for protocol d2l; got 'separate'$"),
    ({"protocol": "d2l", "streams": "joined", "val_from": ["one"]}, "val_from must be omitted for protocol d2l; got"),
    ({"records": "line"}, "streams must be joined for records line; got 'separate'$"),
    ({"sources": [SOURCES[0], SOURCES[0]]}, "sources must be texts of different names .*; got one, one$"),
    ({"sources": [SOURCES[0], Source("two", "abcabcabc", "")]}, "text must be at least 2 tokens long; got 'two', 0"),
    ({"sources": [SOURCES[0], Source("two", "abc" * 20, "")], "num_steps": 64},
     "texts must be at least 65 tokens long each for num_steps=64; got 51 tokens$"),
    ({"source_token": True, "vocab": Vocab("abcxyz. ")}, "source must be omitted for a vocabulary without tokens of"),
    ({"source_token": True, "vocab": Vocab("abcxyz. ", sources=["one"])}, "source must be one of one; got 'two'"),
])
def test_what_does_not_fit_together_is_refused(options, message):
    arguments = {"sources": SOURCES, "batch_size": 4, "num_steps": 8, "protocol": "book", "cleaning": "none",
                 "streams": "separate", **options}
    with pytest.raises(ValueError, match=f"^{message}"):
        TextData(**arguments)
