"""The language of conditions: operators, literals, builtins, static types, and what is refused."""

import json
import math
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from analysis.expr import CompileError, ExprError, FloatList, RunError
from analysis.expr.environment import holds, time_of, value_of
from analysis.expr.gotypes.values import IntList, Struct, format_float
from analysis.expr.tagged import tag

NOW = datetime(2026, 1, 2, 15, 4, 5, tzinfo=UTC)
DOC: dict[str, Any] = {
    "a": {"b": 1.0},
    "n": 3.0,
    "s": "text",
    "t": True,
    "none": None,
    "list": [1.0, 2.0, 3.0, 4.0],
    "items": [{"name": "x", "size": 2.0}, {"name": "y", "size": 1.0}],
}


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("-2 ** 2", -4.0),
        ("2 ** 3 ** 2", 512.0),
        ("7 / 2", 3.5),
        ("1 / 0", math.inf),
        ("-1 / 0", -math.inf),
        ("-7 % 3", -1),
        ("7 % -3", 1),
        ("1 + 2 * 3", 7),
        ("1 + 1.5", 2.5),
        ("9223372036854775807 + 1", -9223372036854775808),
        ("1_000 + 0x10 + 0o7 + 0b11", 1026),
        (".5 + 1e3", 1000.5),
        ("1 < 2 < 3", True),
        ("1 < 3 < 2", False),
        ("not (1 in [2]) and 1 not in [2]", True),
        ("!true == false", True),
        ("'a' + \"b\" + `c``d`", "abc`d"),
        (r'"\u{1F600}\x41\n"', "😀A\n"),
        ("1 in 1..3", True),
        ("3..1 == []", True),
        ("true ? 1 : 2", 1),
        ("true ?: 2", True),
        ("if false {1} else if true {2} else {3}", 2),
        ("let x = 2; let y = x + 1; x * y", 6),
        ("1; 2; 3", 3),
        ("[1, 2, 3,][-1]", 3),
        ("[1, 2, 3][1:]", [2, 3]),
        ("[1, 2, 3][:-1]", [1, 2]),
        ("[1, 2, 3][5:9]", []),
        ("'abc'[1:]", "bc"),
        ("{a: 1, 'b': 2, (\"c\"): 3}.c", 3),
        ("{a: 1}.missing", None),
        ("nil ?? 5", 5),
        ("[1,2,3] | map(# * 2) | sum()", 12),
        ("reduce([1,2,3], #acc + #, 10)", 16),
        ("map([5,6], #index)", [0, 1]),
        ("filter(1..6, # % 2 == 0)", [2, 4, 6]),
        ("count([true, false, true])", 2),
        ("findIndex([1,2], # > 5)", None),
        ("sortBy([3,1,2], #, 'desc')", [3, 2, 1]),
        ("groupBy([1,2,3], # % 2)[1]", [1, 3]),
        ("uniq([1, 1.0, 2])", [1, 2]),
        ("flatten([1, [2, [3]]])", [1, 2, 3]),
        ("concat([1], [2])", [1, 2]),
        ("max([1, 5.5, 2])", 5.5),
        ("min(3, [2, 4])", 2),
        ("mean([])", 0.0),
        ("median([3, 1, 2, 10])", 2.5),
        ("round(2.5) + round(-2.5)", 0.0),
        ("ceil(1.2) + floor(1.8)", 3.0),
        ("int('17') + int(2.9)", 19),
        ("float('1e3')", 1000.0),
        ("string(1e21) + string(nil) + string([1, 'a'])", "1e+21<nil>[1 a]"),
        ("type(1.0) + type(nil) + type([])", "floatnilarray"),
        ("len('größe')", 5),
        ("indexOf('größe', 'e')", 6),
        ("upper(trim('  a ')) + trimPrefix('xx', 'x')", "Ax"),
        ("split('a,b,c', ',', 2)", ["a", "b,c"]),
        ("splitAfter('a,b', ',')", ["a,", "b"]),
        ("join(['a', 'b'], '-') + replace('aaa', 'a', 'b', 2)", "a-bbba"),
        ("toJSON({b: 1.5, a: '<'})", '{\n  "a": "\\u003c",\n  "b": 1.5\n}'),
        ("fromJSON('{\"a\": [1]}').a[0]", 1.0),
        ("fromBase64(toBase64('hi'))", "hi"),
        ("bitand(6, 3) + bitor(1, 2) + bitxor(5, 1) + bitshl(1, 3) + bitnot(0)", 16),
        ("bitushr(-1, 63)", 1),
        ("take([1,2,3], 2) == [1,2]", True),
        ("fromPairs([['a', 1], [2, 3]])[2]", 3),
        ("{a: 1} == {a: 1.0}", False),
        ("get([1], 5)", None),
        ("last([]) == nil", True),
        ("'abc' matches '^a.c$' and 'abc' contains 'b' and 'abc' endsWith 'c'", True),
        ("'abc' not startsWith 'b'", True),
        ("$env?.['missing'] == nil", True),
        ("::len([1])", 1),
        ("1 == 1.0 /* comment */ // and another", True),
        ("duration('90m').Hours()", 1.5),
        ("string(duration('90m') + duration('1.5s'))", "1h30m1.5s"),
        ("date('2026-01-02').Year() + date('2026-01-02').YearDay()", 2028),
        ("date('2026-01-02T15:04:05Z').Format('Mon Jan _2 15:04 MST 2006')", "Fri Jan  2 15:04 UTC 2026"),
        ("date('02.01.2026', '02.01.2006').Unix()", 1767312000),
        ("(date('2026-01-03') - date('2026-01-02')).Hours()", 24.0),
        ("now().Unix()", 1767366245),
        ("now(timezone('Europe/Berlin')).Hour()", 16),
        ("string(now().Weekday())", "Friday"),
        ("date('2026-01-02') < now()", True),
    ],
)
def test_values(source: str, value: object) -> None:
    got = value_of(source, DOC, NOW)
    assert got == value
    assert type(got) is type(value) or isinstance(got, (list, str))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "unexpected token EOF"),
        ("1 +", "unexpected token EOF"),
        ("foo", "unknown name foo"),
        (
            "result.n ?? 0 > 5",
            "Operator (>) and coalesce expressions (??) cannot be mixed. Wrap either by parentheses.",
        ),
        ("1 % 0", "integer divide by zero"),
        ("'a' > 1", "invalid operation: > (mismatched types string and int)"),
        ("'a' in 'abc'", "invalid operation: in (mismatched types string and string)"),
        ("true == 1", "invalid operation: == (mismatched types bool and int)"),
        ("!1", "invalid operation: ! (mismatched type int)"),
        ("5.5 % 2", "invalid operation: % (mismatched types float64 and int)"),
        ("let len = 1; len", "cannot redeclare builtin len"),
        ("let result = 1; result", "cannot redeclare result"),
        ("let x = 1; let x = 2; x", "cannot redeclare variable x"),
        ("'a' matches '('", "error parsing regexp: missing closing ): `(`"),
        ("#", 'unexpected token Operator("#")'),
        ("filter([1], 1)", "predicate should return boolean (got int)"),
        ("map([1], nil)", "predicate should has one input and one output param"),
        ("filter([1], #acc > 1)", "unknown pointer #acc"),
        ("len(1)", "invalid argument for len (type int)"),
        ("upper(1)", "cannot use int as argument (type string) to call upper "),
        ("upper()", "not enough arguments to call upper"),
        ("upper('a', 'b')", "too many arguments to call upper"),
        ("isNaN('a')", "cannot use string as argument (type float64) to call isNaN "),
        ("1 ? 2 : 3", "non-bool expression (type int) used as condition"),
        (
            "9223372036854775808",
            'invalid integer literal: strconv.ParseInt: parsing "9223372036854775808": value out of range',
        ),
        ("'abc", "literal not terminated"),
        ("/* open", "unclosed comment"),
        ("[1,2", "unexpected token EOF"),
        ("1 not", "unexpected token EOF"),
        ("[1].a", "array elements can only be selected using an integer (got string)"),
        ("1..'a'", "invalid operation: .. (mismatched types int and string)"),
    ],
)
def test_what_is_refused_before_it_runs(source: str, message: str) -> None:
    with pytest.raises(CompileError) as refused:
        value_of(source, DOC, NOW)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("result.missing.deep", "cannot fetch deep from <nil>"),
        ("result.list[9]", "index out of range: 9 (array length is 4)"),
        ("result.list[-7]", "index out of range: -3 (array length is 4)"),
        ("result.s > 1", "invalid operation: string > int"),
        ("result.n % 2", "invalid operation: float64 % int"),
        ("int('5.5')", "invalid operation: int(5.5)"),
        ("reduce([], #acc + #)", "reduce of empty array with no initial value"),
        ("result.n in ['a']", "reflect.Value.MapIndex: value of type float64 is not assignable to type string"),
        ("'a' in result.s", 'operator "in" not defined on string'),
        ("result.s()", "invalid operation: cannot call non-function of type string"),
        ("asInt('1.1')", 'strconv.ParseInt: parsing "1.1": invalid syntax'),
        ("asInt(result.none)", "asInt() not supported on <nil> <nil>"),
        ("asFloat(true)", "asFloat() not supported on bool true"),
        ("1..2000000", "memory budget exceeded"),
        ("repeat('a', 2000000)", "memory budget exceeded"),
    ],
)
def test_what_fails_while_it_runs(source: str, message: str) -> None:
    with pytest.raises(RunError) as failed:
        value_of(source, DOC, NOW)
    assert str(failed.value) == message


@pytest.mark.parametrize(
    ("source", "result", "message"),
    [
        ("asFloat(result) == '1.1'", "1.1", "invalid operation: == (mismatched types float64 and string)"),
        ("result > 0", FloatList([1.0]), "invalid operation: > (mismatched types []float64 and int)"),
        ("result[0] > 1", 1.0, "type float64[int] is undefined"),
        ("result.x", FloatList([1.0]), "array elements can only be selected using an integer (got string)"),
        ("result == 'a'", True, "invalid operation: == (mismatched types bool and string)"),
        ("isNaN(result)", FloatList([1.0]), "cannot use []float64 as argument (type float64) to call isNaN "),
        ("result.a", None, "type nil has no field a"),
        ("len(result)", None, "invalid argument for len (type %!s(<nil>))"),
        ("result > 1", None, "invalid operation: > (mismatched types unknown and int)"),
    ],
)
def test_the_type_of_the_result_is_checked_before_it_runs(source: str, result: Any, message: str) -> None:
    with pytest.raises(CompileError) as refused:
        value_of(source, result)
    assert str(refused.value) == message


def test_optional_chains_stop_at_nil_only() -> None:
    assert value_of("result.none?.b.c", DOC) is None
    assert value_of("result.a?.b", DOC) == 1.0
    assert value_of("result.missing?.[0]", DOC) is None
    with pytest.raises(RunError, match="index out of range"):
        value_of("result.list?.[9]", DOC)


def test_dead_operands_vanish_after_the_types_are_checked() -> None:
    assert value_of("result.missing.deep > 1 or true", DOC) is True
    assert value_of("1 == 2 and result.missing.deep > 1", DOC) is False
    with pytest.raises(CompileError):
        value_of("'a' > 1 or true", DOC)


def test_lists_compare_element_by_element_where_one_is_generic() -> None:
    vector = FloatList([1.0, 2.0])
    assert value_of("result == [1, 2]", vector) is True
    assert value_of("result == 1..2", vector) is False
    assert value_of("2 in result", vector) is True


def test_structs_have_fields_and_nothing_else() -> None:
    row = Struct("types.MetricDataResult", {"Id": "a", "Values": FloatList([0.1, 0.2])})
    assert value_of("result[0].Values[0]", [row]) == 0.1
    assert value_of("'Id' in result", row) is True
    with pytest.raises(CompileError, match="has no field __class__"):
        value_of("result.__class__", row)


@pytest.mark.parametrize("source", ["result.__class__", "result.a.__init__", "result['__dict__']"])
def test_python_is_out_of_reach(source: str) -> None:
    assert value_of(source, DOC) is None


@pytest.mark.parametrize("source", ["result.n.__add__", "result.s.upper", "result.list.append"])
def test_python_methods_do_not_exist(source: str) -> None:
    with pytest.raises(ExprError):
        value_of(source, DOC)


def test_errors_know_their_column() -> None:
    with pytest.raises(CompileError) as refused:
        value_of("1 + nowhere", DOC)
    assert refused.value.column == 4


def test_range_queries_need_a_time() -> None:
    assert time_of("now() - duration('1h')", NOW) == NOW.timestamp() - 3600
    with pytest.raises(ExprError, match=r"expected time\.Time, but got int64"):
        time_of("now().Unix()", NOW)
    with pytest.raises(ExprError, match="unknown name result"):
        time_of("result", NOW)


def test_a_condition_must_be_a_bool() -> None:
    for source, name in (
        ("1", "int"),
        ("1.5", "float64"),
        ("nil", "<nil>"),
        ("'a'", "string"),
        ("true && result.s", "string"),
    ):
        with pytest.raises(ExprError, match=f"^expected bool, but got {name}$"):
            holds(source, DOC)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1e21, "1e+21"),
        (1e20, "1e+20"),
        (1234567.5, "1.2345675e+06"),
        (100000.0, "100000"),
        (1e-5, "1e-05"),
        (0.0001, "0.0001"),
        (-2.5, "-2.5"),
        (123456.789, "123456.789"),
        (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (0.1, "0.1"),
        (100.0, "100"),
    ],
)
def test_floats_print_as_in_go(number: float, text: str) -> None:
    assert format_float(number) == text


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("count([1, 'x'], # > 0) > 0", True),
        ("count([1, 2, 'x'], # > 0) >= 2", True),
        ("first(filter([1, 'x'], # > 0))", 1),
        ("filter([1, 'x'], # > 0)[0]", 1),
        ("sum(['a', result.s])", "atext"),
        ("sum(1..3000000)", 4500001500000),
        ("len(0..9223372036854775807)", 0),
        ("string(duration('100ns'))", "100ns"),
        ("'ß' | upper()", "ß"),
        ("float('1_000')", 1000.0),
        ("string(date('2024-01-02T03:04:05+02:00'))", "2024-01-02 03:04:05 +0200 +0200"),
        ("toJSON(date('2024-01-02T03:04:05.5Z'))", '"2024-01-02T03:04:05.5Z"'),
    ],
)
def test_what_the_reference_shortens_is_shortened(source: str, value: object) -> None:
    assert value_of(source, DOC) == value


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("findIndex([1], # > 5) == 0", "interface conversion: interface {} is nil, not int"),
        ("findIndex([1], # > 5) in 0..2", "invalid operation: <nil> >= int"),
        ("filter([1], # > 5)[0]", "reflect: slice index out of range"),
        ("result.missing[1:]", "invalid argument for len (type <nil>)"),
        ("isNaN(len([]))", "interface conversion: interface {} is int, not float64"),
        ("duration('é')", r'time: invalid duration "\xc3\xa9"'),
        ("asInt('a\\tb')", r'strconv.ParseInt: parsing "a\tb": invalid syntax'),
    ],
)
def test_what_the_reference_refuses_is_refused_in_its_words(source: str, text: str) -> None:
    with pytest.raises(RunError, match=f"^{re.escape(text)}$"):
        value_of(source, DOC)


def test_nested_predicates_see_their_own_element() -> None:
    assert value_of("map([[1, 2], [3]], map(#, # * 10))", None) == [[10, 20], [30]]
    assert value_of("map([1, 2], {let x = #; filter([1, 2, 3], # > x)})", None) == [[2, 3], [3]]


def test_integers_and_floats_keep_their_kind() -> None:
    assert tag(value_of("[1, 1.0, 1 + 1.0, 2 ** 2, len('a')]", None)) == {
        "array": [{"int": "1"}, {"float": "1"}, {"float": "2"}, {"float": "4"}, {"int": "1"}]
    }
    assert isinstance(value_of("1..3", None), IntList)


def test_the_command_prints_each_line_with_its_value(tmp_path: Path) -> None:
    shapes = tmp_path / "shapes.json"
    shapes.write_text('{"vector": [0.5], "int": 7}')
    lines = [{"expr": "result[0] < 1", "result": "vector"}, {"expr": "isNaN(result[0])", "result": "nan-vector"}]
    lines += [{"expr": "result +", "result": "int"}, {"expr": "result", "result": "int"}]
    done = subprocess.run(
        [sys.executable, "-m", "analysis.expr", "--shapes", str(shapes)],
        input="\n".join(map(json.dumps, lines)),
        capture_output=True,
        text=True,
        check=True,
    )
    printed = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one.get("value", one.get("error")) for one in printed] == [
        {"bool": True},
        {"bool": True},
        "compile",
        {"int": "7"},
    ]
