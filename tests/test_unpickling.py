"""Pickles are read as data: plain values come back from every protocol, and nothing in a hostile file runs."""

import builtins
import copyreg
import io
import os
import pickle
import pickletools
from collections import OrderedDict
from decimal import Decimal

import pytest

from grounding.data.referring.unpickling import check_plain, load_plain_pickle, plain_pickle
from grounding.errors import InputError
from tests.refs_on_disk import REFS

PLAIN = [
    {"id": 1, "big": 2**63, "minus": -(2**40), "share": 0.25, "none": None, "yes": True, "no": False},
    ("one", (), [], {}, ("a", "b", "c", "d")),
    "grüße \N{SNOWMAN}",
    "x" * 300,
    [[]] * 3,
]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("value", [PLAIN, REFS, [], "word"], ids=["plain", "refs", "empty", "word"])
def test_plain_values_come_back_from_every_protocol(value, protocol, tmp_path):
    path = tmp_path / "refs(unc).p"
    path.write_bytes(pickle.dumps(value, protocol))
    assert load_plain_pickle(path) == value


@pytest.mark.parametrize("protocol", [0, 2])
def test_the_pickler_written_in_python_is_read_as_well(protocol):
    stream = io.BytesIO()
    pickle._Pickler(stream, protocol).dump(PLAIN)
    assert plain_pickle(stream.getvalue(), "refs.p") == PLAIN


def test_a_large_pickle_in_frames_is_read():
    value = [{"sent": f"the {n}th man", "tokens": ["the", f"{n}th", "man"]} for n in range(20_000)]
    data = pickle.dumps(value, 4)
    assert data.count(b"\x95") > 5
    assert plain_pickle(data, "refs.p") == value


# {'sent': 'caf\xc3\xa9', u'raw': u'caf\xe9', 'old': 'caf\xe9', 'n': 3L} in the steps that Python 2 writes.
PYTHON2_PROTOCOL0 = (
    b"(dp1\nS'sent'\np2\nS'caf\\xc3\\xa9'\np3\nsVraw\np4\nVcaf\xe9\np5\n"
    b"sS'old'\np6\nS'caf\\xe9'\np7\nsS'n'\np8\nL3L\ns."
)
PYTHON2_PROTOCOL2 = (
    b"\x80\x02}q\x01(U\x04sentq\x02U\x05caf\xc3\xa9q\x03X\x03\x00\x00\x00rawq\x04X\x05\x00\x00\x00caf\xc3\xa9q\x05"
    b"U\x03oldq\x06U\x04caf\xe9q\x07U\x01n\x8a\x01\x03u."
)


@pytest.mark.parametrize("data", [PYTHON2_PROTOCOL0, PYTHON2_PROTOCOL2], ids=["protocol 0", "protocol 2"])
def test_strings_of_python_2_are_utf_8_or_else_latin_1(data):
    assert plain_pickle(data, "refs.p") == {"sent": "café", "raw": "café", "old": "café", "n": 3}


# ---- hostile files


class Runs:
    """Pickled, it runs a function with some arguments when it is loaded."""

    def __init__(self, function, *arguments):
        self.reduced = (function, arguments)

    def __reduce__(self):
        return self.reduced


class State:
    def __setstate__(self, state):
        raise AssertionError("a state was set")


def hostile(mark):
    """Names and pickles that would leave a file at `mark`, or make objects of classes, if they ran."""
    touch = f"touch {mark}"
    write = f"open({str(mark)!r}, 'w')"
    state = State()
    state.name = "set"
    values = {
        "os.system": Runs(os.system, touch),
        "eval": Runs(builtins.eval, write),
        "exec, nested": [{"sentences": [("a", {"raw": Runs(builtins.exec, write)})]}],
        "a file opened": Runs(open, str(mark), "w"),
        "ordered dict": OrderedDict(a=1),
        "decimal": Decimal("0.5"),
        "instance with state": state,
        "a class": Runs,
    }
    for name, value in values.items():
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            yield f"{name}, protocol {protocol}", pickle.dumps(value, protocol)
    command = f"{touch}".encode()
    yield "GLOBAL and REDUCE by hand", b"cposix\nsystem\n(S'" + command + b"'\ntR."
    yield "INST by hand", b"(S'" + command + b"'\niposix\nsystem\n."
    yield "OBJ by hand", b"(cposix\nsystem\nS'" + command + b"'\no."
    yield "REDUCE after a good beginning", pickle.dumps(REFS, 2)[:-1] + b"0cposix\nsystem\n(S'" + command + b"'\ntR."
    yield (
        "STACK_GLOBAL by hand",
        b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c" + bytes([len(command)]) + command + (b"\x85R."),
    )


def test_nothing_of_a_hostile_pickle_runs(tmp_path):
    mark = tmp_path / "it-ran"
    count = 0
    for name, data in hostile(mark):
        path = tmp_path / "refs(unc).p"
        path.write_bytes(data)
        with pytest.raises(InputError, match=r"refs\(unc\)\.p, byte \d+ holds [A-Z_0-9]+"):
            load_plain_pickle(path)
        assert not mark.exists(), name
        count += 1
    assert count == 8 * (pickle.HIGHEST_PROTOCOL + 1) + 5


def test_the_same_pickles_do_run_in_the_usual_reader(tmp_path):
    mark = tmp_path / "it-ran"
    pickle.loads(pickle.dumps(Runs(os.system, f"touch {mark}"), 2))
    assert mark.exists()


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"cposix\nsystem\n.", "GLOBAL posix.system"),
        (b"(iposix\nsystem\n.", "INST posix.system"),
        (b"\x8c\x08builtins\x8c\x04eval\x93.", "STACK_GLOBAL builtins.eval"),
        (b"\x82\x01.", "EXT1"),
        (b"\x83\x01\x00.", "EXT2"),
        (b"\x84\x01\x00\x00\x00.", "EXT4"),
        (b"P1234\n.", "PERSID"),
        (b"K\x01Q.", "BINPERSID"),
        (b"]}b.", "BUILD"),
        (b"](tR.", "REDUCE"),
        (b"])\x81.", "NEWOBJ"),
        (b"\x8f.", "EMPTY_SET"),
        (b"(\x91.", "FROZENSET"),
        (b"C\x01a.", "SHORT_BINBYTES"),
        (b"B\x01\x00\x00\x00a.", "BINBYTES"),
        (b"\x96\x01\x00\x00\x00\x00\x00\x00\x00a.", "BYTEARRAY8"),
        (b"\x97.", "NEXT_BUFFER"),
        (b"\x8b\x01\x00\x00\x00\x01.", "LONG4"),
    ],
)
def test_every_other_step_is_refused_by_its_name(data, named):
    with pytest.raises(InputError, match=f"holds {named.replace('.', '[.]')}: only dict, list"):
        plain_pickle(data, "refs.p")


def test_the_steps_that_are_let_through_build_plain_values_and_no_others():
    """Of all steps that Python knows, by trying each with what it needs after it."""
    filler = {-1: b"0\n", -2: b"\x00", -3: b"\x00" * 4, -4: b"\x00" * 4, -5: b"\x00" * 8}  # pickletools' codes
    admitted = set()
    for step in pickletools.opcodes:
        n = step.arg.n if step.arg else 0
        argument = b"m\nn\n" if step.name in ("GLOBAL", "INST") else filler.get(n, b"\x00" * max(n, 0))
        try:
            check_plain(step.code.encode("latin-1") + argument + b".", "refs.p")
        except InputError:
            continue
        admitted.add(step.name)
    numbers = {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "FLOAT", "BINFLOAT"}
    words = {"STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"}
    others = {"NONE", "NEWTRUE", "NEWFALSE"}
    lists = {"EMPTY_LIST", "APPEND", "APPENDS", "LIST", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"}
    dicts = {"EMPTY_DICT", "DICT", "SETITEM", "SETITEMS"}
    memory = {"GET", "BINGET", "LONG_BINGET", "PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"}
    machine = {"POP", "MARK", "POP_MARK", "PROTO", "FRAME", "STOP"}
    assert admitted == numbers | words | others | lists | dicts | memory | machine


def test_a_registered_extension_opens_no_door(monkeypatch):
    """copyreg remembers objects by number, and the machine takes those without asking for a class."""
    monkeypatch.setitem(copyreg._inverted_registry, 77, ("posix", "system"))
    monkeypatch.setitem(copyreg._extension_cache, 77, os.system)
    with pytest.raises(InputError, match="holds EXT1"):
        plain_pickle(b"\x80\x02\x82\x4d(S'true'\ntR.", "refs.p")


def test_the_machine_itself_looks_up_no_class(monkeypatch, tmp_path):
    """The second lock, with the first one open."""
    monkeypatch.setattr("grounding.data.referring.unpickling.check_plain", lambda data, name: False)
    mark = tmp_path / "it-ran"
    with pytest.raises(InputError, match=r"asks for (posix|nt)\.system"):
        plain_pickle(pickle.dumps(Runs(os.system, f"touch {mark}"), 2), "refs.p")
    with pytest.raises(InputError, match="persistent object 'x'"):
        plain_pickle(b"Px\n.", "refs.p")
    assert not mark.exists()


# ---- files that would keep the machine busy for ever, or break it


def steps(*parts):
    return b"".join(parts)


TUPLE_OF_TUPLES = b")" + b"\x85" * 100_000
LAUGHS = b"\x80\x04)\x940" + b"".join(b"h%ch%c\x86\x940" % (n, n) for n in range(60))
"""A tuple of the one before, twice: 2 ** 60 empty ones in the last, and hashing goes through them all."""


@pytest.mark.parametrize(
    "data",
    [
        steps(b"}", TUPLE_OF_TUPLES, b"Ns."),
        steps(b"(", TUPLE_OF_TUPLES, b"Nd."),
        steps(LAUGHS, b"}h\x3cNs."),
        steps(LAUGHS, b"}(h\x3cNu."),
        steps(LAUGHS, b"}](N0h\x3c0h\x3cp99\n1g99\nNs."),
        b"}(K\x01N((tNtNu.",
    ],
    ids=["deep", "deep, DICT", "shared", "shared, SETITEMS", "hidden", "among others"],
)
def test_a_tuple_is_no_key_as_hashing_it_can_break_the_machine(data):
    with pytest.raises(InputError, match=r"refs\.p, byte \d+ makes a tuple the key of a dict"):
        plain_pickle(data, "refs.p")


@pytest.mark.parametrize("data", [b"}(tttNs.", b"}(K\x01\x86Nu.", b"}h\x09\x85Ns.", b")1.", b")000."])
def test_a_file_of_tuples_in_a_wrong_order_is_damaged(data):
    with pytest.raises(InputError, match="damaged pickle"):
        plain_pickle(data, "refs.p")


def test_ints_that_hash_alike_are_too_long_to_be_many():
    """All of them hash to 0: a dict of a million would take hours."""
    keys = (b"\x8a\x10" + (n * (2**61 - 1)).to_bytes(16, "little") + b"N" for n in range(1, 100))
    with pytest.raises(InputError, match="an int of 16 bytes"):
        plain_pickle(steps(b"}(", *keys, b"u."), "refs.p")


def test_what_comes_out_has_no_more_values_than_the_file_has_bytes():
    sentences = [{"sent": "a"}] * 1000
    with pytest.raises(InputError, match=r"holds more than 10\d,\d{3} values, as its lists and dicts stand in it many"):
        plain_pickle(pickle.dumps([{"sentences": sentences}] * 1000, 2), "refs.p")
    assert plain_pickle(pickle.dumps([{"sentences": sentences}] * 10, 2), "refs.p")[9]["sentences"] == sentences
    numbers = [[n] for n in range(200_000)]
    assert plain_pickle(pickle.dumps(numbers, 2), "refs.p") == numbers


@pytest.mark.parametrize(
    "data",
    [
        b"]\x94h\x00a.",
        b"}\x94(U\x01ah\x00u.",
        b"]" * 20_000 + b"a" * 19_999 + b".",
        b")" + b"\x85" * 20_000 + b".",
        LAUGHS + b"h\x3c.",
    ],
    ids=["itself", "itself, dict", "lists", "tuples", "laughs"],
)
def test_what_holds_itself_or_is_too_deep_is_refused(data):
    with pytest.raises(InputError, match=r"more than 50 lists and dicts in one another|many times over"):
        plain_pickle(data, "refs.p")


# ---- damaged and outsized files


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "stops at byte 0"),
        (pickle.dumps(REFS, 2)[:200], "no whole pickle"),
        (pickle.dumps(REFS, 4)[:200], "announces"),
        (b"X\xff\xff\xff\x7fab.", "announces 2,147,483,647 bytes more"),
        (b"\x8d" + b"\xff" * 8 + b".", "announces"),
        (b"\x80\x04\x95" + b"\xff" * 8 + b"].", "announces"),
        (b"\x8a\xff" + b"\x01" * 255 + b".", "an int of 255 bytes"),
        (b"[1, 2]", "damaged|no pickle|no whole pickle"),
        (b"PK\x03\x04zip", "no whole pickle|holds PERSID"),
        (b"a.", "damaged pickle"),
        (b"\x80\x09].", "damaged pickle"),
        (b"}]](s.", "damaged pickle"),
        (b"}](K\x01u.", "damaged pickle"),
        (b"h\x05.", "damaged pickle"),
        (b"S'a\n.", "damaged pickle"),
    ],
)
def test_a_damaged_pickle_is_one_sentence(data, said):
    with pytest.raises(InputError, match=said) as caught:
        plain_pickle(data, "refs.p")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [b"]r\xff\xff\xff\xff.", b"]r\x00\x00\x00\x01.", b"]p4294967295\n."])
def test_a_place_in_the_memory_far_out_is_refused_before_room_is_made_for_it(data):
    with pytest.raises(InputError, match=r"holds (LONG_BIN)?PUT"):
        plain_pickle(data, "refs.p")


def test_a_file_over_the_limit_is_not_opened(tmp_path):
    path = tmp_path / "refs.p"
    path.write_bytes(pickle.dumps(["x" * 2000], 2))
    with pytest.raises(InputError, match="more than 0 MiB"):
        load_plain_pickle(path, max_bytes=1000)
    assert load_plain_pickle(path, max_bytes=path.stat().st_size) == ["x" * 2000]


def test_a_file_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="can't be read: No such file"):
        load_plain_pickle(tmp_path / "refs.p")
