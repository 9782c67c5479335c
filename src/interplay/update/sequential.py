"""Agents updated one after another, each counting on what the agents before it have become.

The advantage of a joint action splits into one agent's after another (Kuba et al., lemma 1). So when agent i_m learns,
its advantage is multiplied by M = Π π_new(a) / π_old(a) over the agents i_1 … i_{m−1} that learned before it, and
improving every agent in its turn improves the team. HAPPO and HATRPO are instances; they differ in the actors' learner.

Source: Kuba et al., "Trust region policy optimisation in multi-agent reinforcement learning" (2022), proposition 3.
"""

import dataclasses
from typing import cast

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from interplay.core import shards
from interplay.core.errors import InputError
from interplay.core.keys import permutation
from interplay.core.population import Population, separate
from interplay.core.team import Team
from interplay.core.trajectory import Batch, Trajectory
from interplay.nets import views
from interplay.nets.seated import Seated
from interplay.objectives import trust
from interplay.objectives.term import Objective
from interplay.play.scan import reevaluate
from interplay.update.gradient import Learner


class Silent(eqx.Module):
    """A critic that says nothing, for teams of which only the actors are looked at."""

    nothing: Float[Array, "*member 0"]

    def begin(self) -> tuple:
        return ()

    def __call__(self, memory, x):
        return memory, jnp.zeros(1)

    def sequence(self, memory, x, started):
        return memory, jnp.zeros((x.shape[0], 1))


def alone(team: Seated, agent: Int[Array, ""] | int) -> Seated:
    """A team of one: the actor that sits on seat `agent` (which may be a traced number), without a critic."""
    spec = team.spec
    lone = dataclasses.replace(
        spec,
        agents=1,
        observation_sizes=(spec.observation,),
        action_sizes=(spec.action.width,),
        names=("agent",),
    )
    return dataclasses.replace(
        team,
        actors=Population(_row(team.actors.members, agent, 0)),
        critics=Population(Silent(jnp.zeros((1, 0)))),
        spec=lone,
        seats=(0,),
        critic_seats=(0,),
        view=views.local,
    )


def rows_of(batch: Batch, agent: Int[Array, ""] | int) -> Batch:
    """What the team of one learns from: the rows of `agent`, all agent axes of length one."""
    play, row = batch.trajectory, lambda tree: _row(tree, agent, 2)
    seen = play.time_step
    time_step = dataclasses.replace(
        seen,
        observation=row(seen.observation),
        legal=row(seen.legal),
        active=row(seen.active),
        reward=row(seen.reward),
    )
    memory = (_row(play.memory[0], agent, 1), ()) if play.memory else ()
    trajectory = Trajectory(
        time_step=time_step,
        decision=row(play.decision),
        reward=row(play.reward),
        terminated=play.terminated,
        truncated=play.truncated,
        bootstrap=row(play.bootstrap),
        started=play.started,
        memory=memory,
    )
    return Batch(trajectory, row(batch.credit))


def sequential(actor: Learner, critic: Learner) -> Learner:
    """Teach the agents with `actor` one after another in a random order, then the critics with `critic`.

    Every agent keeps an optimizer state of its own and learns as a team of one (`alone`), so that its turn costs one
    agent's work. All learners are given the same key: agents and critics go through the same minibatches. Metrics are
    means over the agents; the critics' are kept where their names differ. Raises `InputError` where agents share
    parameters.
    """

    def init(team: Team):
        pupils = cast(Seated, team)
        agents = pupils.spec.agents
        if pupils.seats != separate(agents):
            raise InputError(f"agents that learn in turn need a member each: pass seats {separate(agents)}")
        return eqx.filter_vmap(lambda agent: actor.init(alone(pupils, agent)))(jnp.arange(agents)), critic.init(team)

    def update(team: Team, state, batch: Batch, key: PRNGKeyArray):
        pupils = cast(Seated, team)
        taught = critic.update(team, state[1], batch, key)
        order = permutation(jax.random.fold_in(key, 0), pupils.spec.agents)
        members, constants = eqx.partition(pupils.actors.members, eqx.is_array)

        def turn(carry, agent):
            members, states, factor = carry
            current = dataclasses.replace(pupils, actors=Population(eqx.combine(members, constants)))
            rows, mine = rows_of(batch, agent), jax.tree.map(lambda leaf: leaf[agent], states)
            weighed = dataclasses.replace(rows.credit, advantage=rows.credit.advantage * factor)
            learned, mine, metrics = actor.update(alone(current, agent), mine, Batch(rows.trajectory, weighed), key)
            learner = cast(Seated, learned)
            put = lambda all, one: all.at[agent].set(one)
            states = jax.tree.map(put, states, mine)
            member = eqx.filter(learner.actors.seat(0), eqx.is_array)
            return (jax.tree.map(put, members, member), states, factor * change(learner, rows)), metrics

        start = (members, state[0], jnp.ones_like(batch.credit.advantage[..., :1]))
        (members, states, factor), metrics = jax.lax.scan(turn, start, order)
        team, critic_state, judged = taught
        team = dataclasses.replace(team, actors=Population(eqx.combine(members, constants)))
        told = {**judged, **jax.tree.map(lambda rows: rows.mean(), metrics), "factor": shards.mean(factor.mean())}
        return team, (states, critic_state), told

    return Learner(init, update, actor.steps)


def change(team: Seated, rows: Batch) -> Float[Array, "time batch 1"]:
    """π_new(a) / π_old(a) of a team of one at every row; 1 where the agent did not act."""
    log_ratio = reevaluate(team, rows.trajectory).log_prob - rows.trajectory.decision.log_prob
    return jax.lax.stop_gradient(jnp.exp(jnp.where(rows.credit.weight > 0, log_ratio, 0.0)))


def trust_region(loss: Objective, region: trust.Region) -> Learner:
    """A learner that takes one natural-gradient step on the whole batch inside `region`; it keeps no state."""

    def update(team, state, batch: Batch, key: PRNGKeyArray):
        team, metrics = trust.team_step(loss, team, batch, region)
        return team, state, metrics

    return Learner(lambda team: (), update)


def _row(tree: PyTree, index, axis: int) -> PyTree:
    """Row `index` of every array along `axis`, which stays as an axis of length one."""
    pick = lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, index, 1, axis) if eqx.is_array(leaf) else leaf
    return jax.tree.map(pick, tree)
