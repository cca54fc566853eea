"""The directive ``cli-reference``: the command line as its parser describes it, so that the page is never out of date.

Its argument is the function that runs the program, as ``module:function``.  The function is called with ``--help``, and
the parser is taken when it is about to print; nothing else of the program is used.  Each command becomes a section with
a list of its options, which other pages can refer to: ``{option}`gluon-deeprnn train --lr```.
"""

import argparse
import contextlib
import importlib
import re
from unittest import mock

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from sphinx.util.nodes import nested_parse_with_titles
from sphinx.util.rst import escape


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
    return escape(said[:1].upper() + said[1:]) + ("" if said.endswith(".") else ".")


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


class CLIReference(Directive):
    """``.. cli-reference:: module:function``."""

    required_arguments = 1

    def run(self):
        """Sections for the program and for each of its commands."""
        parser = parser_of(self.arguments[0])
        commands = commands_of(parser)
        lines = [*lines_of(parser)]
        if commands:
            lines += [".. list-table::", "   :widths: auto", ""]
            for name, command in commands.items():
                lines += [f"   * - :ref:`{name} <{anchor(command)}>`", f"     - {escape(command.description or '')}"]
            lines.append("")
        for name, command in commands.items():
            lines += [f".. _{anchor(command)}:", "", name, "-" * (len(name) + 1), "", *lines_of(command)]
        parsed = nodes.section()
        parsed.document = self.state.document
        nested_parse_with_titles(self.state, StringList(lines, source=self.arguments[0]), parsed)
        return parsed.children


def anchor(parser):
    """The label of a command's section."""
    return re.sub(r"\W+", "-", f"cli-{parser.prog}").lower()


def setup(app):
    """Register the directive; the page is read again at every build, as the parser may have changed."""
    app.add_directive("cli-reference", CLIReference)
    app.connect("env-get-outdated", lambda app, env, added, changed, removed: [
        name for name in env.found_docs if name == "cli"])
    return {"parallel_read_safe": True}
