"""Inverse soft-Q learning: values whose soft-greedy policy does what experts did, and the rewards that follow from them.

Values stand for a policy, π(a | s) ∝ exp(Q(s, a) / T), and for a reward, r(s, a, s') = Q(s, a) − γ V(s'); so one function
learned from demonstrations is both. Known instances are IQ-Learn and, with the other agents averaged into the values of
each, its multi-agent form (`methods.mamql`). Functions are for one agent, rows first; `rewards` is for a whole team.

Source: Garg et al., "IQ-Learn: inverse soft-Q learning for imitation" (2021); Haynam et al. (2025).
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, PyTree

from interplay.core.choosing import chosen
from interplay.core.game import TimeStep
from interplay.core.trajectory import Transitions
from interplay.credit.soft import soft_value
from interplay.nets.rewarding import Rewarding
from interplay.objectives.term import Metrics, average

Values = Float[Array, "*rows action"]
Scores = Float[Array, "*rows"]
Penalize = Callable[[Array], Array]


class Rows(NamedTuple):
    """What one agent saw, did and saw then; `ended`: nothing follows for it. `weight` is 0 where it had no move."""

    seen: Float[Array, "row feature"]
    legal: Bool[Array, "row action"]
    action: Int[Array, "row"]
    seen_next: Float[Array, "row feature"]
    legal_next: Bool[Array, "row action"]
    ended: Bool[Array, "row"]
    weight: Float[Array, "row"]
    reward: Float[Array, "row"]


def rows_of(play: Transitions, agent: int | Int[Array, ""]) -> Rows:
    """The rows of one agent out of transitions "time batch …", all on one axis.

    An agent that is not active at the step arrived at has left for good; a time limit does not end anything.
    """
    flat = lambda leaf: leaf.reshape(-1, *leaf.shape[2:])
    now, then = jax.tree.map(flat, play.time_step), jax.tree.map(flat, play.arrived)
    action = flat(play.decision.action)[:, agent]
    return Rows(
        now.observation[:, agent], now.legal[:, agent], action, then.observation[:, agent], then.legal[:, agent],
        then.terminated | ~then.active[:, agent], now.active[:, agent].astype(jnp.float32), then.reward[:, agent],
    )  # fmt: skip


def weighed(rows: Rows, count: Float[Array, "row"]) -> Rows:
    """The rows, each counted `count` times."""
    return rows._replace(weight=rows.weight * count)


def as_played(team: Rewarding, play: Transitions) -> Float[Array, "row agent"]:
    """What others did counts as often as they did it: the marginal over how they act."""
    return jnp.ones(play.time_step.active.reshape(-1, team.spec.agents).shape)


def evenly(most: float = 10.0) -> Callable[[Rewarding, Transitions], Float[Array, "row agent"]]:
    """A control: rows counted as if the others had chosen evenly among what is legal.

    w_i = min(most, Π_{j ≠ i} 1 / (|A_j(s)| π_j(a_j | s))), π the team's own policies, over others whose move it was. With it
    the marginal is over others that nobody has met. With one agent it is `as_played`.
    """

    def count(team: Rewarding, play: Transitions) -> Float[Array, "row agent"]:
        flat = lambda leaf: leaf.reshape(-1, *leaf.shape[2:])
        seen, action = jax.tree.map(flat, play.time_step), flat(play.decision.action)
        values = jax.vmap(lambda seen: team.values((), seen)[1])(seen)
        surprise = soft_value(values, seen.legal, team.temperature) - chosen(values, action)
        rarity = surprise / team.temperature - jnp.log(jnp.maximum(seen.legal.sum(-1), 1))  # log 1 / (|A| π(a))
        rarity = jnp.where(seen.active, rarity, 0.0)
        return jnp.minimum(jnp.exp(rarity.sum(-1, keepdims=True) - rarity), most)

    return count


def recovered(values: Values, rows: Rows, ahead: Scores, discount: float) -> Scores:
    """The inverse Bellman reward r(s, a, s') = Q(s, a) − γ V(s'), with V(s') = 0 where nothing follows."""
    return chosen(values, rows.action) - discount * jnp.where(rows.ended, 0.0, ahead)


def rewards(
    team: Rewarding, time_step: TimeStep, action: Int[Array, "agent"], arrived: TimeStep
) -> Float[Array, "agent"]:
    """`recovered` for all agents of a team: r_i = Q_i(s, a_i) − γ V_i(s'), V_i = 0 after an end and for who has left.

    >>> rewards(team, seen, action, arrived).shape  # doctest: +SKIP
    (2,)
    """
    ahead = soft_value(team.values((), arrived)[1], arrived.legal, team.temperature)
    over = arrived.terminated | ~arrived.active
    return chosen(team.values((), time_step)[1], action) - team.discount * jnp.where(over, 0.0, ahead)


def chi_square(alpha: float = 1.0) -> Penalize:
    """φ(r) = r − r² / (4 α): the χ² divergence between what experts and the policy visit.

    >>> float(chi_square()(jnp.array(2.0)))
    1.0
    """
    return lambda reward: reward - jnp.square(reward) / (4 * alpha)


def identity(reward: Array) -> Array:
    """φ(r) = r: no regularizer. A control; the rewards of few demonstrations then grow without bound."""
    return reward


def straight(penalize: Penalize, bound: float) -> Penalize:
    """`penalize` within ± `bound`, its tangents beyond: slopes stay bounded, and a reward that ran off is pulled back."""

    def bent(reward: Array) -> Array:
        near = jax.lax.stop_gradient(jnp.clip(reward, -bound, bound))
        value, slope = jax.jvp(penalize, (near,), (jnp.ones_like(near),))
        return jnp.where(jnp.abs(reward) <= bound, penalize(reward), value + slope * (reward - near))

    return bent


def free(reward: Array) -> Array:
    """Nothing holds the rewards of visited states."""
    return jnp.zeros_like(reward)


def square(alpha: float) -> Penalize:
    """r² / (4 α) of visited states as well: where experts never are, nothing else keeps values from falling forever.

    Source: Garg et al. (2021), the χ² term of their online experiments.
    """
    return lambda reward: jnp.square(reward) / (4 * alpha)


def inverse_soft(
    values: Callable[[Array], Array],
    expert: Rows,
    visited: Rows,
    *,
    discount: float,
    temperature: float,
    penalize: Penalize,
    hold: Penalize = free,
) -> tuple[Float[Array, ""], Metrics]:
    """L = E_visited[V(s) − γ V(s') + ψ(r)] − E_expert[φ(r)], r = Q(s, a) − γ V(s'), to be lowered; ψ is `hold`, φ `penalize`.

    `visited` are states of any policy's play. Over discounted visits E[V(s) − γ V(s')] is (1 − γ) E[V(s_0)]; over undiscounted
    ones every visit adds (1 − γ) V, which pulls values down wherever no expert holds them up. With φ(r) = r, ψ = 0 and
    `visited` = `expert` this is T times behavior cloning's loss. `values` maps features "row feature" to "row action".
    """
    soft = lambda seen, legal: soft_value(values(seen), legal, temperature)
    ahead = jnp.where(visited.ended, 0.0, soft(visited.seen_next, visited.legal_next))
    growth = average(soft(visited.seen, visited.legal) - discount * ahead, visited.weight)
    earned = chosen(values(visited.seen), visited.action) - discount * ahead
    held = average(hold(earned), visited.weight)
    known = values(expert.seen)
    reward = recovered(known, expert, soft(expert.seen_next, expert.legal_next), discount)
    praise = average(penalize(reward), expert.weight)
    surprise = soft_value(known, expert.legal, temperature) - chosen(known, expert.action)
    told = {
        "recovered_reward": average(reward, expert.weight),
        "expert_log_prob": -average(surprise, expert.weight) / temperature,
        "value_growth": growth,
    }
    return growth + held - praise, told


def cloning(values: Callable[[Array], Array], expert: Rows, *, temperature: float) -> tuple[Float[Array, ""], Metrics]:
    """−E_expert[log π(a | s)], π ∝ exp(Q / T): behavior cloning (Pomerleau 1989)."""
    known = values(expert.seen)
    surprise = (soft_value(known, expert.legal, temperature) - chosen(known, expert.action)) / temperature
    loss = average(surprise, expert.weight)
    return loss, {"expert_log_prob": -loss}


def decay(parameters: PyTree[Array], coefficient: float) -> Float[Array, ""]:
    """c ‖θ‖²: what keeps values bounded where experts are certain."""
    return coefficient * optax.tree.norm(parameters, squared=True)
