"""Pure. What a world means for one Rollout: which ReplicaSet is which, and which step is current.

Everything here follows from the world; nothing is decided yet. The one subtle thing is `status`: when the template or
the steps have changed since the stored status was written, decisions rest on that status *reset*, as if the update
had just begun.
"""

from datetime import datetime
from functools import cached_property

from rollouts.api import defaults, labels
from rollouts.api.canary import CanaryStep, CanaryStrategy
from rollouts.api.proof import Proof, proof
from rollouts.api.status import BlueGreenStatus, RolloutStatus, TrafficWeights
from rollouts.api.template import templates_equal
from rollouts.decide.injected import own_template
from rollouts.decide.replicas import Limits, Size
from rollouts.decide.world import NO_HASH, Hash, ReplicaSet, World


class Context:
    """A world read as a rollout at one moment (`now`, whole seconds, aware).

    `blue_green` is None for a canary; for blue-green, `canary` is a strategy without steps.
    """

    def __init__(self, world: World, now: datetime) -> None:
        self.world = world
        self.now = now
        self.rollout = world.rollout
        self.spec = world.rollout.spec
        self.name = world.rollout.metadata.name
        self.canary = world.rollout.spec.strategy.canary or CanaryStrategy()
        self.blue_green = world.rollout.spec.strategy.blue_green
        self.stored = world.rollout.status

    # ── sizes ──

    @cached_property
    def replicas(self) -> int:
        return defaults.desired_replicas(self.rollout)

    @cached_property
    def limits(self) -> Limits:
        surge, unavailable = defaults.surge_and_unavailable(self.rollout)
        return Limits(self.replicas, surge, unavailable, self.max_weight)

    @cached_property
    def max_weight(self) -> int:
        return defaults.max_weight(self.rollout)

    @property
    def dynamic(self) -> bool:
        """The stable ReplicaSet shrinks as its share of the traffic does."""
        return self.routed and self.canary.dynamic_stable_scale

    @property
    def routed(self) -> bool:
        """Shares are kept by a traffic router rather than by the ratio of pods."""
        return self.canary.traffic_routing is not None

    @cached_property
    def proof(self) -> Proof | None:
        """What the Rollout asks to be proven of its traffic, if anything."""
        return proof(self.rollout)

    # ── ReplicaSets ──

    @cached_property
    def new(self) -> ReplicaSet | None:
        """The ReplicaSet of the current template: by hash, else by a template that means the same."""
        oldest_first = sorted(self.world.replica_sets, key=lambda rs: (rs.created, rs.name))
        by_hash = (rs for rs in oldest_first if rs.hash == self.world.template_hash)
        template = self.spec.template or {}
        by_meaning = (rs for rs in oldest_first if rs.hash and templates_equal(template, own_template(rs)))
        return next(by_hash, None) or next(by_meaning, None)

    @cached_property
    def hash(self) -> Hash:
        return self.new.hash if self.new else self.world.template_hash

    @cached_property
    def stable(self) -> ReplicaSet | None:
        """The ReplicaSet that status.stableRS names, or None: then this is an initial deploy."""
        if not self.stored.stable_rs:
            return None
        return next((rs for rs in self.world.replica_sets if rs.hash == self.stored.stable_rs), None)

    @cached_property
    def others(self) -> tuple[ReplicaSet, ...]:
        """All the rest, newest revision first."""
        kept = {rs.name for rs in (self.new, self.stable) if rs}
        rest = (rs for rs in self.world.replica_sets if rs.name not in kept)
        return tuple(sorted(rest, key=lambda rs: (-rs.revision, rs.name)))

    @property
    def all_available(self) -> int:
        return sum(rs.available for rs in self.world.replica_sets)

    @cached_property
    def revision(self) -> int:
        """The revision of the current template: its own while it is the newest, else one more than the newest."""
        newest = max((rs.revision for rs in self.world.replica_sets if rs is not self.new), default=0)
        own = self.new.revision if self.new else 0
        return own if own > newest else newest + 1

    # ── the update ──

    @cached_property
    def changed(self) -> bool:
        """The template or the steps differ from those that the stored status is about."""
        stored = self.stored
        if self.blue_green is not None:
            return stored.current_pod_hash != self.hash
        if not stored.current_step_hash or stored.current_step_hash != self.world.step_hash:
            return True
        return bool(stored.current_pod_hash) and stored.current_pod_hash != self.hash

    @cached_property
    def status(self) -> RolloutStatus:
        """The stored status, or what is left of it when an update begins.

        Of an abort and a full promotion the later one counts: abortedAt tells that the abort had been acted on already.
        """
        if not self.changed:
            if self.stored.abort and self.stored.promote_full:
                promote = self.stored.aborted_at is not None
                return self.stored.model_copy(
                    update={"abort": not promote, "promote_full": promote, "aborted_at": None}
                )
            return self._begun_again if self.retried else self.stored
        canary = self.stored.canary
        return self.stored.model_copy(
            update={
                "pause_conditions": (),
                "controller_pause": False,
                "abort": False,
                "aborted_at": None,
                "promote_full": False,
                "current_pod_hash": self.hash,
                "current_step_hash": self.world.step_hash,
                "current_step_index": self.first_index,
                "canary": canary.model_copy(
                    update={
                        "current_step_analysis_run_status": None,
                        "current_background_analysis_run_status": None,
                        "current_experiment": "",
                        "step_plugin_statuses": (),
                    }
                ),
                "blue_green": BlueGreenStatus(),
            }
        )

    @property
    def retried(self) -> bool:
        """Somebody took an abort back, and nothing has followed from that yet."""
        return self.stored.aborted_at is not None and not self.stored.abort and not self.changed

    @property
    def _begun_again(self) -> RolloutStatus:
        """What a retry starts from. That of a blue-green update is judged, paused and sized anew."""
        blue_green = self.stored.blue_green.model_copy(
            update={
                "scale_up_preview_check_point": False,
                "pre_promotion_analysis_run_status": None,
                "post_promotion_analysis_run_status": None,
            }
        )
        return self.stored.model_copy(update={"blue_green": blue_green})

    @property
    def first_index(self) -> int | None:
        """Where an update begins: at the end when it only returns to a template judged before, else at step 0."""
        if not self.steps:
            return None
        return len(self.steps) if self.is_stable or self.rolls_back_fast else 0

    @property
    def steps(self) -> tuple[CanaryStep, ...]:
        return tuple(self.canary.steps)

    @cached_property
    def index(self) -> int:
        """Index of the current step; len(steps) when all are done."""
        return min(self.status.current_step_index or 0, len(self.steps))

    @cached_property
    def step(self) -> CanaryStep | None:
        return self.steps[self.index] if self.index < len(self.steps) else None

    @property
    def is_stable(self) -> bool:
        """The current template is the stable one: fully promoted, or rolled back to it."""
        return bool(self.stored.stable_rs) and self.stored.stable_rs == self.hash

    @property
    def initial(self) -> bool:
        """Nothing stable stands: what is deployed now becomes stable without steps."""
        return self.stable is None

    @property
    def aborted(self) -> bool:
        return bool(self.status.abort) and not self.is_stable

    @cached_property
    def rolls_back_fast(self) -> bool:
        """The template is that of an older ReplicaSet within spec.rollbackWindow: it was judged before, no steps."""
        window, new, stable = self.spec.rollback_window, self.new, self.stable
        if window is None or new is None or stable is None or new is stable or new.created >= stable.created:
            return False
        between = (rs for rs in self.others if new.created < rs.created < stable.created and not rs.of_experiment)
        return sum(1 for _ in between) < window.revisions

    @property
    def returns_to_stable(self) -> bool:
        """Traffic has only one place to go, and that place is full: no readiness of a canary has to be awaited."""
        return self.aborted or self.is_stable

    @property
    def halted(self) -> bool:
        """A person, or an analysis that could not tell, asked that no pods be moved."""
        return self.spec.paused or self.pause_open("InconclusiveAnalysisRun")

    def pause_open(self, reason: str) -> bool:
        return any(pause.reason == reason for pause in self.status.pause_conditions)

    @property
    def services(self) -> tuple[str, str]:
        """Names of the canary and the stable Service now: those that the spec gives these parts, else ping and pong.
        Exchanged ones keep their parts while the canary has a share: neither of them is empty before."""
        if self.exchanged and self.weights is not None and self.weights.canary.weight:
            return self.canary.stable_service, self.canary.canary_service
        named = self.canary.canary_service, self.canary.stable_service
        return named if self.turns is None or all(named) else self.turns

    @property
    def exchanged(self) -> bool:
        """What the spec names the canary and the stable Service is recorded the other way round."""
        recorded, canary, stable = self.weights, self.canary.canary_service, self.canary.stable_service
        if recorded is None or not (canary and stable):
            return False
        return (recorded.canary.service_name, recorded.stable.service_name) == (stable, canary)

    @property
    def spread(self) -> bool:
        """Requests may go to any pod behind a router, as after trafficRouting was added or its Services were replaced:
        no split is recorded yet, or the stable Service does not select a version yet."""
        service = self.world.services.get(self.services[1])
        return self.weights is None or (service is not None and service.hash == NO_HASH)

    @property
    def turns(self) -> tuple[str, str] | None:
        """Which of ping and pong is the canary Service now, and which the stable one: they change their parts."""
        pair = self.canary.ping_pong
        if pair is None:
            return None
        ping, pong = pair.ping_service, pair.pong_service
        return (pong, ping) if self.turn == "ping" else (ping, pong)

    @cached_property
    def turn(self) -> str:
        """Which of ping and pong is stable. Where only one of them selects stable pods it is that one, whatever is
        recorded: they may have had other parts before they were named as a pair."""
        recorded, pair, stable = self.stored.canary.stable_ping_pong, self.canary.ping_pong, self.stable
        if pair is None or stable is None:
            return recorded
        names = {"ping": pair.ping_service, "pong": pair.pong_service}
        found = {part: self.world.services.get(name) for part, name in names.items()}
        selecting = [part for part, service in found.items() if service is not None and service.hash == stable.hash]
        return selecting[0] if len(selecting) == 1 else recorded

    @property
    def weights(self) -> TrafficWeights | None:
        """The split of traffic that the stored status records."""
        return self.stored.canary.weights

    # ── sizes of single ReplicaSets ──

    @property
    def new_size(self) -> Size:
        return Size(self.new.replicas, self.new.dependable) if self.new else Size()

    @property
    def stable_size(self) -> Size | None:
        """None when there is no stable ReplicaSet beside the new one."""
        if self.stable is None or self.stable is self.new:
            return None
        return Size(self.stable.replicas, self.stable.dependable)


def scale_down_deadline(rs: ReplicaSet) -> str | None:
    """The raw text of the ReplicaSet's scale-down deadline, or None."""
    return rs.annotations.get(labels.SCALE_DOWN_DEADLINE)
