"""`twistd --uid`: what the user whom we become has to be able to read, looked at while we are still root.

Modules are loaded when they are first needed. One that the user cannot read would be missed in the middle of the work,
and there it looks as if it were not installed.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping, Sequence
from typing import Any

import twisted

import lambdaproxy
from lambdaproxy.errors import ConfigError


def check_user(twistd: Mapping[str, Any]) -> None:
    """`ConfigError` where the user of `--uid` and the group of `--gid` could not load modules of Python's or ours."""
    uid, gid = twistd.get("uid"), twistd.get("gid")
    if uid is None or os.geteuid() != 0:
        return
    try:
        who = pwd.getpwuid(uid)
    except KeyError:
        raise ConfigError(f"--uid: there is no user {uid}") from None
    modules = [module.__file__ for module in (os, twisted, lambdaproxy)]
    unreadable = _unreadable(uid, who.pw_gid if gid is None else gid, who.pw_name, [each for each in modules if each])
    if unreadable is not None:
        raise ConfigError(
            f"--uid: the user {who.pw_name} cannot read {os.path.dirname(unreadable)}, where this program or its "
            "Python lies; install both where every user may read, as in /opt, with the system's Python"
        )


def _unreadable(uid: int, gid: int, name: str, paths: Sequence[str]) -> str | None:
    """The first that the user cannot read; asked in a child, because who has become somebody else stays it."""
    child = os.fork()
    if child == 0:
        code = 0
        try:
            os.setgid(gid)
            os.initgroups(name, gid)
            os.setuid(uid)
            code = next((at for at, path in enumerate(paths, 1) if not os.access(path, os.R_OK)), 0)
        except OSError:
            code = 0  # twistd will say it
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return paths[code - 1] if 0 < code <= len(paths) else None
