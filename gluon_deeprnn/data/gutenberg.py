"""Project Gutenberg's headers and licences, which are not part of the books."""

import re
from typing import List, Tuple

_TITLE = re.compile(
    r"^[^\w\n]*(?:The |This is the )?Project Gutenberg(?:['\u2019]s )?[^\n]{0,40}?(?:e-?book|e-?text|edition)"
    r"(?:,|:| of| for)|^[^\w\n]*(?:The )?Project Gutenberg['\u2019]s ", re.IGNORECASE | re.MULTILINE)
"""The first line of a header: "The Project Gutenberg eBook of Emma", "Project Gutenberg's Emma, by Jane Austen"."""

_FIELDS = re.compile(r"^(?:Title|Author|Translator|Editor|Illustrator|Release Date|Posting Date|Language|Credits"
                     r"|Character set encoding)\b *:", re.IGNORECASE | re.MULTILINE)
"""A line of a header that has lost its first line."""

_MARKER = re.compile(
    r"^[ \t]*(?:\*{3} ?(START|END) OF (?:THE|THIS) PROJECT GUT(?:[^\n]*\*{3}|[^\n]*\n[^\n*]{0,80}\*{3}|[^\n]*)"
    r"|\*END ?\*? ?THE (SMALL PRINT)![^\n]*"
    r"|(End) of (?:the |this )?Project Gutenberg\b[^\n]*(?:(?:\n[^\n*]*[^\s*][^\n*]*){1,2}(?=\s*\*{3} ?END OF))?)"
    r"[ \t]*(?:\n|\Z)",
    re.IGNORECASE | re.MULTILINE)
"""Where a book begins and ends.  Until 2003 "*END*THE SMALL PRINT!" is the end of a header or of a licence."""

_AFTER_A_BOOK = re.compile(r"\s*(?:\*\*\*|This (?:and all associated )?files? |"
                           + _TITLE.pattern.replace("^", "") + ")", re.IGNORECASE)
"""What follows the line "End of Project Gutenberg's Emma", if it is not a sentence of a text."""

_LICENCE_END = re.compile(r"subscribe\s+to\s+our\s+email\s+newsletter\s+to\s+hear\s+about\s+new\s+e-?books\.?[^\n]*\n?",
                          re.IGNORECASE)
_LONGEST = 25_000
"""More characters than a header or a licence has."""
_NEAR = 1_000
"""More characters than a licence has between two lines that name Project Gutenberg."""


def strip_gutenberg(text: str) -> str:
    r"""Remove the headers and licences that Project Gutenberg adds to books, and line feeds at the beginning.

    A text may have several books one after the other, and other texts between them, which are kept.

    Examples
    --------
    >>> from gluon_deeprnn.data.gutenberg import strip_gutenberg
    >>> strip_gutenberg('Title: X\n*** START OF THE PROJECT GUTENBERG EBOOK X ***\nOnce\n*** END OF THIS PROJECT GUT')
    'Once\n'
    """
    return split_gutenberg(text)[0]


def split_gutenberg(text: str) -> Tuple[str, str]:
    """The text without Project Gutenberg's headers and licences, and what is left out: these, and empty lines."""
    kept: List[str] = []
    left_out: List[str] = []
    done, before = 0, ""
    for marker in [*_MARKER.finditer(text), None]:
        if marker and marker[3] and not _ends_a_book(marker, opened=before in ("START", "SMALL PRINT")):
            continue
        kind = next(filter(None, marker.groups())).upper() if marker else ""
        end, after = marker.span() if marker else (len(text), len(text))
        part = text[done:end]
        last = len(part) if kind in ("", "END") else _header(part, is_licence=(before, kind) == ("END", "SMALL PRINT"))
        first = _licence(part[:last]) if before == "END" else 0
        if not part[first:last].strip():
            first = last
        first += len(part[first:last]) - len(part[first:last].lstrip("\n"))
        kept.append(part[first:last])
        left_out += [part[:first], part[last:], text[end:after]]
        done, before = after, kind
    return "".join(kept), "".join(left_out)


def _ends_a_book(line: "re.Match[str]", *, opened: bool) -> bool:
    """Whether a line "End of Project Gutenberg's Emma" is the end of a book, and not a sentence of a text."""
    text, end = line.string, line.end()
    if _AFTER_A_BOOK.match(text, end):
        return True
    return opened and (not text[end:].strip() or re.search("e-?(?:text|book) of ", line[0], re.IGNORECASE) is not None)


def _header(part: str, *, is_licence: bool) -> int:
    """Where the header begins with which the text before the beginning of a book ends."""
    start = max(0, len(part) - _LONGEST)
    titles = [match.start() for match in _TITLE.finditer(part, start)]
    if titles:
        return titles[-1]
    if is_licence and not start:
        return 0
    fields = [match.start() for match in _FIELDS.finditer(part, max(0, len(part) - _NEAR))]
    return fields[0] if fields else len(part)


def _licence(part: str) -> int:
    """Where the licence ends with which the text after a book begins.

    The standard licence ends with a sentence that it always has; another one with the last line that names it or
    Project Gutenberg.
    """
    standard = _LICENCE_END.search(part, 0, _LONGEST)
    if standard:
        return standard.end()
    end = 0
    for line in re.finditer(r"[^\n]*\S[^\n]*\n?", part):
        if re.search("gutenberg", line[0], re.IGNORECASE) or (
                re.search("licen[cs]e", line[0], re.IGNORECASE) and not part[end:line.start()].strip()):
            end = line.end()
        elif line.end() > end + _NEAR:
            break
    return end
