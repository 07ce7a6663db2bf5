"""The commands of `kubectl argo rollouts` and their flags. What a command does is named, and imported when it runs."""

from typing import TYPE_CHECKING, Any, TypeAlias

from rollouts.cli.flags import Parser, add_kubectl_flags, seconds, switch
from rollouts.cli.routers import add_router_flags

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    Commands: TypeAlias = _SubParsersAction[Any]

_ROLLOUT = ("rollout", "ro", "rollouts")
_EXPERIMENT = ("experiment", "exp", "experiments")
_ANALYSIS_RUN = ("analysisrun", "ar", "analysisruns")
_COLOUR = "no colours"
_WATCH = "go on showing changes"
_EPILOG = (
    "kubectl's own flags (-n, --context, --kubeconfig…) are understood too: kubectl argo rollouts --help lists them."
)


def parser() -> Parser:
    """The whole command line. A parsed command is `args.command`, as `module:function`."""
    root = Parser(
        prog="kubectl argo rollouts",
        description="See and steer progressive releases.",
        usage="%(prog)s COMMAND [flags]",
        epilog="kubectl argo rollouts COMMAND --help says more about a command.",
    )
    commands = root.add_subparsers(title="commands", metavar="COMMAND", prog=root.prog)
    _looking(commands)
    _steering(commands)
    _changing(commands)
    add_kubectl_flags(root, shown=True)  # after the commands, so that --help begins with what there is to do
    return root


def _looking(commands: "Commands") -> None:
    get = _group(commands, "get", "show one Rollout or Experiment with all that belongs to it")
    rollout = _command(get, _ROLLOUT, "show:get_rollout", "a Rollout with its revisions, Pods and runs")
    experiment = _command(get, _EXPERIMENT, "show:get_experiment", "an Experiment with its Pods and runs")
    for each in (rollout, experiment):
        each.add_argument("name", metavar="NAME")
        switch(each, "-w", "--watch", help=_WATCH)
        switch(each, "--no-color", help=_COLOUR)
        each.add_argument("--timeout-seconds", type=int, default=0, metavar="N", help="end a watch after N seconds")

    lists = _group(commands, "list", "list Rollouts or Experiments")
    rollouts = _command(lists, ("rollouts", "ro", "rollout"), "show:list_rollouts", "Rollouts, one a line")
    rollouts.add_argument("--name", default="", help="only the Rollout of this name")
    switch(rollouts, "-w", "--watch", help=_WATCH)
    switch(rollouts, "--timestamps", help="begin each line with the time")
    experiments = _command(lists, ("experiments", "exp", "experiment"), "show:list_experiments", "Experiments")
    for each in (rollouts, experiments):
        switch(each, "-A", "--all-namespaces", help="of all namespaces")

    status = _command(
        commands, ("status",), "show:status", "wait until a Rollout is Healthy (exit code 0) or Degraded (1)"
    )
    status.add_argument("name", metavar="ROLLOUT")
    switch(status, "-w", "--watch", default=True, help="--watch=false: print the status as it is and end")
    status.add_argument(
        "-t",
        "--timeout",
        dest="timeout",
        type=seconds,
        default=0.0,
        metavar="TIME",
        help="give up after TIME, like 90s",
    )
    why = _command(
        commands, ("why",), "why:why", "say what a Rollout waits for, what is wrong around it, and what helps"
    )
    why.add_argument("name", metavar="ROLLOUT")
    add_router_flags(why)
    why.usage = f"{why.prog} ROLLOUT [flags]"  # those of routers would fill six lines of every error
    lint = _command(commands, ("lint",), "lint:plugin", "find what is wrong with manifests, without a cluster")
    lint.add_argument(
        "-f", "--filename", dest="files", action="append", required=True, metavar="FILE", help="a file or a folder"
    )
    lint.set_defaults(offline=True)
    version = _command(commands, ("version",), "version:version", "print the version")
    version.set_defaults(offline=True)
    switch(version, "--short", help="only the number")


def _steering(commands: "Commands") -> None:
    promote = _command(commands, ("promote",), "act:promote", "go on with a paused Rollout, or past its current step")
    promote.add_argument("name", metavar="ROLLOUT")
    switch(promote, "--full", help="past all steps, pauses and analyses, to the end")
    switch(promote, "-c", "--skip-current-step", help="only past the current step")
    switch(promote, "-a", "--skip-all-steps", help="past all steps")

    _named(_command(commands, ("abort",), "act:abort", "take an update back"), "ROLLOUT")
    _named(_command(commands, ("pause",), "act:pause", "hold a Rollout where it is"), "ROLLOUT")
    retry = _group(commands, "retry", "begin an aborted update or a finished Experiment anew")
    _named(_command(retry, _ROLLOUT, "act:retry_rollout", "an aborted Rollout"), "ROLLOUT")
    _named(_command(retry, _EXPERIMENT, "act:retry_experiment", "an Experiment"), "EXPERIMENT")
    terminate = _group(commands, "terminate", "end an AnalysisRun or an Experiment")
    _named(_command(terminate, _ANALYSIS_RUN, "act:terminate_analysis_run", "an AnalysisRun"), "ANALYSISRUN")
    _named(_command(terminate, _EXPERIMENT, "act:terminate_experiment", "an Experiment"), "EXPERIMENT")


def _changing(commands: "Commands") -> None:
    sets = _group(commands, "set", "change a Rollout's Pod template")
    image = _command(sets, ("image",), "act:set_image", "new images for containers (*: all of them)")
    image.add_argument("name", metavar="ROLLOUT")
    image.add_argument("images", metavar="CONTAINER=IMAGE", nargs="+")

    undo = _command(commands, ("undo",), "act:undo", "go back to the Pod template of an earlier revision")
    undo.add_argument("name", metavar="ROLLOUT")
    undo.add_argument("--to-revision", type=int, default=0, metavar="N", help="which (0: the one before)")

    restart = _command(commands, ("restart",), "act:restart", "replace all Pods of a Rollout")
    restart.add_argument("name", metavar="ROLLOUT")
    restart.add_argument("-i", "--in", dest="in_", default="", metavar="TIME", help="in TIME from now, like 10s")

    _creating(_command(commands, ("create",), "create:create", "create what manifests describe"))


def _creating(create: Parser) -> None:
    create.add_argument("-f", "--filename", dest="files", action="append", metavar="FILE", help="manifests (-: stdin)")
    below = create.add_subparsers(title="commands", metavar="COMMAND")
    run = _command(below, _ANALYSIS_RUN[:2], "createrun:create_run", "an AnalysisRun of a template, to measure now")
    run.add_argument("--from", dest="source", default="", metavar="TEMPLATE", help="a template of the cluster")
    run.add_argument("--from-file", dest="file", default="", metavar="FILE", help="a template in a file (-: stdin)")
    switch(run, "--global", help="--from names a ClusterAnalysisTemplate")
    run.add_argument("--name", default="", help="the run's name")
    run.add_argument("--generate-name", default="", metavar="PREFIX", help="how its name begins (default TEMPLATE-)")
    run.add_argument(
        "-a", "--argument", dest="arguments", action="append", default=[], metavar="NAME=VALUE", help="repeatable"
    )
    run.add_argument("--instance-id", default="", metavar="ID", help="for the controller of this instance")


def _group(commands: "Commands", name: str, about: str) -> "Commands":
    group: Parser = commands.add_parser(name, help=about, description=_sentence(about))
    add_kubectl_flags(group)
    below: Commands = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
    return below


def _command(commands: "Commands", names: tuple[str, ...], command: str, about: str) -> Parser:
    made: Parser = commands.add_parser(
        names[0], aliases=names[1:], help=about, description=_sentence(about), epilog=_EPILOG
    )
    add_kubectl_flags(made)
    made.set_defaults(command=f"rollouts.cli.{command}", offline=False)
    return made


def _sentence(about: str) -> str:
    return f"{about[0].upper()}{about[1:]}."


def _named(command: Parser, metavar: str) -> None:
    command.add_argument("names", metavar=metavar, nargs="+")
