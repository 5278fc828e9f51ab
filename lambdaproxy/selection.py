"""Which function a request may invoke: the grammar of names, the header that names one, and what `--allow` permits."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from lambdaproxy.base.shapes import Shapes
from lambdaproxy.errors import BadFunctionHeader, NotPermitted
from lambdaproxy.messages import Headers

_PART = r"[A-Za-z0-9_-]"
_NAME = re.compile(rf"{_PART}{{1,64}}")
_QUALIFIER = r"\$LATEST(?:\.PUBLISHED)?|[A-Za-z0-9_-]{1,128}"
_IS_QUALIFIER = re.compile(_QUALIFIER)
_ARN = re.compile(
    r"((?:arn:aws[a-z-]{0,20}:lambda:[a-z]{2,4}(?:-[a-z]{2,12}){1,3}-[0-9]{1,2}:)?[0-9]{12}:function:[A-Za-z0-9_-]{1,64})"
    rf"(?::({_QUALIFIER}))?"
)
_PATTERN = re.compile(r"[A-Za-z0-9_$.*?:-]+")


@dataclass(frozen=True, slots=True)
class FunctionName:
    """A function as an operator or a client names it: a name, a partial or a full ARN, and a version or alias."""

    name: str
    qualifier: str | None = None

    @property
    def is_arn(self) -> bool:
        """Whether it names an account, too: an ARN or a partial one."""
        return ":" in self.name

    @property
    def region(self) -> str | None:
        """The region that a full ARN names."""
        return self.name.split(":")[3] if self.name.startswith("arn:") else None

    def __str__(self) -> str:
        return f"{self.name}:{self.qualifier}" if self.qualifier else self.name


def parse_function(text: str) -> FunctionName:
    """`NAME`, `ACCOUNT:function:NAME` or a full ARN, each with `:QUALIFIER` or not; `ValueError` for anything else.

    As in AWS's API reference for Invoke.
    """
    if text.startswith("arn:") or text.count(":") > 1:
        found = _ARN.fullmatch(text)
        if found is None:
            raise ValueError(
                f"{text!r} is no function ARN such as arn:aws:lambda:eu-west-1:123456789012:function:api, and no "
                "partial one such as 123456789012:function:api"
            )
        return FunctionName(found[1], found[2])
    name, colon, qualifier = text.partition(":")
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no function name: 1 to 64 letters, digits, hyphens and underscores")
    if colon and not _IS_QUALIFIER.fullmatch(qualifier):
        raise ValueError(f"{qualifier!r} is no version or alias")
    return FunctionName(name, qualifier or None)


@dataclass(frozen=True, slots=True)
class Pattern:
    """One `--allow`: permits what it matches as a whole, part by part."""

    text: str
    matches: Callable[[str], object]

    @property
    def everything(self) -> bool:
        """Whether it permits any function name at all, bare or at the end of an ARN."""
        parts = self.text.split(":")
        at = {"arn": 6, "partial": 2, "name": 0}[self.kind]
        return set(parts[at if len(parts) > at else 0]) <= {"*", "?"}

    @property
    def kind(self) -> str:
        """Which form of names it is for: `name`, `partial` or `arn`."""
        return _kind(self.text)


def parse_allow(text: str) -> Pattern:
    """Compile an `--allow` pattern; `*` and `?` stay within one colon-separated part: `api-*` permits no qualifier."""
    if not _PATTERN.fullmatch(text):
        several = "; give the option once for each pattern" if "," in text or " " in text else ""
        raise ValueError(f"{text!r} is no pattern: letters, digits, - and _ of function names, with * and ?{several}")
    parts = text.split(":")
    if "." in "".join(parts[:-1]) or ("." in parts[-1] and not (len(parts) > 1 and parts[-1][0] in "$*?")):
        raise ValueError(f"{text!r}: a dot is in no function name, only in :$LATEST.PUBLISHED")
    if _kind(text) == "partial" and (parts[1] != "function" or len(parts) > 4):
        raise ValueError(
            f"{text!r} has more than NAME:QUALIFIER; a pattern for ARNs begins with arn:, one for partial ARNs is "
            "ACCOUNT:function:NAME"
        )
    expression = re.escape(text).replace(r"\*", "[^:]*").replace(r"\?", "[^:]")
    return Pattern(text, re.compile(expression).fullmatch)


def _kind(text: str) -> str:
    return "arn" if text.startswith("arn:") else "partial" if text.count(":") > 1 else "name"


class FunctionHeader:
    """Reads the header that names the function, and takes it out of the headers that the event will show.

    `permits` decides about a name that is well formed; where it says no, `NotPermitted` is raised, with the `--allow`
    that would permit it in the detail.
    """

    def __init__(self, header: str | None, permits: Callable[[FunctionName], bool]) -> None:
        self.header = header
        self._name = (header or "").lower().encode()
        self._alias = self._name.replace(b"-", b"_")
        self._permits = permits
        self._places = Shapes(self._place)

    def split(self, headers: Headers) -> tuple[bytes | None, Headers]:
        """The header's value, None where it was not sent, and the other headers.

        Raises `BadFunctionHeader` if it was sent twice, or with underscores: programs that turn header names into
        variables cannot tell the two spellings apart, so a proxy in front may have checked only one of them.
        """
        if not headers or not self._name:
            return None, headers
        place = self._places[next(zip(*headers))]  # noqa: B905
        if place is None:
            return None, headers
        return headers[place][1], headers[:place] + headers[place + 1 :]

    def _place(self, names: tuple[bytes, ...]) -> int | None:
        """Where the header stands among others."""
        found = None
        for place, name in enumerate(names):
            lower = name.lower()
            if lower == self._name:
                if found is not None:
                    raise BadFunctionHeader(f"The {self.header} header was sent more than once; send it once.")
                found = place
            elif lower.replace(b"-", b"_") == self._alias:
                raise BadFunctionHeader(
                    f"A header that could be taken for {self.header} was sent; spell it {self.header}."
                )
        return found

    def function(self, value: bytes | None) -> FunctionName:
        """The permitted function that `value` names; raises `BadFunctionHeader` or `NotPermitted`."""
        if value is None:
            if self.header is None:
                raise NotPermitted("no route matches, and no header may name a function (--function-header none)")
            raise BadFunctionHeader(f"No {self.header} header was sent; name the function to invoke in it.")
        try:
            function = parse_function(value.decode("ascii"))
        except ValueError:
            raise BadFunctionHeader(
                f"The {self.header} header names no function; send NAME, NAME:QUALIFIER or an ARN."
            ) from None
        if not self._permits(function):
            raise NotPermitted(
                f"{str(function)[:200]} is not permitted; --allow '{str(function)[:200]}' would permit it"
            )
        return function


def permitted_by(patterns: tuple[Pattern, ...]) -> Callable[[FunctionName], bool]:
    """What the patterns permit; without patterns, any name and qualifier, but no ARN (for loopback listeners)."""
    if not patterns:
        return lambda function: not function.is_arn
    by_kind = {kind: [each.matches for each in patterns if each.kind == kind] for kind in ("arn", "partial", "name")}

    def permits(function: FunctionName) -> bool:
        kind = ("arn" if function.name.startswith("arn:") else "partial") if function.is_arn else "name"
        text = str(function)
        return any(matches(text) for matches in by_kind[kind])

    return permits
