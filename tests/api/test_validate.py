"""Each fault of a spec, in the words that Argo Rollouts has for it."""

from typing import Any

import pytest

from rollouts.api.rollout import Rollout
from rollouts.api.rules.validate import validate_rollout

POD: dict[str, Any] = {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}
BOTH = {"canaryService": "c", "stableService": "s"}
NO_TYPE = (
    "step.Experiment: true step.Pause: true step.SetWeight: true step.Analysis: true step.SetCanaryScale: true "
    "step.SetHeaderRoute: true step.SetMirrorRoute: true step.Plugin: true"
)
STEP = "Step must have one of the following set: experiment, setWeight, setCanaryScale, plugin or pause"
SAME = "This rollout uses the same service for the {} services, but two different services are required."
NEEDS_SERVICES = "Canary service and Stable service must to be set to use Traffic Routing"
AFFINITY = (
    "antiAffinity.PreferredDuringSchedulingIgnoredDuringExecution: {0} "
    "antiAffinity.RequiredDuringSchedulingIgnoredDuringExecution: {0}"
)
WEIGHED = {"experiment": {"templates": [{"name": "a", "specRef": "stable", "weight": 5}]}}
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
MISSED = "StringMatch value missed, match value must have one of the following: exact, regex, prefix"
MULTIPLE = "StringMatch match value must have exactly one of the following: exact, regex, prefix"
UNMANAGED = "Steps define a route that does not exist in spec.strategy.canary.trafficRouting.managedRoutes"


def fault(**spec: Any) -> str | None:
    whole = {"selector": {"matchLabels": {"app": "a"}}, "template": POD, "strategy": {"canary": {}}, **spec}
    return validate_rollout(Rollout.model_validate({"metadata": {"name": "r"}, "spec": whole}))


def canary(**fields: Any) -> str | None:
    return fault(strategy={"canary": fields})


def routed(routing: dict[str, Any], **fields: Any) -> str | None:
    return canary(trafficRouting=routing, **{**BOTH, **fields})


def blue_green(**fields: Any) -> str | None:
    return fault(strategy={"blueGreen": fields}, revisionHistoryLimit=2)


def steps(*given: dict[str, Any], routing: dict[str, Any] | None = None) -> str | None:
    return canary(steps=list(given), trafficRouting=routing, **BOTH)


def pods(**spec: Any) -> str | None:
    return fault(template={"metadata": POD["metadata"], "spec": {**POD["spec"], **spec}})


def container(**fields: Any) -> str | None:
    return pods(containers=[{"name": "c", "image": "i:1", **fields}])


def test_a_small_rollout_has_no_fault() -> None:
    assert fault() is None
    assert canary(steps=[{"setWeight": 0}, {"setWeight": 100}, {"pause": {"duration": 0}}, {"pause": {}}]) is None


@pytest.mark.parametrize("field", ["replicas", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"])
def test_a_number_must_not_be_negative(field: str) -> None:
    assert fault(**{field: -1}) == f"spec.{field}: Invalid value: -1: must be greater than or equal to 0"


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(
            fault(selector=None), "spec.selector: Required value: Rollout has missing field '.spec.selector'", id="none"
        ),
        pytest.param(
            fault(selector={}),
            "spec.selector: Invalid value: {}: empty selector is invalid for deployment",
            id="empty",
        ),
        pytest.param(
            fault(selector={"matchExpressions": [{"key": "app", "operator": "Near"}]}),
            'spec.selector.matchExpressions[0].operator: Invalid value: "Near": not a valid selector operator',
            id="operator",
        ),
        pytest.param(
            fault(selector={"matchExpressions": [{"key": "app", "operator": "In"}]}),
            "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or "
            "'NotIn'",
            id="values missing",
        ),
        pytest.param(
            fault(selector={"matchExpressions": [{"key": "app", "operator": "Exists", "values": ["x"]}]}),
            "spec.selector.matchExpressions[0].values: Forbidden: may not be specified when `operator` is 'Exists' or "
            "'DoesNotExist'",
            id="values too many",
        ),
    ],
)
def test_the_selector(found: str | None, expected: str) -> None:
    assert found == expected


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (
            fault(workloadRef={"kind": "Deployment", "name": "d"}),
            "spec.template: Internal error: template must be empty for workload reference rollout",
        ),
        (fault(workloadRef={"kind": "Deployment", "name": "d"}, template=None, selector=None), None),
        (fault(workloadRef={"name": "d"}, template={"spec": {"containers": []}}), None),
        (
            fault(selector={"matchLabels": {"app": "b"}}),
            'spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`',
        ),
        (
            fault(template={"spec": POD["spec"]}),
            "spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`",
        ),
        (pods(containers=None), "spec.template.spec.containers: Required value"),
        (container(name=None), "spec.template.spec.containers[0].name: Required value"),
        (container(image=""), "spec.template.spec.containers[0].image: Required value"),
        (
            container(ports=[{"containerPort": 0}]),
            "spec.template.spec.containers[0].ports[0].containerPort: Required value",
        ),
        (
            container(ports=[{"containerPort": 70000}]),
            "spec.template.spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and "
            "65535, inclusive",
        ),
        (
            container(ports=[{"containerPort": 80, "protocol": "HTTP"}]),
            'spec.template.spec.containers[0].ports[0].protocol: Unsupported value: "HTTP": supported values: '
            '"SCTP", "TCP", "UDP"',
        ),
        (container(env=[{"value": "x"}]), "spec.template.spec.containers[0].env[0].name: Required value"),
        (
            container(volumeMounts=[{"name": "v", "mountPath": "/v"}]),
            'spec.template.spec.containers[0].volumeMounts[0].name: Not found: "v"',
        ),
        (
            container(resources={"limits": {"cpu": "lots"}}),
            'spec.template.spec.containers[0].resources.limits.cpu: Invalid value: "lots": quantities must match '
            "the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
        (
            container(image=7),
            'spec.template.spec.containers[0].image: Invalid value: "integer": '
            'spec.template.spec.containers[0].image in body must be of type string: "integer"',
        ),
        (
            pods(initContainers=[{"name": "x", "image": "i"}, {"name": "x", "image": "i"}]),
            'spec.template.spec.initContainers[1].name: Duplicate value: "x"',
        ),
        (
            pods(volumes=[{"name": "v"}, {"name": "v"}]),
            'spec.template.spec.volumes[1].name: Duplicate value: "v"',
        ),
        (
            pods(restartPolicy="OnFailure"),
            'spec.template.spec.restartPolicy: Unsupported value: "OnFailure": supported values: "Always"',
        ),
        (
            pods(activeDeadlineSeconds=5),
            "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicaSet is not Supported",
        ),
        (container(securityContext={"privileged": True}), None),
        (
            pods(
                volumes=[{"name": "v"}],
                containers=[
                    {"name": "c", "image": "i", "volumeMounts": [{"name": "v", "mountPath": p} for p in ("/a", "/a")]}
                ],
            ),
            'spec.template.spec.containers[0].volumeMounts[1].mountPath: Invalid value: "/a": must be unique',
        ),
    ],
)
def test_the_pod_template(found: str | None, expected: str | None) -> None:
    assert found == expected


def test_a_container_name_is_a_label() -> None:
    assert str(container(name="My_App")).startswith(
        'spec.template.spec.containers[0].name: Invalid value: "My_App": a lowercase RFC 1123 label must consist of'
    )
    assert str(container(name="a" * 64)).endswith(": must be no more than 63 characters")


def test_the_deadline_is_after_a_pod_counts_as_ready() -> None:
    detail = "must be greater than minReadySeconds"
    assert fault(minReadySeconds=600) == f"spec.progressDeadlineSeconds: Invalid value: 600: {detail}"
    assert fault(minReadySeconds=5, progressDeadlineSeconds=5) == (
        f"spec.progressDeadlineSeconds: Invalid value: 5: {detail}"
    )
    assert fault(minReadySeconds=5, progressDeadlineSeconds=6) is None


def test_there_is_exactly_one_strategy() -> None:
    missing = "Rollout has missing field '.spec.strategy.canary or .spec.strategy.blueGreen'"
    assert fault(strategy={}) == f"spec.strategy.strategy: Required value: {missing}"
    assert fault(strategy={"canary": {}, "blueGreen": {"activeService": "a"}}) == (
        'spec.strategy.strategy: Invalid value: "blueGreen: true canary: true": Multiple Strategies can not be listed'
    )


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (
            blue_green(activeService="a", previewService="a"),
            f'spec.strategy.activeService: Invalid value: "a": {SAME.format("active and preview")}',
        ),
        (
            blue_green(activeService="a", scaleDownDelayRevisionLimit=3),
            "spec.strategy.scaleDownDelayRevisionLimit: Invalid value: 3: This rollout's revision history limit can "
            "not be smaller than the rollout's scale down limit",
        ),
        (blue_green(activeService="a", scaleDownDelayRevisionLimit=2), None),
        (
            blue_green(activeService="a", antiAffinity={}),
            f'spec.strategy.antiAffinity: Invalid value: "{AFFINITY.format("false")}": AntiAffinity must have exactly '
            "one strategy listed",
        ),
    ],
)
def test_blue_green(found: str | None, expected: str | None) -> None:
    assert found == expected


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (
            canary(maxSurge=0, maxUnavailable=0),
            "spec.strategy.maxSurge: Invalid value: 0: MaxSurge and MaxUnavailable both can not be zero",
        ),
        (
            canary(maxSurge="0%", maxUnavailable="0"),
            'spec.strategy.maxSurge: Invalid value: "0%": MaxSurge and MaxUnavailable both can not be zero',
        ),
        (canary(maxSurge="1%", maxUnavailable=0), None),
        (
            canary(canaryService="s", stableService="s"),
            f'spec.strategy.stableService: Invalid value: "s": {SAME.format("stable and canary")}',
        ),
        (
            canary(scaleDownDelaySeconds=5),
            "spec.strategy.scaleDownDelaySeconds: Invalid value: 5: Canary scaleDownDelaySeconds can only be used "
            "with traffic routing",
        ),
        (
            canary(dynamicStableScale=True),
            "spec.strategy.dynamicStableScale: Invalid value: true: Canary dynamicStableScale can only be used with "
            "traffic routing",
        ),
        (
            routed({}, dynamicStableScale=True, scaleDownDelaySeconds=5),
            "spec.strategy.dynamicStableScale: Invalid value: true: Canary dynamicStableScale cannot be used with "
            "scaleDownDelaySeconds",
        ),
        (
            routed({"istio": {}, "maxTrafficWeight": 50}),
            "spec.strategy.trafficRouting.maxTrafficWeight: Invalid value: 50: Canary maxTrafficWeight in traffic "
            "routing only supported in Nginx and Plugins",
        ),
        (routed({"istio": {}, "nginx": {}, "maxTrafficWeight": 50}), None),
        (
            canary(antiAffinity={PREFERRED: {"weight": 1}, REQUIRED: {}}),
            f'spec.strategy.antiAffinity: Invalid value: "{AFFINITY.format("true")}": AntiAffinity must have exactly '
            "one strategy listed",
        ),
        (
            canary(antiAffinity={PREFERRED: {"weight": 101}}),
            "spec.strategy.antiAffinity.weight: Invalid value: 101: AntiAffinity weight must be between 1-100",
        ),
        (canary(antiAffinity={REQUIRED: {}}), None),
    ],
)
def test_a_canary(found: str | None, expected: str | None) -> None:
    assert found == expected


@pytest.mark.parametrize("router", ["smi", "apisix", "ambassador", "nginx", "appMesh", "istio", "alb", "traefik"])
def test_routers_that_send_by_service_name_need_both_services(router: str) -> None:
    needed = {"alb": {"servicePort": 80}, "traefik": {"weightedTraefikServiceName": "w"}}
    routing = {router: needed.get(router, {})}
    assert routed(routing) is None
    assert routed(routing, stableService="") == f'spec.strategy.stableService: Invalid value: "": {NEEDS_SERVICES}'
    assert routed(routing, canaryService="") == f'spec.strategy.canaryService: Invalid value: "": {NEEDS_SERVICES}'


def test_routers_that_do_not_send_by_service_name_need_none() -> None:
    pair = {"pingService": "a", "pongService": "b"}
    assert canary(trafficRouting={"plugins": {"a/b": {}}}) is None
    assert canary(trafficRouting={"istio": {"destinationRule": {"name": "d"}}}) is None
    assert canary(trafficRouting={"istio": {}}, pingPong=pair) is None
    assert canary(trafficRouting={"alb": {"servicePort": 80, "rootService": "r"}}, pingPong=pair) is None


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (
            routed({"nginx": {}}, pingPong={"pingService": "a", "pongService": "b"}),
            "spec.strategy.trafficRouting.alb: Invalid value: null: Ping-pong feature works with the ALB, Istio, and "
            "plugin-based traffic routers only",
        ),
        (
            canary(pingPong={"pongService": "b"}),
            'spec.strategy.pingPong.pingService: Invalid value: "": Ping service and Pong service must to be set to '
            "use Ping-Pong feature",
        ),
        (
            canary(pingPong={"pingService": "a"}),
            'spec.strategy.pingPong.pongService: Invalid value: "": Ping service and Pong service must to be set to '
            "use Ping-Pong feature",
        ),
        (
            canary(pingPong={"pingService": "a", "pongService": "a"}),
            f'spec.strategy.pingPong.pingService: Invalid value: "a": {SAME.format("ping and pong")}',
        ),
        (
            routed({"alb": {"servicePort": 80}}, pingPong={"pingService": "a", "pongService": "b"}),
            'spec.strategy.trafficRouting.alb.rootService: Invalid value: "": Root service field is required for the '
            "configuration with ALB and ping-pong feature enabled",
        ),
        (routed({"plugins": {"a/b": {}}}, pingPong={"pingService": "a", "pongService": "b"}), None),
    ],
)
def test_ping_pong(found: str | None, expected: str | None) -> None:
    assert found == expected


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (steps({"setWeight": 5}, {}), f'spec.strategy.steps[1]: Invalid value: "{NO_TYPE}": {STEP}'),
        (steps({"setWait": 5}), f'spec.strategy.steps[0]: Invalid value: "{NO_TYPE}": {STEP}'),
        (
            steps({"setWeight": 5, "pause": {}}),
            'spec.strategy.steps[0]: Invalid value: "step.Experiment: false step.Pause: true step.SetWeight: true '
            f'step.Analysis: false": {STEP}',
        ),
        (
            steps({"setWeight": -1}),
            "spec.strategy.steps[0].setWeight: Invalid value: -1: SetWeight needs to be between 0 and 100",
        ),
        (
            steps({"setWeight": 1001}, routing={"nginx": {}, "maxTrafficWeight": 1000}),
            "spec.strategy.steps[0].setWeight: Invalid value: 1001: SetWeight needs to be between 0 and 1000",
        ),
        (
            steps({"pause": {"duration": "soon"}}),
            "spec.strategy.steps[0].pause.duration: Invalid value: -1: Duration needs to be greater than 0",
        ),
        (
            steps({"pause": {"duration": "-2m"}}),
            "spec.strategy.steps[0].pause.duration: Invalid value: -120: Duration needs to be greater than 0",
        ),
        (
            steps({"setCanaryScale": {"weight": 5}}),
            "spec.strategy.trafficRouting: Required value: SetCanaryScale requires TrafficRouting to be set",
        ),
        (steps({"setCanaryScale": {"weight": 5}, "pause": {}}, routing={"istio": {}}), None),
        (
            steps(WEIGHED),
            "spec.strategy.steps[0].experiment.templates[0].weight: Invalid value: 5: Experiment template weight "
            "cannot be set unless TrafficRouting is enabled",
        ),
        (
            steps(
                {"experiment": {"templates": [{"name": "a", "specRef": "stable", "weight": 5}]}}, routing={"nginx": {}}
            ),
            "spec.strategy.steps[0].experiment.templates[0].weight: Invalid value: 5: Experiment template weight is "
            "only available for TrafficRouting with SMI, ALB, Istio and Plugins at this time",
        ),
        (
            steps(
                {"experiment": {"templates": [{"name": "a", "specRef": "stable", "weight": 5}]}}, routing={"smi": {}}
            ),
            None,
        ),
    ],
)
def test_steps(found: str | None, expected: str | None) -> None:
    assert found == expected


def header(routing: dict[str, Any] | None, **value: str) -> str | None:
    step = {"name": "h", "match": [{"headerName": "X", "headerValue": value}]}
    return steps({"setHeaderRoute": step}, routing=routing)


ISTIO = {"istio": {}, "managedRoutes": [{"name": "h"}, {"name": "m"}]}
ALB = {"alb": {"servicePort": 80}, "managedRoutes": [{"name": "h"}]}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (header(ISTIO, exact="a"), None),
        (header(ALB, exact="a"), None),
        (
            steps({"setHeaderRoute": {"name": "h"}}),
            'spec.strategy.steps[0].setHeaderRoute: Invalid value: {"name":"h"}: SetHeaderRoute requires '
            "TrafficRouting, supports Istio and ALB and Apisix",
        ),
        (
            header(ALB, prefix="<"),
            'spec.strategy.steps[0].setHeaderRoute.match[0]: Invalid value: {"prefix":"\\u003c"}: SetHeaderRoute match '
            "value invalid. ALB supports 'exact' value only",
        ),
        (
            header(ISTIO),
            f"spec.strategy.steps[0].setHeaderRoute.match[0]: Invalid value: {{}}: {MISSED}",
        ),
        (
            steps({"setHeaderRoute": {"name": "h", "match": [{"headerName": "X"}]}}, routing=ISTIO),
            f"spec.strategy.steps[0].setHeaderRoute.match[0]: Invalid value: null: {MISSED}",
        ),
        (
            header(ISTIO, exact="a", regex="b"),
            f'spec.strategy.steps[0].setHeaderRoute.match[0]: Invalid value: {{"exact":"a","regex":"b"}}: {MULTIPLE}',
        ),
        (
            steps({"setMirrorRoute": {"name": "m"}}, routing=ALB),
            'spec.strategy.steps[0].setMirrorRoute: Invalid value: {"name":"m"}: SetMirrorRoute requires '
            "TrafficRouting, supports Istio and Plugins",
        ),
        (
            steps({"setMirrorRoute": {"name": "m", "match": [{"path": {}}]}}, routing=ISTIO),
            f"spec.strategy.steps[0].setMirrorRoute.match[0]: Invalid value: {{}}: {MISSED}",
        ),
        (
            steps({"setMirrorRoute": {"name": "m", "match": [{"headers": {"x": {}}}]}}, routing=ISTIO),
            None,
        ),
        (
            steps({"setMirrorRoute": {"name": "m"}}, routing={"istio": {}}),
            "spec.strategy.trafficRouting.managedRoutes: Required value: Rollout has missing field "
            "'spec.strategy.canary.trafficRouting.managedRoutes'",
        ),
        (
            steps({"setMirrorRoute": {"name": "x"}}, routing=ISTIO),
            f'spec.strategy.steps[0].setMirrorRoute: Invalid value: "x": {UNMANAGED}',
        ),
        (
            steps({"setHeaderRoute": {"name": "x"}}, routing={"istio": {}, "managedRoutes": []}),
            f'spec.strategy.steps[0].setHeaderRoute: Invalid value: "x": {UNMANAGED}',
        ),
    ],
)
def test_routes(found: str | None, expected: str | None) -> None:
    assert found == expected


def argument(field_path: str) -> dict[str, Any]:
    return {"name": "x", "valueFrom": {"fieldRef": {"fieldPath": field_path}}}


@pytest.mark.parametrize(
    "field_path",
    [
        "metadata.name",
        "metadata.namespace",
        "metadata.uid",
        "metadata.labels",
        "metadata.annotations",
        "metadata.labels['app.kubernetes.io/name']",
        "metadata.annotations['Example.com/Note']",
        "status.phase",
        "spec.replicas",
    ],
)
def test_an_argument_may_refer_to(field_path: str) -> None:
    assert steps({"analysis": {"args": [argument(field_path)]}}) is None


@pytest.mark.parametrize(
    "field_path", ["metadata.generation", "metadata.name['x']", "metadata.labels['a b']", "metadata"]
)
def test_an_argument_may_not_refer_to(field_path: str) -> None:
    shown = f'[{{"name":"x","valueFrom":{{"fieldRef":{{"fieldPath":"{field_path}"}}}}}}]'
    expected = (
        f"spec.strategy.steps[0].analyses: Invalid value: {shown}: Analyses arguments must refer to valid object "
        "metadata supported by downwardAPI"
    )
    assert steps({"analysis": {"args": [argument(field_path)]}}) == expected
    analyses = [{"name": "n", "templateName": "t", "args": [argument(field_path)]}]
    assert steps({"experiment": {"templates": [], "analyses": analyses}}) == expected


def test_only_the_first_fault_is_told() -> None:
    assert fault(replicas=-1, selector=None, strategy={}) == (
        "spec.replicas: Invalid value: -1: must be greater than or equal to 0"
    )
