"""MA-AIRL: adversarial inverse learning, every agent with a judge that tells its demonstrator's choices from its own.

The discriminator of agent i is D = exp f / (exp f + π_i(a | s)) with f(s, a, s') = g(s, a) + γ h(s') − h(s); the agent
learns by PPO from the reward log D − log(1 − D) = f − log π_i, and g is the reward that is recovered, in units of temperature.
This is the smallest form of MA-AIRL: discriminators of single agents, PPO in place of a trust region of Kronecker factors.

Source: Yu, Song, Ermon, "Multi-agent adversarial inverse reinforcement learning" (2019); Fu et al. (2018) for f.
"""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from interplay import games
from interplay.core import population
from interplay.core.budget import Budget
from interplay.core.choosing import chosen
from interplay.core.method import Method
from interplay.core.population import Population
from interplay.core.team import Team
from interplay.core.trajectory import Batch, Trajectory, Transitions
from interplay.credit import returns
from interplay.methods import imitation
from interplay.methods.wiring import prepared, summary
from interplay.nets import views
from interplay.nets.recurrent import Network
from interplay.nets.seated import seated
from interplay.objectives import gradient, value
from interplay.objectives.inverse import Rows, rows_of
from interplay.objectives.term import average
from interplay.play import scan
from interplay.play.demonstrations import Demonstrations
from interplay.update.gradient import adam, epochs
from interplay.update.individual import individual


@dataclasses.dataclass(frozen=True)
class Settings(imitation.Settings):
    """MA-AIRL's settings; `temperature`, `decay` and `capacity` have no effect."""

    batch: int = 16
    """games played side by side"""
    length: int = 16
    """steps gathered from each game per update"""
    passes: int = 4
    """times each batch is learned from"""
    minibatches: int = 2
    """parts a batch is split into, each one optimizer step"""
    clip: float = 0.2
    """how far the probability ratio may leave 1 before its gradient stops"""
    trace: float = 0.95
    """lambda of generalized advantage estimation"""


class Discriminator(eqx.Module):
    """f(s, a, s') = g(s, a) + γ h(s') − h(s) of one agent."""

    reward: Network
    shaping: Network

    def __init__(self, inputs: int, actions: int, key: PRNGKeyArray, **shape):
        first, second = jax.random.split(key)
        self.reward = Network(inputs, actions, first, gain=0.01, **shape)
        self.shaping = Network(inputs, 1, second, gain=0.01, **shape)

    def __call__(self, rows: Rows, discount: float) -> Float[Array, "row"]:
        judge = lambda network, seen: jax.vmap(lambda x: network((), x)[1])(seen)
        shape = lambda seen: judge(self.shaping, seen)[:, 0]
        ahead = jnp.where(rows.ended, 0.0, discount * shape(rows.seen_next))
        return chosen(judge(self.reward, rows.seen), rows.action) + ahead - shape(rows.seen)


class Adversarial(eqx.Module):
    """The state: who plays, who judges, how both are learning, where the games stand."""

    team: Team
    learner: PyTree
    judges: Population
    judging: PyTree
    play: PyTree
    known: dict[str, Int[Array, ""]]


def build(s: Settings, shown: Demonstrations | None = None) -> Method:
    game = games.make(s.game)
    shown = shown or imitation.loaded(s, game)
    agents = game.spec.agents
    shape: dict[str, Any] = {"width": s.width, "depth": s.depth}
    gather = scan.experience(game, s.batch, s.length)
    ppo = gradient.clipped(s.clip, ratio=gradient.per_agent) + 0.5 * value.squared()
    learner = epochs(ppo, adam(s.rate, 0.5), s.passes, s.minibatches)
    judged = individual(lambda judge, *data: _told_apart(judge, *data, discount=s.discount), adam(s.rate, s.max_norm))
    credit = returns.standardized(returns.gae(s.discount, s.trace))

    def init(key: PRNGKeyArray) -> Adversarial:
        team_key, judge_key, play_key = jax.random.split(key, 3)
        team = seated(game.spec, team_key, population.separate(agents), views.local, decay=0.99, **shape)
        make = lambda key: Discriminator(game.spec.observation, game.spec.action.width, key, **shape)
        judges = population.populate(make, agents, judge_key)
        play = gather.init(team, play_key)
        return Adversarial(team, learner.init(team), judges, judged.init(judges), play, imitation.remembered(shown))

    def judge(state: Adversarial, played: Transitions, key: PRNGKeyArray):
        def once(carry, key):
            judges, judging = carry
            first, second = jax.random.split(key)
            some = jax.random.randint(second, (s.sampled,), 0, played.started.size)
            own = jax.tree.map(lambda leaf: leaf.reshape(1, -1, *leaf.shape[2:])[:, some], played)
            expert, told = shown.drawn(first, s.sampled), []
            for agent in range(agents):
                data = [(rows_of(play, agent), _chance(state.team, play)[..., agent].ravel()) for play in (expert, own)]
                judges, judging, one = judged.update(judges, judging, jnp.asarray(agent), *data)
                told.append(one)
            return (eqx.filter(judges, eqx.is_array), judging), jax.tree.map(lambda *x: jnp.stack(x).mean(), *told)

        carry, rest = (eqx.filter(state.judges, eqx.is_array), state.judging), state.judges
        advance = lambda carry, key: once((eqx.combine(carry[0], rest), carry[1]), key)
        (arrays, judging), told = jax.lax.scan(advance, carry, jax.random.split(key, s.updates))
        return eqx.combine(arrays, rest), judging, jax.tree.map(jnp.mean, told)

    def step(state: Adversarial, key: PRNGKeyArray):
        play_key, judge_key, learn_key = jax.random.split(key, 3)
        play, played, finished = gather(state.team, state.play, play_key)
        judges, judging, told = judge(state, played, judge_key)
        trajectory = _rewarded(state.team, judges, played, s.discount)
        given = prepared(state.team, state.learner, Batch(trajectory, credit(trajectory)))
        team, optimizer, metrics = learner.update(*given, learn_key)
        after = Adversarial(team, optimizer, judges, judging, play, state.known)
        return after, {**metrics, "discriminator_loss": told["loss"], **summary(finished)}

    updates = s.updates * agents + learner.steps
    return Method(init, step, lambda state: state.team, Budget(steps=gather.cost, updates=updates), game)


def _told_apart(judge: Discriminator, expert, own, *, discount: float):
    """−E_expert[log D] − E_own[log(1 − D)], log D / (1 − D) = f − log π."""
    losses = []
    for (rows, log_prob), sign in ((expert, -1.0), (own, 1.0)):
        losses.append(average(jax.nn.softplus(sign * (judge(rows, discount) - log_prob)), rows.weight))
    return losses[0] + losses[1], {}


def _chance(team: Team, play: Transitions) -> Float[Array, "time batch agent"]:
    """log π(a | s) of whatever was done, under the team as it is."""
    judge = lambda seen, decided: team.evaluate(team.begin(), seen, decided)[1].log_prob
    return jax.vmap(jax.vmap(judge))(play.time_step, play.decision)


def _rewarded(team: Team, judges: Population, play: Transitions, discount: float) -> Trajectory:
    """What was played as PPO wants it, with f − log π in place of the game's reward."""
    worth = lambda seen: jax.vmap(jax.vmap(lambda seen, decided: team.evaluate(team.begin(), seen, decided)[1].value))(
        seen, play.decision
    )
    shape, agents = play.started.shape, play.decision.log_prob.shape[-1]
    each = [judges.seat(agent)(rows_of(play, agent), discount).reshape(shape) for agent in range(agents)]
    reward = jnp.stack(each, -1) - play.decision.log_prob
    over, cut = play.arrived.terminated, play.arrived.truncated
    last = jnp.zeros(shape, bool).at[-1].set(True)
    bootstrap = jnp.where(((cut | last) & ~over)[..., None], worth(play.arrived), 0.0)
    decision = dataclasses.replace(play.decision, value=worth(play.time_step))
    return Trajectory(
        play.time_step, decision, reward * play.time_step.active, over, cut, bootstrap, play.started, team.begin()
    )
