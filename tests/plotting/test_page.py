"""The page of a scored text."""

import html.parser
import math
import re

from gluon_deeprnn import GRU, RNNLM, Vocab
from gluon_deeprnn.evaluation import score
from gluon_deeprnn.plotting import surprisal_page
from gluon_deeprnn.plotting.page import _LEVELS, _NAMES
import numpy
import pytest

TEXT = 'if a < b & c > "d":\n\n\tprint(\'봄이 <b>오면</b>\')  # &amp;\n' * 4


class Reader(html.parser.HTMLParser):
    """Reads the passage of a page: its characters, each with its level, and the tooltips; the tags have to match."""

    def __init__(self, page):
        super().__init__()
        self.open, self.lines, self.titles, self.tags = [], [], [], set()
        self.feed(page)
        self.close()
        assert not [tag for tag, _ in self.open if tag not in ("meta", "html")]

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.add(tag)
        if tag == "meta":
            return
        self.open.append((tag, attributes))
        if tag == "div" and not attributes:
            self.lines.append([])
        if "title" in attributes:
            self.titles.append((attributes["title"], attributes.get("class")))
        if tag == "i" and "n" in attributes.get("class", "").split() and self.lines:
            self.lines[-1].append(("\n", self.level()))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, text):
        if any(tag == "div" and not attributes for tag, attributes in self.open) and self.open[-1][0] != "sup":
            self.lines[-1] += [(character, self.level()) for character in text]

    def level(self):
        names = [name for tag, attributes in self.open if tag == "i" for name in attributes.get("class", "").split()]
        return next((_NAMES.index(name) + 1 for name in names if name in _NAMES), 0)


def scored_text(text, kind="char", known=None):
    vocab = Vocab(Vocab(kind=kind).split(known or text), kind=kind)
    model = RNNLM(GRU(8), len(vocab))
    for _, parameter in model.named_parameters():
        parameter.set_data(parameter.data() * 25)
    return score(model, vocab, text)


@pytest.mark.parametrize("kind", ["char", "word-unicode", "byte"])
def test_the_page_has_the_characters_of_the_text_with_their_levels(kind):
    scored = scored_text(TEXT, kind)
    read = Reader(surprisal_page(scored))
    characters = [each for line in read.lines for each in line]
    assert "".join(character for character, _ in characters) == TEXT
    assert len(read.lines) == TEXT.count("\n")
    expected = numpy.searchsorted(_LEVELS, numpy.nan_to_num(scored.character_bits()), side="right")
    assert [level for _, level in characters] == expected.tolist()
    assert len(set(expected.tolist())) > 3


def test_every_word_has_its_bits_and_those_of_its_characters_in_a_tooltip():
    scored = scored_text("the “fox” & dog\n")
    (first, _), *rest = Reader(surprisal_page(scored)).titles
    words = list(scored.words())
    assert first.startswith(f"{words[0].bits:.1f} bits: t, h ")  # nothing predicts the first character
    bits = [piece.bits for piece in scored.tokens() if 10 <= piece.start < 12]
    assert rest[1][0] == f"{words[2].bits:.1f} bits: & {bits[0]:.1f}, ␣ {bits[1]:.1f}"


def test_the_most_surprising_words_have_their_bits_beside_them():
    scored = scored_text(TEXT * 5)
    page = surprisal_page(scored)
    bits = sorted((word.bits for word in scored.words() if word.bits), reverse=True)
    marked = re.findall(r"<sup>(\d+)</sup>", page)
    assert 0 < len(marked) <= math.ceil(0.02 * len(bits)) + 1
    assert max(map(int, marked)) == round(bits[0])


def test_words_with_unknown_tokens_are_marked():
    read = Reader(surprisal_page(scored_text("the Ωmega dog", known="the mega dog")))
    assert [(title.endswith("(not in the vocabulary)"), mark) for title, mark in read.titles] == [
        (False, None), (True, "u"), (False, None)]
    assert "framed: not in the vocabulary, " not in surprisal_page(scored_text("the dog"))


def test_the_page_needs_no_network_and_no_script():
    page = surprisal_page(scored_text(TEXT), title="<script>alert(1)</script> & co")
    assert not re.search(r"https?:|//|url\(|@import|<script|<img|<link| on\w+=", page)
    assert "<h1>&lt;script&gt;alert(1)&lt;/script&gt; &amp; co</h1>" in page
    assert Reader(page).tags == {"html", "meta", "title", "style", "h1", "p", "i", "div", "span", "sup"}


def test_the_page_is_in_the_language_of_its_legend_and_the_passage_in_none():
    scored = scored_text(TEXT)
    assert '<html lang="en">' in surprisal_page(scored)
    korean = surprisal_page(scored, language="ko")  # whether a font is installed or not
    assert '<html lang="ko">' in korean
    assert "정보량" in korean
    assert '<div class="t" lang="">' in korean


def test_control_characters_and_lone_surrogates_are_replaced():
    page = surprisal_page(scored_text("a\x00\x1b[31m\x85b\udcffc\u202ed"))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", page)
    assert page.encode("utf-8")


def test_the_lines_are_those_that_were_asked_for():
    scored = scored_text("one\ntwo\nthree\n\nfive\n")
    page = surprisal_page(scored, 2, 2)
    assert ["".join(character for character, _ in line) for line in Reader(page).lines] == ["two\n", "three\n"]
    assert "counter-reset: l 1;" in page  # the first line has number 2
    assert "lines 2 to 3 of 5" in page


def test_white_space_over_several_lines_is_in_the_lines_that_it_is_in():
    read = Reader(surprisal_page(scored_text("a \n \n\n  b")))
    assert ["".join(character for character, _ in line) for line in read.lines] == ["a \n", " \n", "\n", "  b"]


def test_a_page_has_at_most_20000_characters_by_default_and_a_few_hundred_kilobytes():
    rng = numpy.random.default_rng(0)
    words = ["".join(rng.choice(list("abcdefghij"), size=rng.integers(2, 9))) for _ in range(6000)]
    text = "\n".join(" ".join(words[i:i + 9]) for i in range(0, 6000, 9))
    assert len(text) > 30_000
    page = surprisal_page(scored_text(text))
    shown = sum(map(len, Reader(page).lines))
    assert 19_900 < shown <= 20_000
    assert len(page.encode()) < 600_000


def test_other_objects_than_scored_texts_are_refused():
    with pytest.raises(ValueError, match=r"^scored must be a ScoredText, as score returns it; got 'text'"):
        surprisal_page("text")
