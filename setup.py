"""Metadata is in setup.cfg. With LAMBDAPROXY_COMPILE=1 the modules named there are compiled, else none is."""

import os
import sys
import sysconfig
from configparser import ConfigParser
from typing import Any

from setuptools import setup

compiled: dict[str, Any] = {}
if os.environ.get("LAMBDAPROXY_COMPILE", "0") not in ("", "0"):
    file = ConfigParser(interpolation=None)
    file.read("setup.cfg", encoding="utf-8")
    needs = file["mypyc"]["needs"] + file["options"]["install_requires"]
    compiled["setup_requires"] = [line for line in needs.splitlines() if line and not line.startswith("#")]
    if not {"egg_info", "dist_info"} & set(sys.argv):  # which ask what building needs, and what this is
        import mypyc
        from mypyc.build import mypycify

        options = ["--config-file", "setup.cfg", *file["mypyc"]["modules"].split()]
        compiled["ext_modules"] = mypycify(
            options, group_name="lambdaproxy", multi_file=True, opt_level="2", debug_level="0"
        )
        if "gcc" in (sysconfig.get_config_var("CC") or ""):
            # What errors lead to is kept from between what a request needs: most of its time goes to fetching code.
            # What is compiled in of mypyc names its folder, which is another one for each build.
            flags = [
                "-fno-plt",
                "--param=builtin-expect-probability=100",
                f"-ffile-prefix-map={mypyc.__path__[0]}=mypyc",
            ]
            for extension in compiled["ext_modules"]:
                extension.extra_compile_args += flags
setup(**compiled)
