import itertools

from gluon_deeprnn import GRU, LSTM, RNNLM, RNNLMScratch, StackedRNNScratch, Vocab, generate
from gluon_deeprnn.generation import Continuation, TrainingText, generate_many, steps
import mxnet
import pytest

TEXT = "the time machine, it has been; by h. g. wells"


@pytest.fixture(scope="module")
def vocab():
    return Vocab(TEXT)


def sharp(model, factor=3.0):
    for _, parameter in model.named_parameters():
        parameter.set_data(parameter.data() * factor)
    return model


@pytest.fixture(scope="module", params=["gru", "lstm", "scratch"])
def model(request, vocab):
    """A model that no test changes: its graphs are compiled once."""
    mxnet.random.seed(2)
    size = len(vocab)
    return {"gru": lambda: sharp(RNNLM(GRU(16, 2), size)), "lstm": lambda: sharp(RNNLM(LSTM(8, 1), size)),
            "scratch": lambda: RNNLMScratch(StackedRNNScratch(size, 12, 2, sigma=0.6), size)}[request.param]()


@pytest.fixture(scope="module")
def gru(vocab):
    mxnet.random.seed(2)
    return sharp(RNNLM(GRU(16, 2), len(vocab)))


OPTIONS = [{}, {"temperature": 0}, {"temperature": 1.2, "seed": 7}, {"top_k": 5, "repetition_penalty": 1.4},
           {"top_p": 0.9, "min_p": 0.02, "seed": 2}]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("lengths", [(5, 60), (0, 8, 1, 1, 33), (41, 7)], ids=str)
def test_pieces_are_the_text_that_is_written_at_once(model, vocab, lengths, options):
    text = Continuation(model, vocab, **options)
    text.read("it has")
    pieces = ["".join(text.write(length)) for length in lengths]
    assert [len(piece) for piece in pieces] == list(lengths)
    assert "".join(pieces) == "".join(generate(model, vocab, "it has", sum(lengths), **options))
    assert "".join(vocab.text(text.tokens)) == "it has" + "".join(pieces)


@pytest.mark.parametrize("numbers", [(1, 1), (3, 5), (64, 64)])
def test_pieces_do_not_depend_on_the_number_of_steps_per_call(gru, vocab, numbers, monkeypatch, calls):
    def written():
        text = Continuation(gru, vocab, temperature=1.0, seed=3)
        text.read("it has")
        pieces = [*itertools.islice(text.write(50), 10), *text.write(50, stop="e")]
        text.read(" been")
        pieces += itertools.islice(text.write(30), 12)
        text.begin()
        text.read("it has")
        return [*pieces, *text.write(30)]

    expected = written()
    numbers_before = {*calls}
    calls.clear()
    monkeypatch.setattr(steps, "FIRST_STEPS", numbers[0])
    monkeypatch.setattr(steps, "STEPS", numbers[1])
    monkeypatch.setattr(steps, "MOST_STEPS", numbers[1])
    assert written() == expected
    assert {*calls} != numbers_before


class Ends:
    """How a text can end early; each returns what was shown."""

    @staticmethod
    def at_a_stop_string(text):
        return "".join(text.write(300, stop=["e", "th"]))

    @staticmethod
    def at_a_long_stop_string(text):
        """One that is found more than a call of the sampler after the first text that is held back for it."""
        ahead = "".join(text.write(200))
        text.begin()
        text.read("it")
        return "".join(text.write(200, stop=ahead[60:150]))

    @staticmethod
    def when_the_caller_ends_it(text):
        return "".join(itertools.islice(text.write(100), 13))

    @staticmethod
    def when_the_caller_ends_it_in_the_first_call(text):
        return "".join(itertools.islice(text.write(100), 3))

    @staticmethod
    def before_its_first_token(text):
        iter(text.write(100))
        return ""

    @staticmethod
    def when_the_next_call_comes(text):
        pieces = text.write(100)
        shown = "".join(itertools.islice(pieces, 11))
        text.read(" it")
        assert list(pieces) == []
        return shown + " it"


ENDS = [name for name in vars(Ends) if not name.startswith("_")]


@pytest.mark.parametrize("options", [{"temperature": 0}, {"temperature": 0, "repetition_penalty": 1.2}], ids=str)
@pytest.mark.parametrize("end", ENDS)
def test_the_state_is_that_after_what_was_shown(model, vocab, end, options):
    """As if it had been read; greedy decoding has no random numbers."""
    text = Continuation(model, vocab, **options)
    text.read("it")
    shown = getattr(Ends, end)(text)
    assert "".join(vocab.text(text.tokens)) == "it" + shown
    text.read(" has")
    assert "".join(text.write(60)) == "".join(generate(model, vocab, "it" + shown + " has", 60, **options))


@pytest.mark.parametrize("end", ["at_a_stop_string", "when_the_caller_ends_it", "before_its_first_token"])
def test_without_more_text_it_goes_on_as_if_it_had_not_ended(model, vocab, end):
    text = Continuation(model, vocab, temperature=1.0, seed=5)
    text.read("it")
    shown = getattr(Ends, end)(text)
    rest = "".join(text.write(90))
    assert shown + rest == "".join(generate(model, vocab, "it", len(shown) + 90, temperature=1.0, seed=5))


@pytest.mark.parametrize("shown", [3, 20])
def test_random_numbers_of_tokens_that_were_sampled_ahead_are_used_later(gru, vocab, shown):
    texts = []
    for length in (100, shown):
        text = Continuation(gru, vocab, temperature=1.0, seed=1)
        text.read("it")
        for _ in itertools.islice(text.write(length), shown):
            pass
        text.begin()
        text.read("it has")
        texts.append("".join(text.write(30)))
    assert texts[0] == texts[1] != "".join(generate(gru, vocab, "it has", 30, temperature=1.0, seed=1))


@pytest.mark.parametrize("goes_on", ["begin", "read"])
def test_random_numbers_that_ended_a_text_are_not_used_again(goes_on):
    """Of a model that ends a record after each token with probability 1/2; else the end would be likelier next time."""
    vocab = Vocab("a", boundaries=True)
    model = sharp(RNNLM(GRU(2), len(vocab)), 0)
    text = Continuation(model, vocab, temperature=1.0, seed=3)
    num_records, at_once = 700, 0
    for _ in range(num_records):
        at_once += list(text.write(10**6)) == []
        assert text.ended == "record"
        text.begin() if goes_on == "begin" else text.read("a")
    assert abs(at_once / num_records - 1 / 2) < 4 * (1 / 4 / num_records) ** 0.5


def test_the_same_stop_string_ends_the_text_again_and_another_does_not(gru, vocab):
    text = Continuation(gru, vocab, temperature=1.0, seed=2)
    text.read("it")
    shown = "".join(text.write(300, stop="e"))
    assert (text.ended, text.found) == ("stop", "e")
    assert "".join(text.write(300, stop="e")) == ""
    assert (text.ended, text.found) == ("stop", "e")
    text.read("e")
    assert text.ended == ""
    going_on = "".join(text.write(50))
    assert (text.ended, text.found) == ("", "")
    assert "".join(vocab.text(text.tokens)) == f"it{shown}e{going_on}"


def test_tokens_that_are_sampled_ahead_are_not_sampled_again(gru, vocab, calls):
    text = Continuation(gru, vocab)
    text.read("it")
    for _ in range(8):
        assert len("".join(text.write(1))) == 1
    assert calls == [8]


@pytest.mark.parametrize("lengths", [(1, 1, 1, 1, 1, 95), (50, 50), (2, 3, 5, 90)], ids=str)
def test_characters_of_several_bytes_are_completed_by_the_next_piece(lengths):
    vocab = Vocab(kind="byte")
    mxnet.random.seed(1)
    model = sharp(RNNLM(GRU(16), len(vocab)), 2.0)
    for seed in range(3):
        text = Continuation(model, vocab, temperature=1.5, seed=seed)
        text.read("한")
        pieces = ["".join(text.write(length)) for length in lengths[:-1]]
        pieces += text.write(lengths[-1], last=True)
        assert "".join(pieces) == "".join(generate(model, vocab, "한", sum(lengths), temperature=1.5, seed=seed))
        assert len(text.tokens) == 3 + sum(lengths)


def test_an_incomplete_character_is_not_part_of_the_text_that_is_read_on():
    vocab = Vocab(kind="byte")
    model = RNNLM(GRU(16), len(vocab))
    bias = mxnet.np.zeros(len(vocab))
    bias[vocab["ed"]] = 50.0  # the first byte of many Korean syllables, and never a whole character
    model.dense.bias.set_data(bias)
    text = Continuation(model, vocab, temperature=0)
    text.read("한")
    assert list(text.write(1)) == []
    assert len(text.tokens) == 3
    text.read("국")
    assert bytes.fromhex("".join(vocab.to_tokens(text.tokens))).decode() == "한국"
    assert "".join(text.write(1, last=True)) == "\N{REPLACEMENT CHARACTER}"


def test_records_begin_and_end():
    vocab = Vocab("abcdef", boundaries=True)
    mxnet.random.seed(1)
    model = sharp(RNNLM(GRU(8), len(vocab)), 2.0)
    text = Continuation(model, vocab, temperature=1.0, seed=4)
    records = []
    for _ in range(5):
        records.append("".join(text.write(1000)))
        assert text.ended == "record"
        assert "".join(text.write(1000)) == ""  # the end is not part of the text, which still ends here
        assert text.tokens == [vocab.begin_index, *vocab.encode(list(records[-1]))]
        text.begin()
        assert text.tokens == [vocab.begin_index]
    assert len(set(records)) > 1
    assert records[0] == "".join(generate(model, vocab, "", 1000, temperature=1.0, seed=4))
    text.read("abc")
    text.read("")
    "".join(text.write(1000))
    assert text.tokens[:4] == [vocab.begin_index, *vocab.encode(list("abc"))]


def test_a_word_of_which_a_part_was_shown_is_not_part_of_the_text():
    vocab = Vocab(["time", "machine", "the"], kind="word")
    mxnet.random.seed(1)
    model = sharp(RNNLM(GRU(8), len(vocab)))
    text = Continuation(model, vocab, temperature=1.0)
    text.read("the")
    shown = "".join(text.write(30, stop="chi"))
    assert shown.endswith(" ma")
    assert "".join(vocab.text(text.tokens)) == " the" + shown[:-len(" ma")]


@pytest.mark.parametrize("width", [1, 4])
def test_a_beam_search_goes_on_from_the_text_it_has_written(gru, vocab, width):
    text = Continuation(gru, vocab, beam=width)
    text.read("it")
    first = "".join(text.write(20))
    assert first == "".join(generate(gru, vocab, "it", 20, beam=width))
    second = "".join(text.write(20))
    assert second == "".join(generate(gru, vocab, "it" + first, 20, beam=width))
    some = "".join(itertools.islice(text.write(100), 2))
    assert "".join(vocab.text(text.tokens)) == "it" + first + second + some
    text.read(" has")
    assert "".join(text.write(9)) == "".join(generate(gru, vocab, f"it{first}{second}{some} has", 9, beam=width))


def test_no_run_is_copied_across_what_is_read(gru, vocab):
    training = TrainingText(vocab.encode(list(TEXT)), vocab)
    text = Continuation(gru, vocab, temperature=1.0, no_copy=training.limit(3))
    for _ in range(12):
        text.read("it has"[:3])
        "".join(text.write(9))
        for end in range(4, len(text.tokens) + 1):
            if "".join(vocab.text(text.tokens[end - 4:end])) in TEXT:
                pytest.fail(f"{text.tokens} {end}")


def test_a_text_that_nothing_may_follow_ends_and_goes_on_with_more_text(vocab, gru):
    after_t = "".join("t" + letter for letter in sorted(set(TEXT)))
    training = TrainingText(vocab.encode(list(after_t)), vocab)
    text = Continuation(gru, vocab, no_copy=training.limit(1))
    text.read("t")
    assert "".join(text.write(10)) == ""
    assert text.ended == "no_copy"
    text.read("hm")
    assert "".join(text.write(1)) != ""
    assert text.ended == ""
    assert generate_many(gru, vocab, "t", 5, 3, no_copy=training.limit(1)) == ["", "", ""]


def test_a_text_must_be_read_before_it_can_be_continued(gru, vocab):
    text = Continuation(gru, vocab)
    with pytest.raises(ValueError, match=r"^prefix must be read before the text can be continued; got ''$"):
        text.write(5)


def test_a_text_that_cannot_be_read_changes_nothing(gru, vocab):
    text = Continuation(gru, vocab)
    text.read("it")
    pieces = text.write(20)
    shown = next(pieces)
    with pytest.raises(ValueError, match=r"^prefix must be made of tokens in the vocabulary; got 'Ω'"):
        text.read("Ω")
    assert shown + "".join(pieces) == "".join(generate(gru, vocab, "it", 20))
    text.read("ΩaΩ", skip_unknown=True)
    assert text.tokens[-1] == vocab["a"]


@pytest.mark.parametrize(("call", "message"), [
    (lambda text: text.write(-1), "length must be a non-negative integer; got -1"),
    (lambda text: text.write(5, stop=[""]), "stop must be strings, none of them empty"),
    (lambda text: text.write(5, last=1), "last must be True or False; got 1"),
    (lambda text: text.read(3), "prefix must be a string; got 3"),
    (lambda text: text.read(""), "prefix must be at least one token"),
])
def test_bad_arguments_are_refused_at_once(gru, vocab, call, message):
    text = Continuation(gru, vocab)
    text.read("it")
    with pytest.raises(ValueError, match="^" + message):
        call(text)


def test_an_option_cannot_be_set_later_where_it_would_have_no_effect():
    vocab = Vocab("abc")
    text = Continuation(RNNLM(GRU(4), len(vocab)), vocab)
    for name in ("temperature", "seed", "tokens", "stop"):
        with pytest.raises(ValueError, match=rf"^text\.{name} must be left as it is, since setting it has no effect; "):
            setattr(text, name, 1)
