"""The first process of a worker that has external extensions: starts them, then the runtime, and tells what ends.

Runs in the worker's session and folders (`launch.py`), with the standard library only. What it has to say goes to the
worker's own port: which extensions there are (answered when all have registered), the runtime's process, and every end.
It ends as the runtime did, after everything else has.
"""
# mypy: ignore-errors

import os
import signal
import socket
import sys

OUTPUT = 4
"""The descriptor that extensions write to."""
HIDDEN = (
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_XRAY_CONTEXT_MISSING",
    "AWS_XRAY_DAEMON_ADDRESS",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
    "_AWS_XRAY_DAEMON_ADDRESS",
    "_AWS_XRAY_DAEMON_PORT",
    "_HANDLER",
    "_LAMBDAPROXY_START",
)
"""Variables that extensions do not see, as the Lambda guide lists them, and ours."""


LOOK_SECONDS = 0.02
"""How often it is looked whether a process has ended, while something else is waited for."""


def tell(what, text="", meanwhile=None):
    """Say it, and wait until it was heard; with nobody to hear, there is nothing to live for.

    `meanwhile` is called again and again until then.
    """
    host, _, port = os.environ["AWS_LAMBDA_RUNTIME_API"].partition(":")
    try:
        with socket.create_connection((host, int(port))) as connection:
            body = text.encode("utf-8", "surrogateescape")
            head = f"POST /lambdaproxy/starter/{what} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body)
            if meanwhile is not None:
                connection.settimeout(LOOK_SECONDS)
            while True:
                try:
                    if not connection.recv(4096):
                        raise OSError
                    return
                except TimeoutError:
                    meanwhile()
    except OSError:
        os.killpg(0, signal.SIGKILL)


def main(arguments):
    """`EXTENSION... -- PROGRAM ARGUMENT...`"""
    cut = arguments.index("--")
    extensions, command = arguments[:cut], arguments[cut + 1 :]
    running = {}
    runtime = [0]

    def end(number, frame):
        if runtime[0]:
            os.kill(runtime[0], number)
        else:
            os.killpg(0, signal.SIGKILL)

    signal.signal(signal.SIGTERM, end)
    seen = {name: value for name, value in os.environ.items() if name not in HIDDEN}
    away = [(os.POSIX_SPAWN_CLOSE, each) for each in (3, *_lanes()) if _is_open(each)]
    for path in extensions:
        name = os.path.basename(path)
        output = [(os.POSIX_SPAWN_DUP2, OUTPUT, 1), (os.POSIX_SPAWN_DUP2, OUTPUT, 2), (os.POSIX_SPAWN_CLOSE, OUTPUT)]
        try:
            running[os.posix_spawn(path, [path], seen, file_actions=output + away)] = name
        except OSError as problem:
            sys.stderr.write(f"cannot run the extension {path}: {problem.strerror}\n")
            tell("left", f"127 {name}")

    def look():
        """One that ends before all have registered would be waited for until the time of the init is over."""
        pid, how = os.waitpid(-1, os.WNOHANG) if running else (0, 0)
        if pid in running:
            tell("left", f"{_status(how)} {running.pop(pid)}")

    tell("extensions", "\n".join(running.values()), look)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        environ = {**os.environ, "_LAMBDAPROXY_SESSION": "made"}
        close = [(os.POSIX_SPAWN_CLOSE, OUTPUT)]
        default = [signal.SIGTERM]
        runtime[0] = os.posix_spawnp(command[0], command, environ, file_actions=close, setsigdef=default)
    except OSError as problem:
        sys.stderr.write(f"cannot run {command[0]}: {problem.strerror}\n")
        tell("ended", "127 0")
        os._exit(127)
    signal.signal(signal.SIGTERM, end)
    running[runtime[0]] = ""
    tell("runtime", str(runtime[0]))
    status = 0
    while running:
        try:
            pid, how = os.wait()
        except ChildProcessError:
            break
        name = running.pop(pid, None)
        if name == "":
            status, runtime[0] = how, 0
            # There is nobody who could be told to end any more.
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            tell("ended", f"{os.WEXITSTATUS(how) if os.WIFEXITED(how) else 0} {_signal(how)}")
        elif name is not None:
            tell("left", f"{_status(how)} {name}")
    if os.WIFSIGNALED(status):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), os.WTERMSIG(status))
    os._exit(os.WEXITSTATUS(status))


def _lanes():
    """The sockets of a runtime that takes several requests at once."""
    told = [line.split() for line in os.environ.get("_LAMBDAPROXY_START", "").split("\n")]
    count = sum(int(words[1]) for words in told if words[:1] == ["threads"])
    return range(OUTPUT + 1, OUTPUT + 1 + count)


def _status(how):
    return os.WEXITSTATUS(how) if os.WIFEXITED(how) else 128 + _signal(how)


def _signal(how):
    return os.WTERMSIG(how) if os.WIFSIGNALED(how) else 0


def _is_open(descriptor):
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
