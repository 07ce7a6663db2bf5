"""Pure. Which Services a Rollout names, with a model and without one."""

from analysis.schema import Obj
from rollouts.api.rollout import Rollout


def service_names(rollout: Rollout) -> tuple[str, ...]:
    """Every Service that the strategy names, stable before canary."""
    strategy = rollout.spec.strategy
    names: tuple[str, ...] = ()
    if strategy.canary is not None:
        names = (strategy.canary.stable_service, strategy.canary.canary_service)
        if strategy.canary.ping_pong is not None:
            names += (strategy.canary.ping_pong.ping_service, strategy.canary.ping_pong.pong_service)
    if strategy.blue_green is not None:
        names += (strategy.blue_green.active_service, strategy.blue_green.preview_service)
    return tuple(filter(None, names))


def named_services(rollout: Obj) -> tuple[str, ...]:
    """Every Service that a Rollout's manifest names, read without a model: also of one that cannot be parsed."""
    strategy = ((rollout.get("spec") or {}).get("strategy")) or {}
    canary, blue_green = strategy.get("canary") or {}, strategy.get("blueGreen") or {}
    ping_pong = canary.get("pingPong") or {}
    names = (
        canary.get("stableService"),
        canary.get("canaryService"),
        ping_pong.get("pingService"),
        ping_pong.get("pongService"),
        blue_green.get("activeService"),
        blue_green.get("previewService"),
    )
    return tuple(name for name in names if isinstance(name, str) and name)
