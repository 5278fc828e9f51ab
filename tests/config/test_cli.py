"""The command line: made from the settings, and winning over the file."""

import pytest
from twisted.python import usage

from lambdaproxy.config.cli import Options, in_a_sentence
from lambdaproxy.config.settings import EVERYWHERE, SETTINGS, Settings
from lambdaproxy.config.values import Spec


def parse(*arguments):
    options = Options()
    options.parseOptions(list(arguments))
    return options.configuration()


def test_defaults():
    assert parse().settings == Settings()


def test_values():
    settings = parse(
        "--port", "0", "--format", "apigateway-v2:stage=prod", "--allow", "a-*", "--allow", "b", "--disable-metrics"
    ).settings  # fmt: skip
    assert settings.port == "0"
    assert settings.format == Spec("apigateway-v2", (("stage", "prod"),))
    assert [each.text for each in settings.allow] == ["a-*", "b"]
    assert settings.disable_metrics


@pytest.mark.parametrize("more", ["", "; possible options: max-body=, max-bodies="])
def test_what_getopt_says_in_each_version_of_python(more):
    said = in_a_sentence(f"option --max-bod not a unique prefix{more}", ["--max-bod", "1"])
    assert said.startswith("--max-bod may be any of --max-body, ")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--port", "99999"], "--port: 99999 is no port"),
        (["--port", "1", "--port", "2"], "--port is given 2 times"),
        (["--prot", "1"], "there is no option --prot; did you mean --port PORT?"),
        (["--Port", "1"], "did you mean --port PORT?"),
        (["--aws_region", "x"], "did you mean --aws-region REGION?"),
        (["--wibble"], "there is no option --wibble; see --help"),
        (["--port"], "--port needs a value: --port PORT"),
        (["--insecure=yes"], "--insecure takes no value; write --insecure alone"),
        (
            ["--metrics", "1", "--max-b", "1"],
            "--max-b may be any of --max-body, --max-body-framing, --max-bodies; write it",
        ),
        (["-port", "8011"], "-port: options begin with two hyphens; write --port 8011"),
        (["-port=8011"], "-port=8011: options begin with two hyphens; write --port 8011"),
        (["-host", "0.0.0.0", "-port", "1"], "write --host 0.0.0.0"),
        (["-disable-metrics"], "write --disable-metrics"),
        (["-aws-profile", "me"], "write --aws-profile me"),
        (["\u2013port", "8011"], "write --port 8011"),
        (["-x"], "there is no option -x"),
        (["-n"], "-n is twistd's: write it before lambdaproxy"),
        (["--logfile", "x"], "--logfile is twistd's: write it before lambdaproxy"),
        (["8011"], "'8011' is no option; options begin with two hyphens, as in --port 8011"),
        (["--format", "alp"], "--format: unknown format 'alp'; did you mean 'alb'"),
        (["--function", "a b"], "--function: 'a b' is no function name"),
        (["--endpoint-url", "ftp://example.com"], "--endpoint-url: "),
        (["--trusted-proxy", "10.0.0.0/99"], "--trusted-proxy: "),
        (["--config", "/nowhere.toml"], "--config: /nowhere.toml"),
        (["--timeout"], "--timeout"),
        (["hello"], "'hello' is no option"),
        (["template.yaml"], "'template.yaml' is no option; write --sam-template template.yaml"),
        (["serverless.yml"], "'serverless.yml' is no option; write --sam-template serverless.yml"),
        (["app.py:handler"], "'app.py:handler' is no option; write --local app=app.py:handler --function app"),
        (["src/my.fn.mjs:run"], "write --local my-fn=src/my.fn.mjs:run --function my-fn"),
        (["package.module:handler"], "write --local package=package.module:handler --function package"),
        (["127.0.0.1:8011"], "'127.0.0.1:8011' is no option; options begin with two hyphens"),
    ],
)
def test_wrong_values_name_the_option(arguments, says):
    with pytest.raises(usage.UsageError) as caught:
        parse(*arguments)
    assert says in str(caught.value)


def test_the_command_line_wins_over_the_file_and_a_route_over_both(tmp_path):
    path = tmp_path / "p.toml"
    path.write_text(
        "port = 1\ntimeout = 5\naws-region = 'a'\n[[route]]\npath = '/'\ntimeout = 7\n[[route]]\npath = '/b'"
    )
    configuration = parse("--config", str(path), "--timeout", "9")
    assert configuration.settings.port == "1"
    assert configuration.settings.timeout == 9
    assert [route.settings.timeout for route in configuration.routes] == [7, 9]
    assert configuration.origins["timeout"] == "--timeout"
    assert configuration.origins["port"] == f"{path}:1"


def test_the_help_speaks_of_every_setting():
    text = Options().getUsage(width=100)
    assert max(map(len, text.splitlines())) <= 100
    for name, setting in SETTINGS.items():
        assert f"--{name}" in text
        assert setting.help.split()[0] in text


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_whole(name):
    setting = SETTINGS[name]
    assert setting.help.endswith(".")
    assert setting.section
    assert setting.where <= EVERYWHERE
    assert setting.flag or setting.metavar
    assert not (isinstance(setting.default, float) and not setting.unit)


def test_the_formats_and_their_options_are_listed(capsys):
    with pytest.raises(SystemExit):
        parse("--help-formats")
    assert "multi_value" in capsys.readouterr().out


def test_version(capsys):
    with pytest.raises(SystemExit):
        parse("--version")
    assert capsys.readouterr().out.startswith("lambdaproxy ")
