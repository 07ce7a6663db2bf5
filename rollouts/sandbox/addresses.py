"""Addresses for Services: a cluster IP each, and node ports where asked for."""

from itertools import count

from rollouts.kube.refs import Obj


class Addresses:
    """Hands out addresses of 10.96.0.0/12 and ports from 30000 in order; none is handed out twice."""

    def __init__(self) -> None:
        self._hosts = count(10)
        self._ports = count(30_000)

    def allotted(self, obj: Obj) -> Obj:
        """A Service with the addresses it lacks; any other object as it is."""
        if obj["kind"] != "Service" or obj["spec"].get("type") == "ExternalName":
            return obj
        spec = dict(obj["spec"])
        if not spec.get("clusterIP"):
            spec["clusterIP"] = self._address()
        spec.setdefault("clusterIPs", [spec["clusterIP"]])
        if spec.get("type") in ("NodePort", "LoadBalancer"):
            spec["ports"] = [{**port, "nodePort": port.get("nodePort") or next(self._ports)} for port in spec["ports"]]
        return {**obj, "spec": spec}

    def _address(self) -> str:
        host = next(self._hosts)
        return f"10.{96 + host // 65_536 % 16}.{host // 256 % 256}.{host % 256}"
