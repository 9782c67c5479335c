"""A game: who acts, what each agent sees and may do, what comes of it.

A `Game` is pure and unbatched: `reset` and `step` are functions of arrays and a key, and know nothing of batches, of
resets in mid-run or of learning. Two known instances are particle spread (`interplay.games.particle`) and level-based
foraging (`interplay.games.foraging`). A `HostGame` is the same contract for games that live in Python objects
(PettingZoo, Gymnasium); `play/host.py` runs those.
"""

import abc
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree

from interplay.core.errors import InputError

State = TypeVar("State")
Action = Int[Array, "agent"] | Float[Array, "agent dimension"]


class Discrete(eqx.Module):
    """One of `count` choices per agent: an action is `Int[Array, "agent"]`."""

    count: int = eqx.field(static=True)

    @property
    def width(self) -> int:
        return self.count


class Box(eqx.Module):
    """`size` real numbers per agent, each in [low, high]: an action is `Float[Array, "agent size"]`."""

    size: int = eqx.field(static=True)
    low: float = eqx.field(static=True, default=-1.0)
    high: float = eqx.field(static=True, default=1.0)

    @property
    def width(self) -> int:
        return self.size


class Spec(eqx.Module):
    """What a game looks like from outside; every field is a Python constant.

    `observation` and `action.width` are those of the widest agent; narrower agents are padded, with the true sizes in
    `observation_sizes` and `action_sizes`. `shared` is the width of the state given to centralized training (0: none),
    `objectives` the number of reward components (0: a scalar reward), `horizon` the longest episode in steps.
    """

    agents: int = eqx.field(static=True)
    observation: int = eqx.field(static=True)
    action: Discrete | Box = eqx.field(static=True)
    horizon: int = eqx.field(static=True)
    shared: int = eqx.field(static=True, default=0)
    objectives: int = eqx.field(static=True, default=0)
    observation_sizes: tuple[int, ...] = eqx.field(static=True, default=())
    action_sizes: tuple[int, ...] = eqx.field(static=True, default=())
    names: tuple[str, ...] = eqx.field(static=True, default=())

    def __post_init__(self):
        filled = {
            "observation_sizes": self.observation_sizes or (self.observation,) * self.agents,
            "action_sizes": self.action_sizes or (self.action.width,) * self.agents,
            "names": self.names or tuple(f"agent_{index}" for index in range(self.agents)),
        }
        for name, value in filled.items():
            if len(value) != self.agents:
                raise ValueError(f"{name} has {len(value)} entries for {self.agents} agents: give one per agent")
            object.__setattr__(self, name, tuple(value))


class TimeStep(eqx.Module):
    """What is seen now. Unbatched; rows of inactive agents and padded features are zero.

    `active` marks the agents whose move it is: dead and waiting agents are False, and what they do changes nothing.
    `legal` marks the actions an agent may choose (for a `Box`: the dimensions that exist). `reward`, `terminated` and
    `truncated` tell what came of the last joint action; a `reset` gives zeros and False. `truncated` says that time
    ran out, so the value of what is seen still counts.
    """

    observation: Float[Array, "*batch agent feature"]
    legal: Bool[Array, "*batch agent action"]
    active: Bool[Array, "*batch agent"]
    shared: Float[Array, "*batch state"]
    reward: Float[Array, "..."]  # *batch agent *objective: jaxtyping allows one variadic axis only
    terminated: Bool[Array, "*batch"]
    truncated: Bool[Array, "*batch"]


class Game(eqx.Module, Generic[State]):
    """A pure game; subclasses are frozen, `jit`-able and never batch or reset themselves."""

    spec: eqx.AbstractVar[Spec]

    @abc.abstractmethod
    def reset(self, key: PRNGKeyArray) -> tuple[State, TimeStep]:
        """A fresh episode."""

    @abc.abstractmethod
    def step(self, state: State, action: PyTree[Array], key: PRNGKeyArray) -> tuple[State, TimeStep]:
        """What comes of one joint action. `action` has a row per agent; rows of inactive agents are ignored."""

    def draw(self, state: State) -> str:
        """The state as one SVG picture, for replays. Games that cannot be drawn say so."""
        raise NotImplementedError(f"{type(self).__name__} has no picture: define draw(state) -> SVG string")


class HostGame(abc.ABC):
    """A game that lives in Python objects. Arrays are numpy; `reset` takes a seed, `step` no key.

    The same seed and the same actions must give the same episode: resuming a run replays the episode that was cut.
    """

    spec: Spec

    @abc.abstractmethod
    def reset(self, seed: int) -> TimeStep:
        """A fresh episode, determined by `seed`."""

    @abc.abstractmethod
    def step(self, action: np.ndarray) -> TimeStep:
        """What comes of one joint action, `[agent]` for discrete and `[agent, dimension]` for box actions."""

    def again(self) -> "HostGame":
        """Another game like this one; games made by name (`interplay.games.make`) know how."""
        raise NotImplementedError(f"{type(self).__name__} was not made by name: define again() -> a new game like it")

    def draw(self) -> str:
        """The present state as one SVG picture, for replays."""
        raise NotImplementedError(f"{type(self).__name__} has no picture: define draw() -> SVG string")

    def close(self) -> None:  # noqa: B027 - most games hold nothing
        """Give back windows, files and processes."""


class SpokenGame(HostGame):
    """A game that plays whole episodes itself, with teams that speak: dialogues of language models.

    It has a `spec` like any other (agents are the speakers, the horizon is the most turns), but no steps that could be
    taken one by one. The same team and key give the same episodes.
    """

    def reset(self, seed: int) -> TimeStep:
        raise InputError(f"{type(self).__name__} is spoken, not stepped: train it with a method for language teams")

    def step(self, action: np.ndarray) -> TimeStep:
        return self.reset(0)

    @abc.abstractmethod
    def episodes(self, team: Any, key: PRNGKeyArray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns "episode agent" and lengths "episode", in turns, of `count` held-out episodes."""

    @abc.abstractmethod
    def record(self, team: Any, key: PRNGKeyArray) -> dict[str, Any]:
        """Some episodes to be read, as small JSON: {"dialogues": […], "return": …}."""

    def mixed(self, teams: Sequence[Any]) -> Any:
        """The team in which agent k speaks as it does in `teams[k]`. Raises `InputError` where there is no such team."""
        raise InputError(
            f"{type(self).__name__} cannot mix the agents of several teams: evaluate them without --crossplay"
        )


AnyGame = Game[Any] | HostGame


def outcome(reward: Any, terminated: Any, truncated: Any) -> dict[str, Any]:
    """The three fields that tell what came of an action, as keyword arguments of `TimeStep`."""
    return {
        "reward": jax.numpy.asarray(reward, jax.numpy.float32),
        "terminated": jax.numpy.asarray(terminated, bool),
        "truncated": jax.numpy.asarray(truncated, bool),
    }


def opening(spec: Spec) -> dict[str, Any]:
    """The outcome fields of a `reset`: no reward yet, nothing ended."""
    shape = (spec.agents, spec.objectives) if spec.objectives else (spec.agents,)
    return outcome(jax.numpy.zeros(shape), False, False)
