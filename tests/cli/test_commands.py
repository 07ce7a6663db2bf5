"""Commands against an API server: what they print, what they change, how they fail."""

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from rollouts.api import labels
from rollouts.cli.session import CommandFailed
from rollouts.kube.errors import NotFound
from rollouts.kube.refs import ANALYSIS_RUN, DEPLOYMENT, EXPERIMENT, ROLLOUT
from rollouts.operations import NotPossible
from tests.cli import cluster
from tests.cli.served import Served

pytestmark = pytest.mark.virtual

SCREENS = Path(__file__).parent / "screens"


def expected(name: str) -> str:
    return (SCREENS / f"{name}.txt").read_text(encoding="utf-8")


@pytest_asyncio.fixture
async def served() -> AsyncIterator[Served]:
    made = Served()
    await made.define()
    for objs in (
        cluster.routed(),
        cluster.bluegreen(),
        cluster.aborted(),
        cluster.experimenting(),
        cluster.invalid(),
    ):
        await made.put(objs)
    yield made
    made.server.disconnect()


@pytest.mark.parametrize(
    ("name", "screen"),
    [
        ("r", "rollout-routed"),
        ("b", "rollout-bluegreen"),
        ("f", "rollout-aborted"),
        ("e", "rollout-experiment"),
        ("i", "rollout-invalid"),
    ],
)
async def test_get_rollout_prints_the_known_screen(served: Served, name: str, screen: str) -> None:
    assert await served.run("get", "rollout", name) == expected(screen)
    assert await served.run("get", "ro", name, "--no-color") == expected(screen)


@pytest.mark.parametrize(
    ("environment", "words", "live", "coloured"),
    [
        ({"TERM": "xterm"}, (), True, True),
        ({"TERM": "dumb"}, (), True, False),
        ({"TERM": "xterm", "NO_COLOR": ""}, (), True, False),
        ({"TERM": "xterm"}, ("--no-color",), True, False),
        ({"TERM": "xterm"}, (), False, False),
    ],
)
async def test_colours_are_for_terminals_that_have_them(
    served: Served,
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    words: tuple[str, ...],
    live: bool,
    coloured: bool,
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert ("\033[" in await served.run("get", "rollout", "r", *words, live=live)) is coloured


async def test_the_lists_are_printed_as_they_always_were(served: Served) -> None:
    assert await served.run("list", "rollouts") == expected("list-rollouts")
    assert await served.run("list", "experiments") == expected("list-experiments")
    only = await served.run("list", "ro", "--name", "r", "-A")
    assert [line.split()[:2] for line in only.splitlines()] == [["NAMESPACE", "NAME"], ["cli", "r"]]


async def test_an_experiment_can_be_looked_at_alone(served: Served) -> None:
    shown = await served.run("get", "exp", "e-7bd977466f-2-1")
    assert shown == expected("experiment").replace("14s", "13s")


@pytest.mark.parametrize(
    ("argv", "printed"),
    [
        (("status", "r", "--watch=false"), "Paused - CanaryPauseStep\n"),
        (("status", "b", "--watch=false"), "Paused - BlueGreenPause\n"),
        (("status", "e", "-w=false"), "Progressing - old replicas are pending termination\n"),
    ],
)
async def test_status_without_watching_prints_it_and_succeeds(
    served: Served, argv: tuple[str, ...], printed: str
) -> None:
    assert await served.run(*argv) == printed


@pytest.mark.parametrize(("name", "message"), [("f", cluster.ABORTED), ("i", cluster.INVALID)])
async def test_status_of_a_degraded_rollout_fails_with_its_message(served: Served, name: str, message: str) -> None:
    out = io.StringIO()
    with pytest.raises(CommandFailed) as caught:
        await served.run("status", name, "--watch=false", out=out)
    assert out.getvalue() == "Degraded\n"
    assert str(caught.value) == f"The rollout is in a degraded state with message: {message}"


async def test_status_watches_until_the_rollout_is_healthy(served: Served) -> None:
    out = io.StringIO()
    watching = asyncio.create_task(served.run("status", "r", out=out))
    await asyncio.sleep(5)
    assert out.getvalue() == "Paused - CanaryPauseStep\n"
    await _patch_status(served, {"phase": "Progressing", "message": "more replicas need to be updated"})
    await asyncio.sleep(5)
    await _patch_status(served, {"phase": "Healthy", "message": None})
    assert await watching == ("Paused - CanaryPauseStep\nProgressing - more replicas need to be updated\nHealthy\n")


async def _patch_status(served: Served, fields: cluster.Obj) -> None:
    await served.server.patch(ROLLOUT, "cli", "r", {"status": fields}, subresource="status")


async def test_status_gives_up_in_time(served: Served) -> None:
    with pytest.raises(CommandFailed, match=r"^Rollout status watch exceeded timeout$"):
        await served.run("status", "r", "--timeout", "90s")
    assert asyncio.get_running_loop().time() >= 90


async def test_get_redraws_on_changes_and_each_second_until_its_time_is_up(served: Served) -> None:
    out = io.StringIO()
    watching = asyncio.create_task(served.run("get", "rollout", "r", "-w", "--timeout-seconds", "10", out=out))
    await asyncio.sleep(5.5)
    await _patch_status(served, {"message": "Changed"})
    await watching
    screens = out.getvalue().split("Name:            ")[1:]
    assert len(screens) in (10, 11, 12)
    assert "Name:            " + screens[0] == expected("rollout-routed")
    assert "Message:         Changed\n" in screens[-1]


async def test_get_ends_when_the_rollout_is_deleted_under_it(served: Served) -> None:
    watching = asyncio.create_task(served.run("get", "rollout", "i", "-w"))
    await asyncio.sleep(3)
    await served.server.delete(ROLLOUT, "cli", "i")
    with pytest.raises(CommandFailed, match=r'^rollout.argoproj.io "i" not found$'):
        await watching


async def test_a_watched_list_prints_only_rows_that_changed(served: Served) -> None:
    out = io.StringIO()
    watching = asyncio.create_task(served.run("list", "rollouts", "-w", out=out))
    await asyncio.sleep(3)
    await _patch_status(served, {"phase": "Healthy"})
    await asyncio.sleep(3)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    changed = "r           Canary     Healthy       2/5   20          6/6    5        1           6        \n"
    assert out.getvalue() == expected("list-rollouts") + changed


async def test_names_that_do_not_exist_are_told_in_the_known_words(served: Served) -> None:
    for argv in (("get", "rollout", "x"), ("get", "rollout", "x", "-w"), ("status", "x")):
        with pytest.raises(CommandFailed, match=r'^rollout.argoproj.io "x" not found$'):
            await served.run(*argv)
    for argv in (("promote", "nope"), ("abort", "nope"), ("undo", "nope"), ("set", "image", "nope", "c=i")):
        with pytest.raises(NotFound, match=r'^rollouts.argoproj.io "nope" not found$'):
            await served.run(*argv)


async def test_steering_patches_the_rollout_and_says_so(served: Served) -> None:
    assert await served.run("promote", "r") == "rollout 'r' promoted\n"
    assert "pauseConditions" not in (await served.get(ROLLOUT, "r"))["status"]
    assert await served.run("promote", "b", "--full") == "rollout 'b' fully promoted\n"
    assert (await served.get(ROLLOUT, "b"))["status"]["promoteFull"] is True
    assert await served.run("abort", "r", "b") == "rollout 'r' aborted\nrollout 'b' aborted\n"
    assert (await served.get(ROLLOUT, "b"))["status"]["abort"] is True
    assert await served.run("retry", "rollout", "f") == "rollout 'f' retried\n"
    assert (await served.get(ROLLOUT, "f"))["status"]["abort"] is False
    assert await served.run("pause", "b") == "rollout 'b' paused\n"
    assert (await served.get(ROLLOUT, "b"))["spec"]["paused"] is True
    assert await served.run("restart", "b") == "rollout 'b' restarts in 0s\n"
    assert (await served.get(ROLLOUT, "b"))["spec"]["restartAt"] == "2025-03-01T12:00:00Z"
    assert await served.run("restart", "b", "--in", "90s") == "rollout 'b' restarts in 90s\n"
    assert (await served.get(ROLLOUT, "b"))["spec"]["restartAt"] == "2025-03-01T12:01:30Z"


async def test_runs_and_experiments_can_be_ended_and_begun_anew(served: Served) -> None:
    assert await served.run("terminate", "ar", "r-79dbf75f7b-2-1") == "analysisRun 'r-79dbf75f7b-2-1' terminated\n"
    assert (await served.get(ANALYSIS_RUN, "r-79dbf75f7b-2-1"))["spec"]["terminate"] is True
    assert await served.run("terminate", "exp", "e-7bd977466f-2-1") == "experiment 'e-7bd977466f-2-1' terminated\n"
    assert (await served.get(EXPERIMENT, "e-7bd977466f-2-1"))["spec"]["terminate"] is True
    assert await served.run("retry", "experiment", "e-7bd977466f-2-1") == "experiment 'e-7bd977466f-2-1' retried\n"
    assert "status" not in await served.get(EXPERIMENT, "e-7bd977466f-2-1")


async def test_images_are_set_and_undone(served: Served) -> None:
    assert await served.run("set", "image", "r", "c=img:3") == 'rollout "r" image updated\n'
    assert _image(await served.get(ROLLOUT, "r")) == "img:3"
    assert await served.run("undo", "r") == "rollout 'r' undo\n"
    assert _image(await served.get(ROLLOUT, "r")) == "img:1"
    skipped = "skipped rollback (current template already matches revision 1)"
    assert await served.run("undo", "r", "--to-revision=1") == skipped  # no newline
    with pytest.raises(NotPossible, match=r'^unable to find container named "nope"$'):
        await served.run("set", "image", "r", "nope=img:3")
    with pytest.raises(CommandFailed, match=r'^expected CONTAINER=IMAGE, found "c"$'):
        await served.run("set", "image", "r", "c")


def _image(workload: cluster.Obj) -> str:
    return str(workload["spec"]["template"]["spec"]["containers"][0]["image"])


async def test_the_image_of_a_referring_rollout_is_set_in_its_deployment(served: Served) -> None:
    template = {"metadata": {"labels": {"app": "d"}}, "spec": {"containers": [{"name": "c", "image": "img:1"}]}}
    spec = {"selector": {"matchLabels": {"app": "d"}}, "template": template}
    await served.server.create(DEPLOYMENT, "cli", {"metadata": {"name": "d"}, "spec": spec})
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}
    await served.server.patch(ROLLOUT, "cli", "i", {"spec": {"workloadRef": reference, "template": None}})
    assert await served.run("set", "image", "i", "*=img:2") == 'deployment "d" image updated\n'
    assert _image(await served.get(DEPLOYMENT, "d")) == "img:2"


async def test_a_definition_from_before_status_was_a_subresource_is_patched_whole() -> None:
    old = Served(status_subresource=False)
    await old.define()
    await old.put(cluster.invalid())
    assert await old.run("abort", "i") == "rollout 'i' aborted\n"
    assert (await old.get(ROLLOUT, "i"))["status"]["abort"] is True


ROLLOUT_YAML = """
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: new}
spec:
  selector: {matchLabels: {app: new}}
  template: {metadata: {labels: {app: new}}, spec: {containers: [{name: c, image: img}]}}
  strategy: {canary: {steps: [{setWeight: 10}]}}
---
apiVersion: argoproj.io/v1alpha1
kind: ClusterAnalysisTemplate
metadata: {name: everywhere}
spec: {metrics: [{name: m, provider: {web: {url: "http://localhost"}}}]}
"""


async def test_create_makes_what_the_manifest_says(served: Served, tmp_path: Path) -> None:
    file = tmp_path / "new.yaml"
    file.write_text(ROLLOUT_YAML)
    printed = await served.run("create", "-f", str(file))
    assert printed == "rollout.argoproj.io/new created\nclusteranalysistemplate.argoproj.io/everywhere created\n"
    assert _image(await served.get(ROLLOUT, "new")) == "img"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (ROLLOUT_YAML.replace("strategy:", "stratgy: {}\n  strategy:"), 'unknown field "spec.stratgy"'),
        (
            ROLLOUT_YAML.replace("{setWeight: 10}", "{setWeight: 10}, {setWeigth: 10}"),
            "setWeigth",
        ),
        ("kind: Pod\napiVersion: v1\n", "found kind 'Pod'"),
        ("{", "not YAML"),
    ],
)
async def test_create_refuses_what_it_does_not_understand_and_creates_nothing(
    served: Served, tmp_path: Path, text: str, words: str
) -> None:
    file = tmp_path / "new.yaml"
    file.write_text(text)
    with pytest.raises(CommandFailed, match=words):
        await served.run("create", "-f", str(file))
    with pytest.raises(NotFound):
        await served.get(ROLLOUT, "new")


# ── create analysisrun ──

TEMPLATE_YAML = """
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata:
  name: check
  labels: {team: shop}
  annotations: {kubectl.kubernetes.io/last-applied-configuration: "{}", why: because}
spec:
  args: [{name: url}, {name: limit, value: "1"}]
  dryRun: [{metricName: m}]
  templates: [{templateName: everywhere, clusterScope: true}]
  metrics: [{name: m, provider: {web: {url: "{{args.url}}"}}}]
"""
EVERYWHERE_YAML = """
apiVersion: argoproj.io/v1alpha1
kind: ClusterAnalysisTemplate
metadata: {name: everywhere}
spec: {metrics: [{name: wide, provider: {web: {url: "http://localhost"}}}]}
"""


@pytest_asyncio.fixture
async def templates(served: Served, tmp_path: Path) -> Path:
    """A file of a template, which the cluster has too."""
    file = tmp_path / "check.yaml"
    file.write_text(EVERYWHERE_YAML)
    await served.run("create", "-f", str(file))
    file.write_text(TEMPLATE_YAML)
    await served.run("create", "-f", str(file))
    return file


@pytest.mark.parametrize("words", [("--from", "check"), ("--from-file", "FILE", "--instance-id=blue")])
async def test_a_run_is_made_of_a_template_and_all_that_it_includes(
    served: Served, templates: Path, words: tuple[str, ...]
) -> None:
    words = tuple(str(templates) if word == "FILE" else word for word in words)
    printed = await served.run("create", "ar", *words, "--name", "now", "-a", "url=http://a?b=c", "--argument=x=y")
    assert printed == "analysisrun.argoproj.io/now created\n"
    made = await served.get(ANALYSIS_RUN, "now")
    assert [metric["name"] for metric in made["spec"]["metrics"]] == ["m", "wide"]
    assert made["spec"]["args"] == [{"name": "url", "value": "http://a?b=c"}, {"name": "limit", "value": "1"}]
    assert made["spec"]["dryRun"] == [{"metricName": "m"}]
    assert made["metadata"]["annotations"] == {"why": "because"}
    instance = {labels.INSTANCE_ID: "blue"} if len(words) == 3 else {}
    assert made["metadata"]["labels"] == {"team": "shop", **instance}


async def test_a_run_has_a_name_that_begins_with_its_templates(served: Served, templates: Path) -> None:
    printed = await served.run("create", "analysisrun", "--global", "--from", "everywhere")
    assert printed.startswith("analysisrun.argoproj.io/everywhere-")
    printed = await served.run("create", "analysisrun", "--from=check", "--generate-name=try-", "-a", "url=u")
    assert printed.startswith("analysisrun.argoproj.io/try-")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ((), "one of --from or --from-file must be specified"),
        (("--from=check", "--from-file=check"), "one of --from or --from-file must be specified"),
        (("--from=check",), "args.url was not resolved"),
        (("--from=check", "-a", "url"), "arguments must be in the form NAME=VALUE"),
        (("--from-file=FILE.none",), "No such file"),
    ],
)
async def test_a_run_that_cannot_be_made_is_told_in_the_known_words(
    served: Served, templates: Path, words: tuple[str, ...], error: str
) -> None:
    with pytest.raises(CommandFailed, match=error):
        await served.run("create", "analysisrun", *words)


async def test_a_template_that_is_not_there_is_told_by_the_server(served: Served) -> None:
    with pytest.raises(NotFound, match=r'analysistemplates.argoproj.io "none" not found'):
        await served.run("create", "analysisrun", "--from", "none")


async def test_create_needs_to_know_what(served: Served) -> None:
    with pytest.raises(CommandFailed, match="say what to create"):
        await served.run("create")
