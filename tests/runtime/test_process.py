"""Worker processes: their one pipe, how they end, and that nothing is left of those that never began."""

# mypy: disable-error-code="override"

from __future__ import annotations

import os
import sys
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from lambdaproxy.runtime import process as module
from lambdaproxy.runtime.process import WorkerProcess, _Pipe
from lambdaproxy.runtime.results import Exit
from lambdaproxy.runtime.runtimes import Command
from tests.runtime.real import RealProcesses, until, until_dead
from tests.runtime.support import reactor


class Readers(Clock):
    """A clock that knows who reads."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: set[Any] = set()
        self.addReader = self.readers.add
        self.removeReader = self.readers.discard


class PipeTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Readers()
        self.reading, self.writing = os.pipe()
        self.read: list[bytes] = []
        self.pipe = _Pipe(self.clock, self.reading, self.read.append)
        self.addCleanup(self.pipe.close)

    def test_reads_what_there_is(self) -> None:
        os.write(self.writing, b"some")
        self.pipe.doRead()
        os.write(self.writing, b"more")
        self.pipe.drain()
        self.assertEqual(self.read, [b"some", b"more"])
        os.close(self.writing)
        self.pipe.doRead()
        self.assertEqual(self.clock.readers, set())
        self.pipe.doRead()
        self.pipe.drain()

    def test_too_much_in_a_second_has_to_wait(self) -> None:
        self.patch(module, "MOST_PER_SECOND", 1000)
        self.addCleanup(os.close, self.writing)
        os.write(self.writing, b"x" * 1000)
        self.pipe.doRead()
        self.assertEqual(self.clock.readers, set())
        os.write(self.writing, b"y")
        self.clock.advance(0.9)
        self.assertEqual(self.clock.readers, set())
        self.clock.advance(0.2)
        self.assertEqual(self.clock.readers, {self.pipe})
        self.pipe.doRead()
        self.assertEqual(self.read[-1], b"y")

    def test_closed_while_it_waits(self) -> None:
        self.patch(module, "MOST_PER_SECOND", 1000)
        self.addCleanup(os.close, self.writing)
        os.write(self.writing, b"x" * 1000)
        self.pipe.doRead()
        self.pipe.close()
        self.pipe.close()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class ProcessTests(RealProcesses):
    def start(self, *argv: str) -> tuple[WorkerProcess, list[bytes], Deferred[Exit]]:
        output: list[bytes] = []
        ended: Deferred[Exit] = Deferred()
        process = WorkerProcess(reactor, Command(argv, {"PATH": os.defpath}), None, output.append, ended.callback)
        return process, output, ended

    async def finish(self, *argv: str) -> tuple[Exit, bytes]:
        process, output, ended = self.start(*argv)
        how = await ended
        process.close()
        self.assertEqual(process.memory(), (0, 0))
        process.terminate()
        process.kill()
        return how, b"".join(output)

    async def test_both_outputs_in_one_pipe_and_nothing_to_read(self) -> None:
        script = "import os,sys; os.write(2,b'a'); os.write(1,b'b'); os.write(2,b'c'); print(sys.stdin.read())"
        self.assertEqual(await self.finish(sys.executable, "-c", script), (Exit(0), b"abc\n"))

    async def test_ends(self) -> None:
        for script, expected in (
            ("exit 0", Exit(0)),
            ("exit 7", Exit(7)),
            ("kill -9 $$", Exit(None, 9)),
            ("kill -11 $$", Exit(None, 11)),
        ):
            how, _ = await self.finish("/bin/sh", "-c", script)
            self.assertEqual(how, expected)

    async def test_kill_takes_the_whole_group(self) -> None:
        script = (
            "import os, subprocess, time\n"
            "os.setsid()\n"
            "print(subprocess.Popen(['sleep', '60']).pid, flush=True)\n"
            "time.sleep(60)\n"
        )
        process, output, ended = self.start(sys.executable, "-c", script)
        await until(lambda: output)
        child = int(output[0])
        self.assertGreater(process.memory()[0], 1_000_000)
        process.kill()
        self.assertEqual(await ended, Exit(None, 9))
        process.close()
        await until_dead(child)

    async def test_kill_before_it_has_a_session_spares_us(self) -> None:
        process, _, ended = self.start("/bin/sleep", "60")
        process.kill()
        self.assertEqual(await ended, Exit(None, 9))
        process.close()

    async def test_descriptors_are_not_handed_on(self) -> None:
        _, output = await self.finish("/bin/ls", "/proc/self/fd")
        # The fourth is the folder that ls itself reads.
        self.assertEqual(output.split(), [b"0", b"1", b"2", b"3"])

    async def test_no_such_program(self) -> None:
        with self.assertRaises(OSError):
            self.start("/nowhere/program")
