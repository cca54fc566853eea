"""A text and where it is from."""

import dataclasses
from pathlib import Path
from typing import Optional


@dataclasses.dataclass(frozen=True)
class Source:
    """A named text before cleaning.

    Attributes
    ----------
    name : str
        The name of the corpus or of the file.
    text : str
        The text, with line feeds as line ends and without Project Gutenberg's header and footer.
    sha1 : str
        SHA-1 of the file's bytes, in hexadecimal.
    content : bytes, optional
        The bytes, if they came from a stream, which cannot be read a second time.
    path : pathlib.Path, optional
        The file, if it came from a file.
    """

    name: str
    text: str
    sha1: str
    content: Optional[bytes] = dataclasses.field(default=None, repr=False)
    path: Optional[Path] = dataclasses.field(default=None, repr=False, compare=False)
