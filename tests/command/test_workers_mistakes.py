"""Mistakes with workers, the control socket and `ctl`: the message alone says where it is and what to write."""

from __future__ import annotations

import shlex
import socket
import threading

import pytest

from lambdaproxy.tap import Options
from tests.command.test_main import run

FILES = {
    "word.toml": '[settings]\nworkers = "two"\n',
    "none.toml": "\nworkers = 0\n",
    "half.toml": "workers = 2.5\n",
    "near.toml": "worker = 2\n",
    "number.toml": "workers = 1\ncontrol = 5\n",
    "alone.toml": '\n\ncontrol = "control"\n',
    "address.toml": 'workers = 1\ncontrol = "tcp:9000"\n',
    "few.toml": "workers = 4\nmax-requests = 3\n",
    "inspect.toml": 'workers = 2\ninspect = "tcp:0:interface=127.0.0.1"\n',
    "local.toml": '[settings]\nworkers = 2\n[function.a]\nhandler = "a.py:handler"\n',
    "same.toml": 'workers = 1\ncontrol = "s"\nport = "unix:s"\n',
    "a.py": "def handler(event, context): pass\n",
}

MISTAKES = [
    # what is typed, what it is told
    ("serve --workers", "--workers needs a value: --workers N|auto"),
    ("serve --workers 0", "--workers: 0 is out of range: 1 to 512, or auto, which is one for each processor"),
    ("check --workers -1", "--workers: -1 is out of range: 1 to 512, or auto"),
    ("check --workers 513", "--workers: 513 is out of range: 1 to 512, or auto"),
    ("check --workers all", "--workers: 'all' is no whole number, or auto"),
    ("check --workers 2 --workers 3", "--workers is given 2 times; give it once"),
    ("check --processes 4", "there is no option --processes; did you mean --workers N|auto?"),
    ("check --threads=4", "there is no option --threads; did you mean --workers N|auto?"),
    ("check --control-socket x", "there is no option --control-socket; did you mean --control PATH?"),
    ("check -workers 2", "-workers: options begin with two hyphens; write --workers 2"),
    ("check --control x", "--control: it goes with --workers; --workers 1 will do"),
    ("check --workers 1 --control", "--control needs a value: --control PATH"),
    ("check --workers 1 --control /nowhere/control", "--control: there is no folder /nowhere for control; make it"),
    ("check --workers 1 --control folder", "folder is no socket, and would be in the way of one; remove it, or name"),
    ("check --workers 1 --control 127.0.0.1:9000", "'127.0.0.1:9000' is an address, and the control socket a path"),
    ("check --workers 1 --control 9000", "--control: '9000' is an address, and the control socket a path, as in /run"),
    (f"check --workers 1 --control {'x' * 120}", "a Unix socket's path has at most 107 bytes; shorten it"),
    (f"check --port unix:{'x' * 120}", "--port: "),
    ("check --workers 2 --max-requests 1", "--max-requests is 1, which 2 workers cannot share; raise it"),
    ("check --workers 3 --max-connections 2", "--max-connections is 2, which 3 workers cannot share; raise it"),
    ("check --workers 3 --max-in-flight 2", "max-in-flight of the invoker aws is 2, which 3 workers cannot share"),
    ("check --workers 2 --local a=a.py:handler", "--workers: embedded functions run in one process"),
    ("check --workers 2 --inspect tcp:0:interface=127.0.0.1", "leave out --workers, or --inspect"),
    ("check --config word.toml", "word.toml:2: workers: 'two' is no whole number, or auto"),
    ("check --config none.toml", "none.toml:2: workers: 0 is out of range: 1 to 512, or auto"),
    ("check --config half.toml", "half.toml:1: workers: '2.5' is no whole number, or auto"),
    ("check --config near.toml", "near.toml:1: unknown key 'worker'; did you mean 'workers'?"),
    ("check --config number.toml", "number.toml:2: control: 5 is a number; put it in quotes"),
    ("check --config alone.toml", "alone.toml:3: it goes with --workers; --workers 1 will do"),
    ("check --config address.toml", "address.toml:2: 'tcp:9000' is an address, and the control socket a path"),
    ("check --config few.toml", "which 4 workers cannot share; raise it"),
    ("check --config inspect.toml", "inspect.toml:2: the inspector shows one process"),
    ("check --config local.toml", "local.toml:2: embedded functions run in one process"),
    ("check --config same.toml", "is where same.toml:3: port listens already; give each a place of its own"),
    ("routes --workers x", "--workers: 'x' is no whole number, or auto"),
    ("explain --workers x 'GET /'", "--workers: 'x' is no whole number, or auto"),
    ("config --workers x", "--workers: 'x' is no whole number, or auto"),
    ("plugins --workers 2", "--workers: lambdaproxy plugins takes nothing"),
    ("serve status", "'status' is no option; options begin with two hyphens"),
    ("serve -d --workers 2", "-d is twistd's: write it before lambdaproxy"),
    ("check --uid 5 --workers 2", "--uid is twistd's: write it before lambdaproxy"),
    ("reload", "there is no command 'reload'; write lambdaproxy ctl reload"),
    ("drain", "there is no command 'drain'; write lambdaproxy ctl drain"),
    ("stop", "there is no command 'stop'; write lambdaproxy ctl drain"),
    ("restart", "there is no command 'restart'; write lambdaproxy ctl reload"),
    ("workers +1", "there is no command 'workers'; write lambdaproxy ctl workers +1"),
    ("ctl", "say what to do; write lambdaproxy ctl [--control PATH] [--json] status|reload"),
    ("ctl stauts", "ctl: there is no 'stauts'; write lambdaproxy ctl status"),
    ("ctl restart", "ctl: there is no 'restart'; write lambdaproxy ctl reload"),
    ("ctl stop", "ctl: there is no 'stop'; write lambdaproxy ctl drain"),
    ("ctl wibble", "ctl: there is no 'wibble'; write lambdaproxy ctl [--control PATH]"),
    ("ctl --control", "ctl: --control needs a value, as in --control /run/lambdaproxy/control"),
    ("ctl --contrl x status", "ctl: there is no option --contrl; did you mean --control?"),
    ("ctl -control x status", "ctl: there is no option -control; did you mean --control?"),
    ("ctl --wibble status", "ctl: there is no option --wibble; write lambdaproxy ctl [--control PATH]"),
    ("ctl --json=yes status", "ctl: --json takes no value; write --json alone"),
    (
        "ctl reload --config x",
        "there is no option --config: the supervisor keeps to the command line",
    ),
    ("ctl status now", "ctl status takes nothing else; leave 'now' out"),
    ("ctl reload -H 'A: b'", "ctl reload: -H is for a request, as in lambdaproxy ctl explain"),
    (
        "ctl workers",
        "ctl workers takes +1 or -1, as in lambdaproxy ctl workers +1; for another number change",
    ),
    ("ctl workers 3", "ctl workers takes +1 or -1"),
    ("ctl explain", "say which request, as in lambdaproxy ctl explain 'GET https://api.example.com/users/7'"),
    ("ctl explain 'GET /' -H", "ctl: -H needs a value, as in -H 'X-Lambda-Function: hello'"),
    ("ctl --control nowhere status", "--control: nowhere: nobody listens there; serve needs --workers and --control"),
    ("ctl --control dead status", "--control: dead: nobody listens there"),
    (
        "ctl --control folder status",
        "--control: folder is no socket; write the path that serve was given",
    ),
    (f"ctl --control {'x' * 120} status", "--control: xxx"),
    ("ctl --control mute status", "--control: mute: the supervisor ended before it answered"),
]


@pytest.mark.parametrize(("typed", "says"), MISTAKES, ids=[typed[:60] for typed, _ in MISTAKES])
def test_a_mistake_is_one_sentence(capsys, monkeypatch, tmp_path, typed, says):
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "folder").mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind("dead")
    mute = socket.socket(socket.AF_UNIX)
    if "mute" in typed:
        mute.bind("mute")
        mute.listen()
        threading.Thread(target=lambda: mute.accept()[0].close(), daemon=True).start()
    with mute:
        if typed.startswith("serve "):
            # What twistd does first with what follows the name.
            with pytest.raises(SystemExit) as ended:
                Options().parseOptions(shlex.split(typed)[1:])
            code, (out, err) = ended.value.code, capsys.readouterr()
        else:
            code, out, err = run(capsys, *shlex.split(typed))
    assert (code, out) == (1, "")
    assert err.startswith("lambdaproxy: ") and err.count("\n") == 1, err
    assert says in err
