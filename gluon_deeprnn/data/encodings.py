"""The encodings of texts: which one a file has, and which it may have if it is not UTF-8."""

import codecs
import contextlib
import encodings.aliases
import re
from typing import Dict, List, NamedTuple, NoReturn, Optional, Sequence, Tuple, Union
import unicodedata

from gluon_deeprnn import _checks
from gluon_deeprnn.errors import Advice, Argument, Described, InputError, UnreadableTextError

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
          (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
"""Byte-order marks and their encodings; the mark of UTF-32 begins with that of UTF-16."""

_WIDE = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
_NO_TEXT = {"idna", "punycode", "raw_unicode_escape", "undefined", "unicode_escape"}
"""Names that Python lists with encodings, but that are none of texts."""

_COMMON = ("cp1252", "cp1251", "koi8_r", "cp1250", "iso8859_2", "cp866", "iso8859_5", "cp1253", "cp1254", "cp1255",
           "cp1256", "cp1257", "cp1258", "cp874", "mac_roman")
_OF_SEVERAL_BYTES = ("cp949", "gbk", "gb18030", "shift_jis", "cp932", "euc_jp", "big5", "johab")
"""The encodings that a text is compared with, the more common ones first."""
_NAMES: Dict[str, str] = {"euc_jp": "EUC-JP", "koi8_r": "KOI8-R", "iso8859_2": "ISO-8859-2", "iso8859_5": "ISO-8859-5"}

_GUESSED_FROM = 65_536
_MOST, _WIDTH = 4, 24
"""The most encodings that an error names, and the characters that it shows of each."""


class Decoded(NamedTuple):
    """A text, and the encoding that it was decoded from."""

    text: str
    encoding: str


def check_encoding(name: str, value: object) -> str:
    """Return the name that Python's codec has for an encoding of texts.

    Raises
    ------
    ValueError
        "encoding must be an encoding that Python knows, such as CP949 or CP1252; got 'cp94' (did you mean 'cp949'?)".

    Examples
    --------
    >>> from gluon_deeprnn.data.encodings import check_encoding
    >>> check_encoding('encoding', 'CP949'), check_encoding('encoding', 'latin2')
    ('cp949', 'iso8859-2')
    """
    with contextlib.suppress(LookupError, ValueError, UnicodeError):
        if isinstance(value, str):
            "".encode(value)  # rejects codecs between bytes and bytes
            found = codecs.lookup(value).name
            if found.replace("-", "_") not in _NO_TEXT:
                return "utf-8" if found == "utf-8-sig" else found
    known = sorted({*encodings.aliases.aliases, *encodings.aliases.aliases.values()} - _NO_TEXT)
    raise InputError(name, "an encoding that Python knows, such as CP949 or CP1252", value,
                     _checks.did_you_mean(value, known))


def decode(content: bytes, path: str, encoding: Optional[str] = None) -> Decoded:
    """Decode the content of a file.

    A byte-order mark decides; else a text that is UTF-8, and not only ASCII, is UTF-8.  ``encoding`` is that of other
    texts.  UTF-16 and UTF-32 without a mark are recognised if all of the text makes sense.

    Raises
    ------
    ValueError
        If it is not a text, or in none of these encodings; the error names likely ones, with a line that each gives.
    """
    marked = next((name for mark, name in _MARKS if content.startswith(mark)), None)
    if marked:
        used = decoder = marked
        if encoding and encoding.startswith(marked):  # "utf-16-le" is what the mark says, more precisely
            used = encoding
    else:
        used = decoder = _of_unmarked(content, encoding)
    if used == "utf-8" and b"\0" in content:  # a picture, say; other encodings would not help
        _refuse_null_bytes(path)
    try:
        text = content.decode("utf-8-sig" if decoder == "utf-8" else decoder)
    except UnicodeDecodeError as error:
        _refuse(content, path, error, used, marked, encoding)
    except UnicodeError as error:  # of a codec that does not say where
        raise UnreadableTextError("text", f"{used.upper()}, as encoding says", Described(f"{path!r}: {error}"),
                                  reason=f"not {used.upper()}") from None
    if decoder == "utf-16" and "\ufffe" in text:
        raise UnreadableTextError(
            "text", "of one byte order", Described(f"{path!r}, UTF-16 whose byte order changes at character "
                                                   f"{text.index(chr(0xfffe)):,}, as of joined files"),
            "convert each file to UTF-8 before they are joined", reason="UTF-16 of two byte orders")
    if "\0" in text:
        _refuse_null_bytes(path)
    return Decoded(text, used)


def _of_unmarked(content: bytes, encoding: Optional[str]) -> str:
    """The encoding of a text without a byte-order mark."""
    if b"\0" in content:
        found = encoding or next((name for name in _WIDE if _is_text(content, name)), "utf-8")
        return found
    if encoding is None or (not content.isascii() and _is_utf_8(content)):
        return "utf-8"
    return encoding


def _is_utf_8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _is_text(content: bytes, encoding: str) -> bool:
    """Whether bytes in an encoding are characters that a text may have, with spaces or line feeds."""
    try:
        characters = set(content.decode(encoding))
    except UnicodeDecodeError:
        return False
    return not characters.isdisjoint(" \n") and all(
        character in "\t\n\v\f\r" or unicodedata.category(character) not in ("Cc", "Cn", "Co", "Cs")
        for character in characters)


def _refuse_null_bytes(path: str) -> NoReturn:
    raise UnreadableTextError("text", "a text", Described(f"{path!r}, which contains null bytes"),
                              Advice(Argument("tokens", "byte"), " reads any file"), reason="contains null bytes")


def _refuse(content: bytes, path: str, error: UnicodeDecodeError, used: str, marked: Optional[str],
            encoding: Optional[str]) -> NoReturn:
    """Raise the error for a text that is not in the encoding in which it was read."""
    start = error.start + len(content) - len(error.object)  # the codec removes UTF-8's mark first
    described = Described(f"{path!r}, byte {content[start]:#04x} at {start}")
    name = used.upper()
    if marked and marked != "utf-8":
        raise UnreadableTextError("text", f"{name}, as its byte-order mark says", described,
                                  reason=f"not {name}") from None
    rule = f"{name}, as encoding says" if encoding and used == encoding else name
    damaged = _damaged_utf_8(content)
    if damaged:
        bytes_ = "1 byte" if damaged == 1 else f"{damaged:,} bytes"
        remedy = Advice(f"it is UTF-8 except {bytes_}, which iconv -c -f UTF-8 -t UTF-8 FILE leaves out")
    else:
        remedy = likely_encodings(content) or Advice("give its ", Argument("encoding", None), " if you know it; ",
                                                     Argument("tokens", "byte"), " reads any file")
    raise UnreadableTextError("text", rule, described, remedy, reason=f"not {name}") from None


def _damaged_utf_8(content: bytes) -> int:
    """The number of bytes that are not UTF-8 in a text that is UTF-8 for the most part; 0 for another text."""
    valid = content.decode("utf-8", "ignore")
    wrong = len(content) - len(valid.encode("utf-8"))
    return wrong if sum(not character.isascii() for character in valid) > 4 * wrong else 0


def likely_encodings(content: bytes) -> Optional[Advice]:
    """Name the encodings that a text may have, each with how it reads a line on which they differ; None without any."""
    parts: List[Union[str, Argument]] = []
    for name, sample in _guess(content).items():
        shown = _NAMES.get(name, name.upper())
        parts += [f", {shown}" if parts else Argument("encoding", shown), f" would read {sample!r}"]
    return Advice(*parts) if parts else None


def _guess(content: bytes) -> Dict[str, str]:
    """A few likely encodings, the likeliest first, each with a part of a line that it reads."""
    from charset_normalizer import from_bytes

    found = re.search(rb"[\x80-\xff]", content)
    if found is None:
        return {}
    first = found.start()
    start = max(content.rfind(b"\n", 0, first) + 1, first - _WIDTH)
    part = content[start:start + _GUESSED_FROM]
    if len(content) - start > _GUESSED_FROM:  # ends between characters
        part = part[:part.rfind(b"\n") + 1] or part
    ranked: List[Tuple[float, float, int, int, str, str]] = []
    for match in from_bytes(part, cp_isolation=[*_OF_SEVERAL_BYTES, *_COMMON]):
        names = {match.encoding, *match.could_be_from_charset}
        name = next((name for name in (*_OF_SEVERAL_BYTES, *_COMMON) if name in names), None)
        if name:
            place = _COMMON.index(name) if name in _COMMON else -1
            ranked.append((round(match.chaos, 1), -round(match.coherence, 1), place, len(ranked), name, str(match)))
    read: Dict[str, str] = {}
    for *_, name, text in sorted(ranked):
        if text not in read.values():
            read[name] = text
    likely = list(read)[:_MOST]
    western = _COMMON[0]
    if western not in likely and sum(byte > 127 for byte in part) < len(part) / 5:
        with contextlib.suppress(UnicodeDecodeError):  # a few characters that are not ASCII may mislead the guess
            read[western] = part.decode(western)
            likely = [*likely[:_MOST - 1], western]
    lines = [read[name].split("\n") for name in likely]
    line = _first_difference(lines)
    return {name: _sample(each[line], _first_difference([each[line] for each in lines]))
            for name, each in zip(likely, lines)}


def _first_difference(sequences: Sequence[Sequence[str]]) -> int:
    """The first place at which sequences differ; 0 if they do not."""
    return next((i for i, each in enumerate(zip(*sequences)) if len(set(each)) > 1), 0)


def _sample(line: str, where: int) -> str:
    """The part of a line around a character."""
    start = max(0, where - _WIDTH // 2)
    return "".join(c if c.isprintable() else "\ufffd" for c in line[start:start + _WIDTH]).strip()
