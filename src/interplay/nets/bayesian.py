"""Joint policies that are Bayesian networks: agents act given what their parents in a graph have just done.

π(a | o) = Π_i π_i(a_i | o_i, a_parents(i)). The graph is fixed, or drawn anew at every step by a sampler that sees
everything; its draw is stored with the decision. Two known instances are independent actors (no edges) and fully
autoregressive ones.
"""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from interplay.core.errors import InputError
from interplay.core.game import Discrete, Spec, TimeStep
from interplay.core.team import DECENTRALIZED, ORDER, Decision, Evaluation, Memory, Slot, Team
from interplay.nets.dag import Draw, Sampler
from interplay.nets.seated import Seated, seated

PARENTS = "parents"


class Bayesian(Team):
    """Actors on seats that see their parents' actions; made by `bayesian`.

    `sampler` draws the graphs; without one every step has the graph `given`. `progress` is the share of training that is
    over, for schedules. Memories are not carried: the actors have none.
    """

    actors: Seated
    sampler: Sampler | None
    progress: Float[Array, ""]
    given: tuple[tuple[float, ...], ...] = eqx.field(static=True)
    fresh: bool = eqx.field(static=True, default=False)
    blind: bool = eqx.field(static=True, default=False)
    loudness: float = eqx.field(static=True, default=1.0)

    @property
    def needs(self) -> str:  # type: ignore[override]
        return ORDER if self.sampler is not None or np.any(self.given) else DECENTRALIZED

    def begin(self) -> Memory:
        return self.actors.begin()

    def act(self, memory: Memory, time_step: TimeStep, key: PRNGKeyArray) -> tuple[Memory, Decision]:
        """Every agent draws once; its action is looked up again until nothing changes, at most as often as there are agents.

        With the same draws, parents settle before their children, so n rounds find what acting in order would have.
        """
        graph, extra = self._drawn(time_step, jax.random.fold_in(key, 1))
        if self.blind:  # parents' actions that tell nothing
            told = jax.random.randint(jax.random.fold_in(key, 2), (self.actors.spec.agents,), 0, self._count)
            extra["told"] = told
            return self._kept(self.actors.act(memory, time_step, key, self._context(graph, told)), extra)
        look = lambda _, action: self.actors.act(memory, time_step, key, self._context(graph, action))[1].action
        nobody = jnp.zeros(self.actors.spec.agents, jnp.int32)
        rounds = self.actors.spec.agents - 1 if self.needs == ORDER else 0
        action = jax.lax.fori_loop(0, rounds, look, nobody)
        return self._kept(self.actors.act(memory, time_step, key, self._context(graph, action)), extra)

    def evaluate(self, memory: Memory, time_step: TimeStep, decision: Decision) -> tuple[Memory, Evaluation]:
        graph = self._graph(time_step, decision.extra)
        shown = decision.extra["told"] if self.blind else decision.action
        memory, seen = self.actors.evaluate(memory, time_step, decision, self._context(graph, shown))
        return memory, dataclasses.replace(seen, extra={"graph": graph})

    def greedy(self) -> "Bayesian":
        return dataclasses.replace(self, actors=self.actors.greedy(), loudness=0.0)

    def normalize(self, value: Float[Array, "*rows agent"]) -> Float[Array, "*rows agent"]:
        return self.actors.normalize(value)

    def rescaled(self, target: Float[Array, "*rows agent"], weight: Float[Array, "*rows agent"]) -> "Bayesian":
        return dataclasses.replace(self, actors=self.actors.rescaled(target, weight))

    def without_edges(self) -> "Bayesian":
        """The same actors, each on its own: what is left when nobody can wait for anybody."""
        agents = self.actors.spec.agents
        return dataclasses.replace(self, sampler=None, given=((0.0,) * agents,) * agents)

    @property
    def _count(self) -> int:
        return self.actors.spec.action.width

    def _drawn(self, time_step: TimeStep, key: PRNGKeyArray):
        if self.sampler is None:
            return jnp.asarray(self.given), {}
        context = seen_by_all(time_step)
        first, second = jax.random.split(key)
        drawn = self.sampler.draw(context, first, self.loudness)
        extra: dict[str, Any] = {"draw": drawn}
        if self.fresh:  # as published: judged on another draw than was acted upon
            extra["again"] = self.sampler.draw(context, second, self.loudness)
        return self.sampler.graph(context, drawn), extra

    def _graph(self, time_step: TimeStep, extra) -> Float[Array, "agent agent"]:
        if self.sampler is None:
            return jnp.asarray(self.given)
        drawn: Draw = extra["again"] if self.fresh else extra["draw"]
        return self.sampler.graph(seen_by_all(time_step), drawn)

    def _context(self, graph, action):
        """What every agent is shown: everybody's action, zero where that is no parent of its."""
        done = jax.nn.one_hot(action, self._count)
        return {PARENTS: (graph.T[:, :, None] * done[None]).reshape(len(done), -1)}

    def _kept(self, acted, extra):
        memory, decision = acted
        return memory, dataclasses.replace(decision, extra=extra)


def seen_by_all(time_step: TimeStep) -> Float[Array, "feature"]:
    """The shared state, or all observations where a game has none."""
    return time_step.shared if time_step.shared.shape[-1] else time_step.observation.reshape(-1)


def bayesian(
    spec: Spec,
    key: PRNGKeyArray,
    seats: tuple[int, ...],
    view,
    *,
    graph: np.ndarray | None,
    fresh: bool = False,
    blind: bool = False,
    temperature: float = 1.0,
    **shape,
) -> Bayesian:
    """A team whose agents see their parents' actions in `graph`, or in graphs that a sampler draws where that is None.

    `shape` goes to `seated`. Raises `InputError` for games whose actions are real numbers.
    """
    if not isinstance(spec.action, Discrete):
        raise InputError("parents' actions are shown as choices: pass a game with discrete actions")
    first, second = jax.random.split(key)
    slots = (Slot(PARENTS, spec.agents * spec.action.width),)
    inputs = spec.shared or spec.agents * spec.observation
    sampler = Sampler(inputs, spec.agents, second, temperature=temperature) if graph is None else None
    empty = np.zeros((spec.agents, spec.agents))
    # a property stands for the abstract `needs`, which the checker still takes for an argument
    return Bayesian(  # pyright: ignore[reportCallIssue]
        actors=seated(spec, first, seats, view, slots=slots, **shape),
        sampler=sampler,
        progress=jnp.zeros(()),
        given=tuple(map(tuple, (empty if graph is None else graph).tolist())),
        fresh=fresh,
        blind=blind,
    )
