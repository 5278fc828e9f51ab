"""The port of a worker: on loopback only, for the worker alone, and gone when it is closed."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import struct
import subprocess
import sys
from typing import Any

import orjson
import pytest
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SkipTest

from lambdaproxy.runtime import loopback
from lambdaproxy.runtime.loopback import LoopbackPort
from lambdaproxy.runtime.peers import KNOWN, Sessions, holds, socket_of_peer
from tests.processes import until
from tests.runtime.real import RealProcesses, wait
from tests.runtime.support import function, reactor

#: Connects from each address that reaches 127.0.0.1 and says what it was sent back.
ASK = """
import socket, sys
port = int(sys.argv[1])
for family, own, peer in (
    (socket.AF_INET, "127.0.0.1", "127.0.0.1"),
    (socket.AF_INET, "127.0.0.2", "127.0.0.1"),
    (socket.AF_INET6, "::ffff:127.0.0.1", "::ffff:127.0.0.1"),
    (socket.AF_INET6, "::ffff:127.0.0.3", "::ffff:127.0.0.1"),
):
    try:
        client = socket.socket(family)
        client.settimeout(20)
        client.bind((own, 0))
    except OSError as problem:
        if family == socket.AF_INET:
            raise
        print("no IPv6")
        continue
    try:
        client.connect((peer, port))
        client.sendall(b"hello")
        print(client.recv(100).decode() or "closed")
    except ConnectionError:
        print("closed")
"""
needs_linux = pytest.mark.skipif(not KNOWN, reason="only Linux says who holds a socket")


@needs_linux
@pytest.mark.parametrize(
    ("family", "own", "peer"),
    [
        (socket.AF_INET, "127.0.0.1", "127.0.0.1"),
        (socket.AF_INET, "127.0.0.2", "127.0.0.1"),
        (socket.AF_INET6, "::ffff:127.0.0.1", "::ffff:127.0.0.1"),
    ],
)
def test_whose_socket_it_is(family, own, peer):
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(family) as client:
        try:
            client.bind((own, 0))
        except OSError:
            pytest.skip("no IPv6 here")
        client.connect((peer, server.getsockname()[1]))
        with server.accept()[0] as accepted:
            assert socket_of_peer(accepted) == (os.getuid(), os.fstat(client.fileno()).st_ino)
            client.close()
            assert socket_of_peer(accepted) is None
    with socket.socket() as alone:
        assert socket_of_peer(alone) is None


@needs_linux
def test_a_socket_is_looked_for_in_a_process_and_its_session():
    with socket.socket() as one:
        inode = os.fstat(one.fileno()).st_ino
        assert holds(os.getpid(), inode)
        one.set_inheritable(True)
        # A child and an orphan of one session; the orphan's parent has ended.
        script = (
            "import subprocess, sys; subprocess.run(['sh', '-c', 'sleep 60 >/dev/null & echo $!'], close_fds=False)"
        )
        code = f"{script}; sys.stdout.flush(); sys.stdin.read()"
        with subprocess.Popen(
            [sys.executable, "-c", f"import os; os.set_inheritable({one.fileno()}, True); {code}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=(one.fileno(),),
            start_new_session=True,
        ) as process:
            assert process.stdout is not None
            orphan = int(process.stdout.readline())
            try:
                assert holds(process.pid, inode)
                process.communicate()
                assert holds(process.pid, inode), "the orphan has it still"
            finally:
                os.kill(orphan, 9)
        until(lambda: not holds(process.pid, inode), "the orphan has gone")


class TestSessions:
    def make(self, processes: dict[int, int], most: int = 1024) -> tuple[Sessions, list[int], list[float]]:
        asked: list[int] = []
        now = [100.0]

        def session(pid: int) -> int:
            asked.append(pid)
            return processes.get(pid, -1)

        return Sessions(lambda: list(processes), session, lambda: now[0], most), asked, now

    def test_each_process_is_read_once(self):
        processes = dict.fromkeys(range(10, 2010), 1) | {3000: 7, 3001: 7}
        sessions, asked, now = self.make(processes, most=10_000)
        assert sorted(sessions.members(7)) == [3000, 3001]
        asked.clear()
        processes[3002] = 7
        del processes[3000]
        assert sorted(sessions.members(7)) == [3001, 3002]
        assert len(asked) == 3, "the new one, and both once more"
        asked.clear()
        now[0] += 20
        sessions.members(7)
        assert len(asked) == 2002 + 2, "a process may have made a session of its own"

    def test_the_youngest_are_read_first_and_the_others_at_the_next_call(self):
        sessions, asked, _ = self.make(dict.fromkeys(range(10, 5010), 1) | {5: 7}, most=100)
        assert sessions.members(7) == []
        assert asked == list(range(5009, 4909, -1))
        for _ in range(50):
            found = sessions.members(7)
        assert found == [5]

    def test_a_number_that_is_anothers_by_now(self):
        processes = {20: 7}
        sessions, _, _ = self.make(processes)
        assert sessions.members(7) == [20]
        processes[20] = 8
        assert sessions.members(7) == []


class Echo(Protocol):
    def dataReceived(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data)
        self.transport.loseConnection()


class Port(RealProcesses):
    async def test_serves_and_closes(self) -> None:
        port: Any = LoopbackPort(reactor, Factory.forProtocol(Echo))
        port.pid = os.getpid()
        with socket.create_connection(("127.0.0.1", port.port)) as client:
            client.setblocking(False)
            client.sendall(b"hello")
            received = b""
            while not received:
                await wait(0.01)
                with contextlib.suppress(BlockingIOError):
                    received = client.recv(100)
            self.assertEqual(received, b"hello")
        port.close()
        port.close()
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port.port)).close()
        await self.clients_gone()

    async def test_a_connection_that_is_reset_at_once_does_not_cost_the_port(self) -> None:
        port: Any = LoopbackPort(reactor, Factory.forProtocol(Echo))
        with socket.create_connection(("127.0.0.1", port.port)) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        port.doRead()  # what it raised would make the reactor drop it
        port.close()

    async def _asked(self, port: Any, *prefix: str, python: str = sys.executable) -> set[str]:
        command = (*prefix, python, "-c", ASK, str(port.port))
        ran = await deferToThread(subprocess.run, command, capture_output=True, timeout=60)
        self.assertEqual(ran.returncode, 0, ran.stderr.decode())
        return set(ran.stdout.decode().split("\n")) - {"", "no IPv6"}

    async def test_processes_beside_the_worker_are_turned_away_from_every_address(self) -> None:
        if not KNOWN:
            raise SkipTest("only Linux says who holds a socket")
        port: Any = LoopbackPort(reactor, Factory.forProtocol(Echo))
        try:
            self.assertEqual(await self._asked(port), {"closed"}, "no worker yet")
            port.pid = os.getpid()
            self.assertEqual(await self._asked(port), {"hello"}, "a child")
            with subprocess.Popen(["sleep", "60"], start_new_session=True) as other:
                try:
                    port.pid = other.pid
                    self.assertEqual(await self._asked(port), {"closed"}, "another process of our user")
                finally:
                    other.kill()
            port.pid = os.getpid()
            self.patch(loopback, "socket_of_peer", lambda _: None)
            self.assertEqual(await self._asked(port), {"closed"}, "nobody knows whose")
        finally:
            port.close()
            await wait(0)

    async def test_other_users_are_turned_away_from_every_address(self) -> None:
        if os.getuid() != 0 or shutil.which("setpriv") is None:
            raise SkipTest("needs root and setpriv")
        other = ("setpriv", "--reuid=65534", "--clear-groups", "--inh-caps=-all")
        # Ours may be, or link to, what lies in root's own folders.
        pythons = [sys.executable, "/usr/bin/python3"]
        usable = [
            each for each in pythons if subprocess.run((*other, each, "-c", ""), capture_output=True).returncode == 0
        ]
        if not usable:
            raise SkipTest("another user can run no Python here")
        port: Any = LoopbackPort(reactor, Factory.forProtocol(Echo))
        port.pid = os.getpid()  # of which it is a child, even
        try:
            found = await self._asked(port, *other, python=usable[0])
            self.assertEqual(found, {"closed"})
        finally:
            port.close()
            await wait(0)


class Functions(RealProcesses):
    async def test_no_function_reaches_the_events_of_another(self) -> None:
        spy = function("spy", "spy.py:handler")
        local = self.local(spy, function("shell", "shell"), function("own", "spy.py:where"))
        first: Any = await local.invoke("own")
        own = orjson.loads(first.payload)
        await local.invoke("shell")
        pools: Any = local.invoker._pools
        ports = [worker._port.port for pool in pools.values() for worker in pool.workers]
        self.assertIn(int(own["api"].rpartition(":")[2]), ports)
        result: Any = await local.invoke("spy", orjson.dumps({"ports": ports}))
        self.assertEqual(orjson.loads(result.payload), {str(port): "" for port in ports}, "closed without a byte")
        result = await local.invoke("own", b'{"next": true}')
        self.assertIn("403 Forbidden", orjson.loads(result.payload)["next"])
