"""The identity of a run in ``config.json`` and ``vocab.json``, with validation of these files."""

import dataclasses
import functools
import hashlib
import json
import os
from pathlib import Path
import re
import secrets
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from gluon_deeprnn import _checks, kernels, runtime, storage
from gluon_deeprnn.data import Source, Vocab
from gluon_deeprnn.data.files import read_text
from gluon_deeprnn.errors import DamagedFileError, Described, InputError
from gluon_deeprnn.runs.build import find_sources, how_to_read
from gluon_deeprnn.runs.config import RunConfig
from gluon_deeprnn.runs.folder import RunFolder
from gluon_deeprnn.runs.recipes import recipe_names

_FORMAT = "gluon_deeprnn run 1"
_MAY_CHANGE = ("max_epochs", "checkpoint_seconds", "ctx", "prefix")


@dataclasses.dataclass(frozen=True)
class StoredRun:
    """The identity of a run.

    Attributes
    ----------
    id : str
        A random identifier.
    settings : dict
        Its settings as in ``config.json``; a run of an earlier version lacks those that were added later.
    texts : list of dict
        Name, SHA-1 and number of characters of each text.
    recipe : str or None
        Its recipe, unless a relevant setting was changed.
    vocab : str
        The content of ``vocab.json``.
    found_at : tuple of str
        Where its text files are, if they were moved since it began; they are identified by their SHA-1.
    began_from : str or None
        The fingerprint of the run with whose parameters it began.
    imported : tuple of dict
        Name and SHA-1 of the files of another program from which the model is; such a run has no texts.
    """

    id: str
    settings: Dict[str, Any]
    texts: List[Dict[str, Any]]
    recipe: Optional[str]
    vocab: str
    found_at: Tuple[str, ...] = ()
    began_from: Optional[str] = None
    imported: Tuple[Mapping[str, str], ...] = ()

    @classmethod
    def new(cls, config: RunConfig, texts: List[Dict[str, Any]], recipe: Optional[str], vocab: str,
            began_from: Optional[str] = None, imported: Sequence[Mapping[str, str]] = ()) -> "StoredRun":
        """The identity of a new run."""
        return cls(secrets.token_hex(16), config.as_dict(), texts, recipe, vocab, began_from=began_from,
                   imported=tuple(imported))

    @functools.cached_property
    def config(self) -> RunConfig:
        """Its settings, with the defaults of those that it lacks."""
        return RunConfig.from_dict(self.settings)

    def moved(self, text: Sequence[str]) -> "StoredRun":
        """The same run with its text files at other places: files, folders and patterns, as for `read_texts`.

        A stream has no place: a text that the run keeps stays where it is.

        Raises
        ------
        ValueError
            If the texts have changed, or one is a stream and the run does not know a file of it.
        """
        self.check_has_texts()
        if not text:
            return dataclasses.replace(self, found_at=())
        sources = self.same(find_sources(self.config.replace(corpus=None, text=tuple(text))))
        known = self.found_at or self.config.text
        if not known and any(source.path is None for source in sources):
            raise InputError("text", "in a file", Described("a stream"), "the run does not keep its text")
        places = [str(known[i]) if source.path is None else os.path.realpath(source.path)
                  for i, source in enumerate(sources)]
        return dataclasses.replace(self, found_at=tuple(places))

    def check_has_texts(self) -> None:
        """Raise an error for the run of a model that was imported, and was not trained on a text here.

        Raises
        ------
        ValueError
            "run must be one that was trained here; got a model from old.params ...".
        """
        if not self.texts:
            names = _checks.listed([file["name"] for file in self.imported])
            raise InputError("run", "one that was trained here", Described(f"a model from {names}, without a text"),
                             "score reads any text, and a new training can begin with it")

    def same(self, sources: Sequence[Source]) -> List[Source]:
        """The sources with the names that the run knows them by.

        Raises
        ------
        ValueError
            If they are not the texts of the run.
        """
        if [source.sha1 for source in sources] != [text["sha1"] for text in self.texts]:
            wanted = _checks.listed([f"{text['name']} (SHA-1 {text['sha1']})" for text in self.texts])
            found = _checks.listed([f"{source.name} (SHA-1 {source.sha1})" for source in sources])
            raise InputError("text", f"unchanged since the run was started, {wanted}", Described(found))
        return [dataclasses.replace(source, name=text["name"]) for source, text in zip(sources, self.texts)]

    def replace(self, **settings: Any) -> "StoredRun":
        """The same run with different values of settings that may change."""
        for name in settings:
            _checks.one_of("setting", name, _MAY_CHANGE)
        return dataclasses.replace(self, settings={**self.settings, **settings})

    @property
    def fingerprint(self) -> str:
        """A hash of the run's identity, settings and vocabulary, which the run's other files contain."""
        settings = {name: value for name, value in self.settings.items() if name not in _MAY_CHANGE}
        content = json.dumps([self.id, settings, self.texts, self.vocab], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    def as_dict(self) -> Dict[str, Any]:
        """The content of ``config.json``: this, the versions, and what else the results depend on."""
        return {"format": _FORMAT, "id": self.id, "recipe": self.recipe, "settings": self.settings,
                "texts": self.texts, **({"found_at": list(self.found_at)} if self.found_at else {}),
                **({"began_from": self.began_from} if self.began_from else {}),
                **({"imported": list(self.imported)} if self.imported else {}),
                "versions": runtime.versions(), **kernels.arithmetic()}

    def own(self, about: Any, path: Path) -> Mapping[str, Any]:
        """Return the metadata of an array file, if the file belongs to this run.

        Raises
        ------
        ValueError
            If it was written by a different run, or the settings or the vocabulary have changed since.
        """
        if not isinstance(about, dict) or about.get("run") != self.fingerprint:
            raise DamagedFileError(str(path), "a file of the same run as config.json and vocab.json",
                                     Described("a file of a different run, or these files were changed"))
        return about


def stored_run(folder: RunFolder) -> Tuple[StoredRun, Vocab]:
    """Read the identity of a run and its vocabulary.

    Raises
    ------
    ValueError
        If the folder does not contain a run, or these files are damaged or of a different version.
    """
    content, path = folder.config(), str(folder.path / "config.json")
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise DamagedFileError(path, f"of format {_FORMAT!r}",
                                 content.get("format") if isinstance(content, dict) else content)
    text, vocab = storage.parsed(folder.path / "vocab.json", lambda text: (text, Vocab.from_json(text)))
    try:
        texts = [{"name": str(text["name"]), "sha1": re.fullmatch("[0-9a-f]{40}", text["sha1"])[0],  # type: ignore
                  "characters": _checks.integer("characters", text["characters"], at_least=1)}
                 for text in content["texts"]]
        imported = tuple({"name": _checks.text("name", file["name"]), "sha1": _checks.text("sha1", file["sha1"])}
                         for file in content.get("imported", []))
        recipe = content["recipe"]
        stored = StoredRun(_checks.text("id", content["id"]), content["settings"], texts,
                           recipe if recipe in recipe_names() else None, text,
                           tuple(_checks.text("found_at", file) for file in content.get("found_at", [])),
                           None if "began_from" not in content else _checks.text("began_from", content["began_from"]),
                           imported)
        if not texts and not imported:
            raise ValueError("no texts")
        stored.config.as_dict()  # raises an error if the settings are not valid
    except (KeyError, TypeError, ValueError) as error:
        reason = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        raise DamagedFileError(path, "a file that this package wrote", Described(reason)) from None
    return stored, vocab


def same_sources(stored: StoredRun, folder: RunFolder) -> List[Source]:
    """The texts of a run, if they are unchanged; those that the run keeps are found after its folder was moved.

    Raises
    ------
    ValueError
        If they have changed, or it has none.
    """
    stored.check_has_texts()
    files = [file if os.path.exists(file) else str(folder.kept_text(Path(file).name) or file)
             for file in stored.found_at or stored.config.text]
    how = how_to_read(stored.config)
    return stored.same([read_text(file, **how) for file in files] if files else find_sources(stored.config))
