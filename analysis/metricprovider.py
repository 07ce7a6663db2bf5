"""Pure. Every provider that a metric can name, as its manifest spells it."""

from typing import Any, Literal

from pydantic import Field

from analysis.part import IntOrStr, Part
from analysis.schema import Obj


class Sigv4Config(Part):
    """AWS Signature Version 4 for Amazon Managed Service for Prometheus."""

    region: str = Field("", description="AWS region.")
    profile: str = Field("", description="Named AWS profile.")
    role_arn: str = Field("", description="ARN of the role to assume.")


class OAuth2Config(Part):
    """OAuth2 client credentials."""

    token_url: str = Field("", description="URL of the token endpoint.")
    client_id: str = Field("", description="Client id.")
    client_secret: str = Field("", description="Client secret.")
    scopes: tuple[str, ...] = Field((), description="Scopes to ask for.")


class BasicAuthConfig(Part):
    """HTTP basic authentication."""

    username: str = Field("", description="User name.")
    password: str = Field("", description="Password.")


class Authentication(Part):
    """How to authenticate with a provider; at most one method is used."""

    sigv4: Sigv4Config | None = Field(None, description="AWS Signature Version 4.")
    oauth2: OAuth2Config | None = Field(None, description="OAuth2 client credentials.")
    basic_auth: BasicAuthConfig | None = Field(None, description="HTTP basic authentication.")


class Header(Part):
    """One HTTP request header."""

    key: str = Field(description="Name of the header.")
    value: str = Field(description="Value of the header.")


class PrometheusRangeQuery(Part):
    """The window of a range query."""

    start: str = Field("", description="Expression that yields the start time, for example now() - duration('1h').")
    end: str = Field("", description="Expression that yields the end time, for example now().")
    step: str = Field("", description="Duration between two points.")


class PrometheusMetric(Part):
    """A PromQL query."""

    address: str = Field("", description="URL of the Prometheus server.")
    query: str = Field("", description="PromQL query.")
    authentication: Authentication | None = Field(None, description="How to authenticate.")
    timeout: int | None = Field(None, description="Seconds a query may take; 30 by default.")
    insecure: bool = Field(False, description="Do not verify the TLS certificate.")
    headers: tuple[Header, ...] = Field((), description="Additional request headers.")
    range_query: PrometheusRangeQuery | None = Field(None, description="Query a range instead of an instant.")


class WebMetric(Part):
    """A JSON document fetched over HTTP."""

    method: Literal["", "GET", "POST", "PUT"] = Field("", description="HTTP method; GET by default.")
    url: str = Field(description="URL to request.")
    headers: tuple[Header, ...] = Field((), description="Additional request headers.")
    body: str = Field("", description="Request body as text.")
    timeout_seconds: int = Field(0, description="Seconds a request may take; 10 by default.")
    json_path: str = Field("", description="JSONPath (Kubernetes dialect) of the result; {$} by default.")
    insecure: bool = Field(False, description="Do not verify the TLS certificate.")
    json_body: Any = Field(
        None,
        description="Request body as JSON.",
        json_schema_extra={"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    )
    authentication: Authentication | None = Field(None, description="How to authenticate.")


class JobMetadata(Part):
    """Labels and annotations of the Jobs that are created."""

    annotations: dict[str, str] = Field({}, description="Annotations of the Job.")
    labels: dict[str, str] = Field({}, description="Labels of the Job.")


class JobMetric(Part):
    """A Kubernetes Job whose end is the measurement."""

    metadata: JobMetadata | None = Field(None, description="Labels and annotations of the Job.")
    spec: Obj = Field(
        description="JobSpec of the Job to run.", json_schema_extra={"x-kubernetes-preserve-unknown-fields": True}
    )


class DatadogSecretRef(Part):
    """The Secret with the Datadog credentials."""

    name: str = Field("", description="Name of the Secret.")
    namespaced: bool = Field(False, description="Whether the Secret lies in the namespace of the run.")


class DatadogMetric(Part):
    """A Datadog query."""

    interval: str = Field("5m", description="Window of the query.")
    query: str = Field("", description="Query; use either this or queries.")
    queries: dict[str, str] = Field({}, description="Named queries (apiVersion v2).")
    formula: str = Field("", description="Formula over the named queries (apiVersion v2).")
    api_version: Literal["v1", "v2"] = Field("v1", description="Version of the Datadog API.")
    aggregator: Literal["avg", "min", "max", "sum", "last", "percentile", "mean", "l2norm", "area"] | None = Field(
        None, description="Aggregator over the window (apiVersion v2); last by default."
    )
    secret_ref: DatadogSecretRef | None = Field(None, description="Credentials.")
    request_timeout: str = Field("10s", description="How long a request may take.")


class NewRelicMetric(Part):
    """A New Relic NRQL query."""

    profile: str = Field("", description="Name of the Secret with the credentials; newrelic by default.")
    query: str = Field(description="NRQL query.")
    timeout: int | None = Field(None, description="Seconds a query may take; 5 by default.")


class WavefrontMetric(Part):
    """A Wavefront query."""

    address: str = Field("", description="Host of the Wavefront API.")
    query: str = Field("", description="Wavefront query.")


class GraphiteMetric(Part):
    """A Graphite render query."""

    address: str = Field("", description="URL of the Graphite server.")
    query: str = Field("", description="Query string, for example target=stats.requests&from=-5min.")


class InfluxdbMetric(Part):
    """An InfluxDB Flux query."""

    profile: str = Field("", description="Name of the Secret with the credentials; influxdb by default.")
    query: str = Field("", description="Flux query.")


class SkyWalkingMetric(Part):
    """A SkyWalking GraphQL query."""

    address: str = Field("", description="URL of the SkyWalking server.")
    query: str = Field("", description="GraphQL query.")
    interval: str = Field("", description="Window of the query.")


class CloudWatchDimension(Part):
    """A dimension of a CloudWatch metric."""

    name: str = Field("", description="Name of the dimension.")
    value: str = Field("", description="Value of the dimension.")


class CloudWatchMetricIdentity(Part):
    """Which CloudWatch metric."""

    dimensions: tuple[CloudWatchDimension, ...] = Field((), description="Dimensions of the metric.")
    metric_name: str = Field("", description="Name of the metric.")
    namespace: str | None = Field(None, description="Namespace of the metric.")


class CloudWatchMetricStat(Part):
    """A statistic over a CloudWatch metric."""

    metric: CloudWatchMetricIdentity = Field(CloudWatchMetricIdentity(), description="The metric.")
    period: IntOrStr = Field(0, description="Granularity in seconds.")
    stat: str = Field("", description="Statistic, for example Average or p99.")
    unit: str = Field("", description="Unit of the metric.")


class CloudWatchMetricDataQuery(Part):
    """One query of a GetMetricData request."""

    id: str = Field("", description="Id of the query.")
    expression: str | None = Field(None, description="Metric math expression.")
    label: str | None = Field(None, description="Label of the result.")
    metric_stat: CloudWatchMetricStat | None = Field(None, description="Metric and statistic.")
    period: IntOrStr | None = Field(None, description="Granularity in seconds.")
    return_data: bool | None = Field(None, description="Whether the result is returned.")


class CloudWatchMetric(Part):
    """A CloudWatch GetMetricData request."""

    interval: str = Field("", description="Window of the query; 5m by default.")
    metric_data_queries: tuple[CloudWatchMetricDataQuery, ...] = Field(description="Queries.")


class KayentaThreshold(Part):
    """Scores that separate the verdicts."""

    pass_: int = Field(alias="pass", description="Least score that passes.")
    marginal: int = Field(description="Least score that is inconclusive.")


class KayentaScopeDetail(Part):
    """One side of a comparison."""

    scope: str = Field("", description="Scope.")
    region: str = Field("", description="Region.")
    step: int = Field(0, description="Seconds between two points.")
    start: str = Field("", description="Start time.")
    end: str = Field("", description="End time.")


class KayentaScope(Part):
    """Control and experiment of a comparison."""

    name: str = Field("", description="Name of the scope.")
    control_scope: KayentaScopeDetail = Field(KayentaScopeDetail(), description="The control.")
    experiment_scope: KayentaScopeDetail = Field(KayentaScopeDetail(), description="The experiment.")


class KayentaMetric(Part):
    """A Kayenta canary analysis."""

    address: str = Field("", description="URL of Kayenta.")
    application: str = Field("", description="Application.")
    canary_config_name: str = Field("", description="Name of the canary configuration.")
    metrics_account_name: str = Field("", description="Metrics account.")
    configuration_account_name: str = Field("", description="Configuration account.")
    storage_account_name: str = Field("", description="Storage account.")
    threshold: KayentaThreshold = Field(description="Scores that separate the verdicts.")
    scopes: tuple[KayentaScope, ...] = Field((), description="What is compared.")
    lookback: bool = Field(False, description="Measure from the start of the run.")


class MetricProvider(Part):
    """Where a metric's numbers come from; exactly one field is set."""

    prometheus: PrometheusMetric | None = Field(None, description="Prometheus.")
    kayenta: KayentaMetric | None = Field(None, description="Kayenta.")
    web: WebMetric | None = Field(None, description="JSON over HTTP.")
    datadog: DatadogMetric | None = Field(None, description="Datadog.")
    wavefront: WavefrontMetric | None = Field(None, description="Wavefront.")
    new_relic: NewRelicMetric | None = Field(None, description="New Relic.")
    job: JobMetric | None = Field(None, description="A Kubernetes Job.")
    cloud_watch: CloudWatchMetric | None = Field(None, description="Amazon CloudWatch.")
    graphite: GraphiteMetric | None = Field(None, description="Graphite.")
    influxdb: InfluxdbMetric | None = Field(None, description="InfluxDB.")
    skywalking: SkyWalkingMetric | None = Field(None, description="Apache SkyWalking.")
    plugin: Obj = Field(
        {},
        description="Plugins by name, each with its own configuration.",
        json_schema_extra={"x-kubernetes-preserve-unknown-fields": True},
    )
