from hypothesis import given
from hypothesis import strategies as st

from rollouts.kube.refs import Obj
from rollouts.sandbox.apiserver.selectors import Selection, parse_labels
from rollouts.sandbox.apiserver.store import Change, Store

KEY = ("", "things")
LABELS = st.dictionaries(st.sampled_from("ab"), st.sampled_from(["", "1", "2"]), max_size=2)
WRITES = st.lists(st.tuples(st.sampled_from(["n1", "n2"]), st.sampled_from("xyz"), st.none() | LABELS), max_size=30)
SELECTORS = st.sampled_from(["", "a=1", "a=", "a in (2),b", "a in (1,2)", "!a", "a=1,b!=2", "b=1,a=2"])


def thing(namespace: str, name: str, labels: dict[str, str]) -> Obj:
    return {"metadata": {"namespace": namespace, "name": name, **({"labels": labels} if labels else {})}}


def written(store: Store, writes: list[tuple[str, str, dict[str, str] | None]]) -> dict[tuple[str, str], Obj]:
    """Do the writes (no labels: a removal) and answer what should be there."""
    expected: dict[tuple[str, str], Obj] = {}
    for namespace, name, labels in writes:
        place = (namespace, name)
        if labels is not None:
            expected[place] = store.put(KEY, thing(namespace, name, labels))
        elif place in expected:
            store.remove(KEY, expected.pop(place))
    return expected


@given(WRITES, SELECTORS, st.sampled_from(["", "n1", "n2"]))
def test_the_index_finds_exactly_what_looking_at_everything_would_find(
    writes: list[tuple[str, str, dict[str, str] | None]], selector: str, namespace: str
) -> None:
    store = Store()
    expected = written(store, writes)
    labels = parse_labels(selector)
    wanted = [
        expected[place]
        for place in sorted(expected)
        if namespace in ("", place[0]) and labels.matches(expected[place]["metadata"].get("labels"))
    ]
    assert list(store.table(KEY).select(Selection(namespace, labels))) == wanted


@given(WRITES, st.integers(0, 30))
def test_the_log_from_any_version_on_leads_to_what_is_there(
    writes: list[tuple[str, str, dict[str, str] | None]], split: int
) -> None:
    store = Store()
    table = store.table(KEY)
    seen = dict(written(store, writes[:split]))
    version = store.version
    for place, obj in written(store, [(n, x, labels) for n, x, labels in writes[split:] if labels is not None]).items():
        assert table.get(*place) is obj
    for change in table.since(store.position(KEY, version)):
        assert change.version > version
        place = (change.object["metadata"]["namespace"], change.object["metadata"]["name"])
        assert change.before == seen.get(place)
        assert change.type == ("MODIFIED" if place in seen else "ADDED")
        seen[place] = change.object
    assert {place: table.get(*place) for place in seen} == seen


def test_a_stored_object_is_never_changed() -> None:
    store = Store()
    given_ = thing("n", "x", {"a": "1"})
    first = store.put(KEY, given_)
    second = store.put(KEY, thing("n", "x", {"a": "2"}))
    assert "resourceVersion" not in given_["metadata"]
    assert first["metadata"]["labels"] == {"a": "1"}
    assert int(second["metadata"]["resourceVersion"]) == int(first["metadata"]["resourceVersion"]) + 1


def test_listeners_hear_of_writes_to_their_table_only() -> None:
    store = Store()
    heard: list[str] = []
    store.table(KEY).listeners.append(lambda: heard.append("things"))
    store.listeners.append(lambda: heard.append("all"))
    store.put(KEY, thing("n", "x", {}))
    store.put(("", "others"), thing("n", "x", {}))
    assert heard == ["things", "all", "all"]


def test_the_log_keeps_at_least_what_was_promised() -> None:
    store = Store(keep=3)
    for number in range(50):
        store.put(KEY, thing("n", "x", {"a": str(number)}))
    kept: list[Change] = store.table(KEY).since(store.position(KEY, 47))
    assert [change.version for change in kept] == [48, 49, 50]
    assert len(store.table(KEY).log) <= 6
