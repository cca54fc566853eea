"""The parser and the exit codes of the command line: 0 success, 2 invalid usage or input, 130 after Ctrl-C."""

import argparse
import contextlib
import copy
import io
import logging
import signal
import sys
import threading
from typing import Any, Iterator, List, NoReturn, Optional, Sequence, Union

from gluon_deeprnn import __version__
from gluon_deeprnn._checks import did_you_mean
from gluon_deeprnn.cli import (
    compare,
    evaluate,
    export,
    generate,
    import_model,
    info,
    launch,
    plot,
    recipes,
    score,
    streams,
    train,
)
from gluon_deeprnn.cli.arguments import as_option, flag
from gluon_deeprnn.cli.completion import PrintCompletion
from gluon_deeprnn.errors import Advice, Argument, DeepRNNError, Described, ExitStatus, InputError

_COMMANDS = {"train": train, "launch": launch, "generate": generate, "score": score, "evaluate": evaluate,
             "compare": compare, "plot": plot, "export": export, "import": import_model, "recipes": recipes,
             "info": info}


class _Parser(argparse.ArgumentParser):
    """A parser that raises errors of this package."""

    def error(self, message: str) -> NoReturn:
        raise InputError("usage", f"as `{self.prog} --help` says", Described(message))


def _parser() -> _Parser:
    parser = _Parser(prog="gluon-deeprnn", allow_abbrev=False,
                     description="Deep recurrent language models in MXNet Gluon: train, generate, evaluate.")
    parser.add_argument("--version", action="version", version=f"gluon_deeprnn {__version__}")
    parser.add_argument("--print-completion", metavar="SHELL", action=PrintCompletion,
                        help="print the script that completes commands and options in bash, zsh or tcsh (needs shtab)")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    for name, module in _COMMANDS.items():
        about = (module.__doc__ or "").strip().splitlines()[0]
        subparser = subparsers.add_parser(name, help=about[0].lower() + about[1:].rstrip("."), description=about,
                                          epilog=getattr(module, "EXAMPLES", None), allow_abbrev=False,
                                          formatter_class=argparse.RawDescriptionHelpFormatter)
        module.add_arguments(subparser)
        subparser.set_defaults(run=module.run)
    return parser


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of a command line, checked by name."""
    parser = _parser()
    names = list(_COMMANDS)
    first = arguments[0] if arguments else None
    if first is None:
        parser.print_help()
        parser.exit(0)
    if not first.startswith("-") and first not in names:
        raise InputError("command", "one of " + ", ".join(names), first, did_you_mean(first, names))
    known, unknown = parser.parse_known_args(arguments)
    if unknown:
        flags = _flags(parser, known.command)
        raise InputError("option", f"one that `gluon-deeprnn {known.command} --help` lists", unknown[0],
                         did_you_mean(unknown[0], flags))
    return known


def _message(error: DeepRNNError, given: Sequence[str]) -> str:
    """The message of an error; its remedy names options, and is left out if the command lacks one of them."""
    if error.advice is None:
        return error.message
    flags = _flags(_parser(), given[0] if given and given[0] in _COMMANDS else None)
    if not all(flag(argument.name) in flags for argument in error.advice.arguments):
        return error.message
    return f"{error.message} ({_told(error.advice)})"


def _flags(parser: argparse.ArgumentParser, command: Optional[str]) -> List[str]:
    choices: Any = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction)).choices
    return [flag for action in choices[command]._actions for flag in action.option_strings] if command else []


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run one command; return its exit status."""
    streams.replace_missing()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # characters that the terminal cannot show become "?"
    if threading.current_thread() is threading.main_thread():
        for request in (signal.SIGTERM, signal.SIGHUP):  # termination signals are handled like Ctrl-C
            if signal.getsignal(request) == signal.SIG_DFL:  # nohup ignores SIGHUP; this must not change
                signal.signal(request, signal.default_int_handler)
    try:
        with streams.forgiving(), _notes_on_stderr():
            return _run(arguments)
    except BrokenPipeError:
        return ExitStatus.NO_READER
    finally:
        streams.abandon_what_fails()


class _Formatter(logging.Formatter):
    """Log messages of the package, which name options in place of arguments."""

    def format(self, record: logging.LogRecord) -> str:
        """The text of a message."""
        record = copy.copy(record)
        if isinstance(record.args, tuple):
            record.args = tuple(_told(each) if isinstance(each, (Advice, Argument)) else each for each in record.args)
        return super().format(record)


def _told(advice: Union[Advice, Argument]) -> str:
    return Advice(advice).told(as_option)


@contextlib.contextmanager
def _notes_on_stderr() -> Iterator[None]:
    """Print log messages of the package to stderr; the root logger has MXNet's format."""
    logger, handler = logging.getLogger("gluon_deeprnn"), logging.StreamHandler()
    handler.setFormatter(_Formatter("gluon-deeprnn: %(message)s"))
    logger.addHandler(handler)
    logger.propagate = False
    level = logger.level
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.propagate = True
        logger.removeHandler(handler)


def _run(arguments: Optional[Sequence[str]]) -> int:
    given = sys.argv[1:] if arguments is None else arguments
    try:
        known = parse(given)
        known.run(known)
        sys.stdout.flush()
        return ExitStatus.DONE
    except DeepRNNError as error:
        print(f"gluon-deeprnn: error: {' '.join(_message(error, given).split())}", file=sys.stderr)
        return ExitStatus.INVALID
    except KeyboardInterrupt as interrupt:
        if interrupt.args:
            print(interrupt.args[0], file=sys.stderr)
        return ExitStatus.INTERRUPTED
