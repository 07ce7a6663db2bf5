"""Pure. Selectors of Prometheus series, to which labels are added; nothing else of PromQL is read here.

A counter is asked for series by series, so that a pod that restarts is seen to restart. That works on a plain selector
only: in a sum, or in a rate, the restart is lost.
"""

import re

from analysis.asked.lack import AskedError

_TAG = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_STRING = r'"(?:[^"\\]|\\.)*"' + r"|'(?:[^'\\]|\\.)*'" + r"|`[^`]*`"
_MATCHER = rf"\s*[a-zA-Z_][a-zA-Z0-9_]*\s*(?:=~|!~|!=|=)\s*(?:{_STRING})\s*"
_MATCHERS = re.compile(rf"{_MATCHER}(?:,{_MATCHER})*,?\s*")
_SELECTOR = re.compile(rf"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{{((?:{_MATCHERS.pattern})|\s*)\}})?\s*")


def checked_selector(field: str, text: str) -> None:
    """AskedError when `text` is no plain selector of one counter. What an argument may still complete passes."""
    if not _SELECTOR.fullmatch(_with_any(text)) and not _open(text):
        wanted = 'a selector of one counter is wanted, such as http_requests_total{app="web"}: no function, no sum'
        raise AskedError(f"{field}: {wanted}")


def checked_matchers(field: str, text: str) -> None:
    """AskedError when `text` is no list of label matchers. What an argument may still complete passes."""
    if not _MATCHERS.fullmatch(_with_any(text)) and not _open(text):
        raise AskedError(f'{field}: labels as in a selector are wanted, such as version="canary",zone!="test"')


def joined(selector: str, matchers: str) -> str:
    """The selector with the matchers added. Both hold no arguments any more; AskedError when one is not valid."""
    found = _SELECTOR.fullmatch(selector)
    if found is None:
        raise AskedError(f"{selector.strip()!r} is no selector of one counter")
    if not _MATCHERS.fullmatch(matchers):
        raise AskedError(f"{matchers.strip()!r} are no label matchers")
    parts = ((found[2] or "").strip().rstrip(","), matchers.strip().rstrip(","))
    return f"{found[1]}{{{','.join(filter(None, parts))}}}"


def _with_any(text: str) -> str:
    return _TAG.sub("x", text)


def _open(text: str) -> bool:
    """Whether an argument stands for more than a part of a quoted text, so that only its value can tell."""
    return bool(_TAG.search(re.sub(_STRING, '""', text)))
