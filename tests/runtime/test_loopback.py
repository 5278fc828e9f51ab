"""The port of a worker: on loopback only, for our own user only, and gone when it is closed."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from typing import Any

from twisted.internet.protocol import Factory, Protocol

from lambdaproxy.runtime.loopback import LoopbackPort, foreign
from tests.runtime.real import RealProcesses, wait
from tests.runtime.support import reactor

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
LINE = "   0: 0100007F:{:04X} 0100007F:{:04X} 01 00000000:00000000 00:00000000 00000000 {:5}        0 91991 1 0\n"


def test_whose_socket_it_is(tmp_path):
    table = tmp_path / "tcp"
    table.write_text(HEAD + LINE.format(8000, 9000, 7) + LINE.format(8001, 9000, os.getuid()))
    assert os.getuid() != 7
    assert foreign(8000, 9000, str(table))
    assert not foreign(8001, 9000, str(table))
    assert not foreign(8002, 9000, str(table)), "not listed"
    assert not foreign(8000, 9000, str(tmp_path / "missing"))
    table.write_text("0100007F:1F40 0100007F:2328 01")
    assert not foreign(8000, 9000, str(table)), "cut"


class Echo(Protocol):
    def dataReceived(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data)
        self.transport.loseConnection()


class Port(RealProcesses):
    async def test_serves_and_closes(self) -> None:
        port: Any = LoopbackPort(reactor, Factory.forProtocol(Echo))
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
