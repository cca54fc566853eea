"""Files from the book's server."""

import hashlib
import os
from pathlib import Path
from typing import Dict, Optional, Tuple
import urllib.parse

from gluon_deeprnn import _checks
from gluon_deeprnn.data.corpora import TIME_MACHINE_SHA1, TIME_MACHINE_URL, fetch
from gluon_deeprnn.errors import CorpusUnavailableError, Described, InputError
from gluon_deeprnn.storage import replace_file

DATA_URL = TIME_MACHINE_URL.rpartition("/")[0] + "/"
DATA_HUB: Dict[str, Tuple[str, str]] = {"time_machine": (TIME_MACHINE_URL, TIME_MACHINE_SHA1)}
_MAX_BYTES = 2**30
_TIMEOUT = 60.0


def download(url: str, folder: str = "../data", sha1_hash: Optional[str] = None) -> str:
    """The path of a file, which is downloaded if it is not on this machine.

    It is looked for in the folder that ``GLUON_DEEPRNN_DATA`` names, then in ``folder``, where a download is written:
    completely, or not at all.

    Parameters
    ----------
    url : str
        An ``http`` or ``https`` address, or a name in ``DATA_HUB``, which has the address and the checksum.
    folder : str, default "../data"
        Where to write the file; it is made if it does not exist.
    sha1_hash : str, optional
        SHA-1 of the file, in hexadecimal.  A file with another checksum is not used.

    Returns
    -------
    str
        Path of the file.

    Raises
    ------
    CorpusUnavailableError
        When the file cannot be downloaded, or what was downloaded has another checksum.

    Source
    ------
    Dive into Deep Learning, section "Predicting House Prices on Kaggle", downloading data.
    """
    if url in DATA_HUB:
        url, sha1_hash = DATA_HUB[url]
    parts = urllib.parse.urlsplit(_checks.text("url", url))
    name = parts.path.rpartition("/")[2]
    if parts.scheme not in ("http", "https") or name in ("", ".", ".."):
        raise InputError("url", "an http address that ends in the name of a file, or a name in DATA_HUB", url)
    for place in filter(None, (os.environ.get("GLUON_DEEPRNN_DATA"), folder)):
        path = Path(place) / name
        if path.is_file() and sha1_hash in (None, _sha1(path.read_bytes())):
            return str(path)
    path = Path(folder) / name
    try:
        content = fetch(url, _TIMEOUT, _MAX_BYTES)
    except OSError as error:
        raise CorpusUnavailableError(
            name, "on this machine or downloadable", Described(f"{url}: {getattr(error, 'reason', error)}"),
            f"put {name} into the folder that GLUON_DEEPRNN_DATA names, or into {folder}") from None
    if sha1_hash not in (None, _sha1(content)):
        raise CorpusUnavailableError(url, f"the file with SHA-1 {sha1_hash}", _sha1(content))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError("folder", "a folder that can be written",
                         Described(f"{folder!r}: {error.strerror}")) from None
    replace_file(path, content)
    return str(path)


def _sha1(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()
