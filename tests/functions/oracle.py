"""What `test_oracle` asks of a Python runtime: each value, error and record is one invocation of this module."""

import collections
import dataclasses
import decimal
import enum
import json
import logging
import uuid


class Letter(enum.Enum):
    A = "a"


class Number(enum.IntEnum):
    ONE = 1


class Word(str, enum.Enum):  # noqa: UP042
    A = "word"


class Text(str):
    pass


Point = collections.namedtuple("Point", "x y")


class Row:
    def _asdict(self):
        return {"a": 1}


class BadRow:
    def _asdict(self):
        return 5


@dataclasses.dataclass
class Data:
    a: int


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


CIRCLE = []
CIRCLE.append(CIRCLE)

VALUES = {
    "separators": lambda: "\u2028\u2029<>&\x7fé",
    "controls": lambda: '\x00\x1f\t\n\\"/',
    "big": lambda: 2**100,
    "infinite": lambda: [float("inf"), float("-inf"), float("nan")],
    "tuple": lambda: (1, (2,)),
    "bytes_inside": lambda: {"a": b"x"},
    "bad_bytes_inside": lambda: {"a": b"\xff"},
    "bytearray": lambda: bytearray(b"x"),
    "range": lambda: range(3),
    "keys": lambda: {1: 1, 2.5: 2, False: 3, None: 4, "": 5, "1": 6},
    "key_bytes": lambda: {b"k": 1},
    "key_tuple": lambda: {(1, 2): 1},
    "key_decimal": lambda: {decimal.Decimal("1.5"): 1},
    "key_uuid": lambda: {uuid.UUID(int=1): 1},
    "key_enum": lambda: {Letter.A: 1},
    "key_number": lambda: {Number.ONE: 1},
    "decimals": lambda: [decimal.Decimal(one) for one in ("1.10", "1E+5", "-0", "NaN", "Infinity")],
    "enum": lambda: Letter.A,
    "enums": lambda: [Number.ONE, Word.A, Text("t")],
    "counter": lambda: collections.Counter("aab"),
    "user_dict": lambda: collections.UserDict(a=1),
    "deque": lambda: collections.deque([1]),
    "points": lambda: {"k": [Point(1, Point(2, 3))]},
    "row": Row,
    "bad_row": BadRow,
    "data": lambda: Data(1),
    "uuid": lambda: uuid.UUID(int=1),
    "exception": lambda: ValueError("x"),
    "complex": lambda: 1j,
    "circle": lambda: CIRCLE,
    "deep": lambda: nested(3000),
    "ellipsis": lambda: ...,
}


def broken():
    try:
        return 1 / 0
    except ZeroDivisionError as problem:
        raise ValueError("wrapped") from problem


def lies():
    raise ValueError("one\ntwo\n  three")


def says_nothing():
    raise ValueError


def has_two():
    raise ValueError("a", "b")


def notes():
    error = ValueError("noted")
    error.add_note("a note")
    raise error


ERRORS = {one.__name__: one for one in (broken, lies, says_nothing, has_two, notes)}


def logged():
    logging.info("hidden")
    logging.warning("one\ntwo")
    logging.error("e %s", 5)
    logging.getLogger("named").critical({"a": 1, "b": "é"})
    logging.log(25, "a level of one's own")
    logging.warning("%(a)s", {"a": 1})
    logging.warning("more", extra={"k": 1, "none": None, "object": Text, "text": "é"})
    try:
        return 1 / 0
    except ZeroDivisionError:
        logging.exception("caught")


def logged_without_an_error():
    logging.error("none", exc_info=True)


LOGS = {one.__name__: one for one in (logged, logged_without_an_error)}
CASES = VALUES | ERRORS | LOGS


def handler(event, context):
    if event == "context":
        return repr(context).replace(context.log_stream_name, "")
    if event == "level":
        return logging.getLogger().level
    return CASES[event]()


def names():
    return json.dumps([*CASES, "context", "level"])
