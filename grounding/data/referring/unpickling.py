"""Owns the reading of pickles as data: plain containers, numbers and strings come out, and nothing in the file can run.

A pickle is a program for a small machine that can call any function there is. So the whole program is read first, step
by step, and a file that holds any step but those which build plain values is refused by that step's name, before it
runs. The machine that then runs it has its doors closed as well: looking up a class and persistent ids both refuse.

Plain steps can do harm, too: a dict hashes its keys, and hashing a tuple goes through all that is in it, which may be
the same tuple a million times over or a million tuples in one another. So keys are no tuples. And lists that stand in
one another many times over are small in the file and endless to whoever goes through them. So what comes out has no
more values than its file has bytes, each counted as often as it stands there.
"""

from __future__ import annotations

import codecs
import io
import pickle
import pickletools
import re
from pathlib import Path
from typing import Any, NoReturn

from grounding.errors import InputError

MAX_BYTES = 128 * 2**20
"""A byte of pickle can become sixty bytes of memory, so larger files are refused; RefCOCO's refs are far smaller."""
PLAIN = "dict, list, tuple, int, float, str, None and bool"

_STEP = rb"""(?:
      [(\]}aesudl01N\x88\x89\x94]         # containers, marks, None, True, False; \x94 remembers
    | [Kqh\x80].                          # one byte: an int, a place in the memory, the protocol
    | M..                                 # two
    | [Jj].{4}                            # four
    | r...\x00                            # a place in the memory below 2**24: the machine makes room for all below it
    | G.{8}                               # a float
    | [ILg]-?\d{1,20}L?\n                 # numbers in letters
    | p\d{1,7}\n                          # a place in the memory, likewise
    | F[-+.\w]{1,40}\n                    # a float in letters
    | [SV][^\n]*\n                        # strings with escapes
    )"""
"""A step whose end can be told without counting, tuples left out."""
_ONE_STEP = re.compile(_STEP, re.DOTALL | re.VERBOSE)
_STEPS = re.compile(_STEP + rb"*+", re.DOTALL | re.VERBOSE)
"""`*+` gives nothing back, so that time grows with length alone."""
_TUPLES = {ord(")"): 0, ord("t"): None, 0x85: 1, 0x86: 2, 0x87: 3}
"""Steps that make a tuple, and of how many values; None: of all above the mark."""
_COUNTED = {0x55: 1, 0x54: 4, 0x8C: 1, 0x58: 4, 0x8D: 8, 0x8A: 1}
"""Steps that begin with a count of bytes, and how many bytes that count has: strings, and one int."""
_STOP, _PROTO, _FRAME, _LONG1 = 0x2E, 0x80, 0x95, 0x8A
_OPCODES = {ord(step.code): step for step in pickletools.opcodes}
_SPARE_VALUES = 100_000
"""May come out beyond those that a file has bytes for, so that small files can repeat themselves."""
_DEEPEST = 50
"""Containers in one another; refs have five."""
_LONGEST_INT_BYTES = 9
"""64 bits and a sign. Of longer ones, millions hash alike, and a dict of those takes hours."""


def load_plain_pickle(path: str | Path, *, max_bytes: int = MAX_BYTES) -> Any:
    """What a pickle holds, made of dict, list, tuple, int, float, str, None and bool; any protocol, Python 2's too.

    Byte strings of Python 2 come as str: UTF-8, or Latin-1 where they are not. Nothing in it holds itself, so that it
    can be walked, shown and compared. Raises InputError that names what else is in the file; then nothing of the file
    has run.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            data = stream.read(max_bytes + 1)
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror or error}") from None
    if len(data) > max_bytes:
        raise InputError(f"{path.name} has more than {max_bytes / 2**20:.0f} MiB: no pickle that large is opened")
    return plain_pickle(data, path.name)


def plain_pickle(data: bytes, name: str) -> Any:
    """What the bytes of a pickle hold; see `load_plain_pickle`. `name` stands for the file in messages."""
    tuples = check_plain(data, name)
    try:
        if tuples:
            _check_keys(data, name)
        value = _Closed(io.BytesIO(data)).load()
    except InputError:
        raise
    except Exception as error:  # the machine raises nearly anything on steps in a wrong order; all of it means damage
        reason = str(error) or type(error).__name__
        raise InputError(f"{name} is a damaged pickle ({reason}): fetch it again") from None
    _check_extent(value, len(data) + _SPARE_VALUES, name)
    return value


def _check_extent(value: Any, most: int, name: str) -> None:
    """Raises InputError where there are more than `most` values in one another, or more than _DEEPEST levels."""
    count, level = 0, [value]
    for _ in range(_DEEPEST):
        below: list[Any] = []
        for entry in level:
            if isinstance(entry, dict):
                below += entry.values()
            elif isinstance(entry, list | tuple):
                below += entry
            if count + len(below) > most:
                raise InputError(
                    f"{name} holds more than {most:,} values, as its lists and dicts stand in it many times over: "
                    "get the file from a source you trust"
                )
        if not below:
            return
        count += len(below)
        level = below
    raise InputError(f"{name} has more than {_DEEPEST} lists and dicts in one another: it is no data set's file")


def check_plain(data: bytes, name: str) -> bool:
    """Whether any step makes a tuple. Raises InputError unless all of them build plain values; runs nothing."""
    at, strings, tuples = 0, [b"", b""], False
    while True:
        matched = _STEPS.match(data, at)
        assert matched is not None
        at = matched.end()
        if at >= len(data):
            raise InputError(f"{name} is no whole pickle: it stops at byte {at} without an end; fetch it again")
        code = data[at]
        if code == _STOP:
            return tuples
        if code in _TUPLES:
            tuples = True
            at += 1
        elif code == _FRAME:
            _count(data, at, 8, name)
            at += 9  # what is in the frame are steps again
        elif code in _COUNTED:
            width = _COUNTED[code]
            count = _count(data, at, width, name)
            if code == _LONG1 and count > _LONGEST_INT_BYTES:
                raise InputError(f"{name}, byte {at} holds an int of {count} bytes: it is no data set's file")
            start = at + 1 + width
            at = start + count
            strings = [strings[1], data[start : min(at, start + 80)]]
        else:
            _refuse(data, at, name, strings)


def _check_keys(data: bytes, name: str) -> None:
    """Raises InputError where a tuple becomes a key, KeyError or IndexError where more is taken than is there.

    Goes through steps that were found to be plain ones, with the machine's stack in mind: all that is told of a value
    is whether it is a tuple.
    """
    stack: list[bool] = []
    below: list[list[bool]] = []  # what lies under each mark
    memory: dict[int, bool] = {}
    at = 0
    while (code := data[at]) != _STOP:
        start, at = at, _end(data, at)
        step, keys = chr(code), []
        if step == "(":
            below.append(stack)
            stack = []
        elif step in "tlde1u" or (step == "0" and not stack):
            above, stack = stack, below.pop()
            if step in "tld":
                stack.append(step == "t")
            if step in "du":
                keys = above[::2]
        elif step in "0a":
            stack.pop()
        elif step == "s":
            keys = [stack[-2]]
            del stack[-2:]
        elif code in _TUPLES:
            for _ in range(_TUPLES[code] or 0):
                stack.pop()
            stack.append(True)
        elif step in "pqr\x94":
            memory[len(memory) if step == "\x94" else _place(data[start:at])] = stack[-1]
        elif step in "ghj":
            stack.append(memory[_place(data[start:at])])
        elif code not in (_FRAME, _PROTO):
            stack.append(False)
        if any(keys):
            raise InputError(
                f"{name}, byte {start} makes a tuple the key of a dict, whose keys are strings and numbers in any data "
                "set's file: get the file from a source you trust"
            )


def _end(data: bytes, at: int) -> int:
    """Where the plain step that begins here ends."""
    code = data[at]
    if code in _TUPLES:
        return at + 1
    if code == _FRAME:
        return at + 9
    if code in _COUNTED:
        width = _COUNTED[code]
        return at + 1 + width + int.from_bytes(data[at + 1 : at + 1 + width], "little")
    matched = _ONE_STEP.match(data, at)
    assert matched is not None
    return matched.end()


def _place(step: bytes) -> int:
    """The place in the memory that a step names, in letters or bytes."""
    return int(step[1:]) if step[:1] in b"pg" else int.from_bytes(step[1:], "little")


def _count(data: bytes, at: int, width: int, name: str) -> int:
    count = int.from_bytes(data[at + 1 : at + 1 + width], "little")
    if at + 1 + width + count > len(data):
        raise InputError(f"{name} is no whole pickle: byte {at} announces {count:,} bytes more than there are")
    return count


def _refuse(data: bytes, at: int, name: str, strings: list[bytes]) -> NoReturn:
    step = _OPCODES.get(data[at])
    if step is None:
        raise InputError(f"{name} is no pickle: byte {at} is {data[at : at + 1]!r}; give the file of refs as published")
    seen = step.name
    if seen in ("GLOBAL", "INST"):
        seen += " " + ".".join(_shown(part) for part in data[at + 1 : at + 200].split(b"\n")[:2])
    elif seen == "STACK_GLOBAL":
        seen += " " + ".".join(map(_shown, strings))
    raise InputError(
        f"{name}, byte {at} holds {seen}: only {PLAIN} are read from a pickle, as anything else can run code; "
        "nothing of it was run; get the file from a source you trust"
    )


def _shown(text: bytes) -> str:
    return re.sub(r"[^\x20-\x7e]", "?", text.decode("latin-1"))[:60]


def _as_latin1(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return error.object[error.start : error.end].decode("latin-1"), error.end


codecs.register_error("grounding-latin-1", _as_latin1)


class _Closed(pickle.Unpickler):
    """Runs a pickle that was checked; refuses what the check should have."""

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream, fix_imports=False, encoding="utf-8", errors="grounding-latin-1")

    def find_class(self, module: str, name: str) -> NoReturn:
        raise InputError(f"a pickle asks for {module}.{name}: only {PLAIN} are read")

    def persistent_load(self, pid: Any) -> NoReturn:
        raise InputError(f"a pickle asks for the persistent object {pid!r:.40}: only {PLAIN} are read")
