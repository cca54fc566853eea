"""Starts and resumes the training of runs."""

import contextlib
import io
import itertools
import logging
import statistics
import time
from typing import Any, Dict, Iterator, List, Optional, Sequence

from gluon_deeprnn._checks import listed
from gluon_deeprnn.data import Source, TextData, Vocab
from gluon_deeprnn.data.cleaning import shown_share
from gluon_deeprnn.devices import as_contexts
from gluon_deeprnn.distributed import ALONE, Workers
from gluon_deeprnn.errors import Argument, DamagedFileError, Described, DivergedError
from gluon_deeprnn.evaluation import evaluate
from gluon_deeprnn.models.weights import set_parameters
from gluon_deeprnn.plotting import plot_history
from gluon_deeprnn.runs.build import (
    build_data,
    build_model,
    build_trainer,
    check_memory,
    describe,
    find_sources,
    with_streams,
)
from gluon_deeprnn.runs.config import RunConfig
from gluon_deeprnn.runs.folder import RunFolder
from gluon_deeprnn.runs.planning import Budget, plan
from gluon_deeprnn.runs.run import Run
from gluon_deeprnn.runs.sample import sample
from gluon_deeprnn.runs.start import check_same, initial_parameters, set_initial
from gluon_deeprnn.runs.stored import StoredRun, same_sources, stored_run
from gluon_deeprnn.training import Callback, Training

_log = logging.getLogger(__name__)


class _FileWriter(Callback):
    """Writes the files of a run during training: at the end of each epoch, and checkpoints during long epochs."""

    def __init__(self, folder: RunFolder, fingerprint: str, checkpoint_seconds: float) -> None:
        self._folder, self._fingerprint, self._every = folder, fingerprint, checkpoint_seconds
        self._written = time.monotonic()

    def on_epoch_end(self, trainer: Training) -> None:
        row = trainer.history[-1]
        if trainer.improved:
            self._folder.write_model(trainer.parameters(), {
                "run": self._fingerprint, "epoch": row["epoch"], "val_ppl": row["val_ppl"]})
        self._write_checkpoint(trainer)
        self._folder.write_history(trainer.history)

    def on_pause(self, trainer: Training) -> None:
        if time.monotonic() >= self._written + self._every:
            self._write_checkpoint(trainer)

    def on_interrupt(self, trainer: Training) -> None:
        self._write_checkpoint(trainer)

    def _write_checkpoint(self, trainer: Training) -> None:
        arrays, about = trainer.checkpoint()
        self._folder.write_checkpoint(arrays, {"run": self._fingerprint, "training": about})
        self._written = time.monotonic()


class Job:
    """One training run: its settings, files, data and model.

    Construct it by `begin` or `resume`.

    Parameters
    ----------
    stored : StoredRun
        Its identity.
    folder : RunFolder
        Its files.
    data : TextData
        Its batches.
    checkpoint : optional
        The checkpoint from which it is resumed.
    """

    def __init__(self, stored: StoredRun, folder: RunFolder, data: TextData, checkpoint: Any = None) -> None:
        self.stored, self.folder, self.data, self._checkpoint = stored, folder, data, checkpoint
        self.model = build_model(stored.config, len(data.vocab))
        set_initial(self.model, stored, folder)

    @classmethod
    @contextlib.contextmanager
    def begin(cls, config: RunConfig, folder: RunFolder, recipe: Optional[str], budget: Optional[Budget] = None,
              start: Optional[Run] = None) -> Iterator["Job"]:
        """Start a run in a folder, which is locked inside the context."""
        folder.check_free()
        if start is not None:
            check_same(config.as_dict(), start)
        as_contexts(config.ctx)  # reject a GPU that does not exist before any file is written
        sources = find_sources(config)
        config = with_streams(config, sources)
        if not config.text:
            config = config.replace(corpus=sources[0].name)  # a resumed run must use the same corpus
        extended = start.vocab if start else None
        if budget is None:
            data = build_data(config, sources, extended=extended)
        else:
            chosen = plan(config, sources, budget, extended)
            if budget.most_epochs not in (None, chosen.config.max_epochs):
                recipe = None  # it has more epochs
            config, data = chosen.config, chosen.data
            for note in chosen.notes:
                _log.info("%s", note)
        check_memory(config, len(data.vocab))
        with folder.held():
            folder.check_free()  # another process may have started a run while this one read the texts
            if config.text:
                files = [source.path.resolve() if source.path else folder.keep_text(source.name, source.content or b"")
                         for source in sources]
                config = config.replace(text=tuple(map(str, files)))
            vocab = data.vocab.to_json()
            stored = StoredRun.new(config, [_about_text(source) for source in sources], recipe, vocab,
                                   start.stored.fingerprint if start else None)
            if start is not None:
                folder.write_initial(initial_parameters(start, config, data.vocab), {"run": stored.fingerprint})
            folder.begin(stored.as_dict(), vocab)
            least_first = sorted(data.kept.items(), key=lambda each: each[1])
            _log.info("cleaning %s keeps %s", config.cleaning,
                      listed([f"{shown_share(share)} of {name}" for name, share in least_first]))
            if config.streams == "separate" and len(sources) > 1:
                _log.info("each of the %d texts is read by itself (%s reads them as one)", len(sources),
                          Argument("streams", "joined"))
            if data.num_records:
                _log.info("records: %s", ", ".join(f"{num:,} {part}" for part, num in data.num_records.items()))
            yield cls(stored, folder, data)

    @classmethod
    @contextlib.contextmanager
    def resume(cls, folder: RunFolder, max_epochs: Optional[int], text: Sequence[str] = ()) -> Iterator["Job"]:
        """Resume a run from its last checkpoint, in a folder which is locked inside the context."""
        stored, vocab = stored_run(folder)
        if text:
            stored = stored.moved(text)
        sources = same_sources(stored, folder)
        if max_epochs is not None:
            stored = stored.replace(max_epochs=max_epochs)
        with folder.held():
            data = build_data(stored.config, sources, vocab)
            check_memory(stored.config, len(data.vocab))
            if max_epochs is not None or text:
                folder.begin(stored.as_dict(), stored.vocab)
            yield cls(stored, folder, data, _read_checkpoint(stored, folder))

    def train(self, *, progress: bool = True, workers: Workers = ALONE) -> Dict[str, Any]:
        """Train, write the files, and return the content of ``result.json``."""
        writer = _FileWriter(self.folder, self.stored.fingerprint, self.stored.config.checkpoint_seconds)
        trainer = build_trainer(self.stored.config, progress=progress, callbacks=[writer], workers=workers)
        if workers.size > 1:
            self._send(workers)
        try:
            history = trainer.fit(self.model, self.data, resume=self._checkpoint)
        except DivergedError as error:
            if not trainer.history:
                raise
            result = self._conclude(trainer.history)
            raise error.with_note(f"the best model, epoch {result['best_epoch']} with perplexity "
                                  f"{result['val_ppl']:.2f}, is in {self.folder}") from None
        return self._conclude(history)

    def _send(self, workers: Workers) -> None:
        """Send the other workers what `follow_run` receives."""
        arrays, about = self._checkpoint or ({}, None)
        workers.share_json({"settings": self.stored.config.as_dict(), "vocab": self.stored.vocab, "training": about,
                            "texts": [[source.name, source.text, source.sha1] for source in self.data.sources]})
        workers.share_arrays(arrays)

    def _conclude(self, history: List[Dict[str, Any]]) -> Dict[str, Any]:
        """Evaluate the best model, and write the curves, the samples and the result."""
        arrays, about = self.folder.model()
        epoch = self.stored.own(about, self.folder.path / "model.npz").get("epoch")
        best = next((row for row in history if row["epoch"] == epoch), None)
        if best is None:
            raise DamagedFileError(str(self.folder.path / "model.npz"), "of an epoch of the history",
                                   Described(f"epoch {epoch!r} of {len(history)}"))
        set_parameters(self.model, arrays)
        part, batches = self.data.held_out()
        evaluated = evaluate(self.model, batches)
        result = {
            "train_ppl": best["train_ppl"], "val_ppl": best["val_ppl"],
            "test_ppl": evaluated.perplexity if part == "test" else None,
            "bits_per_char": evaluated.bits_per_character, "evaluated": {"part": part, **evaluated.about_text()},
            "tokens_per_second": statistics.median(row["tokens_per_second"] for row in history),
            "seconds": sum(row["seconds"] for row in history), "epochs": len(history),
            "parameters": int(sum(array.size for array in arrays.values())), "best_epoch": best["epoch"],
            "last_train_ppl": history[-1]["train_ppl"], "last_val_ppl": history[-1]["val_ppl"]}
        if evaluated.by_source:
            result["val_ppl_by_source"] = best["val_ppl_by_source"]
            for name, measure in (("test_ppl", "perplexity"), ("bits_per_char", "bits_per_character")):
                result[f"{name}_by_source"] = {source: getattr(each, measure)
                                               for source, each in evaluated.by_source.items()}
        self.folder.write_result(result)
        self._write_curves(history)
        self.folder.write_sample(sample(self.model, self.data, self.stored.config))
        return result

    def _write_curves(self, history: List[Dict[str, Any]]) -> None:
        title = describe(self.stored.config, self.stored.recipe, [source.name for source in self.data.sources])
        png = io.BytesIO()
        plot_history(history, title=title).figure.savefig(png, format="png")
        self.folder.write_curves(png.getvalue())


def begin_run(config: RunConfig, folder: RunFolder, recipe: Optional[str], *, budget: Optional[Budget] = None,
              start: Optional[Run] = None, progress: bool = True, workers: Workers = ALONE) -> Dict[str, Any]:
    """Start a run and train; return the content of ``result.json``.

    With a ``budget``, the settings that it leaves open are chosen by the text and the time.  With ``start``, training
    begins with the parameters of that run, whose vocabulary is extended by the tokens of the text.  Worker 0 of several
    ``workers`` starts a run; the others call `follow_run`.

    Raises
    ------
    ValueError
        For texts that are missing or too short, a model that does not fit into memory, and a folder that contains a run
        or in which another training runs.
    DivergedError
        If the loss is not finite at lower learning rates either; the best model is kept.
    """
    with Job.begin(config, folder, recipe, budget, start) as job:
        return job.train(progress=progress, workers=workers)


def resume_run(folder: RunFolder, max_epochs: Optional[int] = None, *, text: Sequence[str] = (),
               progress: bool = True, workers: Workers = ALONE) -> Dict[str, Any]:
    """Resume a run from its last checkpoint, optionally with a larger number of epochs.

    Raises
    ------
    ValueError
        If the folder does not contain a run, its files are damaged or of different runs, its texts have changed, or
        another training runs in it.
    """
    with Job.resume(folder, max_epochs, text) as job:
        return job.train(progress=progress, workers=workers)


def follow_run(workers: Workers) -> None:
    """Train as one of several workers, but the first: settings and texts come from it, and no file is written."""
    sent = workers.share_json()
    arrays = workers.share_arrays({})
    config = RunConfig.from_dict(sent["settings"])
    sources = [Source(name, text, sha1) for name, text, sha1 in sent["texts"]]
    data = build_data(config, sources, Vocab.from_json(sent["vocab"]))
    check_memory(config, len(data.vocab))
    trainer = build_trainer(config, progress=False, workers=workers)
    with contextlib.suppress(DivergedError):  # so does the first worker, which keeps the best model and says so
        trainer.fit(build_model(config, len(data.vocab)), data,
                    resume=None if sent["training"] is None else (arrays, sent["training"]))


def _about_text(source: Source) -> Dict[str, Any]:
    return {"name": source.name, "sha1": source.sha1, "characters": len(source.text)}


def _read_checkpoint(stored: StoredRun, folder: RunFolder) -> Any:
    if not folder.has_checkpoint():
        return None
    arrays, about = folder.checkpoint()
    return arrays, stored.own(about, folder.path / "checkpoint" / "checkpoint.npz").get("training")


@contextlib.contextmanager
def new_folder(path: str) -> Iterator[RunFolder]:
    """Create the first of the folders ``path``, ``path-2``, ``path-3``, ... that does not exist.

    It belongs to whoever has created it: no two processes get the same.  It is removed after the context if nothing
    was written.

    Raises
    ------
    ValueError
        "out must be a folder that can be written; got ...".
    """
    for number in itertools.count(1):
        folder = RunFolder(path if number == 1 else f"{path}-{number}")
        if folder.create():
            break
    try:
        yield folder
    finally:
        folder.remove_if_empty()
