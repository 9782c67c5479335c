"""A method: the three functions that the one loop (`run/loop.py`) needs to train anything.

PPO, QMIX, one CFR iteration, one PSRO round, one update of a language model and one generation of program search are
all a `step`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxtyping import Array, PRNGKeyArray

from interplay.core.budget import Budget
from interplay.core.game import AnyGame
from interplay.core.team import Team

State = Any
Metrics = dict[str, Array]


class Method(NamedTuple):
    """What the loop runs.

    `init(key)` makes the whole state, a pytree of arrays; `step(state, key)` is one update; `team(state)` is the team
    as it stands, to be evaluated or saved. `cost` is what one step spends. `compiled` says that `step` may be traced
    by JAX, so that the loop compiles, chunks and lays it over devices; methods that play host games are not.
    `batched(state)` marks the leaves that carry a batch of games on their leading axis, so that one run can be laid
    over devices; None: the method cannot be split. `together` says that processes which torchrun started may share its
    updates: `step` plays a part, sums what is needed of all, and gives all of them the same state.
    """

    init: Callable[[PRNGKeyArray], State]
    step: Callable[[State, PRNGKeyArray], tuple[State, Metrics]]
    team: Callable[[State], Team]
    cost: Budget
    game: AnyGame
    compiled: bool = True
    batched: Callable[[State], Any] | None = None
    together: bool = False
