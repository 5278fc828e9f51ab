"""Completion of the command line in shells: `python -m lambdaproxy.completion bash|zsh|fish` prints what a shell reads.

One function in bash knows all; zsh runs it by its own bashcompinit. fish has descriptions of its own. Formats of
plugins that are installed are among the words; whoever installs another one prints it again.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from shlex import quote

from lambdaproxy.command import ctl
from lambdaproxy.command.main import COMMANDS
from lambdaproxy.manual import options
from lambdaproxy.manual.options import Offered

_BASH = """\
# Completion for lambdaproxy, made by `python -m lambdaproxy.completion bash`.
_lambdaproxy() {
    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
    local command=${COMP_WORDS[1]} kind=${COMP_WORDS[2]} words='' given='' takes='' values='' files=''
    # bash cuts words at =, so that --format=alb is three of them.
    if [[ $current == = ]]; then current=''
    elif [[ $before == = ]]; then before=${COMP_WORDS[COMP_CWORD-2]}; fi
    COMPREPLY=()
    if (( COMP_CWORD == 1 )); then
        COMPREPLY=($(compgen -W @COMMANDS@ -- "$current"))
        return
    fi
    case $command in
        @SERVE@) given=@GIVEN@ takes=@TAKES@;;
    esac
    case $command in
@CASES@
    esac
    if [[ " $takes " == *" $before "* ]]; then
        case $before in
@VALUES@
        esac
        if [[ $values ]]; then
            COMPREPLY=($(compgen -W "$values" -- "$current"))
        elif [[ $files ]]; then
            COMPREPLY=($(compgen -f -- "$current"))
            compopt -o filenames 2>/dev/null
        fi
    elif [[ $current == -* || $words ]]; then
        COMPREPLY=($(compgen -W "$words $given" -- "$current"))
    else
        COMPREPLY=($(compgen -f -- "$current"))
        compopt -o filenames 2>/dev/null
    fi
}
complete -F _lambdaproxy lambdaproxy
"""

_ZSH = """\
#compdef lambdaproxy
autoload -U +X bashcompinit && bashcompinit
"""
_ZSH_FIRST = """\
# Where zsh has loaded this file because somebody wants completion, that is still to be done.
[[ ${funcstack[1]} != _lambdaproxy ]] || _bash_complete -F _lambdaproxy
"""


def script(shell: str) -> str:
    """What the shell reads; `KeyError` for a shell that is not known."""
    return {"bash": _bash, "zsh": lambda: _ZSH + _bash() + _ZSH_FIRST, "fish": _fish}[shell]()


def _names(offered: Iterable[Offered]) -> str:
    return " ".join(name for each in offered for name in each.names)


def _takes(offered: Iterable[Offered]) -> str:
    return " ".join(name for each in offered if each.value for name in each.names)


def _bash() -> str:
    cases, values = [], _values(options.of_serve())
    for name in COMMANDS:
        offered = options.of_command(name, alone=True)
        lines = [f"given+={quote(' ' + _names(offered))} takes+={quote(' ' + _takes(offered))}"]
        if name == "event":
            lines.append(f"(( COMP_CWORD == 2 )) && words={quote(' '.join(options.kinds()))}")
            lines.append("case $kind in")
            for kind in options.kinds():
                of_kind = options.of_event(kind)
                lines.append(f"    {kind}*) given={quote(_names(of_kind))} takes={quote(_takes(of_kind))};;")
                values |= _values(of_kind)
            lines.append("esac")
        elif name == "ctl":
            lines.append(f"words={quote(' '.join(ctl.ACTIONS))}")
        values |= _values(offered)
        cases.append(f"        {name})\n" + "\n".join(f"            {line}" for line in lines) + ";;")
    filled = {
        "COMMANDS": quote(" ".join((*COMMANDS, "--help", "--version"))),
        "SERVE": "|".join(sorted(options.OF_SERVE)),
        "GIVEN": quote(_names(options.of_serve())),
        "TAKES": quote(_takes(options.of_serve())),
        "CASES": "\n".join(cases),
        "VALUES": "\n".join(f"            {name}) {what};;" for name, what in sorted(values.items())),
    }
    return re.sub("@([A-Z]+)@", lambda found: filled[found[1]], _BASH)


def _values(offered: Iterable[Offered]) -> dict[str, str]:
    found = {}
    for each in offered:
        for name in each.names:
            if each.choices:
                found[name] = f"values={quote(' '.join(each.choices))}"
            elif each.value and each.files:
                found[name] = "files=yes"
    return found


def _fish() -> str:
    return "\n".join(_fish_lines()) + "\n"


def _fish_lines() -> Iterator[str]:
    yield "# Completion for lambdaproxy, made by `python -m lambdaproxy.completion fish`."
    for name, command in COMMANDS.items():
        yield f"complete -c lambdaproxy -f -n __fish_use_subcommand -a {name} -d {_text(command.help)}"
    for name in COMMANDS:
        seen = f"'__fish_seen_subcommand_from {name}'"
        if name == "event":
            for kind, help in options.kinds().items():
                yield f"complete -c lambdaproxy -f -n {seen} -a {kind} -d {_text(help)}"
                inside = f"'__fish_seen_subcommand_from event; and __fish_seen_subcommand_from {kind}'"
                yield from (_fish_option(inside, each) for each in options.of_event(kind))
        elif name == "ctl":
            for action, help in ctl.ACTIONS.items():
                yield f"complete -c lambdaproxy -f -n {seen} -a {action} -d {_text(help)}"
        yield from (_fish_option(seen, each) for each in options.of_command(name, alone=True))
    seen = f"'__fish_seen_subcommand_from {' '.join(sorted(options.OF_SERVE))}'"
    yield from (_fish_option(seen, each) for each in options.of_serve())


def _fish_option(where: str, each: Offered) -> str:
    words = [f"complete -c lambdaproxy -n {where}"]
    for name in each.names:
        words.append(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}")
    if each.value:
        words.append("-r" if each.files else "-x")
    if each.choices:
        words.append(f"-a {quote(' '.join(each.choices))}")
    return " ".join([*words, f"-d {_text(each.help)}"])


def _text(help: str) -> str:
    """The first sentence, quoted as fish has it."""
    first = help.partition(". ")[0].partition("\n")[0].rstrip(".")
    return "'" + first.replace("\\", "\\\\").replace("'", "\\'") + "'"


def main() -> None:
    """Print the script for the shell that is named; ends with a sentence where it is not known."""
    if len(sys.argv) != 2 or sys.argv[1] not in options.SHELLS:
        sys.exit(f"name one shell: {', '.join(options.SHELLS)}")
    print(script(sys.argv[1]), end="")


if __name__ == "__main__":
    main()
