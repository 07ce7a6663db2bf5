"""An AWS of our own, served by moto over HTTP: load balancers as the load balancer controller would make them."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import boto3
from moto.server import ThreadedMotoServer

from analysis.providers import aws

REGION = "eu-central-1"
TAG = "ingress.k8s.aws/resource"


class Cloud:
    """One load balancer with a listener, whose target groups are told by the Services that they are for."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.hostname = ""
        self.asked: list[str] = []
        options: dict[str, Any] = {"region_name": REGION, "endpoint_url": url}
        options |= {"aws_access_key_id": "AKID", "aws_secret_access_key": "secret"}
        self.api, ec2 = boto3.client("elbv2", **options), boto3.client("ec2", **options)
        self._vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        self._subnets = [
            ec2.create_subnet(VpcId=self._vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=f"{REGION}{zone}")
            for n, zone in enumerate("ab")
        ]
        self.groups: dict[str, str] = {}
        self._rules: dict[str, str] = {}
        logging.getLogger("werkzeug").setLevel(logging.WARNING)

    def balancer(self, name: str) -> str:
        """A load balancer; its DNS name."""
        subnets = [each["Subnet"]["SubnetId"] for each in self._subnets]
        made = self.api.create_load_balancer(Name=name, Subnets=subnets, Scheme="internal", Type="application")
        found = made["LoadBalancers"][0]
        refuse = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}
        listener = self.api.create_listener(
            LoadBalancerArn=found["LoadBalancerArn"], Protocol="HTTP", Port=80, DefaultActions=[refuse]
        )["Listeners"][0]["ListenerArn"]
        self._rules[name] = listener
        return str(found["DNSName"])

    def group(self, name: str, resource: str = "", **tags: str) -> str:
        """A target group by IP for what `resource` names (`<namespace>/<ingress>-<service>:<port>`); its ARN."""
        made = self.api.create_target_group(Name=name, Protocol="HTTP", Port=80, VpcId=self._vpc, TargetType="ip")
        arn = str(made["TargetGroups"][0]["TargetGroupArn"])
        wanted = {**({TAG: resource} if resource else {}), **tags}
        if wanted:
            self.api.add_tags(ResourceArns=[arn], Tags=[{"Key": k, "Value": v} for k, v in wanted.items()])
        self.groups[name] = arn
        return arn

    def forwards(self, balancer: str, priority: int = 10, **weights: int) -> None:
        """What a rule of the load balancer does from now on, by the names of target groups."""
        listener = self._rules[balancer]
        rules = self.api.describe_rules(ListenerArn=listener)["Rules"]
        old = next((rule for rule in rules if rule["Priority"] == str(priority)), None)
        targets = [{"TargetGroupArn": self.groups[name.replace("_", "-")], "Weight": n} for name, n in weights.items()]
        actions = [{"Type": "forward", "ForwardConfig": {"TargetGroups": targets}}]
        if old is not None:
            self.api.modify_rule(RuleArn=old["RuleArn"], Actions=actions)
            return
        conditions = [{"Field": "path-pattern", "Values": [f"/{priority}*"]}]
        self.api.create_rule(ListenerArn=listener, Priority=priority, Conditions=conditions, Actions=actions)

    def register(self, group: str, *targets: tuple[str, int]) -> None:
        wanted = [{"Id": ip, "Port": port} for ip, port in targets]
        self.api.register_targets(TargetGroupArn=self.groups[group], Targets=wanted)


@contextmanager
def cloud() -> Iterator[Cloud]:
    """Served until the end, with an environment that leads there and has nothing of the machine's own."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    environment = {
        "AWS_ACCESS_KEY_ID": "AKID",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": url,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    try:
        with patch.dict(os.environ, environment):
            _forget()
            made = Cloud(url)
            yield made
    finally:
        _forget()
        server.stop()


def _forget() -> None:
    aws._known.cache_clear()
    aws._api.cache_clear()
