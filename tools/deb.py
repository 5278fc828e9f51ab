"""The Debian package: `python -m tools.deb FOLDER`, with the tools that every Debian has (dpkg-deb).

It is a virtual environment below /usr/lib/lambdaproxy, made with the system's own Python, with the unit, its user,
configuration in /etc/lambdaproxy, manual pages and completion. It belongs to this release of Debian and this kind of
machine. With SOURCE_DATE_EPOCH set it is the same file each time, if the dependencies are.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from email.utils import formatdate
from pathlib import Path

from tools import builds
from tools.release import ROOT, version

PYTHON = Path("/usr/bin/python3")
HOME = Path("usr/lib/lambdaproxy")
EXTRAS = "sam,schema,regex,jwt,otel,websocket"
"""What a server may need. Functions that are embedded bring their own SDK."""

PLACEHOLDER = "placeholder - set DEBFULLNAME and DEBEMAIL <maintainer@lambdaproxy.invalid>"
"""Who answers for a package that nobody has put a name to: an address in a domain that cannot exist."""

CONTROL = """\
Package: lambdaproxy
Version: {version}
Architecture: {architecture}
Maintainer: {maintainer}
Installed-Size: {size}
Depends: python3 (>= {python}), python3 (<< {next_python}), passwd, libc6, ca-certificates
Section: web
Priority: optional
Description: front door to AWS Lambda that you run yourself
 Takes plain HTTP requests, turns each into the event that an Application Load
 Balancer, API Gateway or a function URL would have sent, invokes the function,
 and turns its result into the HTTP response that the service would have given.
"""

CHANGES = """\
lambdaproxy ({version}) stable; urgency=medium

  * What this version changes is in CHANGELOG.md.gz, beside this file.

 -- {maintainer}  {date}
"""


def maintainer(environment: Mapping[str, str] = os.environ) -> str:
    """Who answers for the package, told as Debian's own tools are told; raises `builds.Failed`."""
    name, address = environment.get("DEBFULLNAME", ""), environment.get("DEBEMAIL", "")
    if not name and not address:
        return PLACEHOLDER
    if not re.fullmatch(r"[^\s<>@]+@[^\s<>@]+", address) or not name.strip() or re.search(r"[<>\n]", name):
        raise builds.Failed("DEBFULLNAME has to be a name, and DEBEMAIL an address such as ann@example.com")
    return f"{name.strip()} <{address}>"


def build(out: Path, number: str, architecture: str, packing: str) -> Path:
    """Make the package in the folder `out`; raises `builds.Failed`."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder, "tree")
        epoch = int(os.environ.get("SOURCE_DATE_EPOCH") or builds.run("git", "log", "-1", "--format=%ct", cwd=ROOT))
        environment(tree)
        system(tree, number, epoch)
        control(tree, number, architecture)
        for path in sorted(tree.rglob("*")):
            os.utime(path, (epoch, epoch), follow_symlinks=False)
        made = out / f"lambdaproxy_{number}_{architecture}.deb"
        words = ("dpkg-deb", "--root-owner-group", packing, "--build", tree, made)
        builds.run(*words, cwd=out, SOURCE_DATE_EPOCH=str(epoch))
    return made


def environment(tree: Path) -> None:
    """The virtual environment, made where it is built and told where it will be."""
    home, final = tree / HOME, f"/{HOME}"
    home.parent.mkdir(parents=True)
    builds.run(PYTHON, "-m", "venv", "--without-pip", home, cwd=tree)
    pip = (sys.executable, "-m", "pip", "--python", home / "bin" / "python", "install", "--quiet", "--no-compile")
    builds.run(*pip, "--no-warn-script-location", f"{ROOT}[{EXTRAS}]", cwd=ROOT)
    for path in [*(home / "bin").iterdir(), home / "pyvenv.cfg", *home.rglob("direct_url.json")]:
        if path.name == "direct_url.json" or path.name.lower().startswith("activate"):
            path.unlink()  # the one names this folder; nobody works in the environment of a package
        elif not path.is_symlink():
            path.write_bytes(path.read_bytes().replace(os.fsencode(home), os.fsencode(final)))
    for record in home.rglob("RECORD"):
        text = record.read_text(encoding="utf-8")
        record.write_text(re.sub(r"(?m)^.*(?:direct_url\.json|__pycache__).*\n", "", text), encoding="utf-8")
    # Bytecode that is believed whatever the times of files: dpkg says what the files are.
    compiling = ("-m", "compileall", "-q", "-s", tree, "-p", "/", "--invalidation-mode", "unchecked-hash")
    builds.run(PYTHON, *compiling, home / "lib", cwd=tree)


def system(tree: Path, number: str, epoch: int) -> None:
    """What stands outside of the environment."""
    link(tree / "usr/bin/lambdaproxy", "../lib/lambdaproxy/bin/lambdaproxy")
    for unit in ("lambdaproxy.service", "lambdaproxy.socket"):
        text = (ROOT / "systemd" / unit).read_text(encoding="utf-8")
        text = text.replace("installed in /opt/lambdaproxy", "installed in /usr/lib/lambdaproxy")
        write(
            tree / "usr/lib/systemd/system" / unit,
            text.replace("/opt/lambdaproxy/bin/lambdaproxy", "/usr/bin/lambdaproxy"),
        )
    for name, mode in (("lambdaproxy.toml", 0o640), ("lambdaproxy.env", 0o600)):
        write(tree / "etc/lambdaproxy" / name, (ROOT / "systemd" / name).read_text(encoding="utf-8"), mode)
    (tree / "etc/lambdaproxy").chmod(0o750)
    documents = tree / "usr/share/doc/lambdaproxy"
    write(documents / "copyright", (ROOT / "LICENSE").read_text(encoding="utf-8"))
    write(documents / "examples/nginx.conf", (ROOT / "examples" / "nginx.conf").read_text(encoding="utf-8"))
    write(documents / "CHANGELOG.md.gz", packed((ROOT / "CHANGELOG.md").read_text(encoding="utf-8")))
    # Debian's programs read a form of their own under the other name.
    when = formatdate(epoch, localtime=False)
    write(documents / "changelog.gz", packed(CHANGES.format(version=number, maintainer=maintainer(), date=when)))
    python = tree / HOME / "bin" / "python"
    for section in ("1", "5"):
        name = {"1": "lambdaproxy.1", "5": "lambdaproxy.toml.5"}[section]
        page = builds.run(python, "-m", "lambdaproxy.manual.man", name, cwd=tree, PYTHONDONTWRITEBYTECODE="1")
        write(tree / f"usr/share/man/man{section}/{name}.gz", packed(page))
    for shell, place in (
        ("bash", "usr/share/bash-completion/completions/lambdaproxy"),
        ("zsh", "usr/share/zsh/vendor-completions/_lambdaproxy"),
        ("fish", "usr/share/fish/vendor_completions.d/lambdaproxy.fish"),
    ):
        words = (python, "-m", "lambdaproxy.completion", shell)
        write(tree / place, builds.run(*words, cwd=tree, PYTHONDONTWRITEBYTECODE="1"))
    for cache in tree.rglob("dropin.cache"):
        cache.unlink()  # Twisted believes those that are newer than the modules, so they are made on installing


def control(tree: Path, number: str, architecture: str) -> None:
    """What dpkg reads: fields, configuration files, scripts and sums."""
    files = sorted(path for path in tree.rglob("*") if path.is_file() and not path.is_symlink())
    python = builds.run(PYTHON, "-c", "import sys; print(*sys.version_info[:2])", cwd=tree).split()
    text = CONTROL.format(
        version=number,
        architecture=architecture,
        maintainer=maintainer(),
        size=sum(path.stat().st_size for path in files) // 1024,
        python=".".join(python),
        next_python=f"{python[0]}.{int(python[1]) + 1}",
    )
    ours = [path for path in files if not path.is_relative_to(tree / "etc")]
    sums = "".join(f"{_md5(path)}  {path.relative_to(tree)}\n" for path in ours)
    conffiles = [f"/{path.relative_to(tree)}" for path in files if path not in ours]
    write(tree / "DEBIAN/control", text)
    write(tree / "DEBIAN/md5sums", sums)
    write(tree / "DEBIAN/conffiles", "".join(f"{path}\n" for path in conffiles))
    for script in ("postinst", "prerm", "postrm"):
        write(tree / "DEBIAN" / script, (ROOT / "systemd" / "debian" / script).read_text(encoding="utf-8"), 0o755)


def write(path: Path, data: str | bytes, mode: int = 0o644) -> None:
    """Write a file, and the folders that it stands in."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    path.chmod(mode)


def link(path: Path, target: str) -> None:
    """A symbolic link, and the folders that it stands in."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    path.symlink_to(target)


def packed(text: str) -> bytes:
    """As documentation is packed: no name, no time."""
    return gzip.compress(text.encode(), mtime=0)


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def main(words: list[str], packing: str = "-Zxz") -> None:
    """Make the package of this version for this machine; `packing` is an option of dpkg-deb."""
    if shutil.which("dpkg-deb") is None or not PYTHON.exists():
        raise builds.Failed("a Debian package is made on Debian: dpkg-deb or /usr/bin/python3 is missing")
    before = os.umask(0o022)
    try:
        architecture = builds.run("dpkg", "--print-architecture", cwd=ROOT).strip()
        print(build(Path(words[0]).resolve(), version(ROOT), architecture, packing))
        if maintainer() == PLACEHOLDER:
            print("deb: its maintainer is a placeholder; set DEBFULLNAME and DEBEMAIL to publish it", file=sys.stderr)
    finally:
        os.umask(before)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except builds.Failed as reason:
        print(f"deb: {reason}", file=sys.stderr)
        raise SystemExit(1) from None
