"""Layers, `/opt`, `/var/task` and `/tmp` as on Lambda, and without namespaces; wrappers; byte code; SDKs."""

# mypy: disable-error-code="override, arg-type"

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any
from unittest import mock

import orjson
import pytest
from twisted.trial.unittest import SkipTest

from lambdaproxy.runtime.environment import Site
from lambdaproxy.runtime.functions import FunctionSettings, function_settings
from lambdaproxy.runtime.interpreters import packaged_node
from lambdaproxy.runtime.layers import SANDBOX, Namespaces, layout, try_namespaces
from tests.runtime.real import RealProcesses, until, until_answer

ALLOWED = try_namespaces()
needs_namespaces = pytest.mark.skipif(not ALLOWED.merges, reason=f"no namespaces here: {ALLOWED.why}")
REFUSED = Namespaces(why="the test says so")

LOOKS = """
import os, shutil, sys, tempfile
def handler(event, context):
    import one, two, both
    first = sorted(os.listdir("/tmp"))
    with open(tempfile.gettempdir() + "/mine", "w") as file:
        file.write("x")
    about = os.statvfs("/tmp")
    opt = "not asked"
    if os.path.exists("/var/task"):
        try:
            open("/opt/new", "w").close()
            opt = "writable"
        except OSError:
            opt = "refused"
    return {"one": one.__file__, "two": two.__file__, "both": both.value, "tool": shutil.which("tool"),
            "tmp": first, "megabytes": about.f_blocks * about.f_frsize >> 20, "temporary": tempfile.gettempdir(),
            "task": os.path.exists("/var/task/app.py"), "var": sorted(os.listdir("/var")),
            "libraries": os.environ.get("LD_LIBRARY_PATH"), "start": os.environ.get("_LAMBDAPROXY_START"),
            "opt": opt, "user": [os.getuid(), os.geteuid()]}
"""


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if text.startswith("#!"):
            path.chmod(0o755)
    return folder


def site(namespaces: Namespaces = ALLOWED, **more: Any) -> Site:
    return Site(**{"reload": False, "namespaces": namespaces, **more})


class Layers(RealProcesses):
    def folder(self, files: dict[str, str]) -> Path:
        return write(Path(self.mktemp()).absolute(), files)

    def two_layers(self) -> tuple[Path, ...]:
        version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        first = self.folder(
            {
                "python/one.py": "",
                "python/both.py": "value = 'first'\n",
                "bin/tool": "#!/bin/sh\n",
                "lib/libx.so": "",
            }
        )
        second = self.folder({f"python/lib/{version}/site-packages/two.py": "", "python/both.py": "value = 'second'\n"})
        return first, second

    def looks(self, layers: tuple[Path, ...], **more: Any) -> FunctionSettings:
        root = self.folder({"app.py": LOOKS, "lib/liby.so.1": ""})
        return FunctionSettings("f", "app.handler", "python", str(root), layers=tuple(map(str, layers)), **more)

    async def test_folders_as_on_lambda(self) -> None:
        if not ALLOWED.merges:
            raise SkipTest(ALLOWED.why)
        settings = self.looks(self.two_layers(), temporary=7, concurrency=2)
        local = self.local(settings, site=site())
        found = orjson.loads((await local.invoke("f")).payload)
        self.assertEqual(found["one"], "/opt/python/one.py")
        self.assertEqual(found["two"], f"/opt/python/lib/python3.{sys.version_info[1]}/site-packages/two.py")
        self.assertEqual((found["both"], found["tool"]), ("second", "/opt/bin/tool"))
        self.assertEqual(found["libraries"], f"{settings.directory}/lib:/opt/lib")
        self.assertEqual((found["megabytes"], found["temporary"]), (7, "/tmp"))
        self.assertNotIn("mine", found["tmp"])
        self.assertTrue(found["task"])
        self.assertIn("task", found["var"])
        self.assertLessEqual(set(os.listdir("/var")), {*found["var"]})
        self.assertEqual((found["start"], found["opt"], found["user"]), (None, "refused", [os.getuid(), os.geteuid()]))
        again = orjson.loads((await local.invoke("f")).payload)
        self.assertEqual(sorted({*again["tmp"]} - {*found["tmp"]}), ["mine"], "the worker has what it wrote")
        self.assertFalse(os.path.exists("/var/task/app.py"), "nothing of it is seen outside")

    async def test_one_layer_and_none(self) -> None:
        if not ALLOWED.allowed:
            raise SkipTest(ALLOWED.why)
        code = "import os\ndef handler(e, c):\n    return [sorted(os.listdir('/opt')), open('/var/task/data').read()]\n"
        root = self.folder({"app.py": code, "data": "here"})
        plain = FunctionSettings("plain", "app.handler", "python", str(root))
        layered = FunctionSettings("layered", "app.handler", "python", str(root), layers=(str(self.folder({"x": ""})),))
        local = self.local(plain, layered, site=site(Namespaces(True, ALLOWED.merges)))
        self.assertEqual(orjson.loads((await local.invoke("layered")).payload), [["x"], "here"])
        self.assertEqual(orjson.loads((await local.invoke("plain")).payload), [sorted(os.listdir("/opt")), "here"])

    async def test_several_requests_of_one_environment(self) -> None:
        if not ALLOWED.allowed:
            raise SkipTest(ALLOWED.why)
        code = (
            "import os, time\nfirst = os.getpid()\ndef handler(event, context):\n"
            "    open(f'/tmp/{os.getpid()}', 'w').close()\n"
            "    while sum(name.isdigit() for name in os.listdir('/tmp')) < 3:\n        time.sleep(0.01)\n"
            "    return [os.getpid(), os.environ['AWS_LAMBDA_MAX_CONCURRENCY'], "
            "os.environ['AWS_LAMBDA_INITIALIZATION_TYPE']]\n"
        )
        root = Path(tempfile.mkdtemp(prefix="managed-", dir="/var/tmp"))
        self.addCleanup(shutil.rmtree, root)
        (root / "app.py").write_text(code)
        table = {"handler": "app.handler", "environment-concurrency": 3}
        local = self.local(function_settings("managed", table, str(root)), site=site(cache=None))
        asked = [local.invoke("managed") for _ in range(3)]
        found = [orjson.loads((await one).payload) for one in asked]
        self.assertEqual(len({pid for pid, *_ in found}), 3, "each in a process, all with one /tmp")
        self.assertEqual({tuple(rest) for _, *rest in found}, {("3", "lambda-managed-instances")})

    async def test_a_folder_of_programs_below_tmp_stays(self) -> None:
        if not ALLOWED.allowed:
            raise SkipTest(ALLOWED.why)
        programs = tempfile.mkdtemp(prefix="programs-", dir="/tmp")
        self.addCleanup(shutil.rmtree, programs)
        write(Path(programs), {"own-program": "#!/bin/sh\necho found\n"})
        os.chmod(os.path.join(programs, "own-program"), 0o755)
        code = "import subprocess\ndef handler(e, c):\n    return subprocess.check_output(['own-program'], text=True)\n"
        settings = FunctionSettings("f", "app.handler", "python", str(self.folder({"app.py": code})))
        path = f"{programs}:{os.environ['PATH']}"
        local = self.local(settings, site=site(environ={**os.environ, "PATH": path}))
        self.assertEqual((await local.invoke("f")).payload, b'"found\\n"')

    async def test_a_file_below_tmp_that_is_needed_stays(self) -> None:
        if not ALLOWED.allowed:
            raise SkipTest(ALLOWED.why)
        folder = self.folder({"bundle.pem": "certificates", "other": ""})
        code = (
            "import os\ndef handler(e, c):\n    p = os.environ['SSL_CERT_FILE']\n"
            "    return [open(p).read(), os.path.exists(p[:-10] + 'other')]\n"
        )
        settings = FunctionSettings("f", "app.handler", "python", str(self.folder({"app.py": code})))
        temporary = tempfile.mkdtemp(prefix="bundle-", dir="/tmp")
        self.addCleanup(shutil.rmtree, temporary)
        shutil.copytree(folder, temporary, dirs_exist_ok=True)
        environ = {"PATH": os.environ["PATH"], "SSL_CERT_FILE": f"{temporary}/bundle.pem"}
        local = self.local(settings, site=site(environ=environ))
        self.assertEqual(orjson.loads((await local.invoke("f")).payload), ["certificates", False])

    async def test_without_namespaces(self) -> None:
        layers = self.two_layers()
        local = self.local(self.looks(layers), site=site(REFUSED))
        found = orjson.loads((await local.invoke("f")).payload)
        self.assertEqual((found["one"], found["both"]), (f"{layers[0]}/python/one.py", "second"))
        self.assertEqual((found["tool"], found["task"]), (f"{layers[0]}/bin/tool", False))
        folder = found["temporary"]
        self.assertTrue(os.path.basename(folder).startswith("lambdaproxy-tmp-"))
        self.assertTrue(os.path.exists(folder + "/mine"))
        await local.invoker.stop()
        await until(lambda: not os.path.exists(folder))

    async def test_a_function_that_wants_none(self) -> None:
        local = self.local(self.looks(self.two_layers(), namespace=False), site=site())
        found = orjson.loads((await local.invoke("f")).payload)
        self.assertEqual((found["task"], found["temporary"]), (False, "/tmp"))
        os.unlink("/tmp/mine")

    async def test_a_plan_that_the_system_refuses(self) -> None:
        settings = FunctionSettings("f", "m.h", "python", str(self.folder({"m.py": ""})), layers=("/nowhere",))
        local = self.local(settings, site=site(Namespaces(True, True)))
        result = await local.invoke("f")
        self.assertEqual(orjson.loads(result.payload)["errorType"], "Runtime.ExitError")
        self.assertIn("no folders of its own", local.log)
        self.assertIn("namespace = false", local.log)

    async def test_bootstrap_in_a_layer(self) -> None:
        layer = self.folder({"bootstrap": "#!/bin/sh\necho started as $0\nexit 3\n"})
        root = str(self.folder({"app": ""}))
        settings = FunctionSettings("f", "x", "provided.al2023", root, layers=(str(layer),))
        for namespaces, seen in ((ALLOWED, "/opt/bootstrap"), (REFUSED, f"{layer}/bootstrap")):
            local = self.local(settings, site=site(namespaces))
            await local.invoke("f")
            self.assertIn(f"started as {seen if namespaces.allowed else f'{layer}/bootstrap'}", local.log)

    async def test_exec_wrapper(self) -> None:
        script = '#!/bin/sh\nexport WRAPPED="yes by $0"\nexec "$@"\n'
        layer = self.folder({"wrap": script})
        code = "import os\ndef handler(event, context):\n    return [os.environ['WRAPPED'], os.getcwd()]\n"
        root = str(self.folder({"app.py": code}))
        for namespaces in (ALLOWED, REFUSED):
            wrapper = "/opt/wrap" if namespaces.allowed else f"{layer}/wrap"
            environment = (("AWS_LAMBDA_EXEC_WRAPPER", "/opt/wrap"),)
            settings = FunctionSettings(
                "f", "app.handler", "python", root, environment, layers=(str(layer),), memory_limit=256
            )
            local = self.local(settings, site=site(namespaces))
            found = orjson.loads((await local.invoke("f")).payload)
            self.assertEqual(found, [f"yes by {wrapper}", root])

    async def test_node_packages_of_layers(self) -> None:
        node = shutil.which("node") or packaged_node()
        if node is None:
            raise SkipTest("node is not installed")
        package = '{"name": "x", "main": "x.js"}'
        layer = self.folder(
            {
                "nodejs/node_modules/plain/package.json": package,
                "nodejs/node_modules/plain/x.js": "module.exports = 'plain ' + __filename",
                "nodejs/node20/node_modules/versioned/package.json": package,
                "nodejs/node20/node_modules/versioned/x.js": "module.exports = 'versioned'",
                "nodejs/node_modules/own/package.json": package,
                "nodejs/node_modules/own/x.js": "module.exports = 'of the layer'",
            }
        )
        own = {
            "node_modules/own/package.json": package,
            "node_modules/own/x.js": "module.exports = 'its own'",
            "esm.mjs": "import plain from 'plain';\nimport versioned from 'versioned';\nimport own from 'own';\n"
            "export const handler = async () => [plain, versioned, own, "
            "await import('nowhere').catch((e) => e.code)];\n",
            "cjs.cjs": "exports.handler = async () => [require('plain'), require('versioned'), require('own'), "
            "await import('nowhere').catch((e) => e.code)];\n",
        }
        root = str(self.folder(own))
        for namespaces in (ALLOWED, REFUSED):
            place = "/opt" if namespaces.allowed else str(layer)
            for handler in ("esm.handler", "cjs.handler"):
                settings = FunctionSettings("f", handler, "nodejs20.x", root, layers=(str(layer),), node=node)
                local = self.local(settings, site=site(namespaces))
                found = orjson.loads((await local.invoke("f")).payload)
                plain = f"plain {place}/nodejs/node_modules/plain/x.js"
                self.assertEqual(found, [plain, "versioned", "its own", "ERR_MODULE_NOT_FOUND"])

    async def test_byte_code_is_kept_and_never_old(self) -> None:
        cache = str(self.folder({"x": ""}))
        root = self.folder({"f.py": "import part\ndef handler(e, c):\n    return part.v\n", "part.py": "v = 100\n"})
        settings = FunctionSettings("f", "f.handler", "python", str(root))
        local = self.local(settings, site=site(reload=True, cache=cache))
        for number in range(101, 113):
            await until_answer(local, b"%d" % (number - 1))
            (root / "part.py").write_text(f"v = {number}\n")  # the same size, mostly within the same second
        await until_answer(local, b"112")
        self.assertFalse((root / "__pycache__").exists())
        # Files that were there for a while are compiled once.
        await local.invoker.stop()
        kept = Path(cache + os.path.realpath(root))

        def codes() -> dict[str, int]:
            return {path.name: path.stat().st_mtime_ns for path in kept.glob("*.pyc")}

        for name in ("f.py", "part.py"):
            os.utime(root / name, ns=(10**18, 10**18))
        await until(lambda: __import__("time").time() - (root / "part.py").stat().st_ctime > 0.1)
        first: dict[str, int] = {}
        for _ in range(2):
            local = self.local(settings, site=site(reload=True, cache=cache))
            self.assertEqual((await local.invoke("f")).payload, b"112")
            await local.invoker.stop()
            first = first or codes()
        self.assertEqual(len(first), 2)
        self.assertEqual(codes(), first)

    async def test_an_sdk_that_is_nowhere_is_named_with_what_to_install(self) -> None:
        node = shutil.which("node") or packaged_node()
        root = self.folder(
            {
                "py.py": "import botocore.session\n",
                "js.mjs": "import '@aws-sdk/client-s3';\n",
                "late.mjs": "export const handler = () => import('@aws-sdk/client-sqs');\n",
                "botocore/__init__.py": "import s3transfer\n",
                "s3transfer.py": "raise ModuleNotFoundError('gone', name='s3transfer.utils')\n",
            }
        )
        cases = [("py.handler", "python", "'lambdaproxy[sdk]'")]
        if node is not None:
            cases += [
                ("js.handler", "nodejs", f"npm install @aws-sdk/client-s3 in {root}"),
                ("late.handler", "nodejs", f"npm install @aws-sdk/client-sqs in {root}"),
            ]
        for handler, runtime, text in cases:
            settings = FunctionSettings("f", handler, runtime, str(root), node=node)
            local = self.local(settings, site=site(REFUSED))
            await local.invoke("f")
            self.assertIn(text, local.log)

    async def test_the_sdk_comes_after_what_a_function_has(self) -> None:
        sdk = self.folder({"boto3/__init__.py": "of = 'ours'\n", "botocore.py": "of = 'ours'\n", "other.py": ""})
        root = self.folder(
            {
                "boto3.py": "of = 'its own'\n",
                "app.py": "def handler(e, c):\n    import boto3, s3transfer\n    return [boto3.of, s3transfer.of]\n",
                "none.py": "def handler(e, c):\n    import other\n",
            }
        )
        (sdk / "s3transfer.py").write_text("of = 'ours'\n")
        link = self.folder({"x": ""}) / "python"
        link.symlink_to(sys.executable)
        python = shutil.which("python3", path="/usr/bin:/usr/local/bin")
        if python is None:
            raise SkipTest("there is no other Python")
        settings = FunctionSettings("f", "app.handler", "python", str(root), python=python)
        lacks = FunctionSettings("g", "none.handler", "python", str(root), python=python)
        local = self.local(settings, lacks, site=site(REFUSED, sdk=str(sdk)))
        self.assertEqual(orjson.loads((await local.invoke("f")).payload), ["its own", "ours"])
        self.assertEqual(orjson.loads((await local.invoke("g")).payload)["errorType"], "ModuleNotFoundError")


@needs_namespaces
@pytest.mark.skipif(os.getuid() != 0 or shutil.which("setpriv") is None, reason="takes root and setpriv")
def test_another_user_gets_no_rights():
    plan = "task /usr\nopt /usr\nopt /etc\ntmp 3"
    code = (
        f"import sys; sys.argv = ['', {plan!r}]; names = {{'__name__': 'sandbox'}}\n"
        f"exec(open({SANDBOX!r}).read(), names); names['enter']({plan!r})\n"
        "import os; print(os.getuid(), os.getgid(), os.listdir('/tmp'), os.path.isdir('/opt/bin'))\n"
        "print([line.split()[1] for line in open('/proc/self/status') if line.startswith('CapEff')])\n"
    )
    command = ["setpriv", "--reuid", "4711", "--regid", "4712", "--clear-groups", "/usr/bin/python3", "-I", "-c", code]
    if subprocess.run([*command[:6], "cat", SANDBOX], capture_output=True, check=False).returncode:
        pytest.skip("the tests lie where another user does not look")
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    assert done.stdout == "4711 4712 [] True\n['0000000000000000']\n", done.stderr


class TestLayout:
    def settings(self, tmp_path: Path, *layers: Path) -> FunctionSettings:
        return FunctionSettings("f", "m.h", "python", str(tmp_path), layers=tuple(map(str, layers)))

    def test_what_our_folders_would_hide_is_kept(self):
        settings = FunctionSettings("f", "m.h", "python", "/tmp/a")
        with mock.patch("os.path.exists", lambda path: path != "/tmp/gone"):
            made = layout(settings, Namespaces(True), ["/tmp/a/b", "/tmp/c", "/usr", "/tmp/gone"])
        assert made.plan.splitlines() == ["task /tmp/a", "tmp 512", "keep /tmp/a", "keep /tmp/c"]

    def test_an_interpreter_in_opt_stays(self, tmp_path):
        layer = tmp_path / "l"
        made = layout(self.settings(tmp_path, layer), Namespaces(True, True), ["/opt/python"])
        assert [line for line in made.plan.splitlines() if line.startswith("opt")] == [f"opt {layer}", "opt /opt"]
        assert layout(self.settings(tmp_path, layer), Namespaces(True, False), ["/opt/python"]).plan == ""

    @pytest.mark.parametrize("name", ["with\nline", "x\ntmp 1"])
    def test_a_path_that_is_no_line_gets_no_plan(self, tmp_path, name):
        assert layout(self.settings(tmp_path / name), Namespaces(True, True)).plan == ""

    def test_later_layers_come_first(self, tmp_path):
        layers = [write(tmp_path / name, {"bin/x": ""}) for name in ("a", "b")]
        made = layout(self.settings(tmp_path, *layers), REFUSED)
        assert made.seen("bin") == [f"{tmp_path}/b/bin", f"{tmp_path}/a/bin"]
        assert layout(self.settings(tmp_path, *layers), Namespaces(True, True)).seen("bin") == ["/opt/bin"]


def test_a_layer_may_be_a_zip(tmp_path):
    with zipfile.ZipFile(tmp_path / "layer.zip", "w") as archive:
        tool = zipfile.ZipInfo("bin/tool")
        tool.external_attr = (stat.S_IFREG | 0o755) << 16
        archive.writestr(tool, "#!/bin/sh\n")
        for name, target in (
            ("bin/link", "tool"),
            ("out", str(tmp_path)),
            ("away", str(tmp_path)),
            ("away/y", "x"),
            ("../z", "x"),
        ):
            link = zipfile.ZipInfo(name)
            link.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(link, target)
        archive.writestr("out/file", "must not be written through a link")
    (tmp_path / "app.py").touch()
    table = {"handler": "app.handler", "layers": ["layer.zip"]}
    layer = Path(function_settings("f", table, str(tmp_path)).layers[0])
    assert os.access(layer / "bin/tool", os.X_OK)
    assert os.readlink(layer / "bin/link") == "tool"
    assert (layer / "out/file").is_file()
    assert sorted(os.listdir(tmp_path)) == ["app.py", "layer.zip"]
    assert not (layer.parent / "z").is_symlink()
    (tmp_path / "bad.zip").write_text("nothing")
    with pytest.raises(ValueError, match=r"layers: .*bad.zip cannot be unpacked"):
        function_settings("f", {"handler": "app.handler", "layers": ["bad.zip"]}, str(tmp_path))


@pytest.mark.parametrize("name", [".venv", "venv"])
@pytest.mark.parametrize("place", ["", "service"])
def test_a_virtual_environment_is_named_by_its_folder(tmp_path, name, place):
    python = tmp_path / place / name / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    (tmp_path / "service").mkdir(exist_ok=True)
    table = {"handler": "app.handler", "directory": "service", "python": name}
    assert function_settings("f", table, str(tmp_path)).python == str(python)
