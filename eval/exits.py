"""How every evaluation program ends: one sentence for what went wrong, and an exit code for it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from grounding.errors import GroundingError, InputError

DONE, FAILED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130


def ended(program: str, work: Callable[[], int]) -> int:
    """What `work` returns; else the code for what stopped it, which standard error tells in a sentence."""
    try:
        code = work()
        sys.stdout.flush()
    except KeyboardInterrupt:
        print(f"{program}: interrupted; the same command goes on from here", file=sys.stderr)
        return INTERRUPTED
    except GroundingError as error:
        print(f"{program}: {whole_message(error)}", file=sys.stderr)
        return WRONG_USE if isinstance(error, InputError) else FAILED
    except BrokenPipeError:  # whoever read the output has gone: nothing to say, and nobody to say it to
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:
        print(f"{program}: can't write the output: {error.strerror or error}", file=sys.stderr)
        return FAILED
    return code


def whole_message(error: BaseException) -> str:
    """What went wrong, on one line."""
    return " ".join(str(error).split())
