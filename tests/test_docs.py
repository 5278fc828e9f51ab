"""The pages speak of files and options that there are."""

from __future__ import annotations

import re

import pytest

from lambdaproxy import registry
from lambdaproxy.command import event, invoke, logs, mcp
from lambdaproxy.config.help import OTHERS
from lambdaproxy.config.settings import SETTINGS
from tests.processes import ROOT

PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "CHANGELOG.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "SECURITY.md",
        *(ROOT / "docs").rglob("*.md"),
    ]
)
OPTIONS = set(SETTINGS) | {option.split()[0].removeprefix("--") for option, _ in OTHERS}

#: Options of other programs that the pages mention: twistd, pip, useradd, curl, the AWS CLI, Node, our own benchmarks.
FOREIGN = {
    "create-namespace",
    "entrypoint",
    "install",
    "namespace",
    "raw",
    "set-file",
    "values",
    "arg",
    "arn",
    "bucket",
    "lifecycle-configuration",
    "enable-feature",
    "filter-pattern",
    "log-group-name",
    "output",
    "since",
    "query",
    "cap-drop",
    "cli-binary-format",
    "config-settings",
    "data-binary",
    "debug-port",
    "docker-network",
    "endpoint",
    "function-name",
    "home-dir",
    "logfile",
    "logger",
    "hop-limit",
    "http-put-response-hop-limit",
    "init",
    "inspect",
    "instance-id",
    "invocation-type",
    "json",
    "listen",
    "no-create-home",
    "no-compile",
    "no-deps",
    "nodaemon",
    "uid",
    "now",
    "only-binary",
    "parameter-overrides",
    "payload",
    "pidfile",
    "platform",
    "profile",
    "python-version",
    "read-only",
    "skip",
    "only",
    "rundir",
    "shell",
    "skip-pull-image",
    "stock",
    "stop-timeout",
    "system",
    "target",
    "threshold",
    "domain",
    "handler",
    "haproxy-protocol",
    "nginx",
    "tls-max",
    "tlsv",
    "unix-socket",
    "upgrade",
    "use",
    "cacert",
    "resolve",
    "zip-file",
    "role",
    "auth-type",
    "runtime",
    "quiet",
    "build",
    "user-group",
    "wait",
    "wait-for-client",
    "warm-containers",
    "syslog",
}

#: Options of commands that are none of `serve`'s.
OWN = {option.lstrip("-") for option in (*event.options(), *invoke._OWN)}
OWN |= {option.lstrip("-") for words in (logs.words(), mcp.words()) for option in words.options()}
#: Those of `lambdaproxy-conformance`.
OWN |= {
    "option",
    "report",
    "stage",
    "host-header",
    "list",
    "case",
    "grade",
    "jobs",
    "anyway",
    "echo",
    "ca",
    "insecure",
    "name",
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda page: page.name)
def test_the_site_has_the_pages_that_its_pages_lead_to(page):
    """What is no page is handed out as a file; a page that is not under docs/ can be neither."""
    for target in re.findall(r"\]\(([^)#\s:]+\.md)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).resolve().is_relative_to(ROOT / "docs"), target


def headings(page):
    """The anchors of a page, as GitHub and the site make them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    titles = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title) for title in re.findall(r"^#+ (.*)", text, re.M))
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_headings(page):
    for target, anchor in re.findall(r"\]\(([^)#\s]*)#([^)]*)\)", page.read_text()):
        if not target.startswith("http"):
            assert anchor in headings(page.parent / target if target else page), f"{target}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_tables_are_whole(page):
    """An empty line ends a table, and what follows without a head of its own is shown as text."""
    assert re.findall(r"^\|.*\n\n\|.*\n(?!\|[-|: ]+\|$)", page.read_text(), re.M) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_options_exist(page):
    named = set(re.findall(r"(?<![\w-])--([a-z][a-z-]+[a-z])", page.read_text()))
    assert sorted(named - OPTIONS - OWN - FOREIGN) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_formats_exist(page):
    for name in re.findall(r"--format '?([a-z0-9-]+)", page.read_text()):
        assert name in registry.codec_makers() or name in ("shout", "help"), name


def test_every_page_is_listed_in_the_readme():
    readme = (ROOT / "README.md").read_text()
    pages = (page.relative_to(ROOT) for page in (ROOT / "docs").rglob("*.md"))
    assert [str(page) for page in pages if f"({page})" not in readme] == []


def test_every_page_has_a_place_in_the_site():
    """Sphinx says so too, where it is installed; this is the sentence that says where to write it."""
    named = re.findall(r"^(?:[\w ,]+<)?([a-z/-]+)>?$", (ROOT / "docs" / "index.md").read_text(), re.MULTILINE)
    listed = set(named)
    assert len(listed) == len(named), "each page stands there once"
    pages = {str(page.relative_to(ROOT / "docs").with_suffix("")) for page in (ROOT / "docs").rglob("*.md")}
    assert pages - {"index"} == listed, "each page of docs/ stands in one of the lists of docs/index.md"


def test_the_landing_page_leads_to_every_tutorial_and_who_reads_one_is_led_on():
    """A stranger finds the page for himself at once, and is never at an end."""
    index = (ROOT / "docs" / "index.md").read_text()
    for page in (ROOT / "docs" / "tutorials").glob("*.md"):
        assert f"](tutorials/{page.name})" in index, page.name
        assert "## Where to go on" in page.read_text(), page.name
