"""JSONPath in the dialect of Kubernetes."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.jsonpath import JsonPathError, find, parse

DOC: dict[str, Any] = {
    "n": 1.0,
    "ok": True,
    "none": None,
    "dotted.key": 7.0,
    "list": [1.0, 2.0, 3.0],
    "items": [{"x": "y", "n": 1.0, "flag": True}, {"x": "z", "n": 2.0}],
    "deep": {"list": [4.0], "n": 5.0},
}


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("{$}", [DOC]),
        ("{.}", [DOC]),
        ("{@.n}", [1.0]),
        ("{$.n}{$.ok}", [1.0]),
        ("{.n .ok}", JsonPathError),
        ("$.n", ["$.n"]),
        ("value: {.n}", ["value: "]),
        ("", []),
        ("{.none}", [None]),
        ("{['n']}", [1.0]),
        ("{$['dotted.key']}", [7.0]),
        (r"{.dotted\.key}", [7.0]),
        ("{.list[0]}", [1.0]),
        ("{.list[-1]}", [3.0]),
        ("{.list[*]}", [1.0, 2.0, 3.0]),
        ("{.list[0:2]}", [1.0, 2.0]),
        ("{.list[::2]}", [1.0, 3.0]),
        ("{.list[1:]}", [2.0, 3.0]),
        ("{.list[0,2]}", [1.0, 3.0]),
        ("{['n', 'ok']}", [1.0, True]),
        ("{.items[*].x}", ["y", "z"]),
        ("{.items[?(@.x=='z')].n}", [2.0]),
        ('{.items[?(@.x != "z")].n}', [1.0]),
        ("{.items[?(@.n > 1.5)].x}", ["z"]),
        ("{.items[?(@.flag)].x}", ["y"]),
        ("{.deep.*}", [[4.0], 5.0]),
        ("{..n}", [1.0, 5.0, 1.0, 2.0]),
        ("{..list[0]}", [1.0, 4.0]),
        ("{range .items[*]}{.x}{end}", ["y"]),
        ("{.list[1:1]}", []),
        ("{'quoted'}", ["quoted"]),
    ],
)
def test_what_is_found(path: str, values: Any) -> None:
    if values is JsonPathError:
        with pytest.raises(JsonPathError):
            find(parse(path), DOC)
    elif path == "{..n}" or path == "{..list[0]}":
        assert sorted(find(parse(path), DOC)) == sorted(values)
    else:
        assert find(parse(path), DOC) == values


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("{.x}", "x is not found"),
        ("{.none.x}", "x is not found"),
        ("{.n.x}", "x is not found"),
        ("{.list[5]}", "array index out of bounds: index 5, length 3"),
        ("{.list[2:9]}", "array index out of bounds: index 8, length 3"),
        ("{.n[0]}", "1 is not array or slice"),
        ("{.n[?(@.x)]}", "1 is not array or slice and cannot be filtered"),
        ("{.items[?(@.x > 1)]}", "incompatible types for comparison"),
    ],
)
def test_what_is_not_found(path: str, message: str) -> None:
    with pytest.raises(JsonPathError) as failed:
        find(parse(path), DOC)
    assert str(failed.value) == message


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("{.n", "unclosed action"),
        ("{.list[rate]}", "invalid array index rate"),
        ("{.list[0}", "unterminated array"),
        ("{'open}", "unterminated quoted string"),
        ("{end}", "not in range, nothing to end"),
        ("{range .items[*]}{.x}", "unterminated range"),
        ("{name}", "unrecognized identifier name"),
    ],
)
def test_what_is_no_path(path: str, message: str) -> None:
    with pytest.raises(JsonPathError) as refused:
        parse(path)
    assert str(refused.value) == message


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="{}[]().*?@$'\",:=<>!-019nx rangeend\\", max_size=25))
def test_any_text_is_a_path_or_is_refused(text: str) -> None:
    try:
        find(parse(text), DOC)
    except JsonPathError:
        return
