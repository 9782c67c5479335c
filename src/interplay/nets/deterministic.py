"""Teams that act on one best guess each, under critics that see everything: deterministic policy gradients.

Every agent's actor answers with an action and no distribution; noise is added while learning. Every agent's critic judges
the joint action from what a center knows, so that the slope of its value along the agent's own action says how the actor
should change. Choices are made by the largest of logits and Gumbel noise; their slope is that of a softmax (straight
through). MADDPG is this team with one critic an agent, MATD3 with two.

Source: Lowe et al., "Multi-agent actor-critic for mixed cooperative-competitive environments" (2017); Jang et al.,
"Categorical reparameterization with Gumbel-softmax" (2017).
"""

import dataclasses
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from interplay.core.errors import ONE_REWARD, InputError
from interplay.core.game import Discrete, Spec, TimeStep
from interplay.core.population import Population, apply, populate
from interplay.core.team import DECENTRALIZED, Decision, Evaluation, Memory, Team
from interplay.core.trajectory import Transitions
from interplay.nets import distributions, exploring, views
from interplay.nets.mixing import Apart
from interplay.nets.recurrent import Network

Coded = Float[Array, "agent action"]  # what critics see of an action: a one-hot, or its place in the box from −1 to 1


class Deterministic(Team):
    """See the file's first paragraph; made by `deterministic`. `steps` counts environment steps, for the noise's schedule.

    A decision keeps its noise, and the noise that its successor's target action is smoothed with: gradients are those
    of the very same draw, whenever they are asked for.
    """

    actors: Population
    critics: Population  # several numbers each: MATD3 learns two and trusts the smaller
    steps: Int[Array, ""]
    spec: Spec
    seats: tuple[int, ...] = eqx.field(static=True)
    noise: exploring.Schedule = eqx.field(static=True)
    smoothing: float = eqx.field(static=True, default=0.0)
    limit: float = eqx.field(static=True, default=0.5)
    softness: float = eqx.field(static=True, default=1.0)
    needs: str = eqx.field(static=True, default=DECENTRALIZED)

    @property
    def mixer(self) -> Apart:
        """Agents' values are their own."""
        return Apart()

    def begin(self) -> Memory:
        return ()

    def outputs(self, time_step: TimeStep) -> Coded:
        """What actors say: logits of choices, illegal ones far below; places in the box from −1 to 1."""
        answer = lambda actor, x: actor((), x)[1]
        said = apply(answer, self.actors, self.seats, views.named(time_step))
        allowed = time_step.legal | ~time_step.legal.any(-1, keepdims=True)
        if self._choices:
            return jnp.where(allowed, said, distributions.ILLEGAL)
        return jnp.where(time_step.legal, jnp.tanh(said), 0.0)

    def act(self, memory: Memory, time_step: TimeStep, key: PRNGKeyArray) -> tuple[Memory, Decision]:
        own_key, next_key = jax.random.split(key)
        shape = (self.spec.agents, self.spec.action.width)
        draw = jax.random.gumbel if self._choices else jax.random.normal
        noise, smoothing = self.exploration * draw(own_key, shape), jax.random.normal(next_key, shape)
        coded = self.acted(self.outputs(time_step), noise, time_step.legal)
        extra = {"noise": noise, "smoothing": smoothing}
        nothing = jnp.zeros(self.spec.agents)
        return memory, Decision(self.decoded(coded), nothing, self.judged(time_step, coded)[..., 0], extra)

    def evaluate(self, memory: Memory, time_step: TimeStep, decision: Decision) -> tuple[Memory, Evaluation]:
        """`extra`: "values" [agent, critic], of what was done; "own" [agent], what the first critic makes of the agent's
        present action among the others' past ones, its slope that of the action alone; "size" [agent], mean squared output.
        """
        coded = self.coded(decision.action)
        values = self.judged(time_step, coded)
        said = self.outputs(time_step)
        now = self.acted(said, decision.extra["noise"], time_step.legal)
        still = jax.tree.map(lambda leaf: jax.lax.stop_gradient(leaf) if eqx.is_array(leaf) else leaf, self.critics)
        place = jnp.arange(self.spec.agents)
        joint = jax.vmap(lambda agent: jnp.where((place == agent)[:, None], now, coded))(place)
        own = apply(self._judge(time_step), still, self.seats, place, joint)[..., 0]
        size = jnp.square(jnp.where(time_step.legal, said, 0.0)).mean(-1)
        nothing = jnp.zeros(self.spec.agents)
        return memory, Evaluation(nothing, nothing, values[..., 0], {"values": values, "own": own, "size": size})

    def values_ahead(self, play: Transitions) -> Float[Array, "time batch agent"]:
        """What this team, as a target, makes of the steps that transitions led to: the least of its critics' values of its
        own next action, smoothed: clip(N(0, `smoothing`), ±`limit`) is added to it in boxes.
        """

        def judge(seen: TimeStep, noise: Coded):
            wide = jnp.clip(self.smoothing * noise, -self.limit, self.limit)
            coded = self.acted(self.outputs(seen), jnp.zeros_like(noise) if self._choices else wide, seen.legal)
            return self.judged(seen, coded).min(-1)

        return jax.vmap(jax.vmap(judge))(play.arrived, play.decision.extra["smoothing"])

    def values_of(self, play: Transitions) -> Float[Array, "time batch agent"]:
        """The first critics' values of the decisions in `play`."""
        judge = lambda seen, action: self.judged(seen, self.coded(action))[..., 0]
        return jax.vmap(jax.vmap(judge))(play.time_step, play.decision.action)

    def acted(self, said: Coded, noise: Coded, legal: Bool[Array, "agent action"]) -> Coded:
        """The noisy action as critics see it. A choice is a one-hot whose slope is that of softmax((logits + noise) / T)."""
        if not self._choices:
            return jnp.where(legal, jnp.clip(said + noise, -1.0, 1.0), 0.0)
        soft = jax.nn.softmax((said + noise) / self.softness)
        hard = jax.nn.one_hot(jnp.argmax(said + noise, -1), said.shape[-1])
        return hard + soft - jax.lax.stop_gradient(soft)

    def judged(self, time_step: TimeStep, coded: Coded) -> Float[Array, "agent critic"]:
        """Every agent's critics' values of one joint action."""
        agents = self.spec.agents
        joint = jnp.broadcast_to(coded, (agents, *coded.shape))
        return apply(self._judge(time_step), self.critics, self.seats, jnp.arange(agents), joint)

    def coded(self, action: Array) -> Coded:
        """An action as critics see it."""
        if self._choices:
            return jax.nn.one_hot(action, self.spec.action.width)
        middle, reach = distributions.middle_and_reach(self.spec.action)  # type: ignore[arg-type]
        return (action - middle) / reach

    def decoded(self, coded: Coded) -> Array:
        """The inverse of `coded`."""
        if self._choices:
            return jnp.argmax(coded, -1).astype(jnp.int32)
        middle, reach = distributions.middle_and_reach(self.spec.action)  # type: ignore[arg-type]
        return middle + reach * coded

    def greedy(self) -> "Deterministic":
        return dataclasses.replace(self, noise=exploring.NEVER.schedule)

    @property
    def exploration(self) -> Float[Array, ""]:
        """How large the noise is now: of logits, or of places in the box from −1 to 1."""
        return jnp.asarray(self.noise(self.steps), jnp.float32)

    def after(self, steps: int) -> "Deterministic":
        """The team `steps` environment steps later."""
        return dataclasses.replace(self, steps=self.steps + steps)

    @property
    def _choices(self) -> bool:
        return isinstance(self.spec.action, Discrete)

    def _judge(self, time_step: TimeStep) -> Callable:
        known, agents = views.state(time_step), self.spec.agents

        def judge(critic: Network, agent, joint: Coded) -> Float[Array, "critic"]:
            seen = jnp.concatenate([known, jax.nn.one_hot(agent, agents), joint.reshape(-1)])
            return critic((), seen)[1]

        return judge


def deterministic(
    spec: Spec,
    key: PRNGKeyArray,
    seats: tuple[int, ...],
    noise: exploring.Schedule,
    *,
    critics: int = 1,
    smoothing: float = 0.0,
    limit: float = 0.5,
    softness: float = 1.0,
    **shape,
) -> Deterministic:
    """A `Deterministic` team with fresh networks, `critics` values for each agent; `shape` goes to `Network` (width, depth).

    Raises `InputError` for games of several objectives and for boxes without ends, whose places cannot be told.

        >>> from interplay.core.population import shared
        >>> team = deterministic(game.spec, key, shared(3), exploring.linear(1.0, 0.1, 10_000))  # doctest: +SKIP
    """
    if spec.objectives:
        raise InputError(ONE_REWARD.format(objectives=spec.objectives))
    first, second = jax.random.split(key)
    width, shape = spec.action.width, {"activation": jax.nn.relu, "gain": 0.01, **shape}
    known = views.width(views.state, spec) + spec.agents + spec.agents * width
    actor = lambda key: Network(views.width(views.named, spec), width, key, **shape)
    critic = lambda key: Network(known, critics, key, **shape)
    return Deterministic(
        actors=populate(actor, max(seats) + 1, first),
        critics=populate(critic, max(seats) + 1, second),
        steps=jnp.zeros((), jnp.int32),
        spec=spec,
        seats=tuple(seats),
        noise=noise,
        smoothing=smoothing,
        limit=limit,
        softness=softness,
    )
