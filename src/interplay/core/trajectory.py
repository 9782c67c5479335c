"""Records of play. Leading axes are "time batch"; agents are the axis after them."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PyTree

from interplay.core.game import TimeStep
from interplay.core.team import Decision


class Trajectory(eqx.Module):
    """What was seen, what was done and what came of it, `length` steps of `batch` games side by side.

    `time_step[t]` is what agents saw when they took `decision[t]`; `reward[t]`, `terminated[t]` and `truncated[t]` are
    the outcome of that decision. `bootstrap[t]` is the critic's value of the step arrived at wherever that step is not
    row t + 1 of this record: after a truncation and at the last row; it is zero elsewhere. `started[t]` marks rows that
    open an episode, where memory is reset; `memory` is what the team remembered before row 0.
    """

    time_step: TimeStep
    decision: Decision
    reward: Float[Array, "time batch agent *objective"]
    terminated: Bool[Array, "time batch"]
    truncated: Bool[Array, "time batch"]
    bootstrap: Float[Array, "time batch agent *objective"]
    started: Bool[Array, "time batch"]
    memory: PyTree  # arrays with a leading batch axis; of numpy or JAX, as a checkpoint gives them back


class Transitions(eqx.Module):
    """What a replay keeps of play: what was seen, what was done, and the step that this led to.

    `arrived[t]` holds the outcome of `decision[t]` and what agents saw then, before a new episode begins: it is row t + 1 of
    `time_step` inside an episode, and the only record of an episode's end. `started[t]` marks rows that open an episode.
    """

    time_step: TimeStep
    decision: Decision
    arrived: TimeStep
    started: Bool[Array, "time batch"]

    def sequence(self) -> TimeStep:
        """What was seen first, and what every row led to: one step more than there are rows."""
        return jax.tree.map(lambda first, rest: jnp.concatenate([first[:1], rest]), self.time_step, self.arrived)


class Replayed(eqx.Module):
    """Transitions drawn from a replay; `weight` carries importance and is zero beyond the end of an episode."""

    transitions: Transitions
    weight: Float[Array, "time batch"]


class Credit(eqx.Module):
    """How much each decision deserves. `weight` is zero where nobody acted, and carries importance or duration."""

    advantage: Float[Array, "time batch agent *objective"]
    target: Float[Array, "time batch agent *objective"]
    weight: Float[Array, "time batch agent *objective"]


class Batch(eqx.Module):
    """What an objective sees: a record of play and the credit given to it, row by row."""

    trajectory: Trajectory
    credit: Credit
