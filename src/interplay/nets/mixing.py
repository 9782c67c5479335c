"""Mixing: how the values of single agents become the value of a team, and the rewards with them.

A mixer that rises in every agent's value lets each agent choose its own best action and still find the team's best one.
Known instances: `Apart` (independent learners, nothing is mixed), `Sum` (VDN), `Monotone` (QMIX) and `Tracks` (MO-MIX, a
monotone mixer per objective). `Joint` is what they approximate: one value per joint action, for few agents.

Source: Rashid et al., "Monotonic value function factorisation for deep multi-agent reinforcement learning" (2020).
"""

import abc
import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from interplay.core.errors import InputError
from interplay.core.game import Spec
from interplay.core.population import Population, populate
from interplay.nets import views
from interplay.nets.dense import Dense
from interplay.nets.recurrent import Network

Values = Float[Array, "agent"]
State = Float[Array, "state"]


class Mixer(eqx.Module):
    """What is learned of a team's values: one number per agent, the same for all where the team shares one."""

    @abc.abstractmethod
    def __call__(self, chosen: Float[Array, "agent *objective"], state: State) -> Float[Array, "agent *objective"]:
        """From the values of the actions chosen to those that are learned."""

    def pooled(self, reward: Float[Array, "*rows agent"]) -> Float[Array, "*rows agent"]:
        """The rewards that those values foretell: the team's mean, so that returns are those that are logged."""
        return jnp.broadcast_to(reward.mean(-1, keepdims=True), reward.shape)

    def together(self, marks: Bool[Array, "*rows agent"], of: Callable = jnp.any) -> Bool[Array, "*rows agent"]:
        """What is true of agents, for those who share a value: of any of them, or `of=jnp.all`."""
        return jnp.broadcast_to(of(marks, axis=-1, keepdims=True), marks.shape)


class Apart(Mixer):
    """Q_i as it is: every agent learns its own value from its own reward."""

    def __call__(self, chosen, state: State):
        return chosen

    def pooled(self, reward):
        return reward

    def together(self, marks, of: Callable = jnp.any):
        return marks


class Sum(Mixer):
    """Q = Σ_i Q_i.

    Source: Sunehag et al., "Value-decomposition networks for cooperative multi-agent learning" (2018).
    """

    def __call__(self, chosen, state: State):
        return jnp.broadcast_to(chosen.sum(0, keepdims=True), chosen.shape)


class Monotone(Mixer):
    """Q = elu(q |W₁(s)| + b₁(s)) · |w₂(s)| + v(s), with q the agents' values and all weights made from the state.

    Source: Rashid et al. (2020), section 4.2.
    """

    first: Network  # state → |W₁|, flat
    shift: Dense  # state → b₁
    second: Network  # state → |w₂|
    level: Network  # state → v

    def __init__(
        self, agents: int, state: int, key: PRNGKeyArray, *, width: int = 32, hidden: int = 64, depth: int = 1
    ):
        """`width` units are mixed; hypernetworks have `depth` layers of `hidden` units, v one of `width`.

        Weights begin near 1/√width and shifts near 0, so that a fresh mixer is nearly the sum: as agents' values then are
        of the team's size, and as nothing is promised yet, learning does not begin by unlearning.
        """
        keys, gain = jax.random.split(key, 4), width**-0.5
        hyper = {"width": hidden, "depth": depth, "gain": gain, "activation": jax.nn.relu}
        raised = lambda network: eqx.tree_at(
            lambda network: network.head.bias, network, replace_fn=lambda bias: bias + gain
        )
        self.first = raised(Network(state, agents * width, keys[0], **hyper))
        self.second = raised(Network(state, width, keys[1], **hyper))
        self.shift = Dense(state, width, 0.01, keys[2])
        self.level = Network(state, 1, keys[3], width=width, depth=1, gain=0.01, activation=jax.nn.relu)

    def __call__(self, chosen: Values, state: State) -> Values:
        made = lambda network: network((), state)[1]
        weight = jnp.abs(made(self.first)).reshape(chosen.shape[0], -1)
        hidden = jax.nn.elu((chosen[:, None] * weight).sum(0) + self.shift(state))
        value = (hidden * jnp.abs(made(self.second))).sum() + made(self.level)[0]
        return jnp.broadcast_to(value, chosen.shape)


class Tracks(Mixer):
    """A monotone mixer per objective, side by side: Q^k = f_k(Q_1^k, …, Q_n^k; s).

    Each track rises in its own objective's values and in no other's. That the agents' best actions under a preference
    are the team's best does not follow: the tracks may weigh agents differently.

    Source: Hu et al., "MO-MIX: multi-objective multi-agent cooperative decision-making with deep reinforcement
    learning" (2023).
    """

    tracks: Population

    def __init__(self, agents: int, state: int, objectives: int, key: PRNGKeyArray, **shape):
        self.tracks = populate(lambda key: Monotone(agents, state, key, **shape), objectives, key)

    def __call__(self, chosen: Float[Array, "agent objective"], state: State) -> Float[Array, "agent objective"]:
        one = lambda track, values: track(values, state)
        return eqx.filter_vmap(one, in_axes=(eqx.if_array(0), 1), out_axes=1)(self.tracks.members, chosen)

    def pooled(self, reward: Float[Array, "*rows agent objective"]) -> Float[Array, "*rows agent objective"]:
        return jnp.broadcast_to(reward.mean(-2, keepdims=True), reward.shape)


class Joint(eqx.Module):
    """One value for every joint action, from what a center knows: exact for any game, and as large as Π_i |A_i|.

    Joint actions are counted with agent 0's action as the most significant digit.
    """

    network: Network
    agents: int = eqx.field(static=True)
    actions: int = eqx.field(static=True)

    def __init__(self, spec: Spec, key: PRNGKeyArray, **shape):
        """`shape` goes to `Network`. Raises `InputError` where there are more than 100,000 joint actions."""
        self.agents, self.actions = spec.agents, spec.action.width
        count = self.actions**self.agents
        if count > 100_000:
            raise InputError(f"{self.agents} agents have {count} joint actions, too many to tell apart: use a mixer")
        self.network = Network(views.width(views.state, spec), count, key, **shape)

    def __call__(self, state: State) -> Float[Array, "joint"]:
        """The value of every joint action."""
        return self.network((), state)[1]

    def number(self, action: Int[Array, "*rows agent"]) -> Int[Array, "*rows"]:
        """Which joint action `action` is."""
        return (action * np.array([self.actions**place for place in reversed(range(self.agents))])).sum(-1)

    def action(self, number: Int[Array, "*rows"]) -> Int[Array, "*rows agent"]:
        """The inverse of `number`."""
        digits = [number // self.actions**place % self.actions for place in reversed(range(self.agents))]
        return jnp.stack(digits, -1).astype(jnp.int32)

    def legal(self, legal: Bool[Array, "agent action"]) -> Bool[Array, "joint"]:
        """Joint actions of which every part is legal; an agent without a legal action may do anything."""
        legal = legal | ~legal.any(-1, keepdims=True)
        everybody = self.action(jnp.arange(math.prod([self.actions] * self.agents)))
        return jnp.take_along_axis(legal.T, everybody, axis=0).all(-1)


Making = Callable[[Spec, PRNGKeyArray], Mixer]


def apart(spec: Spec, key: PRNGKeyArray) -> Mixer:
    return Apart()


def summed(spec: Spec, key: PRNGKeyArray) -> Mixer:
    return Sum()


def monotone(**shape) -> Making:
    """Makes the `Monotone` mixer of a game; `shape` is its width, hidden and depth."""
    return lambda spec, key: Monotone(spec.agents, views.width(views.state, spec), key, **shape)


def tracks(**shape) -> Making:
    """Makes the `Tracks` of a game of several objectives; `shape` as for `monotone`."""
    return lambda spec, key: Tracks(spec.agents, views.width(views.state, spec), spec.objectives, key, **shape)
