"""The surprisal of a text, against `evaluate` and NumPy."""

import json
import math

from gluon_deeprnn import GRU, LSTM, RNNLM, RNNLMScratch, StackedRNNScratch, TextData, Vocab, evaluate
from gluon_deeprnn.data import Source
from gluon_deeprnn.data.apart import stream_of
from gluon_deeprnn.evaluation import joined, score, score_texts
from mxnet import np
import numpy
import pytest

TEXT = "The dog, the fox.\n\n  “What?” said\nthe lazy dog: 봄이 오면!\n"
KINDS = ["char", "word", "word-unicode", "byte"]


def model_for(vocab, cell=GRU):
    """A model whose predictions are far from uniform."""
    if cell is StackedRNNScratch:
        # Recurrent weights for which the states are not chaotic: rounding must not grow.
        model = RNNLMScratch(StackedRNNScratch(len(vocab), 8, 2, sigma=0.02), len(vocab))
        model.W_hq.set_data(model.W_hq.data() * 10)
    else:
        model = RNNLM(cell(8, 2), len(vocab))
    for _, parameter in model.named_parameters():
        parameter.set_data(parameter.data() * 15)
    return model


def vocab_for(kind, text=TEXT, **how):
    return Vocab(Vocab(kind=kind).split(text), kind=kind, **how)


def by_hand(model, indices):
    """log p of each index but the first, in double precision, from the initial state."""
    logits = model(np.array(indices[:-1], dtype="int32").reshape(-1, 1))[0].asnumpy()[:, 0].astype("float64")
    log_p = logits - numpy.log(numpy.exp(logits).sum(axis=-1, keepdims=True))
    return log_p[numpy.arange(len(log_p)), indices[1:]]


@pytest.mark.parametrize("kind", KINDS)
def test_the_sum_is_the_total_of_evaluate(kind):
    text = TEXT * 9
    vocab = vocab_for(kind)
    model = model_for(vocab)
    scored = score(model, vocab, text)
    expected = evaluate(model, stream_of(vocab, vocab.split(text)))
    assert scored.nll == pytest.approx(expected.nll, rel=1e-6)
    assert scored.num_tokens == expected.num_tokens
    assert scored.evaluation.bits_per_character == pytest.approx(expected.bits_per_character, rel=1e-6)


@pytest.mark.parametrize("cell", [GRU, LSTM, StackedRNNScratch])
def test_every_tokens_log_probability_is_that_of_numpy(cell):
    vocab = vocab_for("char")
    model = model_for(vocab, cell)
    text = TEXT * 5  # more than two calls, the last of which is padded
    expected = by_hand(model, vocab.encode(list(text)))
    found = score(model, vocab, text).log_probs
    assert math.isnan(found[0])
    numpy.testing.assert_allclose(found[1:], expected, rtol=1e-5, atol=2e-5)  # both in single precision
    assert expected.std() > 0.5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("by", ["token", "word", "line"])
def test_pieces_divide_the_text_and_their_sums_are_the_total(kind, by):
    vocab = vocab_for(kind)
    scored = score(model_for(vocab), vocab, TEXT)
    pieces = list(scored.pieces(by))
    assert -sum(piece.log_prob or 0 for piece in pieces) == pytest.approx(scored.nll, rel=1e-12)
    assert sum(piece.characters for piece in pieces) == scored.characters[1:].sum()
    spans = list(dict.fromkeys((piece.start, piece.end) for piece in pieces))  # once for the bytes of a character
    assert "".join(TEXT[start:end] for start, end in spans) == (TEXT if kind != "word" else TEXT.rstrip())
    if by != "token":
        assert all(piece.text == TEXT[piece.start:piece.end] for piece in pieces)
    assert [piece.line for piece in pieces] == sorted(piece.line for piece in pieces)


def test_a_word_has_the_white_space_that_ends_it_and_the_rest_is_a_piece_of_its_own():
    vocab = vocab_for("char")
    scored = score(model_for(vocab), vocab, TEXT)
    assert [(word.text, word.line) for word in scored.words()] == [
        ("The ", 1), ("dog, ", 1), ("the ", 1), ("fox.\n", 1), ("\n  ", 2), ("“What?” ", 3), ("said\n", 3),
        ("the ", 4), ("lazy ", 4), ("dog: ", 4), ("봄이 ", 4), ("오면!\n", 4)]
    words, bits = list(scored.words()), -scored.log_probs / math.log(2)
    assert words[1].bits == pytest.approx(bits[4:9].sum())
    assert words[0].bits == pytest.approx(bits[1:4].sum())  # without its first character, which nothing predicts
    assert words[1].bits_per_character == pytest.approx(bits[4:9].mean())


def test_a_word_that_is_one_token_with_the_space_before_it_has_that_space():
    vocab = vocab_for("word-unicode")
    scored = score(model_for(vocab), vocab, TEXT)
    assert [word.text for word in scored.words()] == [
        "The", " dog,", " the", " fox.\n", "\n ", " “What?”", " said\n", "the", " lazy", " dog:", " 봄이", " 오면!\n"]
    assert [word.line for word in scored.words()] == [1, 1, 1, 1, 2, 3, 3, 4, 4, 4, 4, 4]


def test_lines_are_those_of_the_text():
    vocab = vocab_for("char")
    scored = score(model_for(vocab), vocab, TEXT)
    assert [(line.line, line.text) for line in scored.lines()] == list(enumerate(TEXT.splitlines(keepends=True), 1))


def test_a_text_without_line_breaks_has_lines_of_at_most_80_characters():
    text = "the quick brown fox jumps over the lazy dog " * 30 + "x" * 100
    vocab = vocab_for("char", text)
    lines = list(score(model_for(vocab), vocab, text).lines())
    assert "".join(line.text for line in lines) == text
    assert all(len(line.text.rstrip()) <= 80 for line in lines)
    assert all(line.text.endswith(" ") for line in lines[:-2])
    assert [line.line for line in lines] == list(range(1, len(lines) + 1))


def test_the_first_token_has_no_prediction_in_any_form():
    vocab = vocab_for("char")
    scored = score(model_for(vocab), vocab, "The dog")
    first = next(scored.tokens())
    assert (first.log_prob, first.bits, first.bits_per_character, first.characters) == (None, None, None, 0)
    assert json.loads(json.dumps(first.as_dict())) == {
        "text": "T", "start": 0, "end": 1, "line": 1, "log_prob": None, "bits": None, "known": True}
    assert scored.num_tokens == 6


def test_a_token_that_is_not_in_the_vocabulary_is_scored_as_the_unknown_token_and_marked():
    vocab = vocab_for("char")
    model = model_for(vocab)
    scored = score(model, vocab, "the Ω fox")
    indices = vocab.encode(list("the Ω fox"))
    assert indices[4] == vocab.unknown_index
    numpy.testing.assert_allclose(scored.log_probs[1:], by_hand(model, indices), atol=2e-5)
    assert [piece.text for piece in scored.tokens() if not piece.known] == ["Ω"]
    assert [piece.text for piece in scored.words() if not piece.known] == ["Ω "]


def test_bytes_are_text_where_they_are_text():
    content = "a봄".encode() + b"\xff\n"
    vocab = Vocab(kind="byte")
    scored = score(model_for(vocab), vocab, content.decode("utf-8", "surrogateescape"))
    assert [piece.text for piece in scored.tokens()] == ["a", "\\xeb", "\\xb4", "\\x84", "\\xff", "\n"]
    assert [(piece.start, piece.end) for piece in scored.tokens()] == [(0, 1), (1, 2), (1, 2), (1, 2), (2, 3), (3, 4)]
    assert [piece.text for piece in scored.words()] == ["a봄\ufffd\n"]
    bits = scored.character_bits()
    assert math.isnan(bits[0])
    assert bits[1] == pytest.approx(scored.bits[1:4].sum())
    assert scored.characters.tolist() == [1, 1, 0, 0, 1, 1]


def test_several_texts_are_one_stream_or_each_its_own():
    vocab = vocab_for("char")
    model = model_for(vocab)
    texts = [Source("one", "the lazy dog", ""), Source("two", "the fox", ""), Source("three", "dog said the dog", "")]
    whole = by_hand(model, vocab.encode(list("".join(text.text for text in texts))))
    first, second, third = score_texts(model, vocab, texts)
    numpy.testing.assert_allclose(numpy.concatenate([first.log_probs[1:], second.log_probs, third.log_probs]), whole,
                                  atol=2e-5)
    for text, scored in zip(texts, score_texts(model, vocab, texts, carried=False)):  # padded to equal lengths
        assert scored.name == text.name
        numpy.testing.assert_allclose(scored.log_probs[1:], by_hand(model, vocab.encode(list(text.text))), atol=2e-5)
    assert [(piece.line, piece.text) for piece in joined([first, second]).lines()] == [
        (1, "the lazy dog"), (2, "the fox")]
    empty = Source("empty", "", "")
    again = score_texts(model, vocab, [texts[0], empty, texts[1]])
    assert [list(scored.words()) for scored in again] == [list(first.words()), [], list(second.words())]
    assert joined([first, second, third]).nll == pytest.approx(-whole.sum(), rel=1e-5)


def test_two_hundred_texts_of_many_lengths_are_scored_as_each_alone():
    vocab = vocab_for("char")
    model = model_for(vocab)
    texts = [Source(str(i), (TEXT * 6)[i:i + 2 + 7 * i % 300], "") for i in range(200)]
    together = score_texts(model, vocab, texts, carried=False)
    for i in (0, 1, 77, 142, 199):
        assert together[i].nll == pytest.approx(score(model, vocab, texts[i].text).nll, rel=1e-5)


def test_with_boundaries_each_record_is_scored_on_its_own_from_its_beginning_to_its_end():
    text = "the dog\n\nsaid\nthe fox"
    vocab = vocab_for("char", boundaries=True)
    model = model_for(vocab)
    scored = score(model, vocab, text, records="line")
    expected = [by_hand(model, [vocab.begin_index, *vocab.encode(list(record)), vocab.end_index])
                for record in ("the dog", "said", "the fox")]
    numpy.testing.assert_allclose(scored.log_probs, numpy.concatenate(expected), atol=2e-5)
    assert [piece.text for piece in scored.tokens()] == [*"the dog\n", *"said\n", *"the fox", ""]
    assert [(piece.line, piece.text) for piece in scored.lines()] == [(1, "the dog\n"), (2, "said\n"), (3, "the fox")]
    numpy.testing.assert_allclose([piece.log_prob for piece in scored.lines()], [e.sum() for e in expected], atol=1e-4)
    assert scored.known.all()
    whole = score(model, vocab, text)  # one record
    assert whole.num_tokens == len(text) + 1
    last = whole.excerpt(4)
    assert (last.text, len(last.log_probs)) == ("the fox", 8)  # its end has no character, and belongs to it


def test_a_record_is_cleaned_on_its_own_and_its_end_is_one_character():
    vocab = Vocab(["ada", "l", "<eos>"], kind="word", cleaning="unicode", boundaries=True)
    model = model_for(vocab)
    scored = score(model, vocab, "  Ada L. \r\n1815\r\n\r\nL!", records="line")
    assert (scored.text, scored.name) == ("ada l\nl", "text")
    assert [piece.text for piece in scored.tokens()] == ["ada", " l", "\n", "l", ""]
    assert scored.characters.tolist() == [3, 2, 1, 1, 1]
    assert scored.evaluation.text.num_characters == 8


def test_a_token_that_is_written_like_a_boundary_is_unknown():
    vocab = Vocab(["a"], kind="word", boundaries=True)
    scored = score(model_for(vocab), vocab, "a <bos> <eos> a", records="line")
    assert scored.known.tolist() == [True, False, False, True, True]


def test_an_excerpt_has_the_lines_that_it_names():
    vocab = vocab_for("char")
    scored = score(model_for(vocab), vocab, TEXT)
    lines = list(scored.lines())
    for first, num in ((1, 2), (2, 1), (3, 9), (4, None)):
        part = scored.excerpt(first, num)
        found = [(piece.text, piece.bits) for piece in part.lines()]
        assert found == [(piece.text, piece.bits) for piece in lines[first - 1:][:num]]
        assert part.text == "".join(text for text, _ in found)
    with pytest.raises(ValueError, match=r"^first_line must be a line of the text, 1 to 4; got 5$"):
        scored.excerpt(5)
    with pytest.raises(ValueError, match=r"^num_lines must be a positive integer; got 0$"):
        scored.excerpt(1, 0)


def test_the_held_out_data_of_each_protocol_gives_the_total_of_evaluate(fox):
    for protocol in ("book", "d2l"):
        data = TextData([fox, fox], 8, 5, protocol=protocol, cleaning="none", num_train=500, num_val=300)
        model = model_for(data.vocab)
        scored = joined(score_texts(model, data.vocab, data.held_out_texts()[1]))
        if protocol == "book":
            assert scored.nll == pytest.approx(evaluate(model, data.test_dataloader()).nll, rel=1e-6)
        assert scored.num_tokens == (len(data._parts["test"]) - 1 if protocol == "book" else 300 + 5 - 1)


@pytest.mark.parametrize(("change", "message"), [
    ({"text": 3}, "text must be a string; got 3"), ({"text": "x"}, "text must be at least 2 tokens long; got 1 tokens"),
    ({"text": ""}, "text must be at least 2 tokens long; got 0 tokens"),
    ({"model": 3}, "model must be a language model, such as"),
    ({"vocab": "abc"}, "vocab must be a Vocab of the model's size, 4 tokens; got 'abc'"),
    ({"vocab": Vocab("ab")}, "vocab must be a Vocab of the model's size, 4 tokens; got"),
    ({"device": "tpu"}, "ctx must be cpu, gpu"), ({"device": 3}, "ctx must be"),
])
def test_bad_arguments_are_refused(change, message):
    vocab = Vocab("abc")
    with pytest.raises(ValueError, match="^" + message):
        score(**{"model": model_for(vocab), "vocab": vocab, "text": "abc", **change})


def test_bad_texts_and_records_are_refused():
    vocab = Vocab("abc", boundaries=True)
    model = model_for(vocab)
    for texts in ([], ["abc"], "abc", 3):
        with pytest.raises(ValueError, match=r"^texts must be a sequence of Source, not empty; got"):
            score_texts(model, vocab, texts)
    with pytest.raises(ValueError, match=r"^carried must be True or False; got 1"):
        score_texts(model, vocab, [Source("a", "abc", "")], carried=1)
    with pytest.raises(ValueError, match=r"^records must be one of none, line, paragraph, blank-line; got 'page'"):
        score(model, vocab, "abc", records="page")
    with pytest.raises(ValueError, match=r"^text must be at least 1 tokens long; got 0 tokens"):
        score(model, vocab, "\n\n", records="line")
    with pytest.raises(ValueError, match=r"^by must be one of token, word, line; got 'page'"):
        score(model, vocab, "abc").pieces("page")


def test_a_model_whose_training_diverged_is_refused():
    vocab = vocab_for("char")
    model = model_for(vocab)
    model.dense.bias.set_data(np.full((len(vocab),), numpy.nan))
    with pytest.raises(ValueError, match=r"^the model's log-probabilities must be finite numbers; got nan"):
        score(model, vocab, TEXT)
