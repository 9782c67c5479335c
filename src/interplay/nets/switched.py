"""Teams with a switch: at every step somebody who sees the whole state says who acts, each agent for itself or a center.

The two sides are teams of values (`nets.valued`), and so is the switch: a single agent with two actions, leave them alone (0)
or call the center (1). MANSA's learned switch is one instance; a switch that is held on is its central side alone, one that
is held off its independent side, one that calls at random is the control that tells whether it matters *where* it calls.

Source: Mguni et al., "MANSA: learning fast and slow in multi-agent systems" (2023).
"""

import dataclasses
import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from interplay.core.game import Discrete, Spec, TimeStep
from interplay.core.team import CENTER, Decision, Memory, Team
from interplay.core.trajectory import Replayed, Transitions
from interplay.nets import views
from interplay.nets.exploring import Schedule
from interplay.nets.valued import Valued

CALL = 1
Decide = Callable[["Switched", TimeStep, PRNGKeyArray], Int[Array, ""]]


class Fee(eqx.Module):
    """What calls cost: `price` of a reward each (infinite: none can be paid), at most `budget` an episode (0: no limit)."""

    price: float = eqx.field(static=True)
    budget: int = eqx.field(static=True, default=0)

    @property
    def allowance(self) -> int:
        """Calls that an episode begins with; without a limit more than it has steps."""
        return self.budget or 2**30

    def spec(self, spec: Spec) -> Spec:
        """The game as the switch plays it: one agent, two actions."""
        width = views.width(views.state, spec) + (1 if self.budget else 0)
        return Spec(agents=1, observation=width, action=Discrete(2), horizon=spec.horizon)

    def seen(self, time_step: TimeStep, left: Int[Array, ""], call: Int[Array, ""] | None = None) -> TimeStep:
        """What the switch sees with `left` calls left: the whole state, and the share of its budget where it has one.

        Its reward is the team's mean, less the price where the step was reached by a `call`. Unbatched.
        """
        state = views.state(time_step)
        if self.budget:
            state = jnp.append(state, left / self.budget)
        paid = 0.0 if call is None else jnp.where(call == CALL, self.price, 0.0)
        payable = (left > 0) & math.isfinite(self.price)
        return TimeStep(
            observation=state[None],
            legal=jnp.stack([jnp.array(True), payable])[None],
            active=time_step.active.any(keepdims=True),
            shared=jnp.zeros(0),
            reward=time_step.reward.mean(keepdims=True) - paid,
            terminated=time_step.terminated,
            truncated=time_step.truncated,
        )

    def replayed(self, replayed: Replayed) -> Replayed:
        """Replayed play as the switch lived through it: its calls are its actions."""
        play, extra = replayed.transitions, replayed.transitions.decision.extra
        rows = lambda function: jax.vmap(jax.vmap(function))
        call, left = extra["call"], extra["left"]
        blank = jnp.zeros((*call.shape, 1))
        transitions = Transitions(
            time_step=rows(self.seen)(play.time_step, left),
            decision=Decision(call[..., None], blank, blank),
            arrived=rows(self.seen)(play.arrived, left - call, call),
            started=play.started,
        )
        return Replayed(transitions, replayed.weight)


class Switched(Team):
    """See the file's first paragraph. Memory: that of both sides, and the calls left in this episode."""

    independent: Valued
    central: Valued
    switch: Valued
    fee: Fee
    decide: Decide = eqx.field(static=True)
    needs: str = eqx.field(static=True, default=CENTER)

    def begin(self) -> Memory:
        return self.independent.begin(), self.central.begin(), jnp.asarray(self.fee.allowance, jnp.int32)

    def act(self, memory: Memory, time_step: TimeStep, key: PRNGKeyArray) -> tuple[Memory, Decision]:
        """Both sides choose with the same noise, and the switch says whose choice counts."""
        own, center, left = memory
        call = self.decide(self, self.fee.seen(time_step, left), jax.random.fold_in(key, 1))
        own, apart = self.independent.act(own, time_step, key)
        center, joint = self.central.act(center, time_step, key)
        decision = jax.tree.map(lambda a, b: jnp.where(call == CALL, b, a), apart, joint)
        decision = dataclasses.replace(decision, extra={"call": call, "left": left})
        return (own, center, left - call), decision

    def wanted(self, time_step: TimeStep, left: Int[Array, ""]) -> Float[Array, "2"]:
        """What the switch thinks of leaving the agents alone and of calling; −∞ for what it may not do."""
        seen = self.fee.seen(time_step, left)
        values = self.switch.values(self.switch.begin(), seen)[1]
        return jnp.where(seen.legal, values, -jnp.inf)[0]

    def greedy(self) -> "Switched":
        """Every part takes its best action; switches that do not learn stay as they are."""
        return self._each(lambda part: part.greedy())

    @property
    def exploration(self) -> Float[Array, ""]:
        """How curious the independent side is."""
        return self.independent.exploration

    def after(self, steps: int) -> "Switched":
        """The team `steps` environment steps later."""
        return self._each(lambda part: part.after(steps))

    def _each(self, change: Callable[[Valued], Valued]) -> "Switched":
        parts = (self.independent, self.central, self.switch)
        independent, central, switch = map(change, parts)
        return dataclasses.replace(self, independent=independent, central=central, switch=switch)


def learned(team: Switched, seen: TimeStep, key: PRNGKeyArray) -> Int[Array, ""]:
    """The center is called where the switch's own values say so, or its curiosity."""
    return team.switch.act(team.switch.begin(), seen, key)[1].action[0]


def always(team: Switched, seen: TimeStep, key: PRNGKeyArray) -> Int[Array, ""]:
    """The switch is held on for as long as calls can be paid."""
    return seen.legal[0, CALL].astype(jnp.int32)


def never(team: Switched, seen: TimeStep, key: PRNGKeyArray) -> Int[Array, ""]:
    """The switch is held off."""
    return jnp.zeros((), jnp.int32)


def at_random(chance: Schedule) -> Decide:
    """The center is called with a `chance` that depends on the environment steps taken, and on nothing seen."""

    def decide(team: Switched, seen: TimeStep, key: PRNGKeyArray) -> Int[Array, ""]:
        called = jax.random.uniform(key) < chance(team.switch.steps)
        return (called & seen.legal[0, CALL]).astype(jnp.int32)

    return decide
