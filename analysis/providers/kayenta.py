"""Kayenta: a canary analysis that is begun, and looked at until it has a score. Conditions count not."""

import json
from datetime import datetime, timedelta
from typing import Any

from analysis.api import AnalysisPhase, Measurement, Metric
from analysis.metricprovider import KayentaScope, KayentaScopeDetail
from analysis.providers.base import Context, ProviderError, dig, document, ended
from analysis.providers.http import HttpError, Request
from analysis.schema import Obj, format_time, parse_duration

TIMEOUT = timedelta(seconds=10)
LOOK_AGAIN = timedelta(seconds=15)
EXECUTION = "canaryExecutionId"


class Kayenta:
    """One canary analysis for every measurement."""

    def __init__(self, metric: Metric, context: Context) -> None:
        if metric.provider.kayenta is None:
            raise ProviderError("the metric has no kayenta provider")
        self.metric, self.context = metric, context
        self.spec = metric.provider.kayenta
        self._address = self.spec.address.rstrip("/")

    def timeout(self) -> timedelta:
        """Of the two requests that begin an analysis."""
        return 2 * TIMEOUT

    def metadata(self) -> dict[str, str]:
        """Nothing is remembered of the metric."""
        return {}

    async def run(self) -> Measurement:
        """Begin an analysis with the configuration of the name given."""
        now = self.context.now()
        begun = Measurement(phase=AnalysisPhase.RUNNING, started_at=now)
        try:
            scopes = {"scopes": {scope.name: self._scope(scope, now) for scope in self.spec.scopes}}
            config = await self._config_id()
            limits = {"thresholds": {"pass": self.spec.threshold.pass_, "marginal": self.spec.threshold.marginal}}
            answer = await self._ask("POST", f"/canary/{config}", self._accounts(), scopes | limits)
        except ProviderError as error:
            return ended(begun, AnalysisPhase.ERROR, str(error), self.context.now())
        execution = dig(answer, EXECUTION)
        if not isinstance(execution, str) or not execution:
            return ended(begun, AnalysisPhase.ERROR, "Invalid Response: no canaryExecutionId", self.context.now())
        return begun.model_copy(update={"metadata": {EXECUTION: execution}, "resume_at": now + LOOK_AGAIN})

    async def resume(self, measurement: Measurement) -> Measurement:
        """Judge the score once there is one."""
        now = self.context.now()
        try:
            answer = await self._ask("GET", f"/canary/{measurement.metadata.get(EXECUTION, '')}")
            complete = dig(answer, "complete")
            if not isinstance(complete, bool):
                raise ProviderError("Missing Complete Status")
            if not complete:
                return measurement.model_copy(update={"resume_at": now + LOOK_AGAIN})
            score = dig(answer, "result", "judgeResult", "score", "score")
            if not isinstance(score, float):
                raise ProviderError("Missing Score")
        except ProviderError as error:
            return ended(measurement, AnalysisPhase.ERROR, str(error), now)
        judged = ended(measurement, self._verdict(int(score)), "", now)
        return judged.model_copy(update={"value": str(int(score))})

    async def terminate(self, measurement: Measurement) -> Measurement:
        """There is no way to stop an analysis: it goes on, and nobody looks at it."""
        return measurement

    async def collect(self, limit: int) -> None:
        """There is nothing to clear away."""

    def _verdict(self, score: int) -> AnalysisPhase:
        if score >= self.spec.threshold.pass_:
            return AnalysisPhase.SUCCESSFUL
        return AnalysisPhase.INCONCLUSIVE if score >= self.spec.threshold.marginal else AnalysisPhase.FAILED

    # ── requests ──

    async def _config_id(self) -> str:
        # The name of the storage account stands here for that of the configuration account, as users are used to.
        spec = self.spec
        params = {"application": spec.application, "configurationAccountName": spec.storage_account_name}
        found = await self._ask("GET", "/canaryConfig", params)
        for config in found if isinstance(found, list) else []:
            if dig(config, "name") == spec.canary_config_name and isinstance(dig(config, "id"), str):
                return str(dig(config, "id"))
        raise ProviderError("Canary config not found")

    def _accounts(self) -> dict[str, str]:
        return {
            "application": self.spec.application,
            "metricsAccountName": self.spec.metrics_account_name,
            "configurationAccountName": self.spec.configuration_account_name,
            "storageAccountName": self.spec.storage_account_name,
        }

    async def _ask(self, method: str, path: str, params: dict[str, str] | None = None, body: Obj | None = None) -> Any:
        content = None if body is None else json.dumps(body).encode()
        headers = {} if body is None else {"Content-Type": "application/json"}
        url = f"{self._address}{path}"
        request = Request(method, url, headers, params=params or {}, content=content, timeout=TIMEOUT)
        try:
            answer = await self.context.http.send(request)
        except HttpError as error:
            raise ProviderError(str(error)) from error
        if answer.status // 100 != 2:
            raise ProviderError(f"Invalid Response: HTTP {answer.status}")
        return document(answer)

    # ── scopes ──

    def _scope(self, scope: KayentaScope, now: datetime) -> Obj:
        sides = (scope.control_scope, scope.experiment_scope)
        if any(bool(getattr(sides[0], end)) is not bool(getattr(sides[1], end)) for end in ("start", "end")):
            raise ProviderError(
                f"scope {scope.name}: start and end must be set on both of controlScope and experimentScope, or on none"
            )
        return {"controlScope": self._side(sides[0], now), "experimentScope": self._side(sides[1], now)}

    def _side(self, side: KayentaScopeDetail, now: datetime) -> Obj:
        start, end = side.start or format_time(self._start(now)), side.end or format_time(now)
        return {"scope": side.scope, "location": side.region, "step": side.step, "start": start, "end": end}

    def _start(self, now: datetime) -> datetime:
        """Where a window without a start begins."""
        started = self.context.run.status.started_at
        if self.spec.lookback:
            return started or now
        try:
            return now - parse_duration(self.metric.interval)
        except ValueError as error:
            raise ProviderError(f"a scope without a start needs the metric's interval: {error}") from error
