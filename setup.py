"""Metadata is in setup.cfg. With LAMBDAPROXY_COMPILE=1 the modules named there are compiled, else none is."""

import os
import sys
from configparser import ConfigParser

from setuptools import setup

compiled: dict[str, list[object]] = {}
if os.environ.get("LAMBDAPROXY_COMPILE", "0") not in ("", "0"):
    file = ConfigParser(interpolation=None)
    file.read("setup.cfg", encoding="utf-8")
    needs = file["mypyc"]["needs"] + file["options"]["install_requires"]
    compiled["setup_requires"] = [line for line in needs.splitlines() if line and not line.startswith("#")]
    try:
        from mypyc.build import mypycify

        options = ["--config-file", "setup.cfg", *file["mypyc"]["modules"].split()]
        compiled["ext_modules"] = mypycify(options, group_name="lambdaproxy", multi_file=True, opt_level="2")
    except ImportError:
        if "egg_info" not in sys.argv:  # pip asks first what building needs
            raise
setup(**compiled)  # type: ignore[arg-type]
