"""Train a model and write its run folder."""

import argparse
import contextlib
import shlex
from typing import Any, ContextManager, Dict, Iterator, List, Optional

from gluon_deeprnn._checks import positive
from gluon_deeprnn.cli.arguments import as_float
from gluon_deeprnn.data.encodings import check_encoding
from gluon_deeprnn.distributed import joined
from gluon_deeprnn.errors import InputError
from gluon_deeprnn.runs.config import RunConfig, Setting, settings, typed
from gluon_deeprnn.runs.folder import RunFolder
from gluon_deeprnn.runs.job import begin_run, follow_run, new_folder, resume_run
from gluon_deeprnn.runs.planning import PLANNED, Budget
from gluon_deeprnn.runs.recipes import read_recipe, recipe_names
from gluon_deeprnn.runs.run import Run, load_run
from gluon_deeprnn.runs.start import check_same, settings_of
from gluon_deeprnn.runs.stored import StoredRun, stored_run

_CHAPTER, _OWN_TEXT = "chapter-gru", "own-text"
_MINUTES = 5.0

EXAMPLES = """\
examples:
  gluon-deeprnn train                                       the chapter's model on The Time Machine
  gluon-deeprnn train --text story.txt                      a text of your own, about 5 minutes
  gluon-deeprnn train --text notes/ --budget 15             all texts of a folder, about 15 minutes
  gluon-deeprnn train --text emma.txt --text moreau.txt --source-token   several books
  gluon-deeprnn train --text names.txt --records line       one name per line
  gluon-deeprnn train --text code/*.py --tokens byte        any files, byte by byte
  gluon-deeprnn train --from runs/own-text --text more.txt  fine-tune on another text
  gluon-deeprnn train --recipe chapter-lstm --max-epochs 50
  gluon-deeprnn train --resume --out runs/own-text --max-epochs 40
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command: one for each setting of a run, in groups, and its folder."""
    main = parser.add_argument_group("what to train, and where to")
    main.add_argument("--recipe", metavar="NAME", help=f"base settings: {', '.join(recipe_names())} (default "
                      f"{_OWN_TEXT} with --text, --records or --from, else {_CHAPTER}, whose values are the defaults "
                      f"below; {_OWN_TEXT}: protocol book, cleaning none, optimizer adam, lr 0.005, schedule cosine, "
                      "num-steps 64); each option overrides one of them")
    main.add_argument("--budget", metavar="MINUTES", help="minutes that the training may take: of "
                      f"{_OWN_TEXT}, for which the numbers of hidden units and of epochs are chosen (default "
                      f"{_MINUTES:g}); other recipes have fewer epochs if theirs take longer; at least one epoch")
    main.add_argument("--from", metavar="RUN", dest="start", help="fine-tune: start from the parameters of this "
                      "run; the model, --tokens, --cleaning and --records are taken from it; needs --text or --corpus")
    main.add_argument("--out", metavar="DIR", help="the run folder (default runs/RECIPE, or runs/RECIPE-2, ... if "
                      "it exists)")
    main.add_argument("--resume", action="store_true",
                      help="resume the run in --out; its own settings may be repeated, --max-epochs may be larger, and "
                      "--text says where the text was moved to")
    groups: Dict[str, Any] = {}
    for setting in settings():
        if setting.group not in groups:
            groups[setting.group] = parser.add_argument_group(setting.group)
        _add_setting(groups[setting.group], setting)


def _add_setting(group: Any, setting: Setting) -> None:
    flag, meaning, default = "--" + setting.name.replace("_", "-"), setting.help, setting.default
    if isinstance(default, bool):
        group.add_argument(flag, dest=setting.name, help=f"{meaning} (default {'on' if default else 'off'})",
                           default=None, action=argparse.BooleanOptionalAction)
        return
    if default not in (None, (), ""):
        meaning += f" (default {default})"
    if isinstance(default, tuple):
        metavar = "FILE" if setting.name == "text" else "NAME"
        group.add_argument(flag, metavar=metavar, dest=setting.name, help=meaning, nargs="+", action="extend")
        return
    metavar = type(default).__name__.upper() if isinstance(default, (int, float)) else "NAME"
    group.add_argument(flag, metavar=metavar, dest=setting.name, help=meaning)


def run(arguments: argparse.Namespace) -> None:
    """Start or resume a run, and print its results.  Of several workers, the first one does so."""
    workers = joined()
    if workers.rank:
        follow_run(workers)
        return
    given = {setting.name: getattr(arguments, setting.name) for setting in settings()}
    given = {name: typed(name, value) if isinstance(value, str) else value for name, value in given.items()
             if value is not None}
    if arguments.resume:
        _resume(arguments, given)
    else:
        _begin(arguments, given)


def _begin(arguments: argparse.Namespace, given: Dict[str, Any]) -> None:
    name = _recipe(arguments)
    recipe, start, chosen = read_recipe(name), None, given
    if arguments.start is not None:
        start = _start(arguments.start, given)
        given = {**given, **settings_of(start)}
    config = _with_given(recipe.config, given) if name == _OWN_TEXT else recipe.config.with_settings(given)
    config.check_effect(chosen)
    budget = _budget(arguments, name, given, config)
    of_text = ("text", "encoding", "records") if name == _OWN_TEXT else ()
    as_recipe = not given.keys() - {"ctx", "seed", "corpus", *of_text}
    with run_folder(arguments) as folder, _tells_how_to_resume(folder):
        result = begin_run(config, folder, name if as_recipe else None, budget=budget, start=start, workers=joined())
        _report(folder, result)


def _recipe(arguments: argparse.Namespace) -> str:
    """The recipe that is given, or follows from what is trained."""
    own_text = arguments.text or arguments.start is not None or (arguments.records or "none") != "none"
    return arguments.recipe or (_OWN_TEXT if own_text else _CHAPTER)


def run_folder(arguments: argparse.Namespace) -> ContextManager[RunFolder]:
    """The folder of the run: the one that is given, or a new one, named after the recipe."""
    if arguments.out:
        return contextlib.nullcontext(RunFolder(arguments.out))
    return new_folder(f"runs/{_recipe(arguments)}")


def _with_given(config: RunConfig, given: Dict[str, Any]) -> RunConfig:
    """The settings of the recipe and of the user; with tied weights, one size that is given is both sizes."""
    config = config.with_settings({**given, "tied": False})  # checks each setting
    if not given.get("tied"):
        return config
    size = config.embedding or config.num_hiddens
    return config.with_settings({"num_hiddens": size, "embedding": size, **given})


def _resume(arguments: argparse.Namespace, given: Dict[str, Any]) -> None:
    if arguments.out is None:
        raise InputError("out", "given with --resume", None)
    if arguments.budget is not None:
        raise InputError("budget", "omitted with --resume", arguments.budget)
    folder = RunFolder(arguments.out)
    _check_repeated(folder, given, arguments)
    with _tells_how_to_resume(folder):
        result = resume_run(folder, given.get("max_epochs"), text=given.get("text", ()),
                            workers=joined())
    _report(folder, result)


def _budget(arguments: argparse.Namespace, recipe: str, given: Dict[str, Any], config: RunConfig) -> Optional[Budget]:
    """How long the training may take: own-text chooses its size by it, the other recipes only have fewer epochs."""
    if arguments.budget is not None:
        positive("budget", as_float(arguments.budget))
        if "max_epochs" in given:
            raise InputError("budget", "omitted with --max-epochs", arguments.budget)
    elif recipe != _OWN_TEXT:
        return None
    command = ["gluon-deeprnn", "train", "--recipe", recipe]
    command += ["--from", arguments.start] if arguments.start is not None else []
    for setting in settings():
        if getattr(arguments, setting.name) is not None:
            command += _flags(setting, getattr(arguments, setting.name))
    minutes = _MINUTES if arguments.budget is None else as_float(arguments.budget)
    if recipe == _OWN_TEXT:
        return Budget(minutes, frozenset(given), shlex.join(map(str, command)))
    fixed = frozenset(PLANNED) - {"max_epochs"}
    return Budget(minutes, fixed, shlex.join(map(str, command)), most_epochs=config.max_epochs)


def _flags(setting: Setting, value: Any) -> List[str]:
    flag = setting.name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{flag}" if value else f"--no-{flag}"]
    return [f"--{flag}", *(value if isinstance(value, list) else [value])]


def _start(path: str, given: Dict[str, Any]) -> Run:
    """The run with which the training begins, if the given settings allow it."""
    if not given.get("text") and not given.get("corpus"):
        raise InputError("text", "given with --from", None)
    _identity(path)
    start = load_run(path)
    check_same(given, start)
    for name in ("recurrent_initializer", "forget_bias"):
        if given.get(name, getattr(RunConfig, name)) != getattr(RunConfig, name):
            raise InputError(name, "omitted with --from, whose run has the weights", given[name])
    return start


def _identity(path: str) -> StoredRun:
    """The identity of the run that --from names."""
    folder = RunFolder(path)
    if not folder.exists():
        raise InputError("from", "a run folder (one with a config.json)", path)
    return stored_run(folder)[0]


@contextlib.contextmanager
def _tells_how_to_resume(folder: RunFolder) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        if not folder.exists():
            raise
        command = f"gluon-deeprnn train --resume --out {shlex.quote(str(folder))}"
        raise KeyboardInterrupt(f"stopped. To resume:  {command}") from None


def _check_repeated(folder: RunFolder, given: Dict[str, Any], arguments: argparse.Namespace) -> None:
    """Raise an error if settings given with --resume differ from those of the run, except the number of epochs."""
    stored = stored_run(folder)[0]
    if arguments.start is not None and _identity(arguments.start).fingerprint != stored.began_from:
        raise InputError("from with --resume", "the run with which this one began", arguments.start, "omit it")
    own, recipe = stored.config.as_dict(), arguments.recipe
    recipe_settings = read_recipe(recipe).config.as_dict() if recipe and recipe != _OWN_TEXT else {}
    asked = {**recipe_settings, **given}  # what own-text chose depends on the text and the budget
    asked.pop("text", None)  # texts are identified by their SHA-1 and may have been moved
    asked.pop("reading", None)
    for name in {"corpus", "encoding"} - given.keys():  # the run has recorded which text it uses
        asked.pop(name, None)
    if "encoding" in asked:
        asked["encoding"] = check_encoding("encoding", asked["encoding"])
    if asked.get("streams") == "auto":  # and what was chosen for its texts
        del asked["streams"]
    for name, now in asked.items():
        if name != "max_epochs" and now != own[name]:
            raise InputError(f"{name} with --resume", f"that of the run, {own[name]!r}", now,
                             "omit it, or start a new run with a different --out")


def _unknown(evaluated: Dict[str, Any]) -> str:
    """How many tokens of the evaluated text are unknown; empty if none is."""
    num, of = evaluated["unknown"], evaluated["tokens"]
    return f" ({num:,} of {of:,} tokens unknown, {num / of:.1%})" if num else ""


def _report(folder: RunFolder, result: Dict[str, Any]) -> None:
    print(f"perplexity {result['last_train_ppl']:.2f} training, {result['last_val_ppl']:.2f} validation "
          f"after {result['epochs']} {'epoch' if result['epochs'] == 1 else 'epochs'} ({result['seconds']:.0f} s, "
          f"{result['tokens_per_second']:,.0f} tokens/s)")
    print(f"best model: epoch {result['best_epoch']}, perplexity {result['val_ppl']:.2f} validation"
          + (f", {result['test_ppl']:.2f} test" if result["test_ppl"] is not None else "")
          + f", {result['bits_per_char']:.3f} bits per character"
          + _unknown(result["evaluated"]))
    by_source = result.get("test_ppl_by_source", {})
    for name, value in by_source.items() if len(by_source) > 1 else ():
        print(f"{name}: perplexity {result['val_ppl_by_source'][name]:.2f} validation, {value:.2f} test, "
              f"{result['bits_per_char_by_source'][name]:.3f} bits per character")
    print((folder.path / "sample.txt").read_text(encoding="utf-8").rstrip())
    print(f"curves: {folder.path / 'curves.png'}")
