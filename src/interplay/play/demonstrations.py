"""Demonstrations: what somebody did in a game, kept in one file, to learn from without ever asking for a reward.

A file is one safetensors file whose header carries a manifest in JSON: which game, who played, how many episodes, what they
earned, and a digest of the numbers. It is written whole or not at all (`run.demonstrated`) and checked before it is used.
Any team can be recorded (`record`), and anybody who can be asked for actions, in any game, played in Python or not
(`watched`): a person's policy in a PettingZoo game and a trained team are two known instances.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy
from jaxtyping import PRNGKeyArray

from interplay import games
from interplay.core.errors import InputError
from interplay.core.game import AnyGame, Discrete, Game, Spec, TimeStep
from interplay.core.team import Decision, Team
from interplay.core.trajectory import Transitions
from interplay.play import scan

FORMAT = 1
SEEN = ("observation", "legal", "active", "shared")
CAME = ("reward", "terminated", "truncated")


class Demonstrations(eqx.Module):
    """Whole episodes, one after another: `rows` has axes "1 row …", `started` marks the rows that open an episode.

    `game` is the name it was made by; `source` says in words who played.
    """

    rows: Transitions
    game: str = eqx.field(static=True)
    source: str = eqx.field(static=True)

    @property
    def count(self) -> int:
        """How many rows there are."""
        return self.rows.started.shape[1]

    @property
    def episodes(self) -> int:
        return int(np.asarray(self.rows.started).sum())

    @property
    def fingerprint(self) -> str:
        """What tells these numbers from any others."""
        return _digest(_tensors(self.rows))[:16]

    def first(self, episodes: int) -> "Demonstrations":
        """The first so many episodes. Raises `InputError` where there are fewer."""
        openings = np.flatnonzero(np.asarray(self.rows.started)[0])
        if not 1 <= episodes <= len(openings):
            raise InputError(f"{len(openings)} episodes were demonstrated: ask for 1 to {len(openings)} of them")
        end = np.append(openings, self.count)[episodes]
        return Demonstrations(jax.tree.map(lambda leaf: leaf[:, :end], self.rows), self.game, self.source)

    def drawn(self, key: PRNGKeyArray, count: int) -> Transitions:
        """`count` rows, each equally likely, axes "1 draw …"."""
        places = jax.random.randint(key, (count,), 0, self.count)
        return jax.tree.map(lambda leaf: leaf[:, places], self.rows)

    def returns(self) -> np.ndarray:
        """What every agent earned in every episode, "episode agent"."""
        rewards, started = np.asarray(self.rows.arrived.reward)[0], np.asarray(self.rows.started)[0]
        return np.add.reduceat(rewards, np.flatnonzero(started))


def record(
    team: Team, game: Game[Any], name: str, key: PRNGKeyArray, episodes: int, source: str = ""
) -> Demonstrations:
    """`episodes` whole episodes of a compiled game, played side by side; `name` is what `games.make` calls it.

    >>> expert = record(team, games.make("gems"), "gems", jax.random.key(0), 50)  # doctest: +SKIP
    """
    if episodes < 1:
        raise InputError(f"cannot record {episodes} episodes: give 1 or more")
    if not isinstance(game, Game):
        raise InputError(f"{name} is played in Python: use `watched`")
    gather = scan.experience(game, episodes, game.spec.horizon)
    start, play = jax.random.split(key)
    rows = _played(gather, team, start, play)
    done = np.asarray(rows.arrived.terminated | rows.arrived.truncated)
    first = np.cumsum(done, 0) - done == 0  # rows of each lane's first episode; its end is within the horizon
    lane, time = np.nonzero(first.T)
    return Demonstrations(jax.tree.map(lambda leaf: jnp.asarray(leaf)[time, lane][None], rows), name, source)


def watched(
    game: AnyGame, name: str, choose: Callable[[TimeStep], Any], episodes: int, *, seed: int = 0, source: str = ""
) -> Demonstrations:
    """`episodes` played one step after another by whoever `choose` asks: time step → a joint action, an entry per agent.

    For games in Python (all of PettingZoo), scripts and people.

        >>> watched(games.make("pettingzoo:mpe/simple_spread_v3"), "pettingzoo:…", script, 20)  # doctest: +SKIP
    """
    rows: list[tuple[Any, ...]] = []
    for episode in range(episodes):
        state, seen = _begun(game, seed + episode)
        started = True
        for step in range(game.spec.horizon):
            action = jnp.asarray(choose(seen))
            state, arrived = _advanced(game, state, action, jax.random.fold_in(jax.random.key(seed + episode), step))
            zeros = jnp.zeros(game.spec.agents)
            rows.append((_arrays(seen), Decision(action, zeros, zeros), _arrays(arrived), jnp.asarray(started)))
            seen, started = arrived, False
            if arrived.terminated or arrived.truncated:
                break
    if not rows:
        raise InputError("nothing was demonstrated: record 1 episode or more")
    return Demonstrations(Transitions(*jax.tree.map(lambda *leaf: jnp.stack(leaf)[None], *rows)), name, source)


def encoded(shown: Demonstrations, spec: Spec) -> bytes:
    """The bytes of a file of demonstrations."""
    tensors = _tensors(shown.rows)
    manifest = {
        "format": FORMAT,
        "game": shown.game,
        "source": shown.source,
        "spec": _outline(spec),
        "episodes": shown.episodes,
        "rows": shown.count,
        "returns": shown.returns().mean(0).tolist(),
        "digest": _digest(tensors),
    }
    return safetensors.numpy.save(tensors, {"manifest": json.dumps(manifest)})


def manifest(path: Path | str) -> dict[str, Any]:
    """What a file of demonstrations says of itself. Raises `InputError` for anything that is no such file."""
    if not Path(path).is_file():
        raise InputError(
            f"there is no file {path}: record demonstrations with `interplay demonstrate RUN --out {path}`"
        )
    if not Path(path).stat().st_size:
        raise InputError(f"{path} is empty: record the demonstrations again")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            told = json.loads((file.metadata() or {})["manifest"])
    except (OSError, ValueError, KeyError, safetensors.SafetensorError):
        raise InputError(f"{path} holds no demonstrations, or is damaged: record them again") from None
    if told.get("format") != FORMAT:
        raise InputError(f"{path} has format {told.get('format')}, this version reads {FORMAT}: record it again")
    return told


def load(path: Path | str, name: str, spec: Spec) -> Demonstrations:
    """Demonstrations of the game called `name`, checked. One line of `InputError` for an empty or damaged file, for
    demonstrations of another game, and for shapes that are not this game's.

    >>> load("expert.safetensors", "gems", games.make("gems").spec)  # doctest: +SKIP
    """
    told = manifest(path)
    if games.parse(told["game"])[0] != games.parse(name)[0]:
        raise InputError(f"{path} shows {told['game']}, not {name}: give demonstrations of {name}")
    wanted, held = _outline(spec), told["spec"]
    for part, value in wanted.items():
        if held.get(part) != value:
            raise InputError(
                f"{path} was recorded with {part} {held.get(part)} and {name} has {value}: record it in this very game"
            )
    if not told["rows"]:
        raise InputError(f"{path} holds no episode: record the demonstrations again")
    with safetensors.safe_open(path, framework="numpy") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
    if _digest(tensors) != told["digest"]:
        raise InputError(f"{path} is damaged (its digest differs): record the demonstrations again")
    return Demonstrations(_rows(tensors), told["game"], told["source"])


@eqx.filter_jit
def _played(gather: scan.Experience, team: Team, start: PRNGKeyArray, key: PRNGKeyArray) -> Transitions:
    rows = gather(team, gather.init(team, start), key)[1]
    return eqx.tree_at(lambda rows: rows.decision.extra, rows, {})  # what a team drew for itself is its own


def _begun(game: AnyGame, seed: int):
    return game.reset(jax.random.key(seed)) if isinstance(game, Game) else (None, game.reset(seed))


def _advanced(game: AnyGame, state, action, key):
    return game.step(state, action, key) if isinstance(game, Game) else (state, game.step(np.asarray(action)))


def _arrays(seen: TimeStep) -> TimeStep:
    return jax.tree.map(jnp.asarray, seen)


def _outline(spec: Spec) -> dict[str, Any]:
    """The parts of a spec that demonstrations have to share."""
    return {
        "agents": spec.agents,
        "observation": spec.observation,
        "actions": spec.action.width,
        "choices": isinstance(spec.action, Discrete),
        "shared": spec.shared,
        "objectives": spec.objectives,
    }


def _tensors(rows: Transitions) -> dict[str, np.ndarray]:
    named = {f"seen/{name}": getattr(rows.time_step, name) for name in SEEN}
    named |= {f"arrived/{name}": getattr(rows.arrived, name) for name in SEEN + CAME}
    named |= {"action": rows.decision.action, "started": rows.started}
    return {name: np.ascontiguousarray(np.asarray(leaf)[0]) for name, leaf in named.items()}


def _rows(tensors: dict[str, np.ndarray]) -> Transitions:
    given = {name: jnp.asarray(leaf)[None] for name, leaf in tensors.items()}
    reward, ended = given["arrived/reward"], given["arrived/terminated"]
    first = {"reward": jnp.zeros_like(reward), "terminated": jnp.zeros_like(ended), "truncated": jnp.zeros_like(ended)}
    zeros = jnp.zeros(reward.shape[:3])
    return Transitions(
        TimeStep(**{name: given[f"seen/{name}"] for name in SEEN}, **first),
        Decision(given["action"], zeros, zeros),
        TimeStep(**{name: given[f"arrived/{name}"] for name in SEEN + CAME}),
        given["started"],
    )


def _digest(tensors: dict[str, np.ndarray]) -> str:
    total = hashlib.sha256()
    for name in sorted(tensors):
        leaf = tensors[name]
        total.update(f"{name} {leaf.dtype} {leaf.shape}".encode() + leaf.tobytes())
    return total.hexdigest()
