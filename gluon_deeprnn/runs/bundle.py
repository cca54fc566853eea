"""A run in one file: all that generating, scoring, evaluating and exporting need, without the text."""

import atexit
import io
from pathlib import Path
import shutil
import struct
import tempfile
import zipfile
import zlib

from gluon_deeprnn import storage
from gluon_deeprnn.errors import DamagedFileError, DeepRNNError, Described, InputError
from gluon_deeprnn.runs.folder import RunFolder

NEEDED = ("config.json", "vocab.json", "model.npz")
OTHERS = ("history.jsonl", "result.json", "sample.txt")
_MOST_BYTES = 2**32
"""Of a file in a bundle, unpacked."""


def write_bundle(folder: RunFolder, path: Path) -> None:
    """Write the files of a run, without its text, checkpoint and pictures, into a zip file."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name in (*NEEDED, *OTHERS):
            file = folder.path / name
            if file.exists():
                stored = zipfile.ZipInfo(name)  # without the time, so that the same run gives the same bytes
                stored.compress_type = zipfile.ZIP_STORED if name.endswith(".npz") else zipfile.ZIP_DEFLATED
                bundle.writestr(stored, file.read_bytes())
    storage.replace_file(path, content.getvalue())


def unpacked(path: Path) -> RunFolder:
    """The files of a bundle, in a temporary folder that exists as long as the process.

    Raises
    ------
    ValueError
        If it is not a bundle, or damaged.
    """
    try:
        with zipfile.ZipFile(path) as bundle:
            names = bundle.namelist()
            if not set(NEEDED) <= set(names) or not set(names) <= {*NEEDED, *OTHERS} or len(names) > len(set(names)):
                raise InputError("run", "a run folder, or one in a zip file that export wrote", str(path))
            if any(bundle.getinfo(name).file_size > _MOST_BYTES for name in names):
                raise DamagedFileError(str(path), "a bundle of files of at most 4 GB", Described("a larger one"))
            content = {name: bundle.read(name) for name in names}
    except DeepRNNError:
        raise
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, OSError, ValueError) as error:
        raise DamagedFileError(str(path), "a run in a zip file that export wrote",
                               Described(f"{type(error).__name__}: {error}")) from None
    folder = tempfile.mkdtemp(prefix="gluon-deeprnn-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name, each in content.items():
        (Path(folder) / name).write_bytes(each)
    return RunFolder(folder)
