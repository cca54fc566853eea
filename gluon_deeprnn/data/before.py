"""How texts were read before there was the setting `reading`: runs that were begun then go on so."""

import dataclasses
import itertools
import re

from gluon_deeprnn.data.records import LINE_ENDS
from gluon_deeprnn.data.source import Source


def strip_gutenberg(text: str) -> str:
    """Remove what is before the first book of a text, and what is after the first line that may end it."""
    start = re.search(r"^\*\*\* ?START OF (THE|THIS) PROJECT GUTENBERG[^\n]*\n", text, re.MULTILINE)
    end = re.search(r"^ *(\*\*\* ?END OF (THE|THIS) PROJECT GUT|End of (the )?Project Gutenberg)", text, re.MULTILINE)
    return text[start.end() if start else 0:end.start() if end else len(text)].lstrip("\n")


def strip_records(source: Source, kind: str) -> Source:
    """A text whose records have no white space at both ends."""
    lines = LINE_ENDS.split(source.text)
    if kind == "line":
        return dataclasses.replace(source, text="\n".join(map(str.strip, lines)))
    groups = itertools.groupby(lines, key=lambda line: bool(line.strip()))
    records = ["\n".join(group).strip() for has_text, group in groups if has_text]
    return dataclasses.replace(source, text="\n\n".join(records))
