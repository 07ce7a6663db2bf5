"""The one door: what enters, what is dropped, and what subscribers and indexes learn of it."""

from typing import Any

from rollouts.kube.cache import Cache, by_label, lean
from rollouts.kube.refs import REPLICA_SET, Obj, name_of
from tests.kube.scripted import thing


def names(objects: list[Obj]) -> list[str]:
    return [name_of(obj) for obj in objects]


def test_an_object_enters_only_if_it_is_newer() -> None:
    cache = Cache(REPLICA_SET)
    assert cache.put(thing("a", 9))
    assert not cache.put(thing("a", 9))
    assert not cache.put(thing("a", 8))
    assert cache.put(thing("a", 10)), "versions are compared as integers, not as text"
    assert cache.get("ns", "a") == thing("a", 10)


def test_a_late_answer_does_not_bring_back_what_was_deleted() -> None:
    cache = Cache(REPLICA_SET)
    cache.put(thing("a", 5))
    assert cache.remove(thing("a", 7))
    assert not cache.put(thing("a", 6))
    assert cache.get("ns", "a") is None
    assert cache.put(thing("a", 8)), "but a new object of that name may come"


def test_a_late_answer_does_not_bring_back_what_a_list_no_longer_has() -> None:
    cache = Cache(REPLICA_SET)
    cache.replace([], 20, cache.mark)
    assert not cache.put(thing("a", 19))
    assert cache.put(thing("a", 21))


def test_a_late_answer_does_not_bring_back_what_a_bookmark_has_passed() -> None:
    cache = Cache(REPLICA_SET)
    cache.advance(30)
    assert not cache.put(thing("a", 30))


def test_a_late_deletion_does_not_take_a_newer_object() -> None:
    cache = Cache(REPLICA_SET)
    cache.put(thing("a", 9))
    assert not cache.remove(thing("a", 7))
    assert cache.get("ns", "a") is not None


def test_a_list_replaces_everything() -> None:
    cache = Cache(REPLICA_SET)
    cache.put(thing("gone", 1))
    cache.put(thing("kept", 2))
    cache.replace([thing("kept", 2), thing("new", 3)], 4, cache.mark)
    assert names(cache.objects()) == ["kept", "new"]


def test_a_list_does_not_undo_what_was_written_while_it_was_under_way() -> None:
    cache = Cache(REPLICA_SET)
    cache.put(thing("a", 1))
    mark = cache.mark
    cache.put(thing("a", 11))
    cache.put(thing("created", 12))
    cache.replace([thing("a", 1)], 10, mark)
    assert names(cache.objects()) == ["a", "created"]
    assert cache.get("ns", "a") == thing("a", 11)


def test_a_list_of_a_restored_server_wins_over_higher_versions_from_before() -> None:
    cache = Cache(REPLICA_SET)
    cache.put(thing("a", 900))
    cache.put(thing("b", 901))
    cache.replace([thing("a", 3)], 5, cache.mark)
    assert cache.objects() == [thing("a", 3)]
    assert cache.put(thing("a", 6)), "and the watch goes on from there"


def test_subscribers_learn_of_every_change_and_of_nothing_else() -> None:
    cache, told = Cache(REPLICA_SET), []
    unsubscribe = cache.subscribe(lambda old, new: told.append((old, new)))
    one, two = thing("a", 1), thing("a", 2)
    cache.put(one)
    cache.put(one)
    cache.put(two)
    cache.replace([two], 3, cache.mark)
    cache.remove(thing("a", 4))
    unsubscribe()
    cache.put(thing("b", 5))
    assert told == [(None, one), (one, two), (two, None)]


def test_a_subscriber_that_raises_does_not_stop_the_others() -> None:
    cache, told = Cache(REPLICA_SET), []

    def broken(old: Obj | None, new: Obj | None) -> None:
        raise ValueError("a bug")

    cache.subscribe(broken)
    cache.subscribe(lambda old, new: told.append(new))
    cache.put(thing("a", 1))
    assert told == [thing("a", 1)]


def test_indexes_follow_the_objects() -> None:
    def services(obj: Obj) -> list[str]:
        return [f"ns/{service}" for service in obj.get("services", ())]

    def owned(name: str, version: int, owner: str, **labels: str) -> dict[str, Any]:
        owners = [{"uid": "other"}, {"uid": owner, "controller": True}]
        return thing(name, version, ownerReferences=owners, labels=labels)

    cache = Cache(REPLICA_SET, indexes={"hash": by_label("hash"), "service": services})
    cache.put(owned("b", 1, "u1", hash="x"))
    cache.put(owned("a", 2, "u1", hash="y"))
    cache.put({**owned("c", 3, "u2"), "services": ["s", "t"]})
    assert names(cache.owned_by("u1")) == ["a", "b"]
    assert cache.owned_by("other") == []
    assert names(cache.by("hash", "x")) == ["b"]
    assert names(cache.by("service", "ns/t")) == ["c"]
    cache.put(owned("b", 4, "u2", hash="y"))
    assert names(cache.owned_by("u1")) == ["a"]
    assert names(cache.by("hash", "y")) == ["a", "b"]
    assert cache.by("hash", "x") == []
    cache.remove(owned("c", 5, "u2"))
    assert names(cache.owned_by("u2")) == ["b"]


def test_an_index_added_later_knows_what_is_there() -> None:
    cache = Cache(REPLICA_SET)
    cache.put(thing("a", 1, labels={"app": "shop"}))
    cache.add_index("app", by_label("app"))
    assert names(cache.by("app", "shop")) == ["a"]


def test_namespaces_are_kept_apart() -> None:
    cache = Cache(REPLICA_SET)
    cache.put(thing("a", 1, namespace="one"))
    cache.put(thing("a", 2, namespace="two"))
    assert [obj["metadata"]["namespace"] for obj in cache.objects()] == ["one", "two"]
    assert cache.objects("two") == [thing("a", 2, namespace="two")]
    assert len(cache) == len([*cache]) == 2


def test_what_no_decision_reads_is_dropped_and_the_object_handed_in_left_alone() -> None:
    applied = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "mine": "1"}
    whole = thing("a", 1, managedFields=[{"manager": "kubectl"}], annotations=applied)
    assert lean(whole) == thing("a", 1, annotations={"mine": "1"})
    assert "managedFields" in whole["metadata"]
    light = thing("b", 1)
    assert lean(light) is light
