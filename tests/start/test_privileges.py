"""`twistd --uid`: who cannot load modules is told so at start, and workers of every generation are the user's."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import sys
from contextlib import ExitStack, suppress
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import twisted

import lambdaproxy
from lambdaproxy.errors import ConfigError
from lambdaproxy.start.privileges import _unreadable, check_user
from tests.aws.lambda_stub import lambda_stub
from tests.processes import CLEAN, ROOT, WAIT, Process, children, request, until

NOBODY = next((each for each in pwd.getpwall() if each.pw_name == "nobody"), None)
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-west-1"}
TWISTD = str(Path(sys.executable).parent / "twistd")

as_root = pytest.mark.skipif(os.geteuid() != 0 or NOBODY is None, reason="only root becomes somebody else")


def test_without_the_option_nothing_is_looked_at():
    check_user({})
    check_user({"uid": None, "gid": 12})


@as_root
def test_what_the_user_cannot_read_is_named(tmp_path, monkeypatch):
    assert NOBODY is not None
    tmp_path.chmod(0o700)
    inner = tmp_path / "twisted"
    inner.mkdir(mode=0o755)
    module = inner / "__init__.py"
    module.write_text("")
    assert _unreadable(NOBODY.pw_uid, NOBODY.pw_gid, "nobody", ["/", str(module)]) == str(module)
    monkeypatch.setattr(os, "__file__", "/")
    monkeypatch.setattr(twisted, "__file__", str(module))
    with pytest.raises(ConfigError, match=f"--uid: the user nobody cannot read {inner}, where this program"):
        check_user({"uid": NOBODY.pw_uid, "gid": None})
    with pytest.raises(ConfigError, match="--uid: there is no user 4294000000"):
        check_user({"uid": 4294000000})
    assert os.geteuid() == 0, "we have become nobody else"


def readable() -> bool:
    """Whether nobody may use this interpreter and this program."""
    assert NOBODY is not None
    paths = [os.__file__, twisted.__file__ or "/", str(ROOT / "lambdaproxy" / "__init__.py")]
    return _unreadable(NOBODY.pw_uid, NOBODY.pw_gid, "nobody", paths) is None


def needed(wanted: str, found: dict[str, Distribution]) -> dict[str, Distribution]:
    """A distribution, as `Twisted[tls]`, and all that it asks for."""
    words = re.match(r"([\w.-]+)(?:\[([\w.,-]+)\])?", wanted)
    assert words is not None
    extras = (words[2] or "").split(",")
    key = re.sub(r"[-_.]+", "-", words[1]).lower()
    if key not in found or words[2]:
        try:
            found[key] = distribution(key)
        except PackageNotFoundError:
            return found
        for text in found[key].requires or ():
            extra = re.search(r"""extra == ["']([\w.-]+)""", text)
            if extra is None or extra[1] in extras:
                needed(text, found)
    return found


def linked(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(path.resolve(), target)
    except OSError:
        shutil.copy2(path, target)


def copied(folder: Path) -> str | None:
    """An interpreter that nobody may use, with this program and what it needs; None where there can be none."""
    assert NOBODY is not None
    own = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for program in (os.path.realpath(sys.executable), shutil.which(own, path="/usr/bin:/usr/local/bin")):
        words = [] if program is None else [program, "-I", "-c", "import os; print(os.__file__)"]
        if not words or _unreadable(NOBODY.pw_uid, NOBODY.pw_gid, "nobody", [words[0]]) is not None:
            continue
        library = subprocess.run(words, capture_output=True, text=True, timeout=WAIT).stdout.strip()
        if library and _unreadable(NOBODY.pw_uid, NOBODY.pw_gid, "nobody", [library]) is None:
            break
    else:
        return None
    packages = folder / "lib" / own / "site-packages"
    (folder / "bin").mkdir()
    (folder / "bin" / "python").symlink_to(words[0])
    (folder / "pyvenv.cfg").write_text(f"home = {os.path.dirname(words[0])}\ninclude-system-site-packages = false\n")
    for each in needed("lambdaproxy", {}).values():
        for file in each.files or ():
            path = Path(str(file.locate()))
            # Metadata of an editable installation, as an older setuptools writes it, names files twice.
            if ".." not in file.parts and path.is_file() and not (packages / file).exists():
                linked(path, packages / file)
    top = Path(lambdaproxy.__file__).parent.parent
    own_files = [*(top / "lambdaproxy").rglob("*"), *(top / "twisted").rglob("*.py*"), *top.glob("*__mypyc*.so")]
    for path in own_files:
        target = packages / path.relative_to(top)
        if path.is_file() and not target.exists():
            linked(path, target)
    for path in folder.rglob("*"):
        if path.is_dir():
            path.chmod(0o755)
    return str(folder / "bin" / "python")


@as_root
def test_workers_of_every_generation_are_the_users(tmp_path):
    words = [TWISTD, "-n", "--pidfile=", "--uid", "nobody", "lambdaproxy", "--workers", "2", "--port", "0"]
    control = str(tmp_path / "control")
    program = str(Path(sys.executable).parent / "lambdaproxy")
    with ExitStack() as stack:
        if not readable():
            done = subprocess.run(words, capture_output=True, text=True, env={**CLEAN, **KEYS}, timeout=WAIT, cwd=ROOT)
            assert done.returncode == 1
            assert re.fullmatch("lambdaproxy: --uid: the user nobody cannot read .*\n", done.stderr), done.stderr
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="lambdaproxy-", dir="/tmp")))
            folder.chmod(0o755)
            python = copied(folder)
            if python is None:
                pytest.skip("nobody may not read any Python of this version; that the start says so was tested")
            words[0] = program_of(python)
        serves_as_nobody(words, control, program)


def program_of(python: str) -> str:
    """`twistd`, for this interpreter."""
    script = Path(python).parent / "twistd"
    script.write_text(f"#!{python}\nfrom twisted.scripts.twistd import run\nrun()\n")
    script.chmod(0o755)
    return str(script)


def serves_as_nobody(words: list[str], control: str, program: str) -> None:
    """Each worker is nobody's: the first, the successor of one that was killed, and those of another generation."""

    def users(supervisor: int) -> dict[int, int]:
        found = {}
        for pid in children(supervisor):
            # One that was killed may go meanwhile.
            with suppress(FileNotFoundError, ProcessLookupError):
                text = Path(f"/proc/{pid}/status").read_text()
                found[pid] = int(re.findall(r"(?m)^Uid:\s+\d+\s+(\d+)", text)[0])
        return found

    with lambda_stub() as stub:
        process = Process(*words, "--endpoint-url", stub.url, "--function", "alb", "--control", control, env=KEYS)
        try:
            port = int(process.wait_for(r"serves on http://127\.0\.0\.1:(\d+)")[1])
            assert NOBODY is not None
            first = users(process.pid)
            assert len(first) == 2 and set(first.values()) == {NOBODY.pw_uid}
            assert [request(port, "GET", f"/?rid={n}")[0] for n in range(6)] == [200] * 6
            os.kill(min(first), 9)
            until(lambda: len(users(process.pid)) == 2 and min(first) not in users(process.pid), "a successor")
            reload = (program, "ctl", "--control", control, "reload")
            done = subprocess.run(reload, capture_output=True, text=True, env=CLEAN, timeout=WAIT)
            assert (done.returncode, done.stderr) == (0, "")
            until(lambda: not set(first) & set(users(process.pid)), "another generation")
            assert set(users(process.pid).values()) == {NOBODY.pw_uid}
            assert [request(port, "GET", f"/?rid={n}")[0] for n in range(6)] == [200] * 6
        finally:
            process.stop()
            process.kill()
