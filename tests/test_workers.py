"""Workers, reload and the control socket, with real processes: what an operator does, and what clients see of it."""

from __future__ import annotations

import collections
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.aws.lambda_stub import Running, lambda_stub
from tests.processes import CLEAN, WAIT, Process, children, kill_and_tell, request, run_program, until

PROGRAM = str(Path(sys.executable).parent / "lambdaproxy")
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-west-1"}

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="workers are for Linux")


class Whole:
    """`lambdaproxy serve --workers N` with a control socket and a configuration file; a context manager."""

    def __init__(self, folder: Path, *arguments: str, config: str = "", env: dict[str, str] | None = None) -> None:
        self.folder, self.config = folder, folder / "lambdaproxy.toml"
        self.config.write_text(config)
        self.control = str(folder / "control")
        words = ("serve", "--config", str(self.config), "--control", self.control, *arguments)
        if "metrics-listen" not in config:
            words += ("--metrics-listen", f"unix:{folder / 'operators'}")
        self.process = Process(PROGRAM, *words, env={**KEYS, **(env or {})})
        try:
            self.port = int(self.process.wait_for(r"serves on http://127\.0\.0\.1:(\d+)")[1])
        except BaseException:
            self.process.kill()
            raise

    def __enter__(self) -> Whole:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self.process.process.poll() is None:
                self.process.stop()
        finally:
            self.process.kill()

    def ask(self, **question: object) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(WAIT)
            connection.connect(self.control)
            connection.sendall(json.dumps(question).encode() + b"\n")
            answer: dict[str, Any] = json.loads(connection.makefile().readline())
            return answer

    def ctl(self, *words: str) -> tuple[int, str, str]:
        done = run_program(PROGRAM, "ctl", "--control", self.control, *words)
        return done.returncode, done.stdout, done.stderr

    def pids(self, generation: int | None = None) -> list[int]:
        """The workers that serve."""
        status = self.ask(do="status")
        return [
            each["pid"]
            for each in status["workers"]
            if each["state"] == "serving" and generation in (None, each["generation"])
        ]

    def metrics(self) -> dict[str, float]:
        head, _, text = unix_get(self.folder / "operators", "/metrics").partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        found = {}
        for line in text.decode().splitlines():
            if not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                found[name] = float(value)
        return found


def rss(pid: int) -> int:
    """Resident kilobytes of a process."""
    return int(re.findall(r"(?m)^VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[0])


@pytest.fixture
def stub(tmp_path: Path) -> Iterator[Running]:
    with lambda_stub("--log", str(tmp_path / "executed")) as running:
        yield running


def options(stub: Running) -> tuple[str, ...]:
    return ("--port", "0", "--endpoint-url", stub.url, "--function", "alb", "--access-log", "off")


def test_workers_share_one_port_and_are_replaced(tmp_path, stub):
    with Whole(tmp_path, *options(stub), "--workers", "2") as whole:
        supervisor = whole.process.pid
        assert whole.ask(do="status")["pid"] == supervisor, "the process that was started is the supervisor"
        assert rss(supervisor) < 40 * 1024
        first = whole.pids()
        assert len(first) == 2 and sorted(children(supervisor)) == sorted(first)
        assert all(request(whole.port, "GET", f"/?rid=a-{n}")[0] == 200 for n in range(20))
        before = whole.metrics()[
            'lambdaproxy_requests_total{alias="",code="2xx",function="alb",method="GET",route="ANY $default"}'
        ]
        assert before == 20
        os.kill(first[0], signal.SIGKILL)
        until(lambda: len(whole.pids()) == 2 and first[0] not in whole.pids(), "another worker in its place")
        assert first[1] in whole.pids()
        assert all(request(whole.port, "GET", f"/?rid=b-{n}")[0] == 200 for n in range(10))
        counted = 'lambdaproxy_requests_total{alias="",code="2xx",function="alb",method="GET",route="ANY $default"}'
        until(lambda: whole.metrics()[counted] == 30, "none is forgotten")
        assert whole.metrics()["lambdaproxy_processes_replaced_total"] == 1
        whole.process.wait_for(r"worker \d of generation 1 \(pid \d+\) ended: it was ended by SIGKILL; it is replaced")
        # Told to end by somebody else, it finishes and has a successor.
        os.kill(first[1], signal.SIGTERM)
        until(lambda: len(whole.pids()) == 2 and first[1] not in whole.pids(), "a successor")
        mine = whole.pids()
        assert whole.process.stop() == -signal.SIGTERM
        for pid in mine:
            assert not Path(f"/proc/{pid}").exists()
    assert not Path(whole.control).exists()


def test_connections_are_spread(tmp_path, stub):
    with Whole(tmp_path, *options(stub), "--workers", "2") as whole:
        held = [socket.create_connection(("127.0.0.1", whole.port), WAIT) for _ in range(64)]
        for each in held:
            each.sendall(b"GET /?rid=1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for each in held:
            assert each.recv(4096).startswith(b"HTTP/1.1 200")
        counts = [connections(pid, whole.port) for pid in whole.pids()]
        for each in held:
            each.close()
        assert sum(counts) == 64
        assert max(counts) <= 0.65 * 64, counts


def connections(pid: int, port: int) -> int:
    """The established connections of a process to this port, from /proc."""
    inodes = set()
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            inodes |= set(re.findall(r"socket:\[(\d+)\]", os.readlink(each)))
    count = 0
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        count += int(fields[1].rpartition(":")[2], 16) == port and fields[3] == "01" and fields[9] in inodes
    return count


def test_a_reload_changes_the_configuration_and_cuts_nothing(tmp_path, stub):
    with Whole(tmp_path, *options(stub)[:4], "--workers", "2", config='[settings]\nfunction = "alb"\n') as whole:
        old = whole.pids()
        slow = http.client.HTTPConnection("127.0.0.1", whole.port, timeout=WAIT)
        slow.request("GET", "/?rid=slow", headers={"X-Lambda-Function": "sleep-3"})
        idle = socket.create_connection(("127.0.0.1", whole.port), WAIT)
        whole.config.write_text('[settings]\nfunction = "size-10"\n')
        assert whole.ask(do="reload") == {"ok": True, "text": "generation 2 serves"}
        for _ in range(20):
            assert request(whole.port, "GET", "/")[0] == 502, "a string is no answer for a load balancer"
        assert not set(whole.pids()) & set(old)
        assert slow.getresponse().status == 200, "what was in progress is finished by the old generation"
        assert idle.recv(10) == b"", "and idle connections are closed"
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in old), "the old generation has ended")
        until(lambda: whole.metrics()["lambdaproxy_requests_in_progress"] == 0, "what is up to a second old is new")
        metrics = whole.metrics()
        assert metrics["lambdaproxy_config_last_reload_successful"] == 1
        assert metrics['lambdaproxy_invocation_duration_seconds_count{alias="",function="sleep-3"}'] == 1
        assert metrics['lambdaproxy_invocation_duration_seconds_count{alias="",function="size-10"}'] == 20
    assert (tmp_path / "executed").read_text().splitlines().count("slow") == 1


BROKEN = [
    ("timeout = \n", r"lambdaproxy\.toml:1: this is no TOML"),
    ('prot = "8011"\n', r"lambdaproxy\.toml:1: unknown key 'prot'; did you mean 'port'\?"),
    ('invoke-api = "tcp:1:interface=127.0.0.1"\n', "there is no embedded function to serve"),
    # Found by the workers themselves, when they begin.
    ('metrics-listen = "tcp:1:interface=203.0.113.1"\n', "--metrics-listen: cannot listen on tcp:1"),
]


def test_a_mistake_leaves_what_was_in_force(tmp_path, stub):
    told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    told.settimeout(WAIT)
    told.bind(str(tmp_path / "notify"))
    env = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
    operators = f'metrics-listen = "unix:{tmp_path / "operators"}"\n'
    good = "lambdaproxy_config_last_reload_successful"
    with told, Whole(tmp_path, *options(stub), "--workers", "2", config=operators, env=env) as whole:
        heard = listen(told)
        until(lambda: "READY=1" in "\n".join(heard), "ready")
        old = whole.pids()
        for broken, says in BROKEN:
            whole.config.write_text(broken)
            code, out, err = whole.ctl("reload")
            assert (code, out) == (1, "")
            assert re.search(says, err), err
            assert err.count("\n") == 1
            assert whole.pids() == old
            assert request(whole.port, "GET", "/?rid=1")[0] == 200
            assert re.search(says, whole.ask(do="status")["last_reload"]["text"])
            until(lambda: whole.metrics()[good] == 0, "the metric of the reload")
            whole.process.wait_for("Reload failed, and what was before is in force: .*" + says)
            status = "STATUS=Serving on .*the last reload failed.*" + says
            until(lambda status=status: re.search(status, "\n".join(heard)), "the status")  # type: ignore[misc]
        assert "RELOADING=1\nMONOTONIC_USEC=" in "\n".join(heard)
        # A worker that is killed now is replaced by one of the configuration that is in force.
        os.kill(old[0], signal.SIGKILL)
        until(lambda: len(whole.pids()) == 2 and old[0] not in whole.pids(), "another worker in its place")
        whole.config.write_text(operators)
        assert whole.ctl("reload") == (0, "generation 6 serves\n", "")
        until(lambda: whole.metrics()[good] == 1, "the metric of the reload")


def listen(told: socket.socket) -> list[str]:
    """What comes by a datagram socket, as it comes."""
    heard: list[str] = []

    def run() -> None:
        with suppress(OSError):
            while True:
                heard.append(told.recv(65536).decode())

    threading.Thread(target=run, daemon=True).start()
    return heard


def test_a_start_that_cannot_work_is_one_sentence(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = run_program(PROGRAM, "serve", "--port", port, "--workers", "2", env={**CLEAN, **KEYS})
    assert done.returncode == 1
    where = f"tcp:{port}:interface=127.0.0.1:backlog=1024"
    assert done.stderr == (
        f"lambdaproxy: --port: cannot listen on {where}: Address already in use; end what listens there, or name "
        "another place with --port\n"
    )


MISTAKES = [
    ("--workers 0", "--workers: 0 is out of range: 1 to 512, or auto"),
    ("--workers many", "--workers: 'many' is no whole number, or auto"),
    ("--workers 2 --local a=examples/hello.py:handler", "embedded functions run in one process"),
    ("--workers 2 --inspect tcp:0:interface=127.0.0.1", "--inspect: the inspector shows one process"),
    ("--workers 2 --max-requests 1", "--max-requests is 1, which 2 workers cannot share; raise it"),
    ("--workers 3 --max-in-flight 2", "max-in-flight of the invoker aws is 2, which 3 workers cannot share"),
    ("--control /tmp/x", "--control: it goes with --workers; --workers 1 will do"),
    ("--workers 1 --inspect 0", "--inspect: the inspector shows one process"),
]


@pytest.mark.parametrize(("typed", "says"), MISTAKES)
def test_mistakes(typed, says):
    done = run_program(PROGRAM, "check", *typed.split())
    assert (done.returncode, done.stdout) == (1, "")
    assert says in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("twistd --pidfile= lambdaproxy --workers 2 --port 0", "it runs in the foreground"),
        ("twistd -n --pidfile=x.pid lambdaproxy --workers 2 --port 0", "write --pidfile="),
        ("twistd -n --pidfile= --logfile x.log lambdaproxy --workers 2 --port 0", "cannot share twistd's --logfile"),
    ],
)
def test_what_twistd_cannot_do_for_several(tmp_path, typed, says):
    program = str(Path(PROGRAM).parent / "twistd")
    done = run_program(program, *typed.split()[1:], cwd=tmp_path)
    assert done.returncode == 1
    assert says in done.stderr


def test_the_control_socket(tmp_path, stub):
    config = '[[route]]\npath = "/users/{id}"\nfunction = "users"\n'
    with Whole(tmp_path, *options(stub), "--workers", "1", config=config) as whole:
        assert Path(whole.control).stat().st_mode & 0o777 == 0o600
        code, out, _ = whole.ctl("status")
        assert code == 0
        assert re.search(r"Serving on http://127\.0\.0\.1:\d+ with 1 of 1 workers", out)
        assert "worker 0 of generation 1: pid" in out
        assert "ANY /users/{id}" in whole.ctl("routes")[1]
        assert "users on aws: the route's own" in whole.ctl("explain", "GET http://localhost/users/7")[1]
        assert whole.ctl("explain", "GET nowhere")[0] == 1
        assert whole.ask(do="wibble")["error"].startswith("there is nothing to do that is called 'wibble'")
        assert whole.ctl("workers", "+1")[:2] == (0, "generation 2 serves\n")
        assert len(whole.pids(2)) == 2
        assert whole.ctl("workers", "-1")[0] == 0
        assert len(whole.pids(3)) == 1
        assert "there may be 1 to 512" in whole.ctl("workers", "-1")[2]
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(WAIT)
            connection.connect(whole.control)
            connection.sendall(b"no JSON\n")
            assert json.loads(connection.makefile().readline())["ok"] is False
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(WAIT)
            connection.connect(whole.control)
            connection.sendall(b'{"do":"status","fds":1000000000000}\n')
            assert json.loads(connection.makefile().readline())["ok"] is False
        before = whole.pids(3)
        assert "no character" in whole.ask(do="explain", request="GET http://a/\ud800")["error"]
        assert whole.ask(do="explain", request={"a": 1}, headers=5)["ok"] is False
        assert "users on aws" in whole.ctl("explain", "GET http://localhost/users/7")[1], "it is heard as before"
        assert whole.pids(3) == before
        assert whole.ctl("drain")[0] == 0
        assert whole.process.wait() == -signal.SIGTERM
    code, out, err = whole.ctl("status")
    assert (code, out) == (1, "")
    assert "nobody listens there" in err


def test_listeners_come_and_go_with_the_file(tmp_path, stub):
    first, second = tmp_path / "first.sock", tmp_path / "second.sock"
    with Whole(tmp_path, *options(stub), "--workers", "2", config=f'metrics-listen = "unix:{first}"\n') as whole:
        assert unix_get(first, "/healthz").startswith(b"HTTP/1.1 200")
        assert first.stat().st_mode & 0o777 == 0o660
        os.kill(whole.pids()[0], signal.SIGTERM)
        until(lambda: len(whole.ask(do="status")["workers"]) == 2, "one worker has gone, another one has come")
        assert first.exists(), "the path is not a worker's to remove"
        whole.config.write_text(f'metrics-listen = "unix:{second}"\n')
        assert whole.ctl("reload")[0] == 0
        assert unix_get(second, "/metrics").startswith(b"HTTP/1.1 200")
        until(lambda: not first.exists(), "the path of a listener that is gone")
    assert not second.exists()


def unix_get(path: Path, target: str) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(WAIT)
        connection.connect(str(path))
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_the_supervisor_may_be_killed(tmp_path, stub):
    with Whole(tmp_path, *options(stub), "--workers", "2") as whole:
        mine = whole.pids()
        slow = http.client.HTTPConnection("127.0.0.1", whole.port, timeout=WAIT)
        slow.request("GET", "/?rid=slow", headers={"X-Lambda-Function": "sleep-1"})
        until(lambda: whole.metrics()["lambdaproxy_requests_in_progress"] >= 1, "the request is in progress")
        os.kill(whole.process.pid, signal.SIGKILL)
        response = slow.getresponse()
        assert response.status == 200, (response.read(), whole.process.output)
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in mine), "workers end without their supervisor")


def test_one_process_says_what_to_do_for_a_reload(stub):
    process = Process(PROGRAM, "serve", *options(stub), env=KEYS)
    try:
        process.wait_for("serves on")
        os.kill(process.pid, signal.SIGHUP)
        process.wait_for("SIGHUP changes nothing: start with --workers 1")
    finally:
        process.stop()
        process.kill()


def test_credentials_are_resolved_once(tmp_path, stub):
    asked, config = tmp_path / "asked", tmp_path / "config"
    program = tmp_path / "provider.py"
    program.write_text(
        "import json, time\n"
        f"open({str(asked)!r}, 'a').write('x')\n"
        "end = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(time.time() + 7200))\n"
        "keys = {'AccessKeyId': 'AKIDEXAMPLE', 'SecretAccessKey': 'secret', 'SessionToken': 't', 'Expiration': end}\n"
        "print(json.dumps({'Version': 1, **keys}))\n"
    )
    command = f"credential_process = {sys.executable} {program}\n"
    config.write_text(f"[default]\n{command}[profile other]\n{command}")
    fetched = 'lambdaproxy_credentials_refresh_total{invoker="aws",result="ok"}'
    env = {"AWS_CONFIG_FILE": str(config), "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    with Whole(tmp_path, *options(stub), "--workers", "3", env=env) as whole:
        until(lambda: whole.metrics()[fetched] == 3, "credentials of every worker")
        assert asked.read_text() == "x"
        assert [request(whole.port, "GET", f"/?rid={n}")[0] for n in range(6)] == [200] * 6
        assert whole.ctl("reload")[0] == 0
        until(lambda: whole.metrics()[fetched] == 6, "credentials of every worker")
        assert asked.read_text() == "x", "those of the generation before are as good"
        whole.config.write_text('aws-profile = "other"\n')
        assert whole.ctl("reload")[0] == 0
        until(lambda: whole.metrics()[fetched] == 9, "credentials of every worker")
        assert asked.read_text() == "xx", "those of another profile are not"


@contextmanager
def load(port: int, rate: float, paths: tuple[str, ...], tag: str, clients: int) -> Iterator[Load]:
    running = Load(port, rate / clients, paths, tag, clients)
    try:
        yield running
    finally:
        running.end()


class Load:
    """Clients that keep their connections, and clients that make one for each request; all count what became of it."""

    def __init__(self, port: int, rate: float, paths: tuple[str, ...], tag: str, clients: int) -> None:
        self.port, self.rate, self.paths, self.tag = port, rate, paths, tag
        self.over = False
        self.counts: collections.Counter[str] = collections.Counter()
        self.failures: list[str] = []
        #: The ports of clients whose requests were lost.
        self.lost: list[int] = []
        self.sent = 0
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._client, args=(n,), daemon=True) for n in range(clients)]
        for each in self._threads:
            each.start()

    def _client(self, number: int) -> None:
        connection: http.client.HTTPConnection | None = None
        due, mine = time.monotonic(), 0
        while not self.over:
            time.sleep(max(0.0, due - time.monotonic()))
            due += 1 / self.rate
            with self._lock:
                self.sent += 1
                rid = f"{self.tag}-{self.sent}"
            path, slow = self.paths[self.sent % len(self.paths)].partition("#")[::2]
            try:
                if connection is None:
                    connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT)
                    connection.connect()
                self._forget_closed(connection)
                mine = connection.sock.getsockname()[1]
                headers = {"X-Lambda-Function": slow or "alb"}
                method = "POST" if number % 2 else "GET"
                connection.request(method, f"{path}?rid={rid}", b"x" if number % 2 else None, headers)
                response = connection.getresponse()
                text = response.read()
                kind = "ok" if response.status == 200 and rid.encode() in text else f"status {response.status}"
                if response.will_close or number % 3 == 0:
                    connection.close()
                    connection = None
            except ConnectionRefusedError:
                kind, connection = "refused", None
            except (OSError, http.client.HTTPException) as error:
                kind, connection = "lost", None
                self.failures.append(f"{rid}: {error!r}")
                self.lost.append(mine)
            self.counts[kind] += 1

    @staticmethod
    def _forget_closed(connection: http.client.HTTPConnection) -> None:
        """Begin anew where the other side has closed meanwhile, as every client with kept connections does."""
        if connection.sock is not None:
            connection.sock.settimeout(0)
            try:
                if connection.sock.recv(1, socket.MSG_PEEK) == b"":
                    connection.close()
                    connection.connect()
            except BlockingIOError:
                pass
            finally:
                if connection.sock is not None:
                    connection.sock.settimeout(WAIT)

    def end(self) -> None:
        self.over = True
        for each in self._threads:
            each.join(WAIT)


def test_reloads_and_kills_under_load_lose_only_what_the_killed_worker_had(tmp_path, stub):
    """A short form of what was run for a minute; every other reload has a file with a mistake."""
    with Whole(tmp_path, *options(stub), "--workers", "2") as whole:
        had: set[int] = set()
        with load(whole.port, 100, ("/", "/slow#sleep-0_1"), "k", 10) as running:
            for turn in range(6):
                whole.config.write_text("nonsense" if turn % 2 else "")
                assert whole.ask(do="reload")["ok"] is (turn % 2 == 0)
                if turn % 3 == 2:
                    had |= kill_and_tell(whole.pids()[0], whole.port)
                    until(lambda: len(whole.pids()) == 2, "the worker is replaced")
        counts = running.counts
        assert sum(counts.values()) == running.sent
        assert counts["ok"] > 50
        assert set(counts) <= {"ok", "lost"}, (counts, running.failures)
        assert set(running.lost) <= had, "a kill takes with it what was on the worker's own connections, nothing else"
        executed = collections.Counter((tmp_path / "executed").read_text().split())
        assert max(executed.values()) == 1, "nothing is executed twice"

        def counted() -> float:
            begin = 'lambdaproxy_requests_total{alias="",code="2xx",function="'
            found = whole.metrics().items()
            return sum(value for name, value in found if name.startswith(begin) and 'function="none"' not in name)

        until(lambda: counted() >= counts["ok"], "all are counted")
        assert counted() <= counts["ok"] + counts["lost"]


def test_access_lines_stay_whole(tmp_path, stub):
    log = tmp_path / "access.log"
    words = options(stub)[:-2]
    rotated = tmp_path / "access.log.1"
    with (
        Whole(tmp_path, *words, "--access-log", str(log), "--workers", "2") as whole,
        load(whole.port, 200, ("/" + "x" * 3000,), "l", 8) as running,
    ):
        until(lambda: running.sent > 150, "requests")
        log.rename(rotated)
        until(lambda: running.sent > 300 and log.exists(), "more requests")
    lines = rotated.read_text().splitlines() + log.read_text().splitlines()
    served = [json.loads(line) for line in lines]
    assert sum(each["status"] == 200 for each in served) == running.counts["ok"] == running.sent


def test_workers_under_a_socket_that_somebody_else_holds(tmp_path, stub):
    """As systemd does it; over a restart of the whole who connects waits."""
    path = tmp_path / "http.sock"
    with socket.socket(socket.AF_UNIX) as held:
        held.bind(str(path))
        path.chmod(0o600)
        held.listen(64)
        code = (
            "import os, sys; os.dup2(int(sys.argv[1]), 3); "
            "os.environ.update(LISTEN_FDS='1', LISTEN_FDNAMES='http', LISTEN_PID=str(os.getpid())); "
            "os.execv(sys.argv[2], sys.argv[2:])"
        )
        words = [*options(stub)[2:], "--port", "systemd:domain=UNIX:name=http", "--workers", "2"]

        def start() -> Process:
            fd = held.fileno()
            return Process(
                sys.executable, "-c", code, str(fd), PROGRAM, "serve", *words, env=KEYS, cwd=tmp_path, pass_fds=(fd,)
            )

        first = start()
        try:
            first.wait_for("serves on")
            assert unix_get(path, "/?rid=1").startswith(b"HTTP/1.1 200")
            assert first.stop() == -signal.SIGTERM
            assert path.stat().st_mode & 0o777 == 0o600, "neither the path nor its mode is ours"
            with socket.socket(socket.AF_UNIX) as waiting:
                waiting.settimeout(WAIT)
                waiting.connect(str(path))
                waiting.sendall(b"GET /?rid=2 HTTP/1.1\r\nHost: localhost\r\n\r\n")
                second = start()
                try:
                    assert waiting.recv(4096).startswith(b"HTTP/1.1 200")
                finally:
                    second.stop()
                    second.kill()
        finally:
            first.kill()


def test_a_rate_is_of_the_whole_and_outlives_a_reload(tmp_path, stub):
    config = '[[route]]\npath = "/few"\nfunction = "alb"\nrate = "6/h"\nburst = 6\n'
    with Whole(tmp_path, *options(stub), "--workers", "3", config=config) as whole:
        answers = [request(whole.port, "GET", "/few")[0] for _ in range(30)]
        assert collections.Counter(answers) == {200: 6, 429: 24}
        assert whole.ctl("reload")[0] == 0
        assert [request(whole.port, "GET", "/few")[0] for _ in range(6)] == [429] * 6


@contextmanager
def small_disc(folder: Path, size: str) -> Iterator[Path]:
    """A file system with so much room."""
    place = folder / "disc"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(place)], capture_output=True)
    if mounted.returncode:
        pytest.skip("nothing can be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disc")
def test_a_full_disc_costs_lines_and_no_request(tmp_path, stub):
    with (
        small_disc(tmp_path, "8k") as disc,
        Whole(tmp_path, *options(stub)[:-1], str(disc / "log"), "--workers", "2") as whole,
    ):
        assert [request(whole.port, "GET", f"/?rid={n}")[0] for n in range(80)] == [200] * 80
        dropped = "lambdaproxy_log_lines_dropped_total"
        until(lambda: whole.metrics()[dropped] > 0, "lines that found no room")
        said = whole.process.wait_for(r"--access-log \S+ cannot be written: No space left on device; lines are dropped")
        assert whole.ctl("reload")[0] == 0, "a new generation begins all the same"
        assert request(whole.port, "GET", "/?rid=81")[0] == 200
        assert whole.process.output.count(said[0]) <= 4, "once by each worker"
        (disc / "log").write_bytes(b"")
        assert [request(whole.port, "GET", f"/later-{n}")[0] for n in range(8)] == [200] * 8
        until(lambda: b"later-7" in (disc / "log").read_bytes(), "lines are written again")
