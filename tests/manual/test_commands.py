"""Every command of a page that serves is one that `check` takes, and what routes and explanations it shows are so.

The pages in tests/manual/test_followed.py are done from beginning to end; here nothing is started, so that it costs
little to look at all the others.
"""

from __future__ import annotations

import re
import shlex

import pytest

from tests.command.test_main import run
from tests.pages import steps
from tests.processes import ROOT

FOLLOWED = {"server.md", "laptop.md", "application.md", "tls.md", "proxy-protocol.md", "upgrading.md", "streaming.md"}
PAGES = sorted([ROOT / "README.md", *(each for each in (ROOT / "docs").rglob("*.md") if each.name not in FOLLOWED)])
_READS = re.compile(
    r"(?:\S*/)?(?:twistd -n(?: --pidfile=)? lambdaproxy|lambdaproxy (serve|check|routes|explain|config)) (.*)"
)

FUNCTION = (
    "Resources:\n  A: {Type: AWS::Serverless::Function, Properties: {Handler: app.handler, Runtime: python3.11}}\n"
)
PLACES = ("/etc/lambdaproxy", "/run/lambdaproxy")
FILES = {
    "app.py": "def handler(event, context): ...\n",
    "build/bootstrap": "#!/bin/sh\n",
    "lambdaproxy.toml": 'function-header = "none"\n[[route]]\npath = "/{proxy+}"\nfunction = "web:prod"\n',
    "sockets.toml": 'function-header = "none"\n[[route]]\npath = "/{proxy+}"\nfunction = "web:prod"\n',
    "template.yaml": "Transform: AWS::Serverless-2016-10-31\n" + FUNCTION,
    "path/to/template.yaml": "Transform: AWS::Serverless-2016-10-31\n" + FUNCTION,
    "serverless.yml": "service: a\nprovider: {name: aws, runtime: python3.11}\n"
    "functions: {a: {handler: app.handler}}\n",
    "env.json": "{}\n",
}
"""What is there when a page does not have its reader make it."""


def commands(page):
    for step in steps(page):
        if step.name:
            yield step.name, step.text
            continue
        for part in re.split(r"\||&&|>|\s&(?=\s|$)", step.text.replace("\\\n", " ")):
            words = part.split("  #")[0].strip()
            found = _READS.fullmatch(re.sub(r"^(?:[A-Z_]+=\S+ )+", "", words))
            if found and "..." not in found[2]:
                yield found[1] or "serve", found[2]


def serves(page):
    return any("." not in name for name, _ in commands(page.read_text()))


@pytest.mark.parametrize("page", list(filter(serves, PAGES)), ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_are_taken(page, tmp_path, monkeypatch, capsys):
    found = list(commands(page.read_text()))
    for name in ("examples", "conformance"):
        (tmp_path / name).symlink_to(ROOT / name)
    for name, text in [*FILES.items(), *((name, text) for name, text in found if "." in name)]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    for name, text in found:
        if "." in name:
            continue
        for place in PLACES:
            text = text.replace(place, str(tmp_path))
        words = [word for word in shlex.split(text) if word != "--check"]
        code, _, err = run(capsys, "check" if name == "serve" else name, *words)
        assert (code, err) == (0, ""), (name, text)
