"""Addresses for Services: a cluster IP each, and node ports where asked for."""

from itertools import count

from rollouts.kube.refs import Obj


class Addresses:
    """Hands out addresses of 10.96.0.0/12 and ports from 30000 in order; none is handed out twice."""

    def __init__(self) -> None:
        self._hosts = count(10)
        self._ports = count(30_000)

    def allotted(self, obj: Obj, old: Obj | None = None) -> Obj:
        """A Service with the addresses it lacks, those of `old` first; any other object as it is."""
        if obj["kind"] != "Service" or obj["spec"].get("type") == "ExternalName":
            return obj
        before: Obj = old["spec"] if old is not None else {}
        address = obj["spec"].get("clusterIP") or before.get("clusterIP") or self._address()
        spec = {"clusterIPs": [address], **obj["spec"], "clusterIP": address}
        if spec.get("type") in ("NodePort", "LoadBalancer"):
            spec["ports"] = self._exposed(spec.get("ports") or [], before.get("ports") or [])
        return {**obj, "spec": spec}

    def _exposed(self, ports: list[Obj], before: list[Obj]) -> list[Obj]:
        known = {port["port"]: port["nodePort"] for port in before if "nodePort" in port}
        given = [port.get("nodePort") or known.get(port.get("port")) for port in ports]
        return [{**port, "nodePort": number or next(self._ports)} for port, number in zip(ports, given, strict=True)]

    def _address(self) -> str:
        host = next(self._hosts)
        return f"10.{96 + host // 65_536 % 16}.{host // 256 % 256}.{host % 256}"
