"""No request that comes after a save runs old code, however many files there are beside the one that was saved."""

from __future__ import annotations

import tempfile
from pathlib import Path

from lambdaproxy.runtime.environment import Site
from lambdaproxy.runtime.functions import parse_local
from tests.runtime.real import RealProcesses

FOLDERS, FILES, SAVES = 150, 40, 30


class LargeTree(RealProcesses):
    async def test_thirty_saves_in_a_tree_of_thousands_of_files(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            root = Path(name)
            for number in range(FOLDERS):
                folder = root / f"package{number}" / "inner"
                folder.mkdir(parents=True)
                for each in range(FILES):
                    (folder / f"module{each}.py").write_text("")
            deep = root / "package7" / "inner" / "module3.py"
            (root / "app.py").write_text(
                "from package7.inner import module3\ndef handler(event, context):\n    return module3.VALUE\n"
            )
            deep.write_text("VALUE = -1\n")
            local = self.local(parse_local("f=app.py:handler", name), site=Site(reload=True))
            self.assertEqual((await local.invoke("f")).payload, b"-1")
            for number in range(SAVES):
                if number % 3:
                    deep.write_text(f"VALUE = {number}\n")
                else:
                    new = deep.with_suffix(".tmp")
                    new.write_text(f"VALUE = {number}\n")
                    new.replace(deep)
                self.assertEqual((await local.invoke("f")).payload, b"%d" % number)
            self.assertIn("f: START", local.log)
            await local.invoker.stop()
