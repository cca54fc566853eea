"""The options of a program, read off its parser, as reStructuredText; `cli_reference` is the directive that shows them.

The program is called with ``--help``, and the parser is taken when it is about to print; nothing else is used of it.
"""

import argparse
import contextlib
import importlib
import re
from unittest import mock


class _Captured(BaseException):  # past every handler of errors
    pass


def parser_of(program):
    """The parser of ``module:function``."""
    module, _, function = program.partition(":")
    captured = []

    def print_help(parser, file=None):
        captured.append(parser)
        raise _Captured

    with mock.patch.object(argparse.ArgumentParser, "print_help", print_help), contextlib.suppress(_Captured):
        getattr(importlib.import_module(module), function)(["--help"])
    if not captured:
        raise ValueError(f"{program} has no parser of argparse that prints its help")
    return captured[0]


def commands_of(parser):
    """The parsers of the commands, by name."""
    return next((action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction)), {})


def text_of(action, parser):
    """What is said of an option: its help, that it is required, its default."""
    said = (action.help or "") % {**vars(action), "prog": parser.prog}
    has_default = action.default not in (None, False, argparse.SUPPRESS) and action.default != []
    if has_default and "default" not in said:
        said += f" (default {action.default})"
    if action.option_strings and action.required:
        said += " (required)"
    return escape(said)


def is_shown(action):
    """Whether an option is listed: not the commands, nor what the help hides."""
    return action.help != argparse.SUPPRESS and not isinstance(action, argparse._SubParsersAction)


def names_of(action):
    """An option as it is typed, such as ``--lr FLOAT``."""
    value = action.metavar or (action.dest.upper() if action.nargs != 0 else "")
    if action.choices and not action.metavar:
        value = "{" + ",".join(map(str, action.choices)) + "}"
    if not action.option_strings:
        return str(value)
    takes = action.nargs != 0 and not isinstance(action, argparse.BooleanOptionalAction)
    return ", ".join(name + (f" {value}" if takes else "") for name in action.option_strings)


def lines_of(parser):
    """One command: usage, description and options, as reStructuredText."""
    yield from (f".. program:: {parser.prog}", "")
    positional = [names_of(action) for action in parser._actions if not action.option_strings and is_shown(action)]
    usage = " ".join([parser.prog, "[options]", *positional])
    yield from ("::", "", f"   {usage}", "")
    if parser.description:
        yield from (escape(parser.description), "")
    for group in parser._action_groups:
        actions = [action for action in group._group_actions if is_shown(action)]
        if not actions:
            continue
        if group.title and group.title.lower() not in ("options", "optional arguments", "positional arguments"):
            yield from (f".. rubric:: {escape(group.title[:1].upper() + group.title[1:])}", "")
        if group.description:
            yield from (escape(group.description), "")
        for action in actions:
            yield from (f".. option:: {names_of(action)}", "", f"   {text_of(action, parser)}", "")
    if parser.epilog:
        title, *lines = parser.epilog.strip().splitlines()
        yield from (f".. rubric:: {title.rstrip(':').capitalize()}", "", "::", "")
        yield from (*("   " + line for line in lines), "")


def anchor(parser):
    """The label of a command's section."""
    return re.sub(r"\W+", "-", f"cli-{parser.prog}").lower()


def escape(text):
    """A text whose punctuation is no markup."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)


def reference(parser):
    """The whole program: its own options, a table of the commands, and a section for each of them."""
    yield from lines_of(parser)
    commands = commands_of(parser)
    if commands:
        yield from (".. list-table::", "   :widths: auto", "")
        for name, command in commands.items():
            yield from (f"   * - :ref:`{name} <{anchor(command)}>`", f"     - {escape(command.description or '')}")
        yield ""
    for name, command in commands.items():
        yield from (f".. _{anchor(command)}:", "", name, "-" * (len(name) + 1), "", *lines_of(command))
