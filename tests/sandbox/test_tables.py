"""Tables as kubectl prints them: durations, cells of the built-in kinds, columns of custom resources."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rollouts.kube.refs import Obj
from rollouts.sandbox.apiserver.web.printcolumns import builtin_columns
from rollouts.sandbox.apiserver.web.tables import custom_columns, find, lasted, table

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def ago(**time: float) -> str:
    return (NOW - timedelta(**time)).strftime("%Y-%m-%dT%H:%M:%SZ")


def cells(group: str, plural: str, obj: Obj, *, wide: bool = False) -> dict[str, Any]:
    """One row by heading; with `wide` also the columns only `-o wide` shows."""
    named = {"metadata": {"name": "x", "creationTimestamp": ago(minutes=5)}} | obj
    columns = [column for column in builtin_columns(group, plural) if wide or not column.wide]
    return {column.name: column.cell(named, NOW) for column in columns}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"),
        (-0.5, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (599, "9m59s"),
        (600, "10m"),
        (3 * 3600 - 1, "179m"),
        (3 * 3600, "3h"),
        (7 * 3600 + 59 * 60, "7h59m"),
        (8 * 3600, "8h"),
        (48 * 3600, "2d"),
        (8 * 86400 - 1, "7d23h"),
        (9 * 86400, "9d"),
        (730 * 86400, "2y"),
        (740 * 86400, "2y10d"),
        (3000 * 86400, "8y"),
    ],
)
def test_durations_have_two_units_at_most(seconds: float, text: str) -> None:
    assert lasted(seconds) == text


def pod(**status: Any) -> Obj:
    return {"spec": {"containers": [{"name": "a"}, {"name": "b"}]}, "status": status}


def running(**more: Any) -> Obj:
    return {"ready": True, "restartCount": 0, "state": {"running": {}}} | more


@pytest.mark.parametrize(
    ("status", "ready", "said", "restarts"),
    [
        ({"phase": "Pending"}, "0/2", "Pending", "0"),
        ({"phase": "Running", "containerStatuses": [running(), running()]}, "2/2", "Running", "0"),
        ({"phase": "Failed", "reason": "Evicted"}, "0/2", "Evicted", "0"),
        (
            {
                "phase": "Running",
                "containerStatuses": [
                    running(),
                    {
                        "restartCount": 3,
                        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                        "lastState": {"terminated": {"finishedAt": ago(seconds=20)}},
                    },
                ],
            },
            "1/2",
            "CrashLoopBackOff",
            "3 (20s ago)",
        ),
        (
            {"phase": "Failed", "containerStatuses": [{"state": {"terminated": {"exitCode": 3}}}]},
            "0/2",
            "ExitCode:3",
            "0",
        ),
        ({"phase": "Pending", "initContainerStatuses": [{"state": {"running": {}}}]}, "0/2", "Init:0/0", "0"),
    ],
)
def test_a_pod_is_told_in_three_words(status: Obj, ready: str, said: str, restarts: str) -> None:
    row = cells("", "pods", pod(**status))
    assert (row["Ready"], row["Status"], row["Restarts"], row["Age"]) == (ready, said, restarts, "5m")


def test_a_pod_that_is_being_deleted_is_terminating() -> None:
    deleted = pod(phase="Running") | {"metadata": {"name": "x", "deletionTimestamp": ago(seconds=1)}}
    assert cells("", "pods", deleted)["Status"] == "Terminating"


@pytest.mark.parametrize(
    ("group", "plural", "obj", "row"),
    [
        (
            "apps",
            "deployments",
            {"spec": {"replicas": 3}, "status": {"readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 1}},
            ["x", "2/3", 3, 1, "5m"],
        ),
        ("apps", "replicasets", {"spec": {"replicas": 3}, "status": {"replicas": 2}}, ["x", 3, 2, 0, "5m"]),
        (
            "",
            "services",
            {"spec": {"type": "NodePort", "clusterIP": "10.0.0.1", "ports": [{"port": 80, "nodePort": 30080}]}},
            ["x", "NodePort", "10.0.0.1", "<none>", "80:30080/TCP", "5m"],
        ),
        (
            "",
            "services",
            {"spec": {"type": "LoadBalancer", "ports": [{"port": 53, "protocol": "UDP"}]}},
            ["x", "LoadBalancer", "<none>", "<pending>", "53/UDP", "5m"],
        ),
        (
            "",
            "endpoints",
            {"subsets": [{"addresses": [{"ip": f"10.0.0.{last}"} for last in range(5)], "ports": [{"port": 80}]}]},
            ["x", "10.0.0.0:80,10.0.0.1:80,10.0.0.2:80 + 2 more...", "5m"],
        ),
        (
            "",
            "events",
            {
                "lastTimestamp": ago(seconds=30),
                "type": "Normal",
                "reason": "Scaled",
                "message": "up\n",
                "involvedObject": {"kind": "Rollout", "name": "api"},
            },
            ["30s", "Normal", "Scaled", "rollout/api", "up"],
        ),
        (
            "batch",
            "jobs",
            {
                "spec": {"completions": 2},
                "status": {
                    "succeeded": 2,
                    "startTime": ago(seconds=90),
                    "completionTime": ago(seconds=60),
                    "conditions": [{"type": "Complete", "status": "True"}],
                },
            },
            ["x", "Complete", "2/2", "30s", "5m"],
        ),
        ("batch", "jobs", {"spec": {}, "status": {}}, ["x", "Running", "0/1", "", "5m"]),
        ("", "configmaps", {"data": {"a": "", "b": ""}, "binaryData": {"c": ""}}, ["x", 3, "5m"]),
        ("", "secrets", {"type": "Opaque", "data": {"a": ""}}, ["x", "Opaque", 1, "5m"]),
        (
            "networking.k8s.io",
            "ingresses",
            {"spec": {"ingressClassName": "nginx", "rules": [{"host": "a.example"}], "tls": [{}]}},
            ["x", "nginx", "a.example", "", "80, 443", "5m"],
        ),
        ("coordination.k8s.io", "leases", {"spec": {"holderIdentity": "me"}}, ["x", "me", "5m"]),
        ("", "nodes", {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}, None),
    ],
)
def test_built_in_kinds_have_their_columns(group: str, plural: str, obj: Obj, row: list[Any] | None) -> None:
    found = cells(group, plural, obj)
    assert [*found.values()] == row if row else found["Status"] == "NotReady"


def test_wide_columns_are_marked_and_filled() -> None:
    template = {"spec": {"containers": [{"name": "a", "image": "x:1"}, {"name": "b", "image": "y:2"}]}}
    selector = {"matchLabels": {"app": "x"}, "matchExpressions": [{"key": "t", "operator": "In", "values": ["b", "a"]}]}
    row = cells("apps", "replicasets", {"spec": {"template": template, "selector": selector}}, wide=True)
    assert (row["Containers"], row["Images"], row["Selector"]) == ("a,b", "x:1,y:2", "app=x,t in (a,b)")
    definitions = {one.name: one.definition()["priority"] for one in builtin_columns("apps", "replicasets")}
    assert (definitions["Ready"], definitions["Images"]) == (0, 1)


def test_an_unknown_kind_has_name_and_age() -> None:
    assert cells("example.com", "widgets", {}) == {"Name": "x", "Age": "5m"}


def test_custom_columns_read_their_paths() -> None:
    declared: list[Obj] = [
        {"name": "Desired", "type": "integer", "jsonPath": ".spec.replicas"},
        {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
        {"name": "Absent", "type": "string", "jsonPath": ".status.nothing"},
        {"name": "When", "type": "date", "jsonPath": ".metadata.creationTimestamp", "priority": 1},
    ]
    obj = {
        "metadata": {"name": "x", "creationTimestamp": ago(hours=1)},
        "spec": {"replicas": 3},
        "status": {"conditions": [{"type": "Other", "status": "no"}, {"type": "Ready", "status": "yes"}]},
    }
    drawn = table(custom_columns(declared), [obj], NOW, metadata={"resourceVersion": "7"})
    assert drawn["rows"][0]["cells"] == ["x", 3, "yes", None, "60m"]
    assert [one["priority"] for one in drawn["columnDefinitions"]] == [0, 0, 0, 0, 1]
    assert drawn["rows"][0]["object"] == {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": obj["metadata"],
    }


@pytest.mark.parametrize(
    ("path", "shown"),
    [(".hosts", '["a","b"]'), (".hosts[*]", "a"), (".map", '{"x":1}'), (".yes", "true"), (".half", "0.5")],
)
def test_a_text_column_shows_the_first_value_as_it_is_or_as_json(path: str, shown: str) -> None:
    obj = {"metadata": {"name": "x"}, "hosts": ["a", "b"], "map": {"x": 1}, "yes": True, "half": 0.5}
    columns = custom_columns([{"name": "It", "type": "string", "jsonPath": path}])
    assert table(columns, [obj], NOW, metadata={})["rows"][0]["cells"] == ["x", shown]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".a.b", [1]),
        (".list[0].x", [1]),
        (".list[-1].x", [2]),
        (".list[*].x", [1, 2]),
        (".labels['app.kubernetes.io/name']", ["web"]),
        (r".labels.app\.kubernetes\.io/name", ["web"]),
        (".list[?(@.x!=1)].x", [2]),
        (".missing", []),
        (".list.x", []),
        ("not a path", []),
    ],
)
def test_paths_lead_to_values(path: str, found: list[Any]) -> None:
    obj = {"a": {"b": 1}, "list": [{"x": 1}, {"x": 2}], "labels": {"app.kubernetes.io/name": "web"}}
    assert [*find(obj, path)] == found
