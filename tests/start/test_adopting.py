"""Who of several workers accepts a connection."""

from __future__ import annotations

import os
import socket
from typing import Any

from twisted.internet import reactor
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from lambdaproxy.base.board import ACCEPTS, CONNECTIONS, DRAINING, LIVE, STATE, Board, create
from lambdaproxy.start.adopting import MOST, SLACK, WAIT, FromSupervisor, _Turn
from lambdaproxy.start.link import Place


class Port:
    """A port that counts how many connections it is let to take at once."""

    connected, disconnecting = True, False

    def __init__(self) -> None:
        self.numberAccepts = 0
        self.taken: list[int] = []
        self.reading = True

    def doRead(self):
        self.taken.append(self.numberAccepts)

    def stopReading(self):
        self.reading = False

    def startReading(self):
        self.reading = True


class TurnTests(SynchronousTestCase):
    def setUp(self):
        descriptor = create(4)
        self.addCleanup(os.close, descriptor)
        self.board, self.clock, self.port = Board(descriptor), Clock(), Port()
        self.turn = _Turn(self.clock, self.port, self.board, 1)
        self.worker(1, 0)

    def worker(self, slot, connections, state=LIVE, told=True):
        self.board.set_word(slot, STATE, state)
        self.board.set_word(slot, CONNECTIONS, connections)
        self.board.set_word(slot, ACCEPTS, told)

    def test_alone_it_takes_what_comes(self):
        self.worker(2, 0, told=False)  # begins, and is not to serve yet
        self.worker(3, 0, DRAINING)
        self.turn.accept()
        self.assertEqual(self.port.taken, [MOST])

    def test_as_many_as_the_other_has_more(self):
        self.worker(1, 3)
        self.worker(2, 10)
        self.turn.accept()
        self.assertEqual(self.port.taken, [8])

    def test_one_that_has_more_leaves_it_to_the_other_for_a_moment(self):
        self.worker(1, 5)
        self.worker(2, 4)
        self.turn.accept()
        self.assertEqual((self.port.taken, self.port.reading), ([], False))
        self.clock.advance(WAIT)
        self.assertTrue(self.port.reading)
        self.turn.accept()  # it is still there: the other does not come
        self.assertEqual(self.port.taken, [1])
        self.turn.accept()
        self.assertFalse(self.port.reading, "and the next one is left to it again")

    def test_one_of_many_more_is_no_matter(self):
        self.worker(1, SLACK * 8)
        self.worker(2, SLACK * 8 - 8)
        self.turn.accept()
        self.assertEqual(self.port.taken, [1])

    def test_a_port_that_ends_meanwhile_is_left_alone(self):
        self.worker(1, 5)
        self.worker(2, 0)
        self.turn.accept()
        self.port.connected = False
        self.clock.advance(WAIT)
        self.assertFalse(self.port.reading)


class Supervisor:
    """A link that gives one socket."""

    def __init__(self, listening):
        self.listening = listening

    def listen(self, key, where):
        return os.dup(self.listening.fileno())


class LastTests(SynchronousTestCase):
    def test_what_ends_with_us_takes_all_that_wait(self):
        descriptor = create(3)
        self.addCleanup(os.close, descriptor)
        board = Board(descriptor)
        for slot, connections in ((1, 9), (2, 0)):
            board.set_word(slot, STATE, LIVE)
            board.set_word(slot, ACCEPTS, 1)
            board.set_word(slot, CONNECTIONS, connections)
        listening = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listening.close)
        place = Place(0, 2, 1, 1, board, descriptor, False)
        link: Any = Supervisor(listening)
        given = FromSupervisor(reactor, link, place, "--port")
        port = given.listenTCP(0, Factory(), interface="127.0.0.1")
        self.addCleanup(port.connectionLost, None)
        (key, _), *_ = given._ports
        self.assertFalse(given.ends_with_us(port, ["another"]))
        self.assertIn("doRead", vars(port), "it still leaves connections to the other worker")
        self.assertTrue(given.ends_with_us(port, [key]))
        self.assertNotIn("doRead", vars(port), "nobody else takes what waits there")
