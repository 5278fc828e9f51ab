"""Makes the zip that Lambda takes of an example: its app.py, what it requires, and lambdaproxy without dependencies.

    python examples/build.py flask_app            # -> dist/flask_app.zip
    python examples/build.py flask_app --platform manylinux2014_aarch64 --python-version 3.13

The platform matters only for requirements with compiled parts, such as FastAPI's pydantic.
"""

import argparse
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent


def main(arguments=None):
    """Build one zip and print where it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("example", choices=sorted(path.parent.name for path in HERE.glob("*/app.py")))
    parser.add_argument("--out", type=Path, default=REPOSITORY / "dist")
    parser.add_argument("--platform", default="manylinux2014_x86_64")
    parser.add_argument("--python-version", default="3.13")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        binary = ["--platform", options.platform, "--python-version", options.python_version, "--only-binary=:all:"]
        install(root, [*binary, "--requirement", str(HERE / options.example / "requirements.txt")])
        # After the requirements: lambdaproxy has a twisted/plugins folder, and pip leaves folders alone that are there.
        install(root, ["--no-deps", str(REPOSITORY)])
        archive = pack(HERE / options.example, root, options.out / f"{options.example}.zip")
    print(archive)


def install(root, arguments):
    """Install packages into a folder."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", str(root)]
    subprocess.run([*command, *arguments], check=True)


def pack(example, root, archive):
    """Zip a folder of packages and an example's modules; the same input gives the same bytes."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    files = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}
    files |= {path.name: path for path in example.glob("*.py")}
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for name in sorted(files):
            if "__pycache__" in name or name.startswith("bin/"):
                continue
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            out.writestr(entry, files[name].read_bytes())
    return archive


if __name__ == "__main__":
    main()
