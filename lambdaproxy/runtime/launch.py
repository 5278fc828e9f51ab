"""Run first in a worker process that is not our Python bootstrap: session, folder, limit, then the program.

Standard library only: it runs as `python launch.py MODE LIMIT DIRECTORY PLAN PROGRAM ARGUMENT...`, in whatever
interpreter is at hand. PLAN is for `sandbox.enter`, and may be empty. MODE `exec` replaces the process by PROGRAM;
`web` starts a web server (see `web_bridge`), `start` starts extensions, `--` and PROGRAM (see `starter`); `module` runs
the module PROGRAM here with the task root first on its path, as Lambda has it.
"""
# mypy: ignore-errors

import os
import sys


def limit_memory(megabytes):
    """Bound the data of this process and its children; a limit the system refuses is left out."""
    if not megabytes:
        return
    try:
        import resource

        size = megabytes * 1024 * 1024
        resource.setrlimit(resource.RLIMIT_DATA, (size, size))
    except (ImportError, OSError, ValueError):
        pass


def load(name):
    """The names of a module that lies beside this one, from byte code."""
    from _frozen_importlib_external import SourceFileLoader

    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name + ".py")
    names = {"__name__": name, "__file__": path}
    exec(SourceFileLoader(name, path).get_code(name), names)  # noqa: S102
    return names


def own_folders(plan):
    """Carry out the plan, or end with a sentence."""
    names = load("sandbox")
    try:
        names["enter"](plan)
    except (names["Refused"], OSError, ImportError) as problem:
        sys.stderr.write("no folders of its own: %s; namespace = false in its table does without\n" % problem)  # noqa: UP031
        sys.exit(126)


def main(arguments):
    mode, limit, directory, plan, program = arguments[:5]
    if os.environ.pop("_LAMBDAPROXY_SESSION", None) is None:
        try:
            os.setsid()
        except OSError:
            pass  # it was given one
    if plan:
        own_folders(plan)
    os.chdir(directory)
    limit_memory(int(limit))
    if mode == "exec":
        try:
            os.execvp(program, arguments[4:])  # noqa: S606
        except OSError as problem:
            sys.stderr.write("cannot run %s: %s\n" % (program, problem.strerror))  # noqa: UP031
            sys.exit(127)
    if mode == "web":
        load("web_bridge")["main"](arguments[4:])
    if mode == "start":
        load("starter")["main"](arguments[4:])
    import runpy

    sys.path[0] = directory
    sys.argv[:] = arguments[4:]
    # awslambdaric reads the handler from its first argument.
    runpy.run_module(program, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
