"""A scored text as a page of HTML, which needs no other file, no network and no script."""

import html
import itertools
import math
from typing import Any, Callable, Iterator, List, Optional, Tuple
import unicodedata

from gluon_deeprnn.errors import InputError
from gluon_deeprnn.evaluation import Piece, ScoredText
from gluon_deeprnn.plotting.labels import chosen_language, labels
from gluon_deeprnn.plotting.style import checked_title
from gluon_deeprnn.plotting.surprisal import about_lines
import numpy

_LEVELS = (2, 3, 4, 6, 8, 11, 15)
"""The bits from which on a character has the next darker background and the next thicker line below it."""

_NAMES = "abcdefg"
_MARKED = 0.02
_CHARACTERS = 20_000

_STYLE = """
:root { color-scheme: light dark; }
body { max-width: 60rem; margin: 1.5rem auto; padding: 0 1rem; font: 1rem/1.4 system-ui, sans-serif; }
h1 { font-size: 1.2rem; }
.t { font: 0.95rem/2 ui-monospace, "DejaVu Sans Mono", "Noto Sans Mono CJK KR", D2Coding, monospace;
  counter-reset: l FIRST; }
.t > div { position: relative; margin-left: 3.5rem; min-height: 2em; unicode-bidi: isolate; white-space: pre-wrap;
  overflow-wrap: anywhere; tab-size: 4; }
.t > div::before { counter-increment: l; content: counter(l); position: absolute; left: -3.5rem; width: 2.8rem;
  text-align: right; opacity: 0.55; }
i { font-style: normal; padding-bottom: 1px; }
.n::after { content: "\\21b5"; opacity: 0.4; }
.u { outline: 1px dotted; }
sup { font-size: 0.65em; line-height: 0; opacity: 0.8; }
.k i { padding: 0 0.6em 1px; margin-right: 0.4em; white-space: nowrap; display: inline-block; }
"""


def surprisal_page(scored: Any, first_line: int = 1, num_lines: Optional[int] = None, *, title: str = "",
                   language: Optional[str] = None) -> str:
    """Return a page of HTML with the surprisal of the characters of a passage.

    The more surprising a character, the darker is its background, and the thicker the line below it, which is legible
    without colours too.  The most surprising words, one in 50, are followed by their bits.  Each word has a tooltip
    with its bits and those of its characters.  Words with a token that is not in the vocabulary are framed.  The page
    follows the reader's choice of light or dark colours.

    Parameters
    ----------
    scored : ScoredText
        The text, as returned by `gluon_deeprnn.evaluation.score`.
    first_line : int, default 1
        The number of the line with which the passage begins.
    num_lines : int, optional
        The number of lines of the passage; by default as many as have together at most 20,000 characters.
    title : str, optional
        The title.
    language : {'en', 'ko'}, optional
        Language of the legend; default: the value of ``GLUON_DEEPRNN_LANGUAGE``, else ``en``.

    Returns
    -------
    str
        The page; write it in UTF-8.

    Examples
    --------
    >>> from gluon_deeprnn import GRU, RNNLM, Vocab
    >>> from gluon_deeprnn.evaluation import score
    >>> from gluon_deeprnn.plotting import surprisal_page
    >>> vocab = Vocab('the time machine')
    >>> model = RNNLM(GRU(num_hiddens=8), vocab_size=len(vocab))
    >>> page = surprisal_page(score(model, vocab, 'the time machine'), title='GRU')
    >>> '<h1>GRU</h1>' in page, '<script' in page
    (True, False)
    """
    label, title = labels(language, drawn=False), checked_title(title)
    if not isinstance(scored, ScoredText):
        raise InputError("scored", "a ScoredText, as score returns it", scored)
    part = scored.excerpt(first_line, num_lines)
    if num_lines is None:
        ends = numpy.append(part.line_starts[1:], len(part.text))
        part = part.excerpt(1, max(1, int((ends <= _CHARACTERS).sum())))
    words = list(part.words())
    falling = sorted((word.bits for word in words if word.bits is not None), reverse=True)
    marked = falling[math.ceil(_MARKED * len(falling)) - 1] if falling else math.inf
    writer = _Writer(part, marked, label)
    lines = [f"<div>{''.join(writer.word(*found) for found in words)}</div>" for words in _by_line(part, words)]
    return f"""<!doctype html>
<html lang="{chosen_language(language)}">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{_shown(title or label('surprisal in bits'))}</title>
<style>{_STYLE.replace('FIRST', str(first_line - 1))}{_levels()}</style>
<h1>{_shown(title)}</h1>
<p>{_shown(about_lines(scored, part, first_line, label))}</p>
<p class="k">{_shown(label('surprisal in bits'))}: {_legend(label)}</p>
<p class="k">{_shown(label('numbers: bits of the most surprising words'))}{_framed(part, label)}</p>
<div class="t" lang="">
{chr(10).join(lines)}
</div>
</html>
"""


def _by_line(part: ScoredText, words: List[Piece]) -> Iterator[List[Tuple[Piece, int, int]]]:
    """For each line its words, with where the part of each lies that is in this line: white space can have several."""
    bounds, first = [*part.line_starts.tolist(), len(part.text)], 0
    for start, end in zip(bounds, bounds[1:]):
        while first < len(words) and words[first].end <= start:
            first += 1
        found, i = [], first
        while i < len(words) and words[i].start < end:
            found.append((words[i], max(start, words[i].start), min(end, words[i].end)))
            i += 1
        yield found


class _Writer:
    """Writes words as HTML."""

    def __init__(self, part: ScoredText, marked: float, label: Callable[..., str]) -> None:
        self._text, self._tokens, self._next = part.text, list(part.tokens()), 0
        levels = numpy.searchsorted(_LEVELS, numpy.nan_to_num(part.character_bits()), side="right")
        self._levels, self._marked, self._label = levels.tolist(), marked, label

    def word(self, word: Piece, start: int, end: int) -> str:
        """The characters of a word from ``start`` to ``end``, with a tooltip."""
        visible = start + len(self._text[start:end].rstrip())
        body = self._characters(start, visible)
        if word.bits is not None and word.bits >= self._marked and visible > start:
            body += f"<sup>{word.bits:.0f}</sup>"
        body += self._characters(visible, end)
        return f'<span{"" if word.known else " class=u"} title="{_shown(self._about(word))}">{body}</span>'

    def _characters(self, start: int, end: int) -> str:
        return "".join(self._run(level, "".join(self._text[i] for i in run))
                       for level, run in itertools.groupby(range(start, end), key=self._key))

    def _key(self, i: int) -> Tuple[int, bool]:
        return self._levels[i], self._text[i] == "\n"

    def _run(self, key: Tuple[int, bool], text: str) -> str:
        level, is_break = key
        classes = [*(["n"] if is_break else []), *([_NAMES[level - 1]] if level else [])]
        if not classes:
            return _shown(text)
        names = classes[0] if len(classes) == 1 else f'"{" ".join(classes)}"'
        return f"<i class={names}>{'' if is_break else _shown(text)}</i>"

    def _about(self, word: Piece) -> str:
        """The tooltip: the bits of a word and of its tokens."""
        tokens = self._tokens_of(word)
        about = self._label("no prediction") if word.bits is None else self._label("{:.1f} bits", word.bits)
        if len(tokens) > 1:
            about += ": " + ", ".join(_visible(token.text) + (f" {token.bits:.1f}" if token.bits is not None else "")
                                      for token in tokens)
        return about if word.known else f"{about} ({self._label('not in the vocabulary')})"

    def _tokens_of(self, word: Piece) -> List[Piece]:
        while self._next and self._tokens[self._next - 1].start >= word.start:
            self._next -= 1  # the same word once more, in the next line
        first = self._next
        while self._next < len(self._tokens) and self._tokens[self._next].end <= word.end:
            self._next += 1
        return self._tokens[first:self._next]


def _visible(text: str) -> str:
    return text.replace("\n", "\N{DOWNWARDS ARROW WITH CORNER LEFTWARDS}").replace(" ", "\N{OPEN BOX}")


def _shown(text: str) -> str:
    """The text as HTML, without characters that HTML does not allow."""
    return html.escape("".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(character) in ("Cc", "Cs")
                               and character not in "\n\t" else character for character in text))


def _levels() -> str:
    """The style of each level: an orange that is darker or lighter than black and white text, and a line below."""
    return "".join(f".{name} {{ background: rgba(230, 90, 0, {0.12 + 0.09 * i:.2f}); "
                   f"border-bottom: {0.5 + 0.7 * i:.1f}px solid; }}\n" for i, name in enumerate(_NAMES))


def _framed(part: ScoredText, label: Callable[..., str]) -> str:
    if part.known.all():
        return ""
    framed = label("framed: not in the vocabulary, {:.1%} of the tokens", (~part.known).mean())
    return f'; <span class=u>{_shown(framed)}</span>'


def _legend(label: Callable[..., str]) -> str:
    shown = [f"<i>{_shown(label('below {}', _LEVELS[0]))}</i>"]
    return " ".join([*shown, *(f"<i class={name}>{_shown(label('from {}', bits))}</i>"
                               for name, bits in zip(_NAMES, _LEVELS))])
