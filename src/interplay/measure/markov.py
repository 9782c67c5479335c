"""Exact answers about small Markov games: what policies are worth, how good they could be, who would want to deviate.

A joint policy is π(a | s), the product of one *conditional* per agent: P_i(a_i | s, actions of i's parents), laid out over
whole joint actions. Independent agents (no parents) and fully autoregressive teams are the two ends. Everything is `jit`-
and `vmap`-able; double precision comes with `jax.enable_x64`.
"""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from interplay.games.markov import MarkovGame

Joint = Float[Array, "state joint"]
Conditionals = Float[Array, "agent state joint"]


def joint_policy(conditionals: Conditionals) -> Joint:
    """π(a | s) = Π_i P_i(a_i | s, a_parents(i))."""
    return conditionals.prod(0)


def moves(game: MarkovGame, policy: Joint) -> Float[Array, "state next"]:
    """P_π(s' | s) = Σ_a π(a | s) P(s' | s, a)."""
    return jnp.einsum("sa,san->sn", policy, game.transition)


def values(game: MarkovGame, policy: Joint) -> Float[Array, "agent state"]:
    """V_i = (I − γ P_π)⁻¹ r_π for every agent."""
    earned = jnp.einsum("sa,isa->is", policy, game.reward)
    system = jnp.eye(game.states) - game.discount * moves(game, policy)
    return jnp.linalg.solve(system, earned.T).T


def action_values(game: MarkovGame, value: Float[Array, "agent state"]) -> Float[Array, "agent state joint"]:
    """Q_i(s, a) = r_i(s, a) + γ Σ_s' P(s' | s, a) V_i(s')."""
    return game.reward + game.discount * jnp.einsum("san,in->isa", game.transition, value)


def occupancy(game: MarkovGame, policy: Joint) -> Float[Array, "state"]:
    """d = (1 − γ) (I − γ P_πᵀ)⁻¹ μ: discounted visits of every state."""
    system = jnp.eye(game.states) - game.discount * moves(game, policy).T
    return (1 - game.discount) * jnp.linalg.solve(system, game.start)


def worth(game: MarkovGame, policy: Joint) -> Float[Array, "agent"]:
    """J_i = Σ_s μ(s) V_i(s)."""
    return values(game, policy) @ game.start


def optimum(game: MarkovGame, tolerance: float = 1e-9) -> Float[Array, ""]:
    """The best mean over agents that any joint policy is worth, by value iteration on the team's mean reward.

    V ← max_a mean_i Q_i(s, a), until no state changes by more than `tolerance`. Source: Puterman (1994), section 6.3.
    """
    backup = lambda value: action_values(game, jnp.broadcast_to(value, (game.agents, game.states))).mean(0).max(-1)
    return game.start @ _iterated(backup, game.states, game.reward.dtype, tolerance)


def best_response(
    game: MarkovGame, conditionals: Conditionals, parents: Int[Array, "joint"], agent: int, *, tolerance: float = 1e-9
):
    """What the best policy of `agent` is worth to it while the others keep their conditionals.

    `parents` numbers what the agent sees of others' actions in each joint action. V(s) = Σ_seen max_own Σ_a
    Π_{j≠i} P_j(a_j | s, ·) Q_i(s, a) over the joint actions a with that part seen and that own action: agents after it still
    react to what it does.
    """
    others = conditionals.at[agent].set(1.0).prod(0)
    own = jnp.asarray(game.joint[:, agent])
    seen, count = parents, len(game.joint)
    place = seen * game.actions[agent] + own

    def backup(value):
        worth = others * (game.reward[agent] + game.discount * game.transition @ value)
        each = jax.vmap(lambda row: jax.ops.segment_sum(row, place, count * game.actions[agent]))(worth)
        return each.reshape(game.states, count, game.actions[agent]).max(-1).sum(-1)

    return game.start @ _iterated(backup, game.states, game.reward.dtype, tolerance)


def nash_gap(game: MarkovGame, conditionals: Conditionals, parents: Int[Array, "agent joint"]) -> Float[Array, ""]:
    """max_i (best response of i − J_i): 0 at a Nash equilibrium of policies with these parents."""
    now = worth(game, joint_policy(conditionals))
    gains = [best_response(game, conditionals, parents[agent], agent) - now[agent] for agent in range(game.agents)]
    return jnp.max(jnp.stack(gains))


def parent_numbers(game: MarkovGame, graph: np.ndarray) -> Int[np.ndarray, "agent joint"]:
    """For every agent and joint action, the number of what its parents do in it; graph[j, i] marks j a parent of i."""
    found = np.zeros((game.agents, len(game.joint)), int)
    for agent in range(game.agents):
        for other in np.flatnonzero(np.asarray(graph)[:, agent]):
            found[agent] = found[agent] * game.actions[other] + game.joint[:, other]
    return found


def _iterated(backup, states: int, dtype, tolerance: float):
    going = lambda carry: carry[1] > tolerance
    turn = lambda carry: (new := backup(carry[0]), jnp.abs(new - carry[0]).max())
    start = (jnp.zeros(states, dtype), jnp.asarray(jnp.inf, dtype))
    return jax.lax.while_loop(going, turn, start)[0]


def policy_of(team, game, states, key: PRNGKeyArray, draws: int = 64) -> Joint:
    """π(a | s) of a team at the time steps `states` (leading axis: state), all joint actions of a discrete game in order.

    What the team draws beside its actions (graphs, messages) is averaged over `draws`: E[Π_i π_i(a_i | ·)].
    """
    joint = np.array(list(itertools.product(range(game.spec.action.width), repeat=game.spec.agents)))

    def of_one(seen, key):
        memory = team.begin()
        decision = team.act(memory, seen, key)[1]
        judged = lambda action: team.evaluate(memory, seen, dataclasses.replace(decision, action=action))[1].log_prob
        return jnp.exp(jax.vmap(judged)(jnp.asarray(joint, jnp.int32)).sum(-1))

    keys = jax.random.split(key, draws)
    return jax.vmap(lambda seen: jax.vmap(lambda key: of_one(seen, key))(keys).mean(0))(states)
