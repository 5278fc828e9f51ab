"""Lines of keys in a TOML text."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdaproxy.config.locate import line_of, locate

TEXT = '''\
# a comment
port = 8011
"aws-region" = "eu-west-1"   # [not a table]
a.b.c = 1

text = """
[fake]
port = 2
\\""" still """
list = [
  "x", # ]
  "y",
]

[invoker.eu]
kind = "aws"
inline = { region = "eu-west-1", deep = [1, 2] }

[[route]]
path = "/a"

[[route]]
host = 'b.example.com'
path = "/b"
[route.format]
name = "alb"

[function."my-fn"]
handler = "a.b"
literal = \'\'\'
[x]
\'\'\'
last = 1
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("port",), 2),
        (("aws-region",), 3),
        (("a", "b", "c"), 4),
        (("a", "b"), 4),
        (("text",), 6),
        (("list",), 10),
        (("invoker",), 15),
        (("invoker", "eu"), 15),
        (("invoker", "eu", "kind"), 16),
        (("invoker", "eu", "inline"), 17),
        (("route", 0), 19),
        (("route", 0, "path"), 20),
        (("route", 1, "host"), 23),
        (("route", 1, "format"), 25),
        (("route", 1, "format", "name"), 26),
        (("function", "my-fn", "handler"), 29),
        (("function", "my-fn", "last"), 33),
    ],
)
def test_lines(path, line):
    tomllib.loads(TEXT)  # the text is valid
    assert locate(TEXT)[path] == line


def test_nothing_inside_strings_is_a_key():
    assert ("fake",) not in locate(TEXT)
    assert ("x",) not in locate(TEXT)


def test_the_nearest_thing_around():
    lines = locate(TEXT)
    assert line_of(lines, ("invoker", "eu", "inline", "region")) == 17
    assert line_of(lines, ("route", 1, "unset")) == 22
    assert line_of(lines, ("nowhere",)) == 1


_keys = st.text("abcdefg-_", min_size=1, max_size=6)
_values = st.sampled_from(['"a"', "1", "[1,\n 2]", '"""x\n[y]\n"""', "{a = 1}", "true", "'#'"])


@given(st.dictionaries(_keys, _values, max_size=8))
def test_every_key_is_found_on_its_line(table):
    text = "".join(f"{key} = {value}\n" for key, value in table.items())
    tomllib.loads(text)
    lines = locate(text)
    for key in table:
        assert text.split("\n")[lines[(key,)] - 1].startswith(f"{key} =")
