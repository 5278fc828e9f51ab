"""Run first in a worker process that is not our Python bootstrap: session, folder, limit, then the program.

Standard library only: it runs as `python launch.py MODE LIMIT DIRECTORY PROGRAM ARGUMENT...`, in whatever interpreter
is at hand. MODE `exec` replaces the process by PROGRAM; `module` runs the module PROGRAM in this interpreter
with the task root first on its path, as Lambda has it.
"""

import os
import sys


def limit_memory(megabytes):  # type: ignore[no-untyped-def]
    """Bound the data of this process and its children; a limit the system refuses is left out."""
    if not megabytes:
        return
    try:
        import resource

        size = megabytes * 1024 * 1024
        resource.setrlimit(resource.RLIMIT_DATA, (size, size))
    except (ImportError, OSError, ValueError):
        pass


def main(arguments):  # type: ignore[no-untyped-def]
    mode, limit, directory, program = arguments[:4]
    os.setsid()
    os.chdir(directory)
    limit_memory(int(limit))
    if mode == "exec":
        try:
            os.execvp(program, arguments[3:])  # noqa: S606
        except OSError as problem:
            sys.stderr.write("cannot run %s: %s\n" % (program, problem.strerror))  # noqa: UP031
            sys.exit(127)
    import runpy

    sys.path[0] = directory
    sys.argv[:] = arguments[3:]
    # awslambdaric reads the handler from its first argument.
    runpy.run_module(program, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
