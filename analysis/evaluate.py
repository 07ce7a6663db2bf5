"""Pure. A result and its conditions become a verdict."""

from datetime import datetime

from analysis.api import AnalysisPhase, Metric
from analysis.expr.environment import holds
from analysis.expr.errors import ExprError
from analysis.expr.gotypes.values import Value

NO_DATA = "metric result is nil or empty: no data returned from the metric provider"


def evaluate(metric: Metric, result: Value, now: datetime | None = None) -> tuple[AnalysisPhase, str]:
    """The phase of a measurement with this result, and the reason when it is Error.

    Both conditions are always evaluated; a failureCondition that holds wins. `result` is in the clothes of
    `analysis.expr.gotypes.values`: a FloatList for a vector, floats for the numbers of a JSON document.
    """
    verdicts: list[bool | None] = []
    for name, condition in (
        ("successCondition", metric.success_condition),
        ("failureCondition", metric.failure_condition),
    ):
        try:
            verdicts.append(holds(condition, result, now) if condition else None)
        except ExprError as error:
            cause = NO_DATA if _empty(result) else str(error)
            return AnalysisPhase.ERROR, f'could not evaluate {name} "{condition}": {cause}'
    return _verdict(*verdicts), ""


def _verdict(success: bool | None, failure: bool | None) -> AnalysisPhase:
    if failure:
        return AnalysisPhase.FAILED
    if success:
        return AnalysisPhase.SUCCESSFUL
    if success is None:
        return AnalysisPhase.SUCCESSFUL
    return AnalysisPhase.FAILED if failure is None else AnalysisPhase.INCONCLUSIVE


def _empty(result: Value) -> bool:
    return result is None or (isinstance(result, list) and not result)
