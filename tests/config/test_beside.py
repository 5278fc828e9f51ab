"""Relative names of files: those of a configuration file are beside it, those that are typed in the current folder."""

from __future__ import annotations

import hashlib

import pytest
from twisted.internet.endpoints import serverFromString

from lambdaproxy.config import beside, toml
from lambdaproxy.config.cli import configure
from lambdaproxy.errors import ConfigError
from lambdaproxy.start.assembly import assemble
from lambdaproxy.start.authorizing import maker_of

KEY = "k" * 40
FUNCTION = "def handler(event, context):\n    return {}\n"


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """The folder of the file, and the current one, which is another."""
    there, here = tmp_path / "etc", tmp_path / "here"
    there.mkdir()
    here.mkdir()
    monkeypatch.chdir(here)
    return there, here


def read(there, text):
    path = there / "lambdaproxy.toml"
    path.write_text(text)
    return configure({}, {}, str(path))


def test_every_kind_of_name_is_beside_the_file(folders):
    there, _ = folders
    (there / "keys").write_text(f"partner {hashlib.sha256(KEY.encode()).hexdigest()}\n")
    (there / "hello.py").write_text(FUNCTION)
    (there / "schema.json").write_text("{}")
    configuration = read(
        there,
        'control = "run/control"\n'
        'access-log = "../log/access.log"\n'
        'port = "unix:http.sock:mode=600"\n'
        'metrics-listen = "ssl:0:privateKey=own/key.pem:certKey=/etc/ssl/cert.pem:interface=127.0.0.1"\n'
        'local = ["hello=hello.py:handler"]\n'
        '[authorizer.api-key]\nfile = "keys"\nquota = "1/day"\nquota-file = "counts"\n'
        '[invoker.far]\nkind = "aws"\nca-bundle = "ca.pem"\n'
        '[[route]]\npath = "/a"\nfunction = "hello"\nrequest-models = "schema.json"\n',
    )
    settings = configuration.settings
    assert settings.control == str(there / "run/control")
    assert settings.access_log == str(there.parent / "log/access.log")
    assert settings.port == f"unix:{there}/http.sock:mode=600"
    assert settings.metrics_listen is not None
    assert f"privateKey={there}/own/key.pem:certKey=/etc/ssl/cert.pem:" in settings.metrics_listen
    options = maker_of(configuration.authorizers["api-key"])[1]
    assert (options["file"], options["quota-file"]) == (str(there / "keys"), str(there / "counts"))
    assert configuration.invokers["far"].given == (("ca-bundle", str(there / "ca.pem")),)
    assert str(there / "schema.json") in repr(configuration.routes[0].settings.request_models)
    assert assemble(configuration).functions["hello"].directory == str(there)
    assert configuration.differences == ()


def test_what_is_typed_is_of_the_current_folder(folders):
    there, here = folders
    path = there / "lambdaproxy.toml"
    path.write_text('control = "control"\nlocal = ["hello=hello.py:handler"]\n')
    (here / "mine.py").write_text(FUNCTION)
    configuration = configure(
        {"control": ["mine"], "port": ["unix:x.sock"], "local": ["mine=mine.py:handler"]}, {}, str(path)
    )
    assert configuration.settings.control == str(here / "mine")
    assert configuration.settings.port == "unix:x.sock", "Twisted's own way"
    assert assemble(configuration).functions["mine"].directory == str(here)


@pytest.mark.parametrize(
    ("text", "begins"),
    [
        ('prices = "it"\n', "lambdaproxy.toml:1: prices: "),
        ('\n[authorizer.api-key]\nfile = "it"\n', "lambdaproxy.toml:3: [authorizer.api-key]: file: "),
        ('port = "unix:it"\n', "lambdaproxy.toml:1: port: "),
    ],
)
def test_what_is_in_the_current_folder_only_is_refused(folders, text, begins):
    there, here = folders
    (here / "it").write_text("")
    with pytest.raises(ConfigError) as caught:
        read(there, text)
    assert f"{there}/{begins}" in str(caught.value)
    assert f"'it' is looked for beside the file that names it, as {there}/it, where it is not; if you mean " in str(
        caught.value
    )
    assert str(caught.value).endswith(f"{here}/it, write that")


def test_what_is_in_both_is_said(folders):
    there, here = folders
    for each in folders:
        (each / "access.log").write_text("")
    configuration = read(there, 'access-log = "access.log"\n')
    assert configuration.differences == (
        f"{there}/lambdaproxy.toml:1: access-log: 'access.log' is {there}/access.log, beside this file, and not "
        f"{here}/access.log",
    )
    assert read(here, 'access-log = "access.log"\n').differences == ()


def test_a_folder_with_colons_is_what_twisted_reads(tmp_path, monkeypatch):
    there = tmp_path / "a:b=c"
    there.mkdir()
    monkeypatch.chdir(tmp_path)
    with beside.beside(str(there)):
        for description in ("unix:s.sock", "unix:address=s.sock", "haproxy:unix:s.sock"):
            made = beside.endpoint(description).removeprefix("haproxy:")
            assert serverFromString(None, made)._address == str(there / "s.sock")


def test_nothing_of_a_file_is_left_for_the_next(folders):
    there, here = folders
    read(there, 'control = "c"\n')
    assert beside.absolute("x") == str(here / "x")
    with pytest.raises(ConfigError):
        toml.read(str(there / "none.toml"))
    assert beside.absolute("x") == str(here / "x")
