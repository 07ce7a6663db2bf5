"""Command lines: what is accepted where, what is refused, and how fast help comes."""

import resource
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from rollouts.cli import main, plugin
from rollouts.cli.commands import parser
from rollouts.cli.flags import Parser, access_of
from tests import make
from tests.cli.served import parse

BIN = Path(sys.executable).parent


def test_kubectl_flags_stand_before_and_after_the_command() -> None:
    for argv in (("-n", "a", "--context=c", "get", "ro", "r"), ("get", "-n", "a", "ro", "r", "--context", "c")):
        access = access_of(parse(*argv))
        assert (access.namespace, access.context, access.kubeconfig) == ("a", "c", "")


def test_every_connection_flag_reaches_the_wire() -> None:
    line = (
        "status r --as u --as-group g --as-group h --as-uid 7 --certificate-authority ca --client-certificate cc "
        "--client-key ck --cluster cl --insecure-skip-tls-verify --kubeconfig k --request-timeout 20s -s http://s "
        "--tls-server-name t --token s3cret --user me --disable-compression=true -v 4 --cache-dir d"
    )
    access = access_of(parse(*line.split()))
    assert (access.impersonate, access.impersonate_groups, access.impersonate_uid) == ("u", ("g", "h"), "7")
    assert (access.certificate_authority, access.client_certificate, access.client_key) == ("ca", "cc", "ck")
    assert (access.cluster, access.user, access.kubeconfig, access.server) == ("cl", "me", "k", "http://s")
    assert (access.tls_server_name, access.token, access.request_timeout) == ("t", "s3cret", 20.0)
    assert access.insecure_skip_tls_verify is True
    assert access.disable_compression is True


@pytest.mark.parametrize(
    ("argv", "watch"),
    [
        (("status", "r"), True),
        (("status", "--watch=false", "r"), False),
        (("status", "r", "-w=false"), False),
        (("status", "r", "--watch"), True),
        (("get", "ro", "r"), False),
        (("get", "ro", "-w", "r"), True),
        (("get", "ro", "r", "--watch=true"), True),
    ],
)
def test_switches_can_be_given_a_value(argv: tuple[str, ...], watch: bool) -> None:
    assert parse(*argv).watch is watch


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("promote",), "the following arguments are required: ROLLOUT"),
        (("get",), "the following arguments are required: COMMAND"),
        (("frobnicate",), "invalid choice: 'frobnicate'"),
        (("promote", "r", "--ful"), "unrecognized arguments: --ful"),
        (("status", "r", "-t", "soon"), 'time: invalid duration "soon"'),
        (("set", "image", "r"), "required: CONTAINER=IMAGE"),
    ],
)
def test_a_line_that_nobody_can_read_ends_with_usage_and_exit_code_1(
    argv: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(*argv)
    told = capsys.readouterr().err
    assert caught.value.code == 1
    assert told.startswith("usage: kubectl argo rollouts")
    assert words in told.splitlines()[-1]
    assert told.splitlines()[-1].startswith("Error: ")


def _commands(top: Parser) -> list[str]:
    """Every `module:function` that the parser can lead to."""
    found = [top.get_default("command")] if top.get_default("command") else []
    for action in top._actions:
        if isinstance(action.choices, dict):
            found += [command for each in action.choices.values() for command in _commands(each)]
    return found


def test_every_command_leads_to_a_function() -> None:
    names = set(_commands(parser()))
    assert len(names) >= 17
    for command in names:
        module, _, function = command.partition(":")
        assert callable(getattr(import_module(module), function)), command


def test_without_a_command_both_programs_explain_themselves(capsys: pytest.CaptureFixture[str]) -> None:
    assert plugin.run([]) == 0
    assert "promote" in capsys.readouterr().out
    assert main.run([]) == 0
    assert "sandbox up" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["sandbox", "down"], "Error: unknown command 'sandbox down'; did you mean `rollouts sandbox up`?"),
        (["contoller"], "Error: unknown command 'contoller'; did you mean `rollouts controller`?"),
        (["zzz"], "Error: unknown command 'zzz'"),
    ],
)
def test_a_command_that_does_not_exist_is_answered_by_one_that_does(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(words) == 1
    assert capsys.readouterr().err.splitlines()[-1] == told


def test_the_version_is_told_without_a_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    assert plugin.run(["version", "--short"]) == 0
    assert capsys.readouterr().out.startswith("kubectl-argo-rollouts: v")
    assert main.run(["version"]) == 0
    assert capsys.readouterr().out.startswith("rollouts v")


def test_lint_of_the_plugin_needs_no_cluster(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(yaml.safe_dump(make.rollout(make.weight(20), make.pause())))
    bad.write_text(yaml.safe_dump(make.rollout(make.weight(120))))
    assert plugin.run(["lint", "-f", str(good)]) == 0
    assert capsys.readouterr().out == ""
    assert plugin.run(["lint", "--filename", str(good), "-f", str(bad)]) == 1
    told = capsys.readouterr().out
    assert told.startswith(f"{bad}:")
    assert ": error: spec.strategy.steps[0].setWeight: Invalid value: 120" in told


def test_a_configuration_that_is_not_there_is_an_error_of_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plugin.run(["status", "r", "--kubeconfig", str(tmp_path / "none")]) == 1
    told = capsys.readouterr().err
    assert told.startswith("Error: ")
    assert len(told.splitlines()) == 1


@pytest.mark.parametrize("argv", [("-m", "rollouts", "--help"), (str(BIN / "kubectl-argo-rollouts"), "--help")])
def test_help_takes_no_time(argv: tuple[str, ...]) -> None:
    """Counted in processor time, which other work on the machine does not lengthen."""

    def spent() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before, started = spent(), time.monotonic()
    done = subprocess.run([sys.executable, *argv], capture_output=True, check=True, timeout=60)
    assert b"usage:" in done.stdout
    assert spent() - before < 0.3, f"after {time.monotonic() - started:.2f} s"
