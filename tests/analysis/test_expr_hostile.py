"""No expression, however it is written, stalls or breaks its caller."""

import random
import time
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.expr import ExprError, FloatList, RunError
from analysis.expr.environment import holds, value_of
from analysis.expr.gotypes.values import Value
from analysis.expr.regex import RegexError, search

DOC: dict[str, Value] = {"a": {"b": 1.0}, "list": [1.0, "x", None, True], "s": "text", "v": FloatList([0.5, 1.5])}
WORDS = (
    *(
        "result",
        "result.a",
        "result.list",
        "result.s",
        "result.v",
        "1",
        "2.5",
        "'x'",
        "nil",
        "true",
        "[1, 'a']",
        "{k: 1}",
    ),
    *("(", ")", "[", "]", "{", "}", ",", ";", ":", "?", "?.", ".", "..", "#", "#acc", "|", "let x =", "if", "else"),
    *("+", "-", "*", "/", "%", "**", "==", "!=", "<", ">=", "in", "not", "and", "or", "??", "matches", "contains"),
    *("map(", "filter(", "reduce(", "sum(", "len(", "sortBy(", "groupBy(", "toJSON(", "date(", "duration(", "get("),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=14))
def test_any_row_of_words_has_a_value_or_is_refused(words: list[str]) -> None:
    try:
        value_of(" ".join(words), DOC)
    except ExprError:
        return


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_any_text_has_a_value_or_is_refused(text: str) -> None:
    try:
        value_of(text, DOC)
    except ExprError:
        return


def test_mutated_conditions_have_a_value_or_are_refused() -> None:
    rng = random.Random(7)
    seeds = ("result.v[0] >= 0.95 && len(result.list) > 0", "map(result.v, # * 2) | sum() < 1", "result.a?.b ?? 1")
    for _ in range(1_500):
        text = list(rng.choice(seeds))
        for _ in range(rng.randint(1, 3)):
            text[rng.randrange(len(text))] = rng.choice("()[]{}#.?|&<>=!'\"\\ 019abx")
        try:
            value_of("".join(text), DOC)
        except ExprError:
            continue


@pytest.mark.parametrize(
    "source",
    [
        "(" * 5_000 + "1" + ")" * 5_000,
        "[" * 5_000,
        "-" * 5_000 + "1",
        "!" * 5_000 + "true",
        "1" + " + 1" * 20_000,
        "true" + " && true" * 9_000,
        "result" + ".a" * 20_000,
        "if true {" * 2_000,
        "1 ? " * 3_000 + "1",
        "let a = 1; " * 3_000,
        "trim(" * 55 + "1" + ")" * 55,
        "sort(" * 55 + "1" + ")" * 55,
        "'" + "a" * 200_000 + "'",
    ],
    ids=lambda source: source[:12],
)
def test_a_monstrous_expression_is_refused_quickly(source: str) -> None:
    begun = time.process_time()
    with pytest.raises(ExprError):
        value_of(source, DOC)
    assert time.process_time() - begun < 2


@pytest.mark.parametrize(
    "source",
    [
        "all(1..900000, all(1..900000, # > 0))",
        "map(1..1000, map(1..1000, map(1..1000, 1)))",
        "repeat(repeat('x', 1000), 100000)",
        "map(1..1000, repeat('x', 100000))",
        "reduce(1..900000, #acc + 'xxxxxxxx', '')",
        "reduce(1..100, concat(#acc, #acc), [1, 2])",
        "1 in bitshl(1, 1000000000)..5",
        "sum(1..900000, count(1..900000))",
        "uniq(1..900000)",
        "sortBy(1..900000, -#)",
    ],
)
def test_a_costly_expression_ends_quickly(source: str) -> None:
    begun = time.process_time()
    with suppress(RunError):
        value_of(source, DOC)
    assert time.process_time() - begun < 10


def _nested(pattern: str, times: int) -> str:
    source = "result.a"
    for _ in range(times):
        source = pattern.format(source)
    return source


@pytest.mark.parametrize("pattern", ["first([1 < {} < 3])", "({} ?: false)", "(0 <= len([{}]) <= 2)"])
def test_an_operand_that_is_needed_twice_is_computed_once(pattern: str) -> None:
    """Twice at each level would be a billion times at the thirtieth."""
    begun = time.process_time()
    with suppress(ExprError):
        value_of(_nested(pattern, 18), {"a": 2.0})
    with suppress(ExprError):
        value_of(_nested(pattern, 50), {"a": 2.0})
    assert time.process_time() - begun < 2


def test_a_part_of_the_environment_that_is_not_checked_is_refused_when_it_runs() -> None:
    with pytest.raises(RunError):
        value_of("$env?.[first(0, 1, 2)]", DOC)


def test_catastrophic_patterns_are_linear() -> None:
    begun = time.process_time()
    assert not search("(a+)+$", "a" * 2_000 + "b")
    assert not search("(a|aa)+$", "a" * 2_000 + "b")
    with pytest.raises(RegexError):
        search("(((a{900}){900}){900})", "a")
    assert time.process_time() - begun < 5


def test_a_usual_condition_takes_microseconds() -> None:
    vector = FloatList([0.01])
    holds("result[0] < 0.05", vector)
    begun = time.process_time()
    for _ in range(20_000):
        holds("result[0] < 0.05", vector)
    # 1.5 microseconds where it was written; the bound leaves room for a busy machine
    assert (time.process_time() - begun) / 20_000 < 20e-6
