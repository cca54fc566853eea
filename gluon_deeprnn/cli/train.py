"""Train a model and write its run folder."""

import argparse
import shlex
from typing import Any, Dict, Optional

from gluon_deeprnn.errors import InputError
from gluon_deeprnn.runs.config import settings, typed
from gluon_deeprnn.runs.folder import RunFolder
from gluon_deeprnn.runs.job import begin_run, next_free, resume_run
from gluon_deeprnn.runs.recipes import read_recipe, recipe_names
from gluon_deeprnn.runs.stored import stored_run

_DEFAULT_RECIPE = "chapter-gru"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command: one for each setting of a run, and its folder."""
    parser.add_argument("--recipe", metavar="NAME", help=f"base settings: {', '.join(recipe_names())} "
                        f"(default {_DEFAULT_RECIPE}, whose values are the defaults below); each option "
                        "overrides one of them")
    parser.add_argument("--out", metavar="DIR", help="the run folder (default runs/RECIPE)")
    parser.add_argument("--resume", action="store_true",
                        help="resume the run in --out; its own settings may be repeated, --max-epochs may be larger")
    for name, meaning, default in settings():
        if isinstance(default, bool):
            meaning += f" (default {'on' if default else 'off'})"
        elif default not in (None, ()):
            meaning += f" (default {default})"
        flag = "--" + name.replace("_", "-")
        if isinstance(default, bool):
            parser.add_argument(flag, dest=name, help=meaning, default=None, action=argparse.BooleanOptionalAction)
            continue
        many = isinstance(default, tuple)
        parser.add_argument(flag, metavar="FILE" if many else type(default).__name__.upper()
                            if isinstance(default, (int, float)) else "NAME", dest=name, help=meaning,
                            default=None, **({"nargs": "+", "action": "extend"} if many else {}))


def run(arguments: argparse.Namespace) -> None:
    """Start or resume a run, and print its results."""
    given: Dict[str, Any] = {name: getattr(arguments, name) for name, _, _ in settings()
                             if getattr(arguments, name) is not None}
    given = {name: typed(name, value) if isinstance(value, str) else value for name, value in given.items()}
    if arguments.resume:
        if arguments.out is None:
            raise InputError("out", "given with --resume", None)
        folder = RunFolder(arguments.out)
        _check_repeated(folder, given, arguments.recipe)
    else:
        name = arguments.recipe or _DEFAULT_RECIPE
        if given.get("text") and arguments.recipe is None:
            given.setdefault("cleaning", "none")  # a text of one's own stays as it is; the chapter's recipes clean
        config = read_recipe(name).config.replace(**given)
        folder = RunFolder(arguments.out) if arguments.out else next_free(f"runs/{name}")
    try:
        if arguments.resume:
            result = resume_run(folder, given.get("max_epochs"), text=given.get("text", ()))
        else:
            result = begin_run(config, folder, None if given.keys() - {"ctx", "seed", "corpus"} else name)
    except KeyboardInterrupt:
        if not folder.exists():
            raise
        command = f"gluon-deeprnn train --resume --out {shlex.quote(str(folder))}"
        raise KeyboardInterrupt(f"stopped. To resume:  {command}") from None
    _report(folder, result)


def _check_repeated(folder: RunFolder, given: Dict[str, Any], recipe: Optional[str]) -> None:
    """Raise an error if settings given with --resume differ from those of the run, except the number of epochs."""
    own = stored_run(folder)[0].config.as_dict()
    asked = {**(read_recipe(recipe).config.as_dict() if recipe else {}), **given}
    asked.pop("text", None)  # texts are identified by their SHA-1 and may have been moved
    if "corpus" not in given:  # the run has recorded which text it uses
        asked.pop("corpus", None)
    for name, now in asked.items():
        if name != "max_epochs" and now != own[name]:
            raise InputError(f"{name} with --resume", f"that of the run, {own[name]!r}", now,
                             "omit it, or start a new run with a different --out")


def _report(folder: RunFolder, result: Dict[str, Any]) -> None:
    print(f"perplexity {result['last_train_ppl']:.2f} training, {result['last_val_ppl']:.2f} validation "
          f"after {result['epochs']} epochs ({result['seconds']:.0f} s, {result['tokens_per_second']:,.0f} tokens/s)")
    print(f"best model: epoch {result['best_epoch']}, perplexity {result['val_ppl']:.2f} validation"
          + (f", {result['test_ppl']:.2f} test" if result["test_ppl"] is not None else "")
          + f", {result['bits_per_char']:.3f} bits per character")
    print((folder.path / "sample.txt").read_text(encoding="utf-8").rstrip())
    print(f"curves: {folder.path / 'curves.png'}")
