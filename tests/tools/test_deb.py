"""The Debian package: built, installed, started, upgraded and removed in a copy of this system that is thrown away."""

from __future__ import annotations

import gzip
import http.client
import os
import re
import shutil
import subprocess
import threading
import time
from email.utils import parsedate_to_datetime
from importlib.metadata import PackageNotFoundError, version

import pytest

from tests.processes import ROOT, WAIT
from tools import builds, deb, sbom
from tools.release import version as our_version

SCRIPTS = sorted((ROOT / "systemd" / "debian").iterdir())
EDITED = """\
[settings]
port = {port}
function = "hello"

[function.hello]
handler = "hello.handler"
directory = "/srv"
"""
HELLO = "def handler(event, context):\n    return {'statusCode': 200, 'body': 'from a package'}\n"

#: Overlays the file system at /: what is installed below $1 is gone with the last process in it.
OVERLAY = """\
set -e
mount -t tmpfs none "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
"""
ENTER = """\
mount -t proc proc "$1/root/proc"
mount --rbind /dev "$1/root/dev"
mkdir -p "$1/root/packages"
cp "$2" "$3" "$4" "$1/root/packages/"
exec chroot "$1/root" sh "/packages/$(basename "$4")"
"""

#: What an operator does, a line of output for each thing that is looked at.
STEPS = """\
set -e
export DEBIAN_FRONTEND=noninteractive
say() { echo "SAID $*"; }
as_user() { setpriv --reuid=lambdaproxy --regid=lambdaproxy --init-groups "$@"; }
# What somebody has configured on this machine is not there in the copy, and nobody can be asked about it.
rm -rf /etc/lambdaproxy /var/lib/lambdaproxy
dpkg -i /packages/old.deb </dev/null
say user "$(getent passwd lambdaproxy | cut -d: -f6,7)"
cd /etc/lambdaproxy
say modes "$(stat -c '%a:%U:%G' . lambdaproxy.toml lambdaproxy.env | tr '\\n' ' ')"
say version "$(lambdaproxy --version)"
say changed "$(dpkg --verify lambdaproxy | tr '\\n' ' ')"
cd /
say caches "$(find /usr/lib/lambdaproxy -name dropin.cache | wc -l)"
say started "$(as_user lambdaproxy plugins 2>&1 | grep -c 'Unable to write' || true)"
say man "$(man -w lambdaproxy 2>/dev/null || ls /usr/share/man/man1/lambdaproxy.1.gz)"
say unit "$(systemd-analyze verify /usr/lib/systemd/system/lambdaproxy.service 2>&1 | grep -c 'lambdaproxy' || true)"

install -m 644 /packages/hello.py /srv/hello.py 2>/dev/null || { mkdir -p /srv; cp /packages/hello.py /srv/hello.py; }
cat /packages/lambdaproxy.toml >/etc/lambdaproxy/lambdaproxy.toml
serve() {
    unit=/usr/lib/systemd/system/lambdaproxy.service
    options=$(sed -n 's/^Environment="LAMBDAPROXY_OPTIONS=\\(.*\\)"$/\\1/p' $unit)
    mkdir -p /var/lib/lambdaproxy && chown lambdaproxy /var/lib/lambdaproxy && cd /var/lib/lambdaproxy
    sed -n 's/^ExecStart\\(Pre\\)\\?=//p' $unit | sed "s#\\$LAMBDAPROXY_OPTIONS#$options#" >/tmp/starts
    as_user sh -c "$(sed -n 1p /tmp/starts)" >/dev/null
    exec_as="setpriv --reuid=lambdaproxy --regid=lambdaproxy --init-groups"
    $exec_as sh -c "exec $(sed -n 2p /tmp/starts)" &
    served=$!
    cd /
}
serve
say serving
read go
say stopping
kill $served && wait $served || true

dpkg --force-confold -i /packages/new.deb </dev/null
say upgraded "$(dpkg-query -W -f '${Version}' lambdaproxy)"
cd /etc/lambdaproxy
say kept "$(cmp /packages/lambdaproxy.toml lambdaproxy.toml && stat -c '%a:%U:%G' lambdaproxy.toml)"
say beside "$(tail -n 1 lambdaproxy.toml.dpkg-dist)"
cd /
dpkg --remove lambdaproxy
places="/usr/lib/lambdaproxy /usr/bin/lambdaproxy /etc/lambdaproxy/lambdaproxy.toml"
say left "$(ls -d $places 2>/dev/null | tr '\\n' ' ')"
dpkg --purge lambdaproxy
say purged "$(ls -d /etc/lambdaproxy /var/lib/lambdaproxy 2>/dev/null; getent passwd lambdaproxy || true)"
say done
"""


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_maintainer_scripts_are_for_a_plain_shell(script):
    assert script.read_text().startswith("#!/bin/sh\n")
    assert script.stat().st_mode & 0o111
    assert subprocess.run(["sh", "-n", str(script)], timeout=60).returncode == 0
    assert "set -e" in script.read_text().splitlines()


def test_who_answers_for_a_package():
    assert (
        deb.maintainer({"DEBFULLNAME": "Ann Example", "DEBEMAIL": "ann@example.com"}) == "Ann Example <ann@example.com>"
    )
    assert deb.maintainer({}) == deb.PLACEHOLDER
    assert deb.PLACEHOLDER.startswith("placeholder") and deb.PLACEHOLDER.endswith(".invalid>")
    for environment in (
        {"DEBEMAIL": "ann@example.com"},
        {"DEBFULLNAME": "Ann"},
        {"DEBFULLNAME": "Ann", "DEBEMAIL": "ann"},
        {"DEBFULLNAME": "Ann\nDepends: all", "DEBEMAIL": "ann@example.com"},
        {"DEBFULLNAME": "Ann", "DEBEMAIL": "<a@example.com>"},
    ):
        with pytest.raises(builds.Failed, match="DEBFULLNAME has to be a name, and DEBEMAIL an address"):
            deb.maintainer(environment)


def test_what_a_server_may_need_is_in_the_package():
    ours = set(sbom.extras()) - set(deb.EXTRAS.split(","))
    assert ours == {"ric", "sdk", "mcp"}, (
        "what functions, or agents on a desk, need; another extra belongs to the package"
    )


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """The package of this tree."""
    try:
        version("build")
    except PackageNotFoundError:
        pytest.skip("the extra release is not installed; who makes packages has it")
    for program in ("dpkg-deb", "dpkg", "unshare", "chroot", "setpriv", str(deb.PYTHON)):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    if subprocess.run(
        [str(deb.PYTHON), "-c", "import ensurepip, sys; sys.exit(sys.version_info < (3, 11))"]
    ).returncode:
        pytest.skip("the system's Python is older than 3.11, or has no venv")
    folder = tmp_path_factory.mktemp("deb")
    deb.main([str(folder)], "-Znone")
    (made,) = folder.iterdir()
    return made


def test_what_the_package_says(package):
    fields = subprocess.run(
        ["dpkg-deb", "--field", str(package)], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert f"Version: {our_version(ROOT)}\n" in fields
    names = subprocess.run(
        ["dpkg-deb", "--contents", str(package)], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert not [line for line in names.splitlines() if " root/root " not in line]
    for name in (
        "./etc/lambdaproxy/lambdaproxy.toml",
        "./usr/bin/lambdaproxy -> ../lib/lambdaproxy/bin/lambdaproxy",
        "./usr/lib/systemd/system/lambdaproxy.service",
        "./usr/lib/systemd/system/lambdaproxy.socket",
        "./usr/share/doc/lambdaproxy/CHANGELOG.md.gz",
        "./usr/share/man/man1/lambdaproxy.1.gz",
        "./usr/share/man/man5/lambdaproxy.toml.5.gz",
        "./usr/share/bash-completion/completions/lambdaproxy",
    ):
        assert f"{name}\n" in names, name
    assert "dropin.cache" not in names
    assert "direct_url.json" not in names


def test_what_changed_as_debian_reads_of_it(package, tmp_path):
    """And as of a commit's time, so that the package is the same each time."""
    builds.run("dpkg-deb", "--extract", package, tmp_path, cwd=tmp_path)
    lines = gzip.decompress((tmp_path / "usr/share/doc/lambdaproxy/changelog.gz").read_bytes()).decode().splitlines()
    assert lines[0] == f"lambdaproxy ({our_version(ROOT)}) stable; urgency=medium"
    last = re.fullmatch(r" -- [^<>]+ <[^<> ]+@[^<> ]+>  (\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d [-+]0000)", lines[-1])
    assert last is not None
    made = int((tmp_path / "usr/share/doc/lambdaproxy/changelog.gz").stat().st_mtime)
    assert parsedate_to_datetime(last[1]).timestamp() == made


def test_no_path_of_where_it_was_built(package, tmp_path):
    builds.run("dpkg-deb", "--extract", package, tmp_path / "tree", cwd=tmp_path)
    home = tmp_path / "tree" / deb.HOME
    for path in [*(home / "bin").iterdir(), home / "pyvenv.cfg", *(home / "lib").rglob("*.pyc")]:
        assert path.is_symlink() or b"/tree/usr/lib" not in path.read_bytes(), path


def test_installed_started_upgraded_removed(package, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root installs packages")
    builds.run("dpkg-deb", "--raw-extract", package, tmp_path / "newer", cwd=tmp_path)
    control = tmp_path / "newer" / "DEBIAN" / "control"
    newer = f"{our_version(ROOT)}+newer"
    control.write_text(control.read_text().replace(f"Version: {our_version(ROOT)}\n", f"Version: {newer}\n"))
    with (tmp_path / "newer/etc/lambdaproxy/lambdaproxy.toml").open("a") as defaults:
        defaults.write("# newer\n")
    builds.run("dpkg-deb", "-Znone", "--build", tmp_path / "newer", tmp_path / "new.deb", cwd=tmp_path)
    shutil.copy(package, tmp_path / "old.deb")
    port = _free_port()
    files = {"steps": STEPS, "hello.py": HELLO, "lambdaproxy.toml": EDITED.format(port=port)}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    place = tmp_path / "system"
    place.mkdir()
    enter = OVERLAY + ENTER.replace('"$2" "$3" "$4"', f'"$2" "$3" "$4" {tmp_path}/hello.py {tmp_path}/lambdaproxy.toml')
    words = [str(each) for each in (place, tmp_path / "old.deb", tmp_path / "new.deb", tmp_path / "steps")]
    probe = f"{OVERLAY}exit 0"
    if subprocess.run(["unshare", "--mount", "sh", "-c", probe, "sh", words[0]], capture_output=True).returncode:
        pytest.skip("the kernel lets nobody overlay the system here")
    with subprocess.Popen(
        ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", enter, "sh", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
    ) as system:
        assert system.stdin is not None and system.stdout is not None
        said, output = {}, []
        bound = threading.Timer(10 * WAIT, system.kill)
        bound.start()
        try:
            for line in system.stdout:
                output.append(line)
                if line.startswith("SAID "):
                    name, _, rest = line.removeprefix("SAID ").strip().partition(" ")
                    said[name] = rest
                    if name == "serving":
                        answer = _ask(port, output)
                        system.stdin.write("go\n")
                        system.stdin.flush()
        finally:
            bound.cancel()
            system.kill()
    shown = "".join(output)
    assert "done" in said, shown
    assert said["user"] == "/var/lib/lambdaproxy:/usr/sbin/nologin"
    assert said["modes"].split() == ["750:root:lambdaproxy", "640:root:lambdaproxy", "600:root:root"]
    assert said["version"].startswith(f"lambdaproxy {our_version(ROOT)} ")
    assert said["changed"] == "", "dpkg finds files that are not as they were packed"
    assert int(said["caches"]) == 2
    assert said["started"] == "0"
    assert said["man"].endswith("/lambdaproxy.1.gz")
    assert said["unit"] == "0", shown
    assert answer == (200, "from a package")
    assert said["upgraded"] == newer
    assert said["kept"] == "640:root:lambdaproxy"
    assert said["beside"] == "# newer"
    assert said["left"].split() == ["/etc/lambdaproxy/lambdaproxy.toml"]
    assert said["purged"] == ""


def _free_port():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def _ask(port, output):
    """The answer as soon as there is one."""
    until = time.monotonic() + 2 * WAIT
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT)
        try:
            connection.request("GET", "/")
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except ConnectionError:
            assert time.monotonic() < until, "".join(output)
            time.sleep(0.1)
        finally:
            connection.close()
