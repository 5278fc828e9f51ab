"""What real functions write in masses: how they ended is never left out, and long records stay whole."""

from __future__ import annotations

from unittest import skipUnless

from tests.runtime.real import RealProcesses
from tests.runtime.support import function, nodes

NODES = nodes()


class Floods(RealProcesses):
    async def ends_well(self, local: object, error: str, frame: str) -> None:
        result = await local.invoke("f", request_id="ID")  # type: ignore[attr-defined]
        self.assertEqual(result.function_error, "Unhandled")
        lines = local.log.split("\n")  # type: ignore[attr-defined]
        self.assertLess(len(lines), 2000 * 30)
        self.assertTrue(lines[0].startswith("f: START RequestId: ID"))
        self.assertIn("f: it writes more than is kept; what follows is left out for a moment", lines)
        self.assertTrue(
            lines[-2].startswith("f: END RequestId: ID") and lines[-1].startswith("f: REPORT RequestId: ID")
        )
        at = next(at for at, line in enumerate(lines) if error in line)
        self.assertTrue(any(frame in line for line in lines[at:-2]), lines[at:])
        self.assertIn("f: line 99999", [line.replace("INFO\t", "f: ")[-13:] for line in lines[at - 3 : at]])

    async def test_python(self) -> None:
        await self.ends_well(
            self.local(function("f", "hello.py:floods_and_fails")), "[ERROR] KeyError", "in floods_and_fails"
        )

    @skipUnless(NODES, "there is no Node")
    async def test_node(self) -> None:
        await self.ends_well(self.local(function("f", "node.mjs:floods")), "what went wrong", "node.mjs")

    @skipUnless(NODES, "there is no Node")
    async def test_long_records_of_node(self) -> None:
        local = self.local(function("f", "node.mjs:logsLong"))
        await local.invoke("f")
        lines = local.log.split("\n")
        self.assertEqual([line.rpartition("\t")[2] for line in lines[1:4]], [one * 200_000 for one in "abc"])

    async def test_an_exception_that_is_logged_is_one_record(self) -> None:
        local = self.local(function("f", "hello.py:logs_an_exception"))
        records: list[str] = []
        local.invoker._sink = lambda _, record: records.append(record)
        await local.invoke("f")
        self.assertEqual(len(records), 3)
        self.assertIn("\ttwo\nlines\nTraceback (most recent call last):\n  File", records[1])
        self.assertTrue(records[1].endswith("ValueError: inner"))
