"""RE2's expressions."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.expr.regex import RegexError, search


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("rate", "error-rate", True),
        ("^rate", "error-rate", False),
        ("rate$", "error-rate", True),
        ("^$", "", True),
        ("a.c", "a\nc", False),
        ("(?s)a.c", "a\nc", True),
        ("(?i)ABC", "xabcx", True),
        ("(?i:A)b", "ab", True),
        ("(?i:A)b", "aB", False),
        ("(?m)^b$", "a\nb\nc", True),
        ("^b$", "a\nb\nc", False),
        ("[a-c]+[^d-f]", "abz", True),
        ("[]a]", "]", True),
        ("[a-]", "-", True),
        (r"[\d_]{2,3}$", "a_1", True),
        (r"\d{3}", "12", False),
        (r"\bfoo\b", "a foo b", True),
        (r"\Bfoo", "foo", False),
        (r"\Aab\z", "ab", True),
        (r"\x41\x{1F600}", "A😀", True),
        (r"\101", "A", True),
        (r"\Qa.b\E+", "a.bb", True),
        (r"\pL\p{Lu}\PN", "aBc", True),
        (r"\p{Greek}", "α", True),
        (r"[[:alpha:]][[:^digit:]]", "a-", True),
        ("a{,2}", "a{,2}", True),
        ("(?P<name>x)(?:y)(z)?", "xy", True),
        ("a|b|", "zzz", True),
        ("(a|b)*c", "ababc", True),
        ("x*?y+?", "xxy", True),
        ("[[:word:]]", "_", True),
        ("ok|up", "up", True),
        ("5..", "503", True),
    ],
)
def test_what_is_found(pattern: str, text: str, found: bool) -> None:
    assert search(pattern, text) is found


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("*", "missing argument to repetition operator: `*`"),
        ("a**", "invalid nested repetition operator: `**`"),
        ("(", "missing closing ): `(`"),
        ("a)", "unexpected ): `a)`"),
        ("[a", "missing closing ]: `[a`"),
        ("[z-a]", "invalid character class range: `z-a`"),
        ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
        ("(?<!a)", "invalid or unsupported Perl syntax: `(?<`"),
        (r"(a)\1", r"invalid escape sequence: `\1`"),
        ("a{1001}", "invalid repeat count: `{1001}`"),
        ("a{3,2}", "invalid repeat count: `{3,2}`"),
        ("\\", "trailing backslash at end of expression: ``"),
        (r"\p{Nope}", r"invalid character class range: `\p{Nope}`"),
    ],
)
def test_what_is_no_expression(pattern: str, message: str) -> None:
    with pytest.raises(RegexError) as refused:
        search(pattern, "a")
    assert str(refused.value) == f"error parsing regexp: {message}"


PIECES = st.sampled_from(
    ("a", "b", ".", "[ab]", "[^a]", "a*", "b+", "a?", "(a|b)", "(ab)*", "^", "$", r"\d", r"\w", "a{1,2}", "|")
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=6), st.text(alphabet="ab1_\n", max_size=8))
def test_agrees_with_another_engine_where_both_speak_the_same_language(pieces: list[str], text: str) -> None:
    pattern = "".join(pieces)
    # there `$` also matches before a newline at the end, which `\Z` does not
    assert search(pattern, text) is bool(re.search(pattern.replace("$", r"\Z"), text, re.ASCII))
