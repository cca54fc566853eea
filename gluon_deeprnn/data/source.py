"""A text and where it is from."""

import dataclasses
from pathlib import Path
from typing import Dict, Optional


@dataclasses.dataclass(frozen=True)
class Source:
    """A named text before cleaning.

    Attributes
    ----------
    name : str
        The name of the corpus or of the file.
    text : str
        The text, with line feeds as line ends, without the headers and licences of Project Gutenberg.
    sha1 : str
        SHA-1 of the file's bytes, in hexadecimal.
    content : bytes, optional
        The bytes, if they came from a stream, which cannot be read a second time.
    path : pathlib.Path, optional
        The file, if it came from a file.
    left_out : dict of str to str
        What of the file is not in the text, by what it is, such as "header and licence of Project Gutenberg".
    encoding : str, optional
        The name of Python's codec by which the file was decoded; None for bytes, and for a text that is from no file.
    """

    name: str
    text: str
    sha1: str
    content: Optional[bytes] = dataclasses.field(default=None, repr=False)
    path: Optional[Path] = dataclasses.field(default=None, repr=False, compare=False)
    left_out: Dict[str, str] = dataclasses.field(default_factory=dict, repr=False, compare=False)
    encoding: Optional[str] = dataclasses.field(default=None, repr=False, compare=False)
