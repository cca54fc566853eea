r"""What a word is, in every script: regular expressions for tokens that are words, and for the features of words.

- A word consists of **letters** and **digits** of every script (Unicode's categories L and N) and **underscores**.
- **Marks** (category M) belong to the letter before them: vowel signs of Hindi, Tamil and Thai, points of Hebrew,
  vowels of Arabic, accents for which there is no composed letter.
- **Joiners** (U+200C, U+200D) after a letter or a mark belong to it: they choose the form of a conjunct in Hindi and
  Malayalam, and divide the parts of a word in Persian.
- An **apostrophe** (``'`` or U+2019), a **soft hyphen** (U+00AD), and **geresh** and **gershayim** of Hebrew (U+05F3,
  U+05F4) belong to a word if they are inside it.
- **Number signs** of Arabic and Kaithi (Unicode's prepended concatenation marks) belong to the number after them.

White space and everything else end a word: ``3.14`` and ``well-known`` are two words each.  A run of letters of a
script that puts no spaces between words, such as Chinese and Thai, is one word.

The expressions are for the package ``regex``, and for JavaScript with the flag ``u``.
"""

_NUMBER_SIGNS = "\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
_MARKS = r"\p{M}\u200C\u200D"
_MODIFIERS = r"\p{M}\u200C\p{Emoji_Modifier}" + "\U000e0020-\U000e007f"
_PICTURE = r"\p{Extended_Pictographic}"


def _words_of(letters: str) -> str:
    """Words of these characters."""
    part = f"[{letters}][{letters}{_MARKS}]*"  # no alternatives, so that a word of any length needs no memory
    return rf"{part}(?:['\u2019\u00AD\u05F3\u05F4]{part})*"


WORD = _words_of(r"\p{L}\p{N}_" + _NUMBER_SIGNS)
"""A word."""

WORD_OF_LETTERS = _words_of(r"\p{L}")
"""A word without digits and underscores."""

CHARACTER = (rf"(?:\p{{Regional_Indicator}}{{2}}|{_PICTURE}(?:[{_MODIFIERS}]*\u200D{_PICTURE})*|\P{{White_Space}})"
             rf"[{_MODIFIERS}\u200D]*")
"""What a reader sees as one character: one with its marks; an emoji with what modifies it or is joined to it; a flag.

It is Unicode's extended grapheme cluster (UAX 29), except that marks of every kind belong to the character before them.
"""

TOKEN = rf" ?(?:[0-9]\uFE0F?\u20E3|{WORD}|{CHARACTER})|\p{{White_Space}}"
"""A keycap, a word, or a character that belongs to no word, each with the space before it; or white space."""
