"""The root logger of Python functions, with the records that Lambda's own runtime writes."""
# mypy: ignore-errors

import json
import logging
import os
import sys
import time


class _Handler(logging.Handler):
    def __init__(self, current):
        super().__init__()
        self._current = current

    def emit(self, record):
        # A record that cannot be written fails the function, as on Lambda.
        record.aws_request_id, record.tenant_id = self._current["id"], self._current["tenant"]
        text = self.format(record)
        if sys.stdout is sys.__stdout__:
            # One record, however many lines it has; whoever put another file there reads lines.
            text = text.rstrip("\n").replace("\n", "\r") + "\n"
        sys.stdout.write(text)


class _JsonFormatter(logging.Formatter):
    # What is not shown as an extra of a record; `taskName`, of newer Pythons, is one.
    _own = frozenset(logging.makeLogRecord({}).__dict__) - {"taskName"} | {"aws_request_id", "tenant_id"}

    def format(self, record):
        # Levels of one's own are shown as the one below them.
        record.levelno = min(50, max(0, record.levelno)) // 10 * 10
        record.levelname = logging.getLevelName(record.levelno)
        entry = {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname,
            "message": record.msg if isinstance(record.msg, dict) and not record.args else record.getMessage(),
            "logger": record.name,
        }
        location = None
        if record.exc_info:
            import traceback

            entry["stackTrace"] = traceback.format_tb(record.exc_info[2])
            entry["errorType"] = record.exc_info[0].__name__
            entry["errorMessage"] = str(record.exc_info[1])
            location = f"{record.pathname}:{record.funcName}:{record.lineno}"
        entry["requestId"] = record.aws_request_id
        if location is not None:
            entry["location"] = location
        if record.tenant_id is not None:
            entry["tenantId"] = record.tenant_id
        entry.update((k, v) for k, v in record.__dict__.items() if k not in self._own and k not in entry)
        entry = {name: value for name, value in entry.items() if value is not None}
        return json.dumps(entry, ensure_ascii=False, default=str) + "\n"


def set_up(current):
    """Give the root logger Lambda's handler; `current` holds `id` and `tenant` of the running invocation."""
    logging.Formatter.converter = time.gmtime
    handler = _Handler(current)
    if os.environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON":
        handler.setFormatter(_JsonFormatter())
    else:
        handler.setFormatter(
            logging.Formatter(
                "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n", "%Y-%m-%dT%H:%M:%S"
            )
        )
    level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "")
    level = "DEBUG" if level == "TRACE" else level.upper()
    root = logging.getLogger()
    if level in ("NOTSET", "DEBUG", "INFO", "WARN", "WARNING", "ERROR", "FATAL", "CRITICAL"):
        root.setLevel(level)
    root.addHandler(handler)
