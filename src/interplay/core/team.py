"""A team: one joint policy that acts for all agents of one game at once.

Decentralized agents are a team whose members happen not to look at each other (`Seated`, in `nets/seated.py`); a joint
transformer or a central speaker with many listeners are teams too. There is no other code path for "centralized".
"""

import abc
import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray, PyTree

from interplay.core.game import TimeStep

Memory = PyTree[Array]

DECENTRALIZED = "decentralized"  # every agent runs on its own observation
CENTER = "center"  # something must see or send to several agents while the team runs
ORDER = "order"  # agents act one after another and see earlier actions
NEEDS = (DECENTRALIZED, CENTER, ORDER)  # from the weakest to the strongest


class Decision(eqx.Module):
    """What a team did at one step, with all that is needed to judge the very same act again later.

    `value` is the critic's estimate in units of return (zeros for a team without one). `extra` keeps everything
    random that shaped the action (message noise, a sampled graph, a latent) and the context that was filled in, so
    that re-evaluating the stored decision gives a probability ratio of exactly one before the first update.
    """

    action: PyTree[Array]
    log_prob: Float[Array, "*batch agent"]
    value: Float[Array, "..."]  # *batch agent *objective, as a time step's reward
    extra: dict[str, PyTree[Array]] = eqx.field(default_factory=dict)

    def without_value(self) -> "Decision":
        """The same with zeros for values, for a replay: old ones are of no use."""
        return dataclasses.replace(self, value=jnp.zeros_like(self.value))


class Evaluation(eqx.Module):
    """A stored decision seen by the present parameters: differentiable."""

    log_prob: Float[Array, "*batch agent"]
    entropy: Float[Array, "*batch agent"]
    value: Float[Array, "..."]  # *batch agent *objective
    extra: dict[str, PyTree[Array]] = eqx.field(default_factory=dict)


class Team(eqx.Module):
    """A joint policy. All methods are unbatched; `play/` does the batching.

    `needs` tells what the team needs at run time: `DECENTRALIZED`, `CENTER` or `ORDER`. `begin` gives the memory at
    the start of an episode (an empty tuple for a team without memory).
    """

    needs: eqx.AbstractVar[str]

    @abc.abstractmethod
    def begin(self) -> Memory:
        """The memory an episode starts with."""

    @abc.abstractmethod
    def act(self, memory: Memory, time_step: TimeStep, key: PRNGKeyArray) -> tuple[Memory, Decision]:
        """Choose for every agent; rows of inactive agents are filled but change nothing."""

    def evaluate(self, memory: Memory, time_step: TimeStep, decision: Decision) -> tuple[Memory, Evaluation]:
        """Judge a stored decision again with the present parameters. Teams that cannot be trained need none."""
        raise NotImplementedError(f"{type(self).__name__} cannot be trained by gradients: define evaluate()")

    def evaluate_sequence(
        self, memory: Memory, time_step: TimeStep, decision: Decision, started: Bool[Array, "time"]
    ) -> tuple[Memory, Evaluation]:
        """`evaluate` along a leading time axis, memory starting afresh at rows that open an episode.

        Teams whose work is mostly independent of memory override this to run that work on all steps at once.
        """
        fresh = self.begin()

        def advance(memory, row):
            seen, decided, opens = row
            return self.evaluate(restart(memory, fresh, opens), seen, decided)

        return jax.lax.scan(advance, memory, (time_step, decision, started))

    def greedy(self) -> "Team":
        """The same team taking its most likely action; a team without that notion returns itself."""
        return self

    def normalize(self, value: Float[Array, "*rows agent"]) -> Float[Array, "*rows agent"]:
        """From units of return to the scale its critics learn on; the same numbers where there is no such scale."""
        return value

    def rescaled(self, target: Float[Array, "*rows agent"], weight: Float[Array, "*rows agent"]) -> "Team":
        """The team with that scale brought up to date by new value targets, rows counted by `weight`."""
        return self


def restart(memory: Memory, fresh: Memory, started: Bool[Array, "*batch"]) -> Memory:
    """`memory` with `fresh` in its place wherever an episode begins: the one place that resets recurrent state."""

    def pick(old, new):
        return jnp.where(started.reshape(started.shape + (1,) * (jnp.ndim(old) - started.ndim)), new, old)

    return jax.tree.map(pick, memory, fresh)


def has_memory(team: Team) -> bool:
    """Whether `team` carries anything from one step to the next."""
    return bool(jax.tree.leaves(eqx.filter_eval_shape(team.begin)))


class Slot(eqx.Module):
    """A named extra input of an agent network: a message, parents' actions, a preference, a latent, a task.

    `size` is the width per agent. Where `gradient` is False the network sees the context but no gradient passes back
    through it to whoever filled it. Where `judged` is True the agents' critics see it too, never with a gradient.
    """

    name: str = eqx.field(static=True)
    size: int = eqx.field(static=True)
    gradient: bool = eqx.field(static=True, default=True)
    judged: bool = eqx.field(static=True, default=False)


Context = dict[str, Any]
