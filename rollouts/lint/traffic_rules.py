"""Pure. Rules about how a Rollout's traffic is to be proven."""

from collections.abc import Iterator

from rollouts.api.proof import PLACEHOLDERS, ProofError, filled, proof
from rollouts.api.rollout import Rollout
from rollouts.lint import promql
from rollouts.lint.fileset import FileSet
from rollouts.lint.registry import Fault, Severity, rule

_LIKELY = dict.fromkeys(PLACEHOLDERS, "x") | {"window": "30s"}


@rule(
    "traffic-proof",
    Severity.ERROR,
    "The annotation that asks for proof of traffic is not known, or cannot be acted on: the Rollout is refused. Or its "
    "query is no PromQL: nothing is ever proven.",
)
def traffic_proof(files: FileSet) -> Iterator[Fault]:
    for one in files.of(Rollout):
        text = _fault(one.value)
        if text:
            yield Fault(one.document, ("metadata", "annotations"), text)


def _fault(rollout: Rollout) -> str:
    try:
        asked = proof(rollout)
        if asked is not None:
            promql.parse(filled(asked.requests, **_LIKELY))
    except ProofError as error:
        return str(error)
    except promql.PromqlError as error:
        return f"the query that counts requests does not parse: {error}"
    return ""
