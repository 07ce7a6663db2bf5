"""Flags and environment: Argo Rollouts' names and defaults, Go's manner, nothing unknown."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
import structlog

import rollouts
from analysis.providers.egress import Egress
from analysis.providers.http import Http
from rollouts.kube.clock import wall_clock
from rollouts.kube.lease import Terms
from rollouts.logs import configure
from rollouts.manager import Controllers
from rollouts.sandbox.apiserver.server import ApiServer
from rollouts.settings import Settings, SettingsError, help_text, parse, parse_or_exit
from rollouts.settings.flags import FLAGS

OPERATIONS = Path(__file__).parents[2] / "shared" / "contract" / "operations.md"


def read(*argv: str, **environ: str) -> Settings:
    return parse(argv, environ)


def test_without_flags_the_defaults_are_those_of_argo_rollouts() -> None:
    settings = read()
    assert (settings.metrics_port, settings.healthz_port) == (8090, 8080)
    assert (settings.rollout_threads, settings.ephemeral_metadata_threads) == (10, 10)
    assert settings.leader_elect
    assert settings.terms == Terms(15, 10, 2)
    assert (settings.log_level, settings.log_format) == ("info", "text")
    assert settings.istio_api_version == "v1alpha3"
    assert settings.lease_name == "argo-rollouts-controller-lock"
    assert settings.controller_namespace == "argo-rollouts"
    assert not settings.namespaced


@pytest.mark.parametrize(
    "argv",
    [
        ("--metricsPort=9", "--namespaced"),
        ("--metricsPort", "9", "--namespaced=true"),
        ("-metricsport=9", "-namespaced=T"),
    ],
)
def test_flags_are_read_in_the_manner_of_go(argv: tuple[str, ...]) -> None:
    settings = read(*argv)
    assert settings.metrics_port == 9
    assert settings.namespaced


@pytest.mark.parametrize("argv", [("-nteam",), ("-n=team",), ("-n", "team"), ("--namespace=team",)])
def test_a_flag_with_a_letter_may_have_its_value_beside_it(argv: tuple[str, ...]) -> None:
    assert read(*argv).access.namespace == "team"


@pytest.mark.parametrize(
    ("level", "quiet"), [("warning", False), ("WARN", False), ("Info", False), ("trace", False), ("panic", True)]
)
def test_levels_and_formats_of_logs_are_taken_as_argo_rollouts_takes_them(
    level: str, quiet: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = read(f"--loglevel={level}", "--logformat=JSON")
    assert settings.log_format == "json"
    configure(settings.log_level, settings.log_format)
    structlog.get_logger("test").error("said")
    assert ('"said"' in capsys.readouterr().err) is not quiet


def test_a_bool_can_be_turned_off_and_takes_no_next_word() -> None:
    assert not read("--leader-elect=false").leader_elect
    with pytest.raises(SettingsError, match="unexpected argument: false"):
        read("--leader-elect", "false")


def test_the_last_value_wins_and_lists_gather() -> None:
    settings = read("--instance-id=a", "--instance-id=b", "--as-group=x", "--as-group", "y,z")
    assert settings.instance_id == "b"
    assert settings.access.impersonate_groups == ("x", "y", "z")


def test_networks_that_metrics_may_be_asked_for_from_gather_and_have_to_be_networks() -> None:
    settings = read("--metric-egress-allowed=169.254.10.0/24,fd00:ec2::254", "--metric-egress-allowed=169.254.11.7")
    assert settings.metric_egress_allowed == ("169.254.10.0/24", "fd00:ec2::254", "169.254.11.7")
    with pytest.raises(SettingsError, match=r"--metric-egress-allowed=metadata: .*; write 10.0.0.0/8 or one address"):
        read("--metric-egress-allowed=metadata")


def test_those_networks_are_open_to_the_metrics_of_the_controllers(monkeypatch: pytest.MonkeyPatch) -> None:
    lent: list[Egress] = []

    def http(egress: Egress) -> Http:
        lent.append(egress)
        return Http(egress=egress)

    monkeypatch.setattr("rollouts.manager.Http", http)
    Controllers(ApiServer(wall_clock), read("--metric-egress-allowed=169.254.10.0/24"))
    assert lent == [Egress(("169.254.10.0/24",))]


def test_an_instance_has_a_lease_of_its_own() -> None:
    assert read("--instance-id=blue").lease_name == "argo-rollouts-controller-lock-blue"


@pytest.mark.parametrize("argv", [("--colour=red",), ("--aws-region", "eu"), ("-x",), ("--rollout-thread=3",)])
def test_an_unknown_flag_is_refused_by_name(argv: tuple[str, ...]) -> None:
    with pytest.raises(SettingsError, match=f"unknown flag: {argv[0].partition('=')[0]}"):
        read(*argv)


@pytest.mark.parametrize(
    ("argv", "named"),
    [
        (("--metricsPort=many",), "--metricsPort"),
        (("--rollout-threads=-1",), "--rollout-threads"),
        (("--qps=fast",), "--qps"),
        (("--leader-elect=perhaps",), "--leader-elect"),
        (("--leader-election-retry-period=2 seconds",), "--leader-election-retry-period"),
        (("--loglevel=loud",), "--loglevel"),
        (("--kubeconfig",), "--kubeconfig"),
        (("promote",), "promote"),
    ],
)
def test_a_value_that_cannot_be_read_is_refused_by_the_name_of_its_flag(argv: tuple[str, ...], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        read(*argv)


@pytest.mark.parametrize(
    "flag",
    [
        "--controllers=analysis",
        "--self-service-notification-enabled",
        "--enable-pprof-address=:6060",
    ],
)
def test_a_feature_that_is_not_there_is_refused_and_not_ignored(flag: str) -> None:
    with pytest.raises(SettingsError, match=r"not supported yet|no Go profiler"):
        read(flag)


def test_turning_off_a_feature_that_is_not_there_is_fine() -> None:
    assert read("--self-service-notification-enabled=false") is not None


@pytest.mark.parametrize("flag", ["--aws-verify-target-group", "--alb-verify-weight=true"])
def test_load_balancers_are_asked_under_either_name_of_the_flag(flag: str) -> None:
    assert read(flag).aws_verify_target_group
    assert not read().aws_verify_target_group


def test_analyses_are_limited_only_when_asked_for() -> None:
    assert read().analysis_threads == 0
    assert read("--analysis-threads=7").analysis_threads == 7


def test_requests_are_limited_only_when_asked_for() -> None:
    assert (read().access.qps, read().access.burst) == (0, 0)
    assert read("--qps=40").access.qps == 40
    assert (read("--burst=80").access.qps, read("--burst=80").access.burst) == (40, 80)


def test_the_flags_of_kubectl_reach_the_cluster_access() -> None:
    access = read(
        "--kubeconfig=/k", "--context", "c", "-n", "team", "-s=https://api", "--as=me", "--as-group=a", "--as-group=b",
        "--request-timeout=1m30s", "--insecure-skip-tls-verify",
    ).access  # fmt: skip
    assert (access.kubeconfig, access.context, access.namespace, access.server) == ("/k", "c", "team", "https://api")
    assert (access.impersonate, access.impersonate_groups) == ("me", ("a", "b"))
    assert access.request_timeout == 90
    assert access.insecure_skip_tls_verify is True
    assert read().access.insecure_skip_tls_verify is None


def test_a_lease_that_could_not_work_is_refused() -> None:
    with pytest.raises(SettingsError, match="longer than the renew deadline"):
        read("--leader-election-lease-duration=5s")
    assert read("--leader-election-lease-duration=5s", "--leader-elect=false").terms.duration == 5


def test_the_environment_says_where_the_controller_lives() -> None:
    assert read(POD_NAMESPACE="delivery").controller_namespace == "delivery"
    jobs = read(ARGO_ROLLOUTS_ANALYSIS_JOB_NAMESPACE="jobs", ARGO_ROLLOUTS_ANALYSIS_JOB_KUBECONFIG="in-cluster")
    assert (jobs.job_namespace, jobs.job_kubeconfig) == ("jobs", "in-cluster")


@pytest.mark.parametrize(("text", "seconds"), [("25", 25), ("1m", 60), ("", 10)])
def test_the_verify_interval_is_taken_at_its_word(text: str, seconds: float) -> None:
    assert read(ROLLOUT_VERIFY_RETRY_INTERVAL=text).verify_retry_interval == seconds


@pytest.mark.parametrize("text", ["soon", "0", "-3s"])
def test_a_verify_interval_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="ROLLOUT_VERIFY_RETRY_INTERVAL"):
        read(ROLLOUT_VERIFY_RETRY_INTERVAL=text)


def test_every_flag_of_argo_rollouts_is_known() -> None:
    if not OPERATIONS.exists():
        pytest.skip("the facts about Argo Rollouts are not beside the repository")
    section = OPERATIONS.read_text().partition("### 1.1 Flags")[2].partition("### 1.2")[0]
    named = set(re.findall(r"`--([a-zA-Z-]+)", section)) - {"flag", "aws-region"}  # the manner, and one it never had
    assert len(named) > 50
    assert named - {name for flag in FLAGS for name in (flag.name, *flag.aliases)} == set()


def test_every_candidate_has_an_identity_of_its_own() -> None:
    assert read().identity != read().identity


def test_help_names_every_flag() -> None:
    text = help_text()
    assert [flag.name for flag in FLAGS if f"--{flag.name}" not in text] == []


def test_a_program_ends_with_one_for_a_wrong_flag_and_nought_for_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="1"):
        parse_or_exit(["--colour"], {})
    assert "Error: unknown flag: --colour" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="0"):
        parse_or_exit(["-h"], {})
    assert "Leader election:" in capsys.readouterr().out


def test_a_program_tells_its_version_and_ends(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        parse_or_exit(["--version"], {})
    assert capsys.readouterr().out == f"rollouts controller v{rollouts.__version__}\n"


def test_every_setting_is_read_by_somebody() -> None:
    """A flag that sets a value which nobody reads is silently ignored; its help has to say `accepted` instead."""
    package = Path(rollouts.__file__).parent
    readers = [path for path in package.rglob("*.py") if path.name not in ("settings.py", "flags.py")]
    read = {word for path in readers for word in re.findall(r"settings\.(\w+)", path.read_text())}
    assert {each.name for each in fields(Settings)} - read - {"help", "version"} == set()
