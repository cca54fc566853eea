"""Completion of commands, options and their values in bash, zsh and tcsh, by shtab."""

import argparse
from typing import Any, Dict, List

from gluon_deeprnn._checks import one_of
from gluon_deeprnn.errors import Described, InputError
from gluon_deeprnn.runs.config import settings
from gluon_deeprnn.runs.recipes import recipe_names

SHELLS = ("bash", "zsh", "tcsh")
_FOLDERS, _FILES = ("--run", "--from", "RUN"), ("--text", "--out", "--picture")


class PrintCompletion(argparse.Action):
    """Print the completion script of a shell, and exit."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: Any, values: Any, option: Any = None) -> None:
        """Print the script for the shell that was given."""
        print(script(parser, one_of("print_completion", values, SHELLS)))
        parser.exit(0)


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """The completion script of a shell for a parser.

    Raises
    ------
    ValueError
        If shtab is not installed; the message says how to install it.
    """
    try:
        import shtab
    except ImportError:
        raise InputError("shtab", "installed for --print-completion", Described("no module of this name"),
                         "pip install shtab") from None
    choices: Dict[str, List[str]] = {f"--{setting.name.replace('_', '-')}": list(setting.choices)
                                     for setting in settings() if setting.choices}
    choices.update({"--recipe": recipe_names(), "--print-completion": list(SHELLS)})
    for action in _actions(parser):
        for flag in action.option_strings or [str(action.metavar)]:
            if flag in choices:
                action.choices = choices[flag]
            elif flag in _FOLDERS:
                action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
            elif flag in _FILES:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
    return shtab.complete(parser, shell)


def _actions(parser: argparse.ArgumentParser) -> List[argparse.Action]:
    """The actions of a parser and of its commands."""
    found = list(parser._actions)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found += [inner for command in action.choices.values() for inner in _actions(command)]
    return found
