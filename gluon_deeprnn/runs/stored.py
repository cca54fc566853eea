"""What ``config.json`` and ``vocab.json`` say of a run, checked before it is believed."""

import dataclasses
import hashlib
import json
from pathlib import Path
import re
import secrets
from typing import Any, Dict, List, Mapping, Optional, Tuple

from gluon_deeprnn import _checks, kernels, runtime, storage
from gluon_deeprnn.data import Source, Vocab
from gluon_deeprnn.errors import DamagedFileError, Described, InputError
from gluon_deeprnn.runs.build import find_sources
from gluon_deeprnn.runs.config import RunConfig
from gluon_deeprnn.runs.folder import RunFolder
from gluon_deeprnn.runs.recipes import recipe_names

_FORMAT = "gluon_deeprnn run 1"
_MAY_CHANGE = ("max_epochs", "checkpoint_seconds", "ctx", "prefix")


@dataclasses.dataclass(frozen=True)
class StoredRun:
    """A run's identity.

    Attributes
    ----------
    id : str
        Drawn when it began.
    config : RunConfig
        Its settings.
    settings : dict
        The same as config.json has them: a run of an earlier version does not have the settings that came later.
    texts : list of dict
        Name, SHA-1 and characters of each text.
    recipe : str or None
        Its recipe, when no setting that matters was changed.
    vocab : str
        ``vocab.json``.
    """

    id: str
    config: RunConfig
    settings: Dict[str, Any]
    texts: List[Dict[str, Any]]
    recipe: Optional[str]
    vocab: str

    @classmethod
    def new(cls, config: RunConfig, texts: List[Dict[str, Any]], recipe: Optional[str], vocab: str) -> "StoredRun":
        """The identity of a run that begins."""
        return cls(secrets.token_hex(16), config, config.as_dict(), texts, recipe, vocab)

    def replace(self, **settings: Any) -> "StoredRun":
        """The same run with other values for settings that may change."""
        for name in settings:
            _checks.one_of("setting", name, _MAY_CHANGE)
        return dataclasses.replace(self, config=self.config.replace(**settings),
                                   settings={**self.settings, **settings})

    @property
    def fingerprint(self) -> str:
        """What the run's other files carry: it changes with every setting that makes the model, and every token."""
        settings = {name: value for name, value in self.settings.items() if name not in _MAY_CHANGE}
        said = json.dumps([self.id, settings, self.texts, self.vocab], sort_keys=True)
        return hashlib.sha256(said.encode()).hexdigest()

    def as_dict(self) -> Dict[str, Any]:
        """What ``config.json`` says: this, the versions, and what else the numbers depend on."""
        return {"format": _FORMAT, "id": self.id, "recipe": self.recipe, "settings": self.settings,
                "texts": self.texts, "versions": runtime.versions(), **kernels.arithmetic()}

    def own(self, about: Any, path: Path) -> Mapping[str, Any]:
        """What a file of arrays says about itself, if it belongs to this run.

        Raises
        ------
        ValueError
            When it was written by another run, or the settings or the vocabulary were changed since.
        """
        if not isinstance(about, dict) or about.get("run") != self.fingerprint:
            raise DamagedFileError(str(path), "a file of the run that config.json and vocab.json are of",
                                     Described("one of another run, or these were changed"))
        return about


def stored_run(folder: RunFolder) -> Tuple[StoredRun, Vocab]:
    """A run's identity and its vocabulary.

    Raises
    ------
    ValueError
        When the folder holds no run, or these files are damaged or of another version.
    """
    said, path = folder.config(), str(folder.path / "config.json")
    if not isinstance(said, dict) or said.get("format") != _FORMAT:
        raise DamagedFileError(path, f"of format {_FORMAT!r}",
                                 said.get("format") if isinstance(said, dict) else said)
    text, vocab = storage.parsed(folder.path / "vocab.json", lambda text: (text, Vocab.from_json(text)))
    try:
        texts = [{"name": str(text["name"]), "sha1": re.fullmatch("[0-9a-f]{40}", text["sha1"])[0],  # type: ignore
                  "characters": _checks.integer("characters", text["characters"], at_least=1)}
                 for text in said["texts"]]
        config, recipe = RunConfig.from_dict(said["settings"]), said["recipe"]
        stored = StoredRun(_checks.text("id", said["id"]), config, said["settings"], texts,
                           recipe if recipe in recipe_names() else None, text)
        if not texts:
            raise ValueError("no texts")
    except (KeyError, TypeError, ValueError) as error:
        reason = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        raise DamagedFileError(path, "what this package wrote", Described(reason)) from None
    return stored, vocab


def same_sources(stored: StoredRun) -> List[Source]:
    """The texts of a run, if they are still what they were.

    Raises
    ------
    ValueError
        When they are not.
    """
    sources = find_sources(stored.config)
    if [source.sha1 for source in sources] != [text["sha1"] for text in stored.texts]:
        wanted = ", ".join(f"{text['name']} (SHA-1 {text['sha1']})" for text in stored.texts)
        found = ", ".join(f"{source.name} (SHA-1 {source.sha1})" for source in sources)
        raise InputError("text", f"what the run was begun with, {wanted}", Described(found))
    return sources
