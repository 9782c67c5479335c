"""Teams that act on what they think actions are worth.

Every agent has a network from what it sees to a value per action, takes mostly its best one, and a mixer says what these
values mean for the team. DQN and independent Q learning (`mixing.Apart`), VDN (`mixing.Sum`) and QMIX (`mixing.Monotone`)
are this team; with memory it is their recurrent form.
"""

import dataclasses
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from interplay.core.choosing import chosen
from interplay.core.errors import ONE_REWARD, InputError
from interplay.core.game import Discrete, Spec, TimeStep
from interplay.core.population import Population, apply, populate
from interplay.core.team import DECENTRALIZED, Decision, Evaluation, Memory, Team, has_memory
from interplay.core.trajectory import Transitions
from interplay.nets import distributions, exploring, views
from interplay.nets.mixing import Making, Mixer
from interplay.nets.recurrent import Network


def alone(time_step: TimeStep, values: Float[Array, "..."]) -> Float[Array, "..."]:
    """The values themselves: what actions are worth where there is one objective."""
    return values


class Valued(Team):
    """See the file's first paragraph; made by `valued`. `steps` counts environment steps, for the schedule of `explore`.

    In games of several objectives actions have a value for each, and `utility(time_step, values)` says what these are
    worth together, at any number of time steps: agents explore, and are greedy, by that.
    """

    networks: Population
    mixer: Mixer
    steps: Int[Array, ""]
    spec: Spec
    seats: tuple[int, ...] = eqx.field(static=True)
    view: Callable[[TimeStep], Float[Array, "agent feature"]] = eqx.field(static=True)
    explore: exploring.Explore = eqx.field(static=True)
    choose: Callable = eqx.field(static=True, default=distributions.sample)
    utility: Callable = eqx.field(static=True, default=alone)
    needs: str = eqx.field(static=True, default=DECENTRALIZED)

    def begin(self) -> Memory:
        fresh = self.networks.seat(0).begin()
        return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (self.spec.agents, *leaf.shape)), fresh)

    def values(self, memory: Memory, time_step: TimeStep) -> tuple[Memory, Float[Array, "agent action *objective"]]:
        """What every action of every agent is worth."""
        value = lambda network, memory, x: network(memory, x)
        memory, values = apply(value, self.networks, self.seats, memory, self.view(time_step))
        return memory, self._by_objective(values)

    def values_sequence(
        self, memory: Memory, time_step: TimeStep, started: Bool[Array, "time"]
    ) -> tuple[Memory, Float[Array, "time agent action *objective"]]:
        """`values` along a leading time axis, memory starting afresh at rows that open an episode."""
        by_agent = lambda rows: jnp.swapaxes(rows, 0, 1)
        value = lambda network, memory, x: network.sequence(memory, x, started)
        seen = by_agent(jax.vmap(self.view)(time_step))
        memory, values = apply(value, self.networks, self.seats, memory, seen)
        return memory, self._by_objective(by_agent(values))

    def act(self, memory: Memory, time_step: TimeStep, key: PRNGKeyArray) -> tuple[Memory, Decision]:
        memory, values = self.values(memory, time_step)
        policy = self._policy(values, time_step)
        drawn = distributions.noise(self.spec.action, key, self.spec.agents)
        action = jax.vmap(self.choose)(policy, drawn)
        return memory, Decision(action, _log_prob(policy, action), self.mixed(time_step, chosen(values, action)))

    def evaluate(self, memory: Memory, time_step: TimeStep, decision: Decision) -> tuple[Memory, Evaluation]:
        memory, values = self.values(memory, time_step)
        return memory, self._judge(values, time_step, decision)

    def evaluate_sequence(
        self, memory: Memory, time_step: TimeStep, decision: Decision, started: Bool[Array, "time"]
    ) -> tuple[Memory, Evaluation]:
        memory, values = self.values_sequence(memory, time_step, started)
        return memory, jax.vmap(self._judge)(values, time_step, decision)

    def values_ahead(self, play: Transitions) -> Float[Array, "time batch agent action *objective"]:
        """The values at the steps that transitions led to; whole episodes are played again where there is memory."""
        if not has_memory(self):
            return jax.vmap(jax.vmap(lambda seen: self.values((), seen)[1]))(play.arrived)
        seen, draws = play.sequence(), play.started.shape[1]
        memory = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (draws, *leaf.shape)), self.begin())
        started = jnp.zeros((len(play.started) + 1, draws), bool)
        judge = lambda memory, seen, started: self.values_sequence(memory, seen, started)[1]
        return jax.vmap(judge, in_axes=(0, 1, 1), out_axes=1)(memory, seen, started)[1:]

    def values_of(self, play: Transitions) -> Float[Array, "time batch agent *objective"]:
        """What is learned of the decisions in `play`: their values, mixed."""
        judge = lambda seen, decided: self.evaluate_sequence(self.begin(), seen, decided, started)[1].value
        started = jnp.zeros(len(play.started), bool)
        return jax.vmap(judge, in_axes=1, out_axes=1)(play.time_step, play.decision)

    def mixed(self, time_step: TimeStep, own: Float[Array, "..."]) -> Float[Array, "..."]:
        """The values of chosen actions as the mixer sees them, "*rows agent *objective", at any number of time steps."""
        mix = lambda seen, own: self.mixer(own, views.state(seen))
        for _ in range(own.ndim - 1 - (self.spec.objectives > 0)):
            mix = jax.vmap(mix)
        return mix(time_step, own)

    def greedy(self) -> "Valued":
        return dataclasses.replace(self, explore=exploring.NEVER, choose=distributions.mode)

    @property
    def exploration(self) -> Float[Array, ""]:
        """How curious the team is now: ε or a temperature, whatever its schedule gives."""
        return jnp.asarray(self.explore.schedule(self.steps), jnp.float32)

    def after(self, steps: int) -> "Valued":
        """The team `steps` environment steps later: as much less curious as its schedule says."""
        return dataclasses.replace(self, steps=self.steps + steps)

    def _by_objective(self, values):
        """From a network's numbers in a row to "*rows agent action *objective"."""
        apart = (self.spec.objectives,) if self.spec.objectives else ()
        return values.reshape(*values.shape[:-1], self.spec.action.width, *apart)

    def _policy(self, values, time_step):
        explore = lambda values, legal: self.explore(values, legal, self.steps)
        return jax.vmap(explore)(self.utility(time_step, values), time_step.legal)

    def _judge(self, values, time_step: TimeStep, decision: Decision) -> Evaluation:
        policy = self._policy(values, time_step)
        entropy = jax.vmap(lambda policy: policy.entropy())(policy)
        value = self.mixed(time_step, chosen(values, decision.action))
        return Evaluation(_log_prob(policy, decision.action), entropy, value)


def valued(
    spec: Spec,
    key: PRNGKeyArray,
    seats: tuple[int, ...],
    mixer: Making,
    explore: exploring.Explore,
    *,
    view: Callable = views.named,
    utility: Callable = alone,
    **shape,
) -> Valued:
    """A `Valued` team with fresh networks; `shape` goes to `Network` (width, depth, memory, activation).

    Raises `InputError` for games whose actions are not choices, and for games of several objectives without a `utility`.

        >>> from interplay.core.population import shared
        >>> from interplay.nets import mixing
        >>> curious = exploring.epsilon_greedy(exploring.linear(1.0, 0.05, 10_000))
        >>> team = valued(game.spec, key, shared(3), mixing.summed, curious, width=64)  # doctest: +SKIP
    """
    if not isinstance(spec.action, Discrete):
        raise InputError("values are learned per action, and this game's actions are real numbers: use a policy method")
    if len(seats) != spec.agents:
        raise InputError(
            f"seats has length {len(seats)}, game has {spec.agents} agents: pass seats of length {spec.agents}"
        )
    if spec.objectives and utility is alone:
        raise InputError(ONE_REWARD.format(objectives=spec.objectives))
    first, second = jax.random.split(key)
    shape = {"activation": jax.nn.relu, "gain": 0.01, **shape}  # values begin near zero, so that none is a promise
    numbers = spec.action.width * max(1, spec.objectives)
    make = lambda key: Network(views.width(view, spec), numbers, key, **shape)
    return Valued(
        networks=populate(make, max(seats) + 1, first),
        mixer=mixer(spec, second),
        steps=jnp.zeros((), jnp.int32),
        spec=spec,
        seats=tuple(seats),
        view=view,
        explore=explore,
        utility=utility,
    )


def _log_prob(policy, action: Int[Array, "agent"]) -> Float[Array, "agent"]:
    return jax.vmap(lambda policy, action: policy.log_prob(action))(policy, action)
