"""Records of play. Leading axes are "time batch"; agents are the axis after them."""

import equinox as eqx
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
    bootstrap: Float[Array, "time batch agent"]
    started: Bool[Array, "time batch"]
    memory: PyTree  # arrays with a leading batch axis; of numpy or JAX, as a checkpoint gives them back


class Credit(eqx.Module):
    """How much each decision deserves. `weight` is zero where nobody acted, and carries importance or duration."""

    advantage: Float[Array, "time batch agent"]
    target: Float[Array, "time batch agent"]
    weight: Float[Array, "time batch agent"]


class Batch(eqx.Module):
    """What an objective sees: a record of play and the credit given to it, row by row."""

    trajectory: Trajectory
    credit: Credit
