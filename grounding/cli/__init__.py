"""The command `grounding`: reads the line, calls the library, prints the answer, and turns errors into exit codes.

0: answered, and "nothing there" is an answer; 1: it failed; 2: the command or what it was given makes no sense.
Nothing heavy is imported before a command needs it, so that `grounding --help` is quick.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from grounding import __version__
from grounding.cli.arguments import Commands
from grounding.cli.asking import add_asking
from grounding.cli.datasets import add_datasets
from grounding.cli.predicting import add_predicting
from grounding.cli.reporting import add_reporting
from grounding.cli.scoring import add_scoring
from grounding.cli.texts import add_texts
from grounding.cli.training import add_training
from grounding.errors import GroundingError, InputError

ANSWERED, FAILED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line and returns its exit code; never lets an exception out, except with --debug."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    try:
        args = _parser(arguments).parse_args(arguments)
    except SystemExit as stop:  # argparse has printed help, the version, or what is wrong
        return stop.code if isinstance(stop.code, int) else WRONG_USE
    except GroundingError as error:
        return _fail(error)
    try:
        run: Callable[[argparse.Namespace], None] = args.run
        run(args)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        if args.debug:
            raise
        return _fail(error)
    return ANSWERED


def _fail(error: Exception) -> int:
    """Says in one sentence what went wrong; returns the exit code for it."""
    if isinstance(error, BrokenPipeError):  # whoever read our output has gone: nothing to say, and nobody to say it to
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    if isinstance(error, GroundingError):
        message = str(error)
    elif isinstance(error, OSError):
        message = f"can't write the output: {error.strerror or error}"
    else:
        message = f"unexpected {type(error).__name__}: {error} (--debug shows where)"
    line = " ".join(message.split())
    # what a file or a server wrote may stand in it, and must not steer the terminal
    print("grounding: " + "".join(c if c.isprintable() else "\ufffd" for c in line), file=sys.stderr)
    return WRONG_USE if isinstance(error, InputError) else FAILED


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """The whole command line."""
    parser = argparse.ArgumentParser(
        prog="grounding",
        description="Ask a picture where, get boxes.",
        epilog="example: grounding ground scene.png 'the small red star' --out answer.png",
    )
    parser.add_argument("--version", action="version", version=f"grounding {__version__}")
    commands = Commands(parser)
    add_asking(commands)
    add_predicting(commands, arguments)
    add_scoring(commands)
    add_reporting(commands)
    add_datasets(commands)
    add_training(commands, arguments)
    add_texts(commands)
    return parser
