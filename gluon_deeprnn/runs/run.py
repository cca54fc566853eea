"""Loads a run from its folder."""

import dataclasses
import os
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Union

from gluon_deeprnn.data import Apart, Records, Source, Stream, TextData, Vocab, read_texts
from gluon_deeprnn.data.apart import read_apart, stream_of
from gluon_deeprnn.data.evaluated_text import text_of_records
from gluon_deeprnn.data.records import begin_of, encode_records, read_records
from gluon_deeprnn.errors import DamagedFileError, Described, InputError
from gluon_deeprnn.models import RNNLM, RNNLMScratch
from gluon_deeprnn.models.weights import set_parameters
from gluon_deeprnn.runs.build import (
    build_data,
    build_model,
    check_memory,
    describe,
    describe_model,
    num_weights,
    with_records,
)
from gluon_deeprnn.runs.bundle import unpacked
from gluon_deeprnn.runs.config import RunConfig
from gluon_deeprnn.runs.folder import RunFolder
from gluon_deeprnn.runs.stored import StoredRun, same_sources, stored_run


@dataclasses.dataclass
class Run:
    """A trained model, loaded from its folder.

    Attributes
    ----------
    folder : RunFolder
    stored : StoredRun
        Its identity: settings, texts, recipe.
    model : RNNLM or RNNLMScratch
        The model with the best parameters.
    vocab : Vocab
    history : list of dict
        One row per epoch.
    """

    folder: RunFolder
    stored: StoredRun
    model: Union[RNNLM, RNNLMScratch]
    vocab: Vocab
    history: List[Dict[str, Any]]

    @property
    def config(self) -> RunConfig:
        """Its settings."""
        return self.stored.config

    @property
    def title(self) -> str:
        """A one-line description of the run."""
        if self.stored.imported:
            return f"{describe_model(self.config)} hidden units, from {self.stored.imported[0]['name']}"
        return describe(self.config, self.stored.recipe, [text["name"] for text in self.stored.texts])

    def data(self, text: Optional[Sequence[Union[str, "os.PathLike[str]"]]] = None) -> TextData:
        """The data on which it was trained, if its texts are unchanged; ``text`` says where they were moved to."""
        stored = self.stored if text is None else self.stored.moved([str(file) for file in text])
        return build_data(self.config, same_sources(stored, self.folder), self.vocab)

    def read_texts(self, paths: Sequence[Union[str, "os.PathLike[str]"]], encoding: Optional[str] = None,
                   ) -> List[Source]:
        """Texts to be read by its model: bytes for a model of bytes, and records as those that it was trained on.

        The arguments are those of `gluon_deeprnn.data.read_texts`.
        """
        sources = read_texts(paths, raw=self.vocab.tokenizer.reads_bytes, encoding=encoding)
        return with_records(self.config, sources)

    def source_tokens(self, sources: List[Source], source: Optional[str] = None) -> Dict[str, str]:
        """For texts, by their names, the source whose token is read before them: ``source``, or what they are.

        A text on which the run was trained is known by its SHA-1.  A run without tokens of sources has none.
        """
        if source is not None:
            self.vocab.source_index(source)
            return {each.name: source for each in sources}
        known = {text["sha1"]: text["name"] for text in self.stored.texts if text["name"] in self.vocab.sources}
        return {each.name: known[each.sha1] for each in sources if each.sha1 in known}

    def stream(self, sources: List[Source], source: Optional[str] = None) -> Union[Stream, Records, Apart]:
        """Texts as one stream of tokens of this run's vocabulary.

        For a run on records, the texts are read as records, too; for a run on separate texts, each by itself, after the
        token of its source, or of ``source``, if the run has such tokens.
        """
        if self.config.records != "none":
            return self._records(sources)
        if self.config.streams == "separate" or source is not None:
            return self._apart(sources, source)
        return stream_of(self.vocab, self.tokens(sources))

    def tokens(self, sources: List[Source]) -> List[str]:
        """The tokens of texts, one after the other, as they are written."""
        tokens = [token for source in sources for token in self.vocab.split(source.text)]
        if len(tokens) < 2:
            raise InputError("text", "at least 2 tokens long", Described(f"{len(tokens)} tokens"))
        return tokens

    def _apart(self, sources: List[Source], source: Optional[str]) -> Apart:
        texts = {each.name: self.vocab.split(each.text) for each in sources}
        return read_apart(self.vocab, texts, self.source_tokens(sources, source))

    def _records(self, sources: List[Source]) -> Records:
        kind, tokenizer = self.config.records, self.vocab.tokenizer
        records = [record for source in sources
                   for record in read_records(source.text, kind, self.vocab.cleaning, tokenizer)]
        if not records:
            raise InputError("text", f"at least one record of kind {kind}, after cleaning", Described("none"))
        return Records(encode_records(self.vocab, records), begin_of(self.vocab, kind),
                       batch_size=self.config.batch_size, num_steps=self.config.num_steps,
                       text=text_of_records(self.vocab, records, kind))


def load_run(path: Union[str, "os.PathLike[str]"]) -> Run:
    """Load a run from its folder: the model with the best parameters, the vocabulary, the settings.

    Parameters
    ----------
    path : str or path
        A folder that ``gluon-deeprnn train`` wrote, or a file of ``gluon-deeprnn export --format zip``.

    Returns
    -------
    Run

    Raises
    ------
    ValueError
        If it is not a run folder, or one of its files is missing or damaged.

    Examples
    --------
    >>> from gluon_deeprnn import load_run
    >>> load_run('no-such-folder')
    Traceback (most recent call last):
    ...
    gluon_deeprnn.errors.InputError: run must be a run folder (one with a config.json); got 'no-such-folder'
    """
    if not isinstance(path, (str, os.PathLike)):
        raise InputError("path", "the path of a run folder", path)
    folder = unpacked(Path(path)) if Path(path).is_file() else RunFolder(path)
    stored, vocab = stored_run(folder)
    arrays, about = folder.model()
    stored.own(about, folder.path / "model.npz")
    found = sum(array.size for array in arrays.values())
    if num_weights(stored.config, len(vocab)) > found:  # checked before the model is allocated
        raise DamagedFileError(str(folder.path / "model.npz"), "a model with the settings in config.json",
                                 Described(f"{found} weights"))
    check_memory(stored.config, len(vocab), training=False)
    model = build_model(stored.config, len(vocab))
    set_parameters(model, arrays)
    return Run(folder, stored, model, vocab, folder.history())
