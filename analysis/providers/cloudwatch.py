"""Amazon CloudWatch: a GetMetricData request over a window that ends now.

botocore writes the request, signs it and reads the answer; it travels like all others, over the shared connections.
"""

from datetime import timedelta

from analysis.api import Metric
from analysis.expr.gotypes.values import FloatList, format_value
from analysis.limits import int_value
from analysis.metricprovider import CloudWatchMetric, CloudWatchMetricDataQuery, CloudWatchMetricStat
from analysis.providers import aws
from analysis.providers.base import Context, OneShot, ProviderError, Reading
from analysis.schema import Obj

DEFAULT_INTERVAL = "5m"
TIMEOUT = timedelta(seconds=30)
_OPERATION = "GetMetricData"


class CloudWatch(OneShot):
    """One request. The result is a list of lists of floats: the values of every query that returns data."""

    def __init__(self, metric: Metric, context: Context) -> None:
        super().__init__(metric, context)
        if metric.provider.cloud_watch is None:
            raise ProviderError("the metric has no cloudWatch provider")
        self.spec = metric.provider.cloud_watch
        self._signer: aws.Signer | None = None

    def timeout(self) -> timedelta:
        """Half a minute for the request, besides finding credentials."""
        return 2 * TIMEOUT

    async def login(self) -> None:
        """Find credentials and region where every AWS client finds them."""
        self._signer = await aws.signer(aws.Account(), self.context.now())
        self.hide(self._signer.secrets)

    async def read(self) -> Reading:
        """Ask for the data of every query."""
        assert self._signer is not None  # login comes first
        now = self.context.now()
        window = self.window(self.spec.interval or DEFAULT_INTERVAL)
        asked = question(self.spec) | {"StartTime": now - window, "EndTime": now}
        api = await aws.api("cloudwatch", self._signer.region, now)
        request = self._signer.signed(api.write(_OPERATION, asked, TIMEOUT), "monitoring")
        return numbers(api.read(_OPERATION, await self.send(request)))


def numbers(found: Obj) -> Reading:
    """The values in an answer."""
    results = [FloatList(result.get("Values") or ()) for result in found.get("MetricDataResults") or ()]
    messages = [f"{each.get('Code', '')}: {each.get('Value', '')}" for each in found.get("Messages") or ()]
    metadata = {"messages": ", ".join(messages)} if messages else {}
    return Reading(results, format_value(results), metadata, text_on_error=True)


def question(spec: CloudWatchMetric) -> Obj:
    """The request but for its window. ProviderError when it has no query."""
    if not spec.metric_data_queries:
        raise ProviderError("cloudWatch.metricDataQueries is empty: give at least one query")
    return {"MetricDataQueries": [_query(query) for query in spec.metric_data_queries]}


def _query(query: CloudWatchMetricDataQuery) -> Obj:
    found: Obj = {"Id": query.id, "Expression": query.expression, "Label": query.label, "ReturnData": query.return_data}
    if query.period is not None:
        found["Period"] = int_value(query.period)
    if query.metric_stat is not None:
        found["MetricStat"] = _stat(query.metric_stat)
    return {key: value for key, value in found.items() if value is not None}


def _stat(stat: CloudWatchMetricStat) -> Obj:
    dimensions = [{"Name": each.name, "Value": each.value} for each in stat.metric.dimensions]
    metric = {"Namespace": stat.metric.namespace, "MetricName": stat.metric.metric_name, "Dimensions": dimensions}
    found: Obj = {
        "Metric": {key: value for key, value in metric.items() if value},
        "Period": int_value(stat.period),
        "Stat": stat.stat,
    }
    return found | ({"Unit": stat.unit} if stat.unit else {})
