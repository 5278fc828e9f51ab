"""Handlers that tests invoke in worker processes."""

import json
import logging
import os
import sys
import time
from collections import namedtuple
from decimal import Decimal

Point = namedtuple("Point", "x y")


def handler(event, context):
    return {"statusCode": 200, "headers": {"content-type": "text/plain"}, "body": "hello"}


def echo(event, context):
    return event


def about(event, context):
    return {
        "id": context.aws_request_id,
        "arn": context.invoked_function_arn,
        "name": context.function_name,
        "version": context.function_version,
        "memory": context.memory_limit_in_mb,
        "group": context.log_group_name,
        "stream": context.log_stream_name,
        "left": context.get_remaining_time_in_millis(),
        "client": context.client_context and context.client_context.custom,
        "tenant": context.tenant_id,
        "trace": os.environ.get("_X_AMZN_TRACE_ID"),
        "environment": dict(os.environ),
        "cwd": os.getcwd(),
        "path0": sys.path[0],
        "argv": sys.argv,
        "pid": os.getpid(),
        "session": os.getsid(0),
    }


class Broken(Exception):
    pass


def raises(event, context):
    raise Broken("this is ünicode")


def leaves(event, context):
    sys.exit(event.get("status", 5))


def stops(event, context):
    os._exit(event.get("status", 3))


def killed(event, context):
    os.kill(os.getpid(), event.get("signal", 9))
    time.sleep(10)


def sleeps(event, context):
    time.sleep(event["seconds"])
    return "slept"


def prints(event, context):
    print("one")
    print("two", file=sys.stderr)
    logging.getLogger().warning("three")
    print("four", end="")
    return "printed"


def prints_what_is_no_text(event, context):
    print("\ud800")


def logs_what_does_not_fit(event, context):
    logging.getLogger().warning("%d", "no number")


def logs_what_is_no_text(event, context):
    logging.getLogger().warning("\ud800")


def raises_what_is_no_text(event, context):
    raise Broken("\ud800")


def closes_all(event, context):
    if event.get("how") == "each":
        for descriptor in range(3, 64):
            try:
                os.close(descriptor)
            except OSError:
                pass
    else:
        os.closerange(3, 4096)
    return "closed"


class Row:
    """No named tuple, but with the method by which those are known."""

    def _asdict(self):
        return {"a": 1}


def returns(event, context):
    return {
        "set": {1},
        "bytes": b"\x00\xff",
        "object": object(),
        "nan": float("nan"),
        "decimal": {"price": Decimal("12.340")},
        "point": {"at": Point(1, 2)},
        "inner": {"b": b"text"},
        "none": None,
        "row": [Row()],
        "text": "é",
        "generator": (n for n in range(3)),
        "number": 3,
    }[event["what"]]


def large(event, context):
    return "x" * (event["size"] - 2)


def grandchild(event, context):
    import subprocess

    child = subprocess.Popen(["sleep", "30"])
    return child.pid


def calls(event, context):
    """Mixed behaviour, as the event says it."""
    return globals()[event["do"]](event, context)


def size(event, context):
    return len(json.dumps(event))


def grows(event, context):
    hold = []
    while True:
        hold.append(bytearray(4 * 1024 * 1024))
        time.sleep(0.01)


def deaf(event, context):
    import signal

    signal.signal(signal.SIGTERM, lambda *_: None)
    return "deaf"


def floods(event, context):
    line = "x" * 200
    for _ in range(50_000):
        print(line)
    return "flooded"


def floods_and_fails(event, context):
    for number in range(100_000):
        print("line", number)
    raise KeyError("what went wrong")


def logs_an_exception(event, context):
    try:
        raise ValueError("inner")
    except ValueError:
        logging.getLogger().exception("two\nlines")
    return "logged"
