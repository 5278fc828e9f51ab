"""The Python runtime: runs in the worker process, takes events from the Runtime API and gives them to the handler.

Started by `python bootstrap.py`, with what it is told in a variable. Standard library only, Python 3.8 and later: it
works in any virtual environment. What a handler can see of it (error documents, context, log records, JSON) is as
Lambda's own Python runtime has it; no more is offered, because it would not run on AWS.

One long file: every module more is read at each cold start, and is a name that a function's own module may have.
"""
# mypy: ignore-errors

import _socket
import json
import os
import sys
import time

MOST_RECEIVE = 262144
INHERITED = 3
FAR = 1000


class Fault(Exception):
    """A failure that the runtime words itself: an error type of Lambda's, a sentence and a trace."""

    def __init__(self, type, message, trace=None):
        super().__init__(message)
        self.type, self.message, self.trace = type, message, trace


def _out_of_the_way(descriptor):
    """Move our connection to where a function that closes what it finds open, as daemons do, leaves it alone.

    Lambda's own runtime survives that, because its client connects anew; ours has only this connection.
    """
    try:
        kept = os.dup2(descriptor, FAR, inheritable=False)
        os.close(descriptor)
    except OSError:
        kept = descriptor  # the limit is lower
        os.set_inheritable(kept, False)
    close, pid = os.closerange, os.getpid()

    def closerange(fd_low, fd_high, /):
        if fd_low <= kept < fd_high and os.getpid() == pid:
            close(fd_low, kept)
            fd_low = kept + 1
        close(fd_low, fd_high)

    os.closerange = closerange
    return kept


# --- the Runtime API --------------------------------------------------------------------------------------------------


class Api:
    """The Runtime API over one kept connection, which this process was born with.

    An answer and the request for the next event go out in one write: the server reads them in order, and a round trip
    is saved for each invocation.
    """

    def __init__(self, address, connection=None):
        self._socket = connection or _socket.socket(fileno=_out_of_the_way(INHERITED))
        self.host = self._host = b"Host: " + address.encode() + b"\r\n"
        self._next = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n" + self._host + b"\r\n"
        self._buffer = b""

    def next(self):
        """Ask for the first event: its headers (names in lower case) and body."""
        self._socket.sendall(self._next)
        return self._message()[1:]

    def answer(self, path, body, content_type, extra=b""):
        """Post an answer and wait for the next event."""
        head = self._head(path, body, content_type, extra)
        if len(body) < 65536:
            self._socket.sendall(head + body + self._next)
        else:
            self._socket.sendall(head)
            self._socket.sendall(body)
            self._socket.sendall(self._next)
        status, _, text = self._message()
        if status != 202:
            sys.stderr.write(f"the runtime did not take the answer: {status} {text.decode('utf-8', 'replace')}\n")
        return self._message()[1:]

    def write(self, data):
        """Some bytes of a streamed answer; waits for room."""
        self._socket.sendall(data)

    def end_stream(self, data):
        """The last bytes of a streamed answer; wait for the next event."""
        self._socket.sendall(data + self._next)
        self._message()
        return self._message()[1:]

    def post(self, path, body, extra=b""):
        """Post without asking for more."""
        self._socket.sendall(self._head(path, body, b"application/json", extra) + body)
        return self._message()[0]

    def _head(self, path, body, content_type, extra):
        return b"POST /2018-06-01/runtime/%b HTTP/1.1\r\n%bContent-Type: %b\r\n%bContent-Length: %d\r\n\r\n" % (
            path,
            self._host,
            content_type,
            extra,
            len(body),
        )

    def _message(self):
        buffer = self._buffer
        end = buffer.find(b"\r\n\r\n")
        while end < 0:
            data = self._receive()
            buffer += data
            end = buffer.find(b"\r\n\r\n")
        lines = buffer[:end].decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        start = end + 4
        stop = start + int(headers.get("content-length", "0"))
        if len(buffer) < stop:
            pieces, have = [buffer], len(buffer)
            while have < stop:
                data = self._receive()
                pieces.append(data)
                have += len(data)
            buffer = b"".join(pieces)
        self._buffer = buffer[stop:]
        return int(lines[0][9:12]), headers, buffer[start:stop]

    def _receive(self):
        data = self._socket.recv(MOST_RECEIVE)
        if not data:
            # The other side is gone for good: there is nobody left to answer.
            os._exit(0)
        return data


# --- JSON -------------------------------------------------------------------------------------------------------------


_UNICODE = os.environ.get("AWS_EXECUTION_ENV", "") not in {f"AWS_Lambda_python3.{n}" for n in range(6, 12)}


_SCALARS = frozenset((str, int, bool, type(None), float))


class _Key(str):
    """What was a key in bytes: it stays apart from the same text, as simplejson keeps both."""

    __eq__ = object.__eq__
    __hash__ = object.__hash__


def _plain(value):
    """`value` as the runtime of AWS would write it, or the same object where nothing needs a change.

    simplejson, which AWS uses, writes named tuples as objects, bytes as text and Decimals as numbers.
    """
    kind = type(value)
    if kind in _SCALARS:
        return value
    if kind is dict:
        for key, one in value.items():
            if type(key) is bytes or (type(one) not in _SCALARS and _plain(one) is not one):
                return {_Key(key.decode()) if type(key) is bytes else key: _plain(one) for key, one in value.items()}
        return value
    if kind is list:
        for one in value:
            if type(one) not in _SCALARS and _plain(one) is not one:
                return [_plain(one) for one in value]
        return value
    if kind is bytes:
        return value.decode()
    if isinstance(value, list):
        return _plain(list(value))
    as_dict = None if isinstance(value, (str, int, float)) else getattr(value, "_asdict", None)
    if callable(as_dict):
        fields = as_dict()
        if not isinstance(fields, dict):
            raise TypeError(f"_asdict() must return a dict, not {type(fields).__name__}")
        return _plain(dict(fields))
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return _plain(dict(value))
    decimal = sys.modules.get("decimal")
    if decimal is not None and isinstance(value, decimal.Decimal):
        return float("nan") if value.is_nan() else _Decimal(value)
    return value


class _Decimal:
    """Stands for a Decimal; `_dumps` writes its digits, which no float can hold."""

    def __init__(self, value):
        self.text = str(value)


def _dumps(value):
    value = _plain(value)
    kept = []
    token = f"decimal-{id(kept)}-"

    def default(one):
        if isinstance(one, _Decimal):
            kept.append(one.text)
            return token + str(len(kept) - 1) + "-"
        raise TypeError(f"Object of type {type(one).__name__} is not JSON serializable")

    text = json.JSONEncoder(ensure_ascii=not _UNICODE, default=default).encode(value)
    if kept:
        import re

        text = re.sub('"' + token + '(\\d+)-"', lambda found: kept[int(found[1])], text)
    return text


def _is_circular(value):
    """Whether a value holds itself; it is too deep to ask this by calls."""
    around, left = set(), [(value, False)]
    while left:
        one, done = left.pop()
        if done:
            around.discard(id(one))
        elif id(one) in around:
            return True
        elif isinstance(one, (dict, list, tuple)):
            around.add(id(one))
            left.append((one, True))
            left += [(inner, False) for inner in (one.values() if isinstance(one, dict) else one)]
    return False


def encode(value):
    """What the handler gave -> body and content type; a `Fault` where it is no JSON."""
    if type(value) is bytes:
        return value, b"application/unknown"
    try:
        text = _dumps(value)
        return text.encode(), b"application/json"
    except RecursionError:
        text = "Circular reference detected"
        if not _is_circular(value):
            text = "maximum recursion depth exceeded while encoding a JSON object"
        raise Fault("Runtime.MarshalError", f"Unable to marshal response: {text}") from None
    except Exception as problem:
        text = str(problem)
        if text.startswith("keys must be "):
            # Of a key's class only the name is said.
            words, _, kind = text.rpartition(" ")
            text = f"{words} {kind.rpartition('.')[2]}"
        raise Fault("Runtime.MarshalError", f"Unable to marshal response: {text}") from None


def decode(body):
    try:
        return json.loads(body)
    except Exception as problem:
        raise Fault("Runtime.UnmarshalError", f"Unable to unmarshal input: {problem}") from None


# --- the context ------------------------------------------------------------------------------------------------------


class _Record:
    """An object with fixed attributes, read from a dict."""

    __slots__ = ()

    def __init__(self, values):
        for name in self.__slots__:
            setattr(self, name, values.get(name))

    def __repr__(self):
        return "{}([{}])".format(type(self).__name__, ",".join(f"{n}={getattr(self, n)}" for n in self.__slots__))


class CognitoIdentity(_Record):
    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")


class Client(_Record):
    __slots__ = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")  # noqa: RUF023


class ClientContext(_Record):
    __slots__ = ("custom", "env", "client")  # noqa: RUF023


class LambdaContext:
    """What a handler gets as its second argument."""

    def __init__(self, headers):
        environment = os.environ
        self.aws_request_id = headers.get("lambda-runtime-aws-request-id")
        self.log_group_name = environment.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = environment.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = environment.get("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = environment.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = environment.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn = headers.get("lambda-runtime-invoked-function-arn")
        self.tenant_id = headers.get("lambda-runtime-aws-tenant-id")
        deadline = int(headers.get("lambda-runtime-deadline-ms", "0"))
        # Lambda says the time of day; what is left of it must not change when somebody sets the clock.
        self._deadline = time.monotonic() * 1000 + deadline - time.time() * 1000
        client = _json_header(headers, "lambda-runtime-client-context", "Client Context")
        self._w3c = client.pop("w3c", None) if isinstance(client, dict) else None
        self.client_context = None
        if client is not None:
            self.client_context = ClientContext(client)
            if self.client_context.client is not None:
                self.client_context.client = Client(self.client_context.client)
        identity = _json_header(headers, "lambda-runtime-cognito-identity", "Cognito Identity") or {}
        self.identity = CognitoIdentity(
            {
                "cognito_identity_id": identity.get("cognitoIdentityId"),
                "cognito_identity_pool_id": identity.get("cognitoIdentityPoolId"),
            }
        )

    def get_remaining_time_in_millis(self):
        return max(0, int(self._deadline - time.monotonic() * 1000))

    def w3c(self):
        fields = self._w3c if isinstance(self._w3c, dict) else {}
        return {k: fields[k] for k in ("traceparent", "tracestate", "baggage") if isinstance(fields.get(k), str)}

    def log(self, message):
        sys.stdout.write(str(message))

    def __repr__(self):
        names = (
            "aws_request_id",
            "log_group_name",
            "log_stream_name",
            "function_name",
            "memory_limit_in_mb",
            "function_version",
            "invoked_function_arn",
            "client_context",
            "identity",
            "tenant_id",
        )
        return "LambdaContext([{}])".format(",".join(f"{name}={getattr(self, name)}" for name in names))


def _json_header(headers, name, title):
    text = headers.get(name)
    if not text:
        return None
    try:
        return json.loads(text)
    except Exception as problem:
        raise Fault("Runtime.LambdaContextUnmarshalError", f"Unable to parse {title} JSON: {problem}") from None


# --- errors and logs --------------------------------------------------------------------------------------------------


_current = {"id": "", "tenant": None}


def error_document(message, type, trace, request_id=""):
    return {"errorMessage": message or "", "errorType": type or "", "requestId": request_id, "stackTrace": trace or []}


def type_header(document):
    """The header that names the error type; a class may be called anything, also what would end a header."""
    kind = "".join([one if "!" <= one <= "~" else "?" for one in document["errorType"][:128]])
    return b"Lambda-Runtime-Function-Error-Type: %b\r\n" % kind.encode()


def exception_document(request_id=""):
    """The document of the exception being handled, without the frames of this file."""
    import traceback

    type, value, tb = sys.exc_info()
    frames = list(traceback.extract_tb(tb))
    while frames and frames[0].filename == __file__:
        del frames[0]
    # The official client leaves out what it takes for its own: a function's `bootstrap.py`, too, where more follows.
    foreign = next((at for at, one in enumerate(frames) if "/bootstrap.py" not in one.filename), 0)
    del frames[:foreign]
    # The runtime of AWS shows no column markers, so the frames are formatted by name and line only.
    plain = [traceback.FrameSummary(f.filename, f.lineno, f.name, line=f.line) for f in frames]
    return error_document(str(value), type.__name__, traceback.format_list(plain), request_id)


def log_error(document):
    """The record that Lambda writes for a failed invocation; `\\r` keeps its lines together."""
    if JSON_LOGS:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        _print(_dumps({"timestamp": stamp, "level": "ERROR", **document}) + "\n")
        return
    what = [one for one in (document["errorType"], document["errorMessage"]) if one]
    lines = ["[ERROR] " + ": ".join(what), "Traceback (most recent call last):"]
    for frame in document["stackTrace"]:
        for line in frame.splitlines() or [""]:
            text = line.lstrip(" ")
            lines.append("\u00a0" * (len(line) - len(text)) + text)
    _print("\r".join(lines) + "\n")


def _print(text):
    """Write what may not be text: a lone surrogate in an exception must not keep it from being told."""
    sys.stdout.write(text.encode("utf-8", "backslashreplace").decode())


JSON_LOGS = os.environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"


class _WhenLogging:
    """Sets logging up when somebody first imports it: it is a third of what a cold start imports."""

    def __init__(self, load):
        self._load = load

    def find_spec(self, name, path=None, target=None):
        if name != "logging":
            return None
        sys.meta_path.remove(self)
        from importlib.machinery import PathFinder

        spec = PathFinder.find_spec(name, path, target)
        run = spec.loader.exec_module

        def exec_module(module):
            run(module)
            self.set_up()

        spec.loader.exec_module = exec_module
        return spec

    def set_up(self):
        self._load("python_logging")["set_up"](_current)


# --- the handler ------------------------------------------------------------------------------------------------------


def find_handler(handler):
    """`folder/module.function` -> the function, with Lambda's error types."""
    import importlib

    module_name, dot, name = handler.rpartition(".")
    if not dot:
        raise Fault(
            "Runtime.MalformedHandlerName",
            f"Bad handler '{handler}': not enough values to unpack (expected 2, got 1)",
        )
    if module_name.split(".")[0] in sys.builtin_module_names:
        raise Fault("Runtime.BuiltInModuleConflict", f"Cannot use built-in module {module_name} as a handler module")
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as problem:
        if (problem.name or "").partition(".")[0] in ("boto3", "botocore", "s3transfer"):
            python = sys.executable.replace(" ", "\\ ")
            sys.stderr.write(
                f"Lambda's own Python has boto3, {sys.executable} has none that works: "
                f"{python} -m pip install boto3, or install 'lambdaproxy[sdk]' beside lambdaproxy "
                "for all functions\n"
            )
        elif isinstance(problem, ModuleNotFoundError) and (problem.name or "").partition(".")[0] not in (
            "",
            module_name.replace("/", ".").partition(".")[0],
        ):
            sys.stderr.write(
                f"{sys.executable} runs this function, and has no {problem.name}: install it there or beside the code, "
                "or name another Python with python = in the function's table\n"
            )
        raise Fault("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {problem}") from problem
    except SyntaxError as problem:
        trace = [f'  File "{problem.filename}" Line {problem.lineno}\n    {problem.text}']
        raise Fault(
            "Runtime.UserCodeSyntaxError", f"Syntax error in module '{module_name}': {problem}", trace
        ) from problem
    try:
        return getattr(module, name)
    except AttributeError:
        raise Fault("Runtime.HandlerNotFound", f"Handler '{name}' missing on module '{module_name}'") from None


STREAMS = ("generator", "async_generator")


def failed_stream(request_id):
    """What the end of a stream says of the exception at hand: its document, and the header of its type."""
    document = exception_document(request_id)
    log_error(document)
    return _dumps(document).encode("utf-8", "replace"), type_header(document)


def serve(api, handler, load):
    """Run the handler for one event after the other; never returns."""
    headers, body = api.next()
    while True:
        request_id = headers["lambda-runtime-aws-request-id"]
        _current["id"], _current["tenant"] = request_id, headers.get("lambda-runtime-aws-tenant-id")
        trace_id = headers.get("lambda-runtime-trace-id")
        if trace_id:
            os.environ["_X_AMZN_TRACE_ID"] = trace_id
        else:
            os.environ.pop("_X_AMZN_TRACE_ID", None)
        try:
            context = LambdaContext(headers)
            result, pieces = handler(decode(body), context), None
            if type(result).__name__ in STREAMS:
                streams = load("python_streams")
                pieces = streams["Pieces"](result, Fault)
            else:
                result, content_type = encode(result)
            document = None
        except Fault as fault:
            document = error_document(fault.message, fault.type, fault.trace, request_id)
        except Exception:
            document = exception_document(request_id)
        if document is None:
            path = b"invocation/%b/response" % request_id.encode()
            if pieces is None:
                headers, body = api.answer(path, result, content_type)
            else:
                headers, body = streams["send"](api, path, pieces, lambda: failed_stream(_current["id"]))
        else:
            log_error(document)
            path = b"invocation/%b/error" % request_id.encode()
            text = _dumps(document).encode("utf-8", "replace")
            headers, body = api.answer(path, text, b"application/json", type_header(document))
        result = document = pieces = None


def _told():
    """What `runtimes` says in lines: each a word and a value."""
    told = {}
    for line in os.environ.pop("_LAMBDAPROXY_START", "").splitlines():
        word, _, value = line.partition(" ")
        told.setdefault(word, []).append(value)
    return told


def _own_folders(load, told, start):
    """`/opt`, `/var/task` and `/tmp` as on Lambda; an interpreter that cannot is started again by one that can."""
    names = load("sandbox")
    plan = "\n".join(line for line in start.splitlines() if line.partition(" ")[0] in names["WORDS"])
    try:
        names["enter"](plan)
    except ImportError:
        rest = [line for line in start.splitlines() if line not in plan.splitlines() and not line.startswith("launch ")]
        os.environ["_LAMBDAPROXY_START"] = "\n".join(rest)
        command = [
            *told["launch"],
            "exec",
            "0",
            os.environ["LAMBDA_TASK_ROOT"],
            plan,
            sys.executable,
            "-u",
            sys.argv[0],
        ]
        os.execv(command[0], command)  # noqa: S606
    except (names["Refused"], OSError) as problem:
        sys.stderr.write(f"no folders of its own: {problem}; namespace = false in its table does without\n")
        sys.exit(126)


def main(load, connection=None):
    start = os.environ.get("_LAMBDAPROXY_START", "")
    told = _told()
    limit = int(told.get("limit", ["0"])[0])
    del sys.argv[1:]
    if os.environ.pop("_LAMBDAPROXY_SESSION", None) is None:
        try:
            os.setsid()
        except OSError:
            pass  # whoever started us gave us a process group already
    if "task" in told:
        _own_folders(load, told, start)
    if limit:
        try:
            import resource

            resource.setrlimit(resource.RLIMIT_DATA, (limit << 20, limit << 20))
        except (ImportError, OSError, ValueError):
            pass
    root = os.environ["LAMBDA_TASK_ROOT"]
    os.chdir(root)
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    paths = [root]
    for layer in told.get("layer", ()):
        paths += [os.path.join(layer, "python", "lib", version, "site-packages"), os.path.join(layer, "python")]
    sys.path[0:0] = paths
    if "cache" in told or "sdk" in told:
        load("python_imports")["set_up"](root, told)
    for stream, errors in ((sys.stdout, "strict"), (sys.stderr, "backslashreplace")):
        stream.reconfigure(encoding="utf-8", errors=errors, line_buffering=True, write_through=True)
    logging = _WhenLogging(load)
    if "logging" in sys.modules:
        logging.set_up()
    else:
        sys.meta_path.insert(0, logging)
    api = Api(os.environ["AWS_LAMBDA_RUNTIME_API"], connection)
    try:
        handler = find_handler(os.environ["_HANDLER"])
    except Fault as fault:
        document = error_document(fault.message, fault.type, fault.trace)
    except Exception:
        document = exception_document()
    else:
        serve(api, handler, load)
        return
    log_error(document)
    api.post(b"init/error", _dumps(document).encode("utf-8", "replace"), type_header(document))
    sys.exit(1)
