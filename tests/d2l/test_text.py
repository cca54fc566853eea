"""The text and its vocabulary."""

from gluon_deeprnn import d2l


def test_vocab_is_the_books():
    vocab = d2l.Vocab([["the", "time"], ["the", "machine"]], min_freq=1, reserved_tokens=["<pad>"])
    assert vocab.idx_to_token == sorted(["<unk>", "<pad>", "the", "time", "machine"])
    assert vocab["the"] == vocab.token_to_idx["the"]
    assert vocab[["nothing"]] == [vocab.unk]
    assert vocab.to_tokens([vocab["time"]]) == ["time"]
    assert vocab.token_freqs[0] == ("the", 2)


def test_the_text_is_the_books(real_text, monkeypatch):
    monkeypatch.setenv("GLUON_DEEPRNN_DATA", str(real_text("timemachine.txt").parent))
    data = d2l.TimeMachine(batch_size=2, num_steps=10)
    X, Y = next(iter(data.train_dataloader()))
    d2l.check_shape(X, (2, 10))
    assert (X[:, 1:].asnumpy() == Y[:, :-1].asnumpy()).all()
    assert (len(data.vocab), data.X.shape, data.Y.shape) == (28, (173418, 10), (173418, 10))
    assert "".join(data.vocab.to_tokens(data.X[0].tolist())) == "the time m"
    corpus, vocab = data.build("The time!", data.vocab)
    assert vocab is data.vocab
    assert vocab.to_tokens(corpus) == list("the time ")


def test_a_subclass_can_use_words_as_tokens(real_text, monkeypatch):
    monkeypatch.setenv("GLUON_DEEPRNN_DATA", str(real_text("timemachine.txt").parent))

    class Words(d2l.TimeMachine):
        def _tokenize(self, text):
            return text.split()

    data = Words(batch_size=2, num_steps=4)
    X, Y = next(iter(data.val_dataloader()))
    words = data._preprocess(data._download()).split()
    assert data.vocab.to_tokens(X[0].tolist()) == words[10000:10004]
    assert data.vocab.to_tokens(Y[1].tolist()) == words[10002:10006]
