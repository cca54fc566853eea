"""Running: settings in, a trained model and its files out; stopped and gone on with."""

import io
import logging
from pathlib import Path
import statistics
import time
from typing import Any, Dict, List, Optional

from gluon_deeprnn.data import Source, TextData
from gluon_deeprnn.devices import as_context
from gluon_deeprnn.errors import DamagedFileError, Described, DivergedError, InputError
from gluon_deeprnn.evaluation import evaluate
from gluon_deeprnn.generation import generate
from gluon_deeprnn.models.weights import set_parameters
from gluon_deeprnn.plotting import plot_history
from gluon_deeprnn.runs.build import build_data, build_model, check_memory, describe, find_sources
from gluon_deeprnn.runs.config import RunConfig
from gluon_deeprnn.runs.folder import RunFolder
from gluon_deeprnn.runs.stored import StoredRun, same_sources, stored_run
from gluon_deeprnn.training import Callback, Trainer

_log = logging.getLogger(__name__)


def _build_trainer(config: RunConfig, **options: Any) -> Trainer:
    named = {"momentum": config.momentum, "wd": config.weight_decay}
    optimizer_params = {name: value for name, value in named.items() if value}
    return Trainer(config.max_epochs, gradient_clip_val=config.clip, optimizer=config.optimizer,
                   optimizer_params=optimizer_params, schedule=config.schedule, lr_factor=config.lr_factor,
                   lr_epochs=config.lr_epochs, patience=config.patience, ctx=config.ctx, seed=config.seed, **options)


class _Keeper(Callback):
    """Writes the run's files while it goes on: at the end of each epoch, and inside of long ones."""

    def __init__(self, folder: RunFolder, fingerprint: str, checkpoint_seconds: float) -> None:
        self._folder, self._fingerprint, self._every = folder, fingerprint, checkpoint_seconds
        self._written = time.monotonic()

    def on_epoch_end(self, trainer: Trainer) -> None:
        row = trainer.history[-1]
        if trainer.improved:
            self._folder.write_model(trainer.parameters(), {
                "run": self._fingerprint, "epoch": row["epoch"], "val_ppl": row["val_ppl"]})
        self._write_checkpoint(trainer)
        self._folder.write_history(trainer.history)

    def on_pause(self, trainer: Trainer) -> None:
        if time.monotonic() >= self._written + self._every:
            self._write_checkpoint(trainer)

    def on_interrupt(self, trainer: Trainer) -> None:
        self._write_checkpoint(trainer)

    def _write_checkpoint(self, trainer: Trainer) -> None:
        arrays, about = trainer.checkpoint()
        self._folder.write_checkpoint(arrays, {"run": self._fingerprint, "training": about})
        self._written = time.monotonic()


def begin_run(config: RunConfig, folder: RunFolder, recipe: Optional[str], *, progress: bool = True) -> Dict[str, Any]:
    """Train from the start; return what ``result.json`` says.

    Raises
    ------
    ValueError
        For texts that are missing or too short, a model that does not fit into memory, a folder that holds a run or in
        which another training is at work.
    DivergedError
        When the loss is not finite at lower learning rates either; the best model is kept.
    """
    if folder.exists():
        raise InputError("out", "a folder without a run in it", str(folder), "--resume continues that one")
    as_context(config.ctx)  # refuse a GPU that is not there before any file is written
    sources = find_sources(config)
    if config.text:
        config = config.replace(text=tuple(str(Path(file).resolve()) for file in config.text))
    else:
        config = config.replace(corpus=sources[0].name)  # what was found is what a resumed run has to find
    data = build_data(config, sources)
    check_memory(config, len(data.vocab))
    with folder.held():
        if folder.exists():  # begun by another process while this one read the texts
            raise InputError("out", "a folder without a run in it", str(folder), "--resume continues that one")
        vocab = data.vocab.to_json()
        stored = StoredRun.new(config, [_about_text(source) for source in sources], recipe, vocab)
        folder.begin(stored.as_dict(), vocab)
        _log.info("cleaning %s keeps %s", config.cleaning,
                  ", ".join(f"{share:.1%} of {name}" for name, share in data.kept.items()))
        return _train(stored, folder, data, resume=False, progress=progress)


def resume_run(folder: RunFolder, max_epochs: Optional[int] = None, *, progress: bool = True) -> Dict[str, Any]:
    """Go on with a run where its last checkpoint stands, perhaps for more epochs than it was to have.

    Raises
    ------
    ValueError
        When the folder holds no run, its files are damaged or not of one run, its texts are no longer what they were,
        or another training is at work in it.
    """
    stored, vocab = stored_run(folder)
    sources = same_sources(stored)
    if max_epochs is not None:
        stored = stored.replace(max_epochs=max_epochs)
    with folder.held():
        data = build_data(stored.config, sources, vocab)
        check_memory(stored.config, len(data.vocab))
        if max_epochs is not None:
            folder.begin(stored.as_dict(), stored.vocab)
        return _train(stored, folder, data, resume=True, progress=progress)


def _about_text(source: Source) -> Dict[str, Any]:
    return {"name": source.name, "sha1": source.sha1, "characters": len(source.text)}


def _train(stored: StoredRun, folder: RunFolder, data: TextData, *, resume: bool, progress: bool) -> Dict[str, Any]:
    checkpoint = None
    if resume and folder.has_checkpoint():
        arrays, about = folder.checkpoint()
        checkpoint = arrays, stored.own(about, folder.path / "checkpoint" / "checkpoint.npz").get("training")
    model = build_model(stored.config, len(data.vocab))
    keeper = _Keeper(folder, stored.fingerprint, stored.config.checkpoint_seconds)
    trainer = _build_trainer(stored.config, progress=progress, callbacks=[keeper])
    try:
        history = trainer.fit(model, data, resume=checkpoint)
    except DivergedError as error:
        if not trainer.history:
            raise
        result = _conclude(folder, stored, data, model, trainer.history)
        raise error.with_note(f"the best model, epoch {result['best_epoch']} with perplexity "
                              f"{result['val_ppl']:.2f}, is in {folder}") from None
    return _conclude(folder, stored, data, model, history)


def _conclude(folder: RunFolder, stored: StoredRun, data: TextData, model: Any,
              history: List[Dict[str, Any]]) -> Dict[str, Any]:
    """Judge the best model, and write the picture, the sample and the result."""
    title = describe(stored.config, stored.recipe, [source.name for source in data.sources])
    arrays, about = folder.model()
    kept = stored.own(about, folder.path / "model.npz")
    set_parameters(model, arrays)
    best = next((row for row in history if row["epoch"] == kept.get("epoch")), None)
    if best is None:
        raise DamagedFileError(str(folder.path / "model.npz"), "of an epoch of the history",
                                 Described(f"epoch {kept.get('epoch')!r} of {len(history)}"))
    part, batches, per_token = data.judged_by()
    score = evaluate(model, batches, characters_per_token=per_token)
    png = io.BytesIO()
    plot_history(history, title=title).figure.savefig(png, format="png")
    folder.write_curves(png.getvalue())
    folder.write_sample(sample(model, data, stored.config))
    result = {
        "train_ppl": best["train_ppl"], "val_ppl": best["val_ppl"],
        "test_ppl": score.perplexity if part == "test" else None, "bits_per_char": score.bits_per_character,
        "tokens_per_second": statistics.median(row["tokens_per_second"] for row in history),
        "seconds": sum(row["seconds"] for row in history), "epochs": len(history),
        "parameters": int(sum(array.size for array in arrays.values())), "best_epoch": best["epoch"],
        "last_train_ppl": history[-1]["train_ppl"], "last_val_ppl": history[-1]["val_ppl"]}
    folder.write_result(result)
    return result


def sample(model: Any, data: TextData, config: RunConfig) -> str:
    """Two continuations of the run's prefix: the most likely one, and one drawn at temperature 0.7."""
    prefix = config.prefix
    try:
        data.vocab.encode_prefix(prefix)
    except InputError:  # a text in another script: begin as it does
        prefix = data.opening()
    greedy = "".join(generate(model, data.vocab, prefix, 20, temperature=0))
    drawn = "".join(generate(model, data.vocab, prefix, 200, temperature=0.7, seed=config.seed))
    return f"most likely: {prefix}{greedy}\n\ndrawn at temperature 0.7: {prefix}{drawn}\n"


def next_free(path: str) -> RunFolder:
    """The folder ``path`` if no run is in it, else the first of ``path-2``, ``path-3``, ... without one."""
    number, folder = 1, RunFolder(path)
    while folder.exists():
        number += 1
        folder = RunFolder(f"{path}-{number}")
    return folder
