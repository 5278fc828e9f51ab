"""What `twistd lambdaproxy` calls: the options, and the service made of them."""

from __future__ import annotations

import os
import stat
import sys
from types import TracebackType
from typing import Any, NoReturn

from twisted.application.service import IService
from twisted.python import usage

from lambdaproxy.base.addresses import is_loopback
from lambdaproxy.base.notify import tell
from lambdaproxy.base.platform import use_monotonic_clock
from lambdaproxy.base.reactor import install_unless_chosen
from lambdaproxy.config import cli
from lambdaproxy.errors import ConfigError
from lambdaproxy.gate.shared_buckets import table_of
from lambdaproxy.start.assembly import Assembly, assemble
from lambdaproxy.start.exposure import check_listener
from lambdaproxy.start.link import Link, Place, to_supervisor
from lambdaproxy.start.places import check_places, check_profiles
from lambdaproxy.start.privileges import check_user
from lambdaproxy.start.shares import Share
from lambdaproxy.start.workers import check_twistd, count_workers, supervise
from lambdaproxy.watch import journal
from lambdaproxy.watch.manner import Manners
from lambdaproxy.watch.outputs import TWISTD_LOG


class Options(cli.Options):
    """The command line; afterwards `assembly` holds everything it says."""

    assembly: Assembly
    #: How many workers there are to be; None for one process without a supervisor.
    workers: int | None = None
    #: Whether sockets, files and profiles are looked for: they are to be used here.
    looks = True
    #: Which of them this process is.
    worker: tuple[Link, Place] | None = None

    def parseOptions(self, options: Any = None) -> None:
        """As anywhere, but a mistake is a sentence on standard error: twistd would print all the options before it."""
        try:
            super().parseOptions(options)
        except usage.UsageError as error:
            refuse(error)

    def postOptions(self) -> None:
        install_unless_chosen()
        self._leave_out_the_pid_file()
        link = to_supervisor()
        try:
            if link is not None:
                link.files()
            self.assembly = assemble(self.configuration())
            self.workers = count_workers(self.assembly)
            settings = self.assembly.settings
            if settings.port.isdigit():
                host = f"{settings.host}:{settings.port}"
                check_listener(settings, is_loopback(settings.host), host)
            self.assembly.check_invokers()
            if self.looks:
                check_places(settings, self.assembly.configuration.origins)
                check_profiles(self.assembly, os.environ)
            if link is not None:
                self._take_our_place(link)
        except ConfigError as error:
            raise usage.UsageError(str(error)) from None
        if self["check"]:
            print("The configuration is good. Routes:")
            print("\n".join(f"  {line}" for line in self.assembly.describe()), flush=True)
            if self.assembly.configuration.differences:
                print("Not done as it is written:")
                print("\n".join(f"  {text}" for text in self.assembly.configuration.differences), flush=True)
            _tell_interpreters(self.assembly)
            if self["aws"]:
                _check_on_aws(self.assembly)
            raise SystemExit(0)
        if self["aws"]:
            raise usage.UsageError("--aws goes with --check")

    def _take_our_place(self, link: Link) -> None:
        place = link.hello(self.workers, self.assembly.settings.drain_timeout)
        self.worker = link, place
        self.assembly = self.assembly.of_worker(Share(place.number, place.of, table_of(place.board, place.lock)))

    def become_supervisor(self) -> None:
        """Be the supervisor from now on, if there is to be one and this is not one of its workers."""
        if self.workers is not None and self.worker is None:
            check_twistd(self.parent or {}, sys.argv)
            self.access_log()
            supervise(self.assembly, self.workers)

    def _leave_out_the_pid_file(self) -> None:
        """In the foreground a PID file is of no use, and two programs in one directory would quarrel about it."""
        twistd: Any = self.parent
        asked = any(word.startswith("--pidfile") for word in sys.argv)
        if twistd is not None and twistd.get("nodaemon") and twistd.get("pidfile") == "twistd.pid" and not asked:
            twistd["pidfile"] = ""

    def manners(self) -> Manners:
        """How what is logged is written. Who names an observer of his own to twistd, or asks `twist`, has said so."""
        settings, twistd = self.assembly.settings, self.parent
        manners = Manners(settings.log_format, settings.log_level)
        own = twistd is not None and (twistd.get("logger") or "nodaemon" not in twistd)
        if settings.log_format is not None or not own:
            manners.shape_twistd()
        return manners

    def access_log(self) -> str | None:
        """Where access lines go: what `--access-log` says, else where twistd logs; None for nowhere."""
        chosen = self.assembly.settings.access_log
        twistd: Any = self.parent or {}
        logfile = twistd.get("logfile")
        if logfile and os.path.exists(logfile) and stat.S_ISFIFO(os.stat(logfile).st_mode):
            raise ConfigError(
                f"--logfile: twistd cannot open a FIFO; log to standard output, as in twistd -n > {logfile}"
            )
        if chosen is None:
            plain = twistd.get("nodaemon", True) and not twistd.get("logger") and not twistd.get("syslog")
            return "-" if plain and logfile in (None, "-") else TWISTD_LOG
        if logfile and chosen == os.path.abspath(logfile):
            raise ConfigError("--access-log: this is twistd's own --logfile; leave the option out to log there")
        return None if chosen == "off" else chosen


def refuse(reason: object) -> NoReturn:
    """End with one sentence on standard error, and 1."""
    _say(reason, sys.stderr)
    raise SystemExit(1) from None


def _say(reason: object, stderr: Any) -> None:
    link = to_supervisor()
    if link is not None:
        link.failed(str(reason))  # who says it once for all workers
        return
    text = f"lambdaproxy: {reason}\n"
    print(journal.prefixed("error", text) if _read_by_journal(stderr) else text, end="", file=stderr)
    tell(os.environ, f"STATUS={reason}")


def _read_by_journal(file: Any) -> bool:
    try:
        return journal.reads(file.fileno())
    except (AttributeError, OSError, ValueError):  # a file that is none, in a test
        return False


def makeService(options: Options) -> IService:
    """The service that twistd starts; nothing is opened here, because twistd has not forked yet."""
    from twisted.internet import reactor

    from lambdaproxy.start.service import ProxyService

    sys.excepthook = _say_in_one_sentence
    check_user(options.parent or {})
    options.become_supervisor()
    use_monotonic_clock(reactor)
    return ProxyService(
        reactor,
        options.assembly,
        options.access_log(),
        options.worker,
        lambda: assemble(options.configuration()),
        options.manners(),
    )


def _tell_interpreters(assembly: Assembly) -> None:
    """Print which runtimes of functions another interpreter of this machine would run."""
    from lambdaproxy.runtime.interpreters import interpreters, missing_text

    environ = dict(os.environ)
    missing = interpreters(assembly.functions.values(), environ)[1]
    if missing:
        print("On this machine:")
    for identifier, names in missing.items():
        print(f"  {missing_text(identifier, names, environ)}", flush=True)


def _check_on_aws(assembly: Assembly) -> None:
    """Print a finding for every function, and end: with 1 if one of them cannot be expected to answer."""
    from twisted.internet.defer import Deferred
    from twisted.internet.task import react

    from lambdaproxy.start.checking import examine_all

    async def check(reactor: Any) -> None:
        use_monotonic_clock(reactor)
        findings = await examine_all(reactor, assembly)
        print("On AWS:" if findings else "No function on AWS is configured.")
        for finding in findings:
            print(f"  {'good' if finding.good else 'BAD '} {finding}", flush=True)
        raise SystemExit(0 if all(finding.good for finding in findings) else 1)

    react(lambda reactor: Deferred.fromCoroutine(check(reactor)))


def _say_in_one_sentence(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """A start that was refused is a sentence for the operator, not a traceback; twistd still exits with 1."""
    if isinstance(error, ConfigError):
        _say(error, sys.__stderr__)
    else:
        sys.__excepthook__(kind, error, trace)
