"""Random: every agent chooses uniformly among what is legal. The floor of every comparison; nothing is learned."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from interplay import games
from interplay.core.budget import Budget
from interplay.core.game import Box, Spec, TimeStep
from interplay.core.method import Method, Metrics
from interplay.core.team import DECENTRALIZED, Decision, Memory, Team
from interplay.methods.wiring import OnPolicy, batched, summary
from interplay.nets import distributions
from interplay.play import gathering


@dataclasses.dataclass(frozen=True)
class Settings:
    """What random play needs to know."""

    game: str = "spread"
    """game to play, as in `interplay list games`"""
    steps: int = 100_000
    """environment steps to play"""
    batch: int = 64
    """games played side by side"""
    length: int = 128
    """steps played in each game per update"""
    workers: int = 0
    """processes that play games in Python; 0: all in this process"""
    timeout: float = 60.0
    """seconds within which those processes have to answer a step, before the game counts as hung"""


class Uniform(Team):
    """Equal probability for every legal choice, equal density over a box."""

    spec: Spec
    needs: str = eqx.field(static=True, default=DECENTRALIZED)

    def begin(self) -> Memory:
        return ()

    def act(self, memory: Memory, time_step: TimeStep, key: PRNGKeyArray) -> tuple[Memory, Decision]:
        draw = _in_box if isinstance(self.spec.action, Box) else _among
        action, log_prob = draw(self.spec, time_step.legal, key)
        return memory, Decision(action, log_prob, jnp.zeros(self.spec.agents))


def _among(spec: Spec, legal, key: PRNGKeyArray):
    policy = jax.vmap(distributions.Categorical)(jnp.zeros(legal.shape), legal)
    action = jax.vmap(distributions.sample)(policy, distributions.noise(spec.action, key, spec.agents))
    return action, jax.vmap(lambda policy, action: policy.log_prob(action))(policy, action)


def _in_box(spec: Spec, legal, key: PRNGKeyArray):
    assert isinstance(spec.action, Box)
    low, high = spec.action.low, spec.action.high
    drawn = jax.random.uniform(key, legal.shape, minval=low, maxval=high)
    return jnp.where(legal, drawn, 0.0), -legal.sum(-1) * jnp.log(high - low)


def build(s: Settings) -> Method:
    game = games.make(s.game)
    gather = gathering.steps(game, s.batch, s.length, workers=s.workers, timeout=s.timeout)

    def init(key: PRNGKeyArray) -> OnPolicy:
        team = Uniform(spec=game.spec)
        return OnPolicy(team, (), gather.init(team, key))

    def step(state: OnPolicy, key: PRNGKeyArray) -> tuple[OnPolicy, Metrics]:
        play, _, finished = gather(state.team, state.play, key)
        return OnPolicy(state.team, (), play), summary(finished)

    return Method(init, step, lambda state: state.team, Budget(steps=gather.cost), game, gather.compiled, batched)
