"""A run: settings in, a trained model and its files out; and back again."""

import dataclasses
import io
import os
from pathlib import Path
import statistics
from typing import Any, Dict, List, Optional, Tuple, Union

from gluon_deeprnn import _checks, runtime
from gluon_deeprnn.data import Source, Stream, TextData, Vocab, corpus, default_corpus, read_texts
from gluon_deeprnn.data.tokens import characters_per_token
from gluon_deeprnn.devices import as_context
from gluon_deeprnn.evaluation import evaluate
from gluon_deeprnn.generation import generate
from gluon_deeprnn.models import GRU, LSTM, RNN, RNNLM, RecurrentCore, RNNLMScratch, StackedRNNScratch
from gluon_deeprnn.models.weights import parameter_arrays, set_parameters
from gluon_deeprnn.plotting import plot_history
from gluon_deeprnn.runs.config import RunConfig
from gluon_deeprnn.runs.folder import RunFolder
from gluon_deeprnn.training import Callback, Trainer
import mxnet

_FUSED = {"rnn": RNN, "lstm": LSTM, "gru": GRU}


def find_sources(config: RunConfig) -> List[Source]:
    """The texts that a run asks for."""
    if config.text:
        return read_texts(config.text)
    return [corpus(config.corpus) if config.corpus else default_corpus()]


def build_data(config: RunConfig, sources: List[Source], vocab: Optional[Vocab] = None) -> TextData:
    """The batches that a run asks for."""
    return TextData(sources, config.batch_size, config.num_steps, protocol=config.protocol, cleaning=config.cleaning,
                    tokens=config.tokens, min_freq=config.min_freq, num_train=config.num_train, num_val=config.num_val,
                    vocab=vocab, seed=config.seed)


def build_model(config: RunConfig, vocab_size: int) -> Union[RNNLM, RNNLMScratch]:
    """The model that a run asks for, with the initial parameters that its seed gives."""
    mxnet.random.seed(config.seed)
    options: Dict[str, Any] = {name: getattr(config, name) for name in (
        "dropout", "input_dropout", "weight_dropout", "variational", "layer_norm", "residual", "learned_state")}
    for name in ("initializer", "recurrent_initializer"):
        if getattr(config, name) != "default":
            options[name] = getattr(config, name)
    if config.model == "rnn":
        names = config.activation.split(",")
        options["activation"] = names if len(names) > 1 else names[0]
    if config.model == "lstm" and config.forget_bias:
        options["forget_bias"] = config.forget_bias
    if config.implementation == "fused":
        core: RecurrentCore = _FUSED[config.model](config.num_hiddens, config.num_layers, **options)
    else:
        core = StackedRNNScratch(config.embedding or vocab_size, config.num_hiddens, config.num_layers, config.sigma,
                                 cell=config.model, reset=config.reset, **options)
        if not (config.embedding or config.embedding_dropout):
            return RNNLMScratch(core, vocab_size, config.lr)
    return RNNLM(core, vocab_size, config.lr, embedding=config.embedding, embedding_dropout=config.embedding_dropout,
                 tied=config.tied)


def _build_trainer(config: RunConfig, **options: Any) -> Trainer:
    named = {"momentum": config.momentum, "wd": config.weight_decay}
    optimizer_params = {name: value for name, value in named.items() if value}
    return Trainer(config.max_epochs, gradient_clip_val=config.clip, optimizer=config.optimizer,
                   optimizer_params=optimizer_params, schedule=config.schedule, lr_factor=config.lr_factor,
                   lr_epochs=config.lr_epochs, patience=config.patience, ctx=config.ctx, seed=config.seed, **options)


class _Keeper(Callback):
    """Writes the run's files while it goes on."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder

    def on_epoch_end(self, trainer: Trainer) -> None:
        row = trainer.history[-1]
        if trainer.improved:
            self.folder.write_model(parameter_arrays(trainer.model), {"epoch": row["epoch"], "val_ppl": row["val_ppl"]})
        self.folder.write_checkpoint(*trainer.checkpoint())
        self.folder.write_history(trainer.history)

    def on_interrupt(self, trainer: Trainer) -> None:
        self.folder.write_checkpoint(*trainer.checkpoint())


@dataclasses.dataclass
class Run:
    """A trained model, read from its folder.

    Attributes
    ----------
    folder : RunFolder
    config : RunConfig
        Its settings.
    model : RNNLM or RNNLMScratch
        With the best parameters.
    vocab : Vocab
    history : list of dict
        One row an epoch.
    """

    folder: RunFolder
    config: RunConfig
    model: Union[RNNLM, RNNLMScratch]
    vocab: Vocab
    history: List[Dict[str, Any]]
    texts: List[Dict[str, Any]]

    @property
    def title(self) -> str:
        """The run in one line."""
        return describe(self.config, None, [text["name"] for text in self.texts])

    def data(self) -> TextData:
        """The batches that it was trained on, if its texts are still what they were."""
        return build_data(self.config, _same_sources(self.config, self.texts), self.vocab)

    def stream(self, sources: List[Source]) -> Tuple[Stream, float, int]:
        """Other texts as one stream of this run's tokens, the characters a token stands for, the unknown tokens."""
        tokens = [token for source in sources for token in self.vocab.split(source.text)]
        if len(tokens) < 2:
            raise _checks.InputError("text", "at least 2 tokens long", _checks.Described(f"{len(tokens)} tokens"))
        indices = self.vocab.encode(tokens)
        unknown = int((indices == self.vocab.unknown_index).sum())
        return TextData.stream(indices), characters_per_token(tokens, self.vocab.kind), unknown


def _same_sources(config: RunConfig, texts: List[Dict[str, Any]]) -> List[Source]:
    sources = find_sources(config)
    if [source.sha1 for source in sources] != [text["sha1"] for text in texts]:
        wanted = ", ".join(f"{text['name']} (SHA-1 {text['sha1']})" for text in texts)
        found = ", ".join(f"{source.name} (SHA-1 {source.sha1})" for source in sources)
        raise _checks.InputError("text", f"what the run was begun with, {wanted}", _checks.Described(found))
    return sources


def load_run(path: Union[str, "os.PathLike[str]"]) -> Run:
    """Read a run folder: the model with its best parameters, its vocabulary, its settings.

    Parameters
    ----------
    path : str or path
        The folder that ``gluon-deeprnn train`` wrote.

    Returns
    -------
    Run

    Raises
    ------
    ValueError
        When it is no run folder, or one of its files is missing or damaged.

    Examples
    --------
    >>> from gluon_deeprnn import load_run
    >>> load_run('no-such-folder')
    Traceback (most recent call last):
    ...
    gluon_deeprnn._checks.InputError: run must be a run folder (one with a config.json); got 'no-such-folder'
    """
    folder = RunFolder(path)
    stored = folder.config()
    try:
        settings, texts = stored["settings"], [{"name": t["name"], "sha1": t["sha1"]} for t in stored["texts"]]
    except (KeyError, TypeError) as error:
        raise _checks.InputError(str(folder.path / "config.json"), "settings and texts of a run",
                                 _checks.Described(f"{type(error).__name__}: {error}")) from None
    config = RunConfig.from_dict(settings)
    vocab = Vocab.from_json(folder.vocab())
    arrays, _ = folder.model()
    model = build_model(config, len(vocab))
    set_parameters(model, arrays)
    return Run(folder, config, model, vocab, folder.history(), texts)


def begin_run(config: RunConfig, folder: RunFolder, recipe: Optional[str], *, progress: bool = True) -> Dict[str, Any]:
    """Train from the start; return what ``result.json`` says.

    Raises
    ------
    ValueError
        For texts that are missing or too short, a folder that holds a run, and a learning rate that diverges.
    """
    if folder.exists():
        raise _checks.InputError("out", "a folder without a run in it", str(folder), "--resume continues that one")
    as_context(config.ctx)  # refuse a GPU that is not there before any file is written
    sources = find_sources(config)
    if not config.text:
        config = config.replace(corpus=sources[0].name)  # what was found is what a resumed run has to find
    data = build_data(config, sources)
    folder.begin(_about(config, sources, recipe), data.vocab.to_json())
    return _train(config, folder, data, recipe, resume=False, progress=progress)


def resume_run(folder: RunFolder, max_epochs: Optional[int] = None, *, progress: bool = True) -> Dict[str, Any]:
    """Go on with a run where its last checkpoint stands, perhaps for more epochs than it was to have.

    Raises
    ------
    ValueError
        When the folder holds no run, or its texts are no longer what they were.
    """
    stored = folder.config()
    config = RunConfig.from_dict(stored["settings"])
    vocab = Vocab.from_json(folder.vocab())
    sources = _same_sources(config, stored["texts"])
    if max_epochs is not None:
        config = config.replace(max_epochs=max_epochs)
        folder.begin(_about(config, sources, stored["recipe"]), vocab.to_json())
    return _train(config, folder, build_data(config, sources, vocab), stored["recipe"], resume=True, progress=progress)


def _about(config: RunConfig, sources: List[Source], recipe: Optional[str]) -> Dict[str, Any]:
    texts = [{"name": source.name, "sha1": source.sha1, "characters": len(source.text)} for source in sources]
    absolute = config.replace(text=tuple(str(Path(file).resolve()) for file in config.text)) if config.text else config
    return {"recipe": recipe, "settings": absolute.as_dict(), "texts": texts, "versions": runtime.versions(),
            "threads": runtime.threads()}


def _train(config: RunConfig, folder: RunFolder, data: TextData, recipe: Optional[str], *, resume: bool,
           progress: bool) -> Dict[str, Any]:
    model = build_model(config, len(data.vocab))
    trainer = _build_trainer(config, progress=progress, callbacks=[_Keeper(folder)])
    checkpoint = folder.checkpoint() if resume and folder.has_checkpoint() else None
    history = trainer.fit(model, data, resume=checkpoint)
    title = describe(config, recipe, [source.name for source in data.sources])
    return _conclude(folder, config, data, model, history, title)


def describe(config: RunConfig, recipe: Optional[str], texts: List[str]) -> str:
    """A run in one line."""
    kind = {"rnn": f"{config.activation} RNN", "lstm": "LSTM", "gru": "GRU"}[config.model]
    scratch = " from scratch" if config.implementation == "scratch" else ""
    name = f"{recipe}: " if recipe else ""
    return f"{name}{kind}{scratch}, {config.num_layers} x {config.num_hiddens} hidden units, on {', '.join(texts)}"


def _conclude(folder: RunFolder, config: RunConfig, data: TextData, model: Any, history: List[Dict[str, Any]],
              title: str) -> Dict[str, Any]:
    """Judge the best model, and write the picture, the sample and the result."""
    arrays, kept = folder.model()
    set_parameters(model, arrays)
    best = next(row for row in history if row["epoch"] == kept["epoch"])
    part, batches, per_token = data.judged_by()
    score = evaluate(model, batches, characters_per_token=per_token)
    png = io.BytesIO()
    plot_history(history, title=title).figure.savefig(png, format="png")
    folder.write_curves(png.getvalue())
    folder.write_sample(sample(model, data, config))
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
    except _checks.InputError:  # a text in another script: begin as it does
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
