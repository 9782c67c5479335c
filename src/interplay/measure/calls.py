"""When and where a switched team calls its center, counted over whole episodes: by the step, by the cell, by who is near what.

Known users are MANSA's claim (share of steps with a call) and its run page (a map of calls in foraging).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree

from interplay.core.errors import InputError
from interplay.core.game import Game
from interplay.core.team import Team
from interplay.games import svg
from interplay.games.foraging import Foraging
from interplay.nets.switched import Switched
from interplay.play.scan import Steps


class Calls(NamedTuple):
    """What whole episodes looked like: `called` counts only while `running`; `told` is what was asked of every state."""

    called: Bool[np.ndarray, "time episode"]
    running: Bool[np.ndarray, "time episode"]
    returns: Float[np.ndarray, "episode"]
    told: PyTree[np.ndarray]

    @property
    def rate(self) -> float:
        """The share of steps with a call."""
        return float(self.called[self.running].mean())

    def by_step(self) -> Float[np.ndarray, "time"]:
        """The share of episodes that call at each step, of those still running (NaN where none is)."""
        running = self.running.sum(1)
        return np.where(running > 0, self.called.sum(1) / np.maximum(running, 1), np.nan)

    def by(self, kind: Int[np.ndarray, "time episode"], kinds: int) -> Float[np.ndarray, "kind"]:
        """The share of steps with a call for each kind of state (NaN where it never came up)."""
        count = lambda marks: np.bincount(kind[marks], minlength=kinds)
        seen = count(self.running)
        return np.where(seen > 0, count(self.called) / np.maximum(seen, 1), np.nan)


def watched(
    team: Team, game: Game, key: PRNGKeyArray, episodes: int, tell: Callable[[Any], PyTree[Array]] = lambda state: ()
) -> Calls:
    """`episodes` whole episodes side by side, with every call, and `tell(state)` of every state a call was decided in.

    Raises `InputError` for a team without a switch.

        >>> watched(team.greedy(), game, jax.random.key(0), 256).rate  # doctest: +SKIP
        0.12
    """
    if not isinstance(team, Switched):
        raise InputError(f"{type(team).__name__} calls no center: pass a team that mansa trained")
    called, running, reward, told = jax.tree.map(np.asarray, _played(team, game, key, episodes, tell))
    return Calls(called & running, running, (reward * running).sum(0), told)


@eqx.filter_jit
def _played(team: Switched, game: Game, key: PRNGKeyArray, episodes: int, tell):
    start, key = jax.random.split(key)
    play = Steps(game, episodes, game.spec.horizon).init(team, start)

    def step(carry, key):
        state, seen, memory, running = carry
        act_key, step_key = jax.random.split(key)
        memory, decision = jax.vmap(team.act)(memory, seen, jax.random.split(act_key, episodes))
        after, arrived = jax.vmap(game.step)(state, decision.action, jax.random.split(step_key, episodes))
        told = decision.extra["call"] == 1, running, arrived.reward.mean(-1), jax.vmap(tell)(state)
        return (after, arrived, memory, running & ~(arrived.terminated | arrived.truncated)), told

    begin = play.state, play.time_step, play.memory, jnp.ones(episodes, bool)
    return jax.lax.scan(step, begin, jax.random.split(key, game.spec.horizon))[1]


def near(state: Any) -> Int[Array, ""]:
    """Foraging: how many agents stand beside some food that is still there."""
    beside = jnp.abs(state.position[:, None] - state.food).sum(-1) == 1
    return (beside & (state.worth > 0)).any(1).sum()


def cells(state: Any) -> Int[Array, "agent 2"]:
    """Games on a grid: where everybody stands."""
    return state.position


def on_map(calls: Calls, size: int) -> Float[np.ndarray, "row column"]:
    """The share of calls for each cell while somebody stands there, when `told` is `cells` (NaN where nobody ever does)."""
    rows, columns = np.moveaxis(calls.told, -1, 0)
    spread = lambda marks: np.bincount((rows * size + columns)[marks].ravel(), minlength=size**2)
    seen = spread(calls.running)
    return np.where(seen > 0, spread(calls.called) / np.maximum(seen, 1), np.nan).reshape(size, size)


def picture(share: Float[np.ndarray, "row column"], title: str) -> str:
    """A map of shares as one SVG: the darker, the more often the center is called; cells nobody enters stay white."""
    rows, columns = share.shape
    shapes = [svg.text(0, -0.35, title, 0.3, text_anchor="start")]
    most = max(float(np.nanmax(share, initial=0.0)), 1e-9)
    for (row, column), value in np.ndenumerate(share):
        if np.isfinite(value):
            shapes.append(svg.rect(column, row, 0.96, 0.96, svg.color(0), fill_opacity=round(0.9 * value / most, 3)))
            shapes.append(svg.text(column + 0.48, row + 0.48, f"{100 * value:.0f}", 0.26))
    return svg.document(columns + 0.4, rows + 0.9, *shapes, left=-0.2, top=-0.7, title=title)


def page(team: Switched, game: Foraging, key: PRNGKeyArray, seed: int, episodes: int = 256) -> dict[str, Any]:
    """A map of greedy calls as the run page shows replays: give it to `run.saved.write_replay`."""
    calls = watched(team.greedy(), game, key, episodes, cells)
    frame = picture(on_map(calls, game.size), "calls in 100 visits of a cell")
    caption = f"where the center is called: {calls.rate:.1%} of {int(calls.running.sum())} steps"
    total = float(calls.returns.mean())
    told = {"game": "foraging", "seed": seed, "mode": "calls", "frames": [frame], "caption": caption}
    return {**told, "rewards": [[0.0] * game.spec.agents], "return": total}
