"""Gymnasium spaces as flat arrays: what the adapters for games in Python objects share.

Observations of any kind become one row of float32, actions of one kind for all agents become `Discrete` or a `Box` on
[-1, 1], and frames become SVG. Two users are `pettingzoo.py` and `gymnasium.py`.
"""

import base64
import contextlib
import importlib
import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import gymnasium.spaces as spaces
import numpy as np

from interplay.core.errors import GameError, InputError
from interplay.core.game import Box, Discrete, HostGame, Spec, TimeStep

WIDEST_STATE = 4096  # a state that is a picture of the whole screen costs more than it tells a critic
MASK = "action_mask"
PICTURE_WIDTH = 400  # pixels


class AgentError(GameError):
    """A game answered wrongly about one agent; whoever runs the game adds which game and which step it was."""

    def __init__(self, agent: Any, what: str):
        super().__init__(what)
        self.agent = str(agent)


class Reader(NamedTuple):
    """How values of one observation space become `size` numbers."""

    size: int
    read: Callable[[Any], np.ndarray]


class Writer(NamedTuple):
    """How one row of a joint action becomes a value of one action space."""

    size: int
    write: Callable[[np.ndarray], Any]


class Seat(NamedTuple):
    """One agent of a game: the identifier that the game uses, and its two spaces."""

    agent: Any
    observation: spaces.Space
    action: spaces.Space


def reader(space: spaces.Space) -> Reader:
    """The reader of `space`: boxes are flattened (bytes divided by 255), choices one-hot, containers concatenated.

    An `action_mask` inside a dictionary is not part of the observation. Raises `InputError` for other kinds.

        >>> reader(spaces.Discrete(3)).read(1).tolist()
        [0.0, 1.0, 0.0]
    """
    if isinstance(space, spaces.Dict):
        return _joined([(key, part) for key, part in space.spaces.items() if key != MASK])
    if isinstance(space, spaces.Tuple):
        return _joined(list(enumerate(space.spaces)))
    if isinstance(space, spaces.Discrete):
        return _one_hot(int(space.n), int(space.start))
    if isinstance(space, spaces.MultiDiscrete):
        choices = zip(space.nvec.flat, space.start.flat, strict=True)
        parts = [_one_hot(int(count), int(start)) for count, start in choices]
        read = lambda value: np.concatenate([part.read(one) for part, one in zip(parts, np.ravel(value), strict=True)])
        return Reader(sum(part.size for part in parts), read)
    if isinstance(space, (spaces.Box, spaces.MultiBinary)):
        return _numbers(tuple(space.shape), 1 / 255 if space.dtype == np.uint8 and isinstance(space, spaces.Box) else 1)
    kind = type(space).__name__
    raise InputError(f"observations of kind {kind} cannot be made flat: use Box, Discrete, MultiBinary, Dict or Tuple")


def _numbers(shape: tuple[int, ...], scale: float) -> Reader:
    def read(value: Any) -> np.ndarray:
        array = np.asarray(value)
        if array.shape != shape:
            raise ValueError(f"observation has shape {array.shape}, expected {shape}")
        flat = array.astype(np.float32).ravel()
        return flat if scale == 1 else flat * np.float32(scale)

    return Reader(int(np.prod(shape)), read)


def _one_hot(count: int, start: int) -> Reader:
    def read(value: Any) -> np.ndarray:
        index = int(value) - start
        if not 0 <= index < count:
            raise ValueError(f"observation is {value}, expected {start} to {start + count - 1}")
        row = np.zeros(count, np.float32)
        row[index] = 1
        return row

    return Reader(count, read)


def _joined(parts: list[tuple[Any, spaces.Space]]) -> Reader:
    readers = [(key, reader(space)) for key, space in parts]
    size = sum(part.size for _, part in readers)
    if len(readers) == 1:  # {"observation": …, "action_mask": …}, the usual case
        key, only = readers[0]
        return Reader(size, lambda value: only.read(value[key]))
    return Reader(size, lambda value: np.concatenate([part.read(value[key]) for key, part in readers]))


def writers(seats: Sequence[Seat]) -> tuple[Discrete | Box, list[Writer]]:
    """The action kind of a whole game and one writer per agent.

    A box action u in [-1, 1] becomes low + (u + 1) / 2 · (high − low), clipped, in every dimension with finite bounds;
    an unbounded dimension gets u as it is. Raises `InputError` where agents differ in kind, or the kind has no place.
    """
    for seat in seats:
        if not isinstance(seat.action, (spaces.Discrete, spaces.Box)):
            kind = type(seat.action).__name__
            raise InputError(f"agent {seat.agent} has {kind} actions: only Discrete and Box can be played")
    kinds = {type(seat.action).__name__ for seat in seats}
    if len(kinds) > 1:
        raise InputError("some agents have Discrete and some Box actions: all must have the same kind, wrap the game")
    one = [_choice(seat.action) if isinstance(seat.action, spaces.Discrete) else _real(seat.action) for seat in seats]
    widest = max(writer.size for writer in one)
    return (Discrete(widest) if kinds == {"Discrete"} else Box(widest, -1.0, 1.0)), one


def _choice(space: spaces.Discrete) -> Writer:
    start = int(space.start)
    return Writer(int(space.n), lambda row: int(row) + start)


def _real(space: Any) -> Writer:
    size = int(np.prod(space.shape))
    low, high = space.low.ravel().astype(np.float64), space.high.ravel().astype(np.float64)
    bounded = np.isfinite(low) & np.isfinite(high)
    low, high = np.where(bounded, low, 0), np.where(bounded, high, 0)

    def write(row: np.ndarray) -> np.ndarray:
        row = np.asarray(row[:size], np.float64)
        value = np.where(bounded, low + (np.clip(row, -1, 1) + 1) / 2 * (high - low), row)
        return value.reshape(space.shape).astype(space.dtype)

    return Writer(size, write)


class SpaceGame(HostGame):
    """A Python game whose agents have Gymnasium spaces; subclasses say how it is reset and stepped.

    `name` makes the same game again through `interplay.games.make`. `objectives` is the length of its rewards, 0 where they
    are single numbers.
    """

    def __init__(self, env: Any, seats: Sequence[Seat], name: str, horizon: int, shared: int, *, objectives: int = 0):
        if not seats:
            raise InputError(f"{name} has no agents")
        self.env, self.name = env, name
        self.agents = [seat.agent for seat in seats]
        self.index = {agent: position for position, agent in enumerate(self.agents)}
        self.readers = [reader(seat.observation) for seat in seats]
        action, self.writers = writers(seats)
        observations, actions = [one.size for one in self.readers], [one.size for one in self.writers]
        self.spec = Spec(
            agents=len(seats), observation=max(observations), action=action, horizon=int(horizon), shared=shared,
            objectives=objectives, observation_sizes=tuple(observations), action_sizes=tuple(actions),
            names=tuple(str(agent) for agent in self.agents),
        )  # fmt: skip
        self._choices = np.arange(action.width)[None] < np.array(actions)[:, None]

    def nothing(self) -> np.ndarray:
        """Room for every agent's reward, all zero."""
        return np.zeros((self.spec.agents, self.spec.objectives)[: 1 + (self.spec.objectives > 0)], np.float32)

    def read(self, agent: Any, value: Any) -> np.ndarray:
        """What `agent` sees as one flat row; raises `AgentError` where it does not fit the space."""
        try:
            return self.readers[self.index[agent]].read(value)
        except (ValueError, TypeError, KeyError, IndexError) as wrong:
            detail = str(wrong) if isinstance(wrong, ValueError) else f"observation does not fit its space ({wrong!r})"
            raise AgentError(agent, detail) from None

    def seen(self, views: Mapping[Any, Any], masks: Mapping[Any, Any], shared: np.ndarray, came: dict) -> TimeStep:
        """A step in which the agents of `views` may act; `came` holds reward, terminated and truncated."""
        observation = np.zeros((self.spec.agents, self.spec.observation), np.float32)
        legal = self._choices.copy()
        active = np.zeros(self.spec.agents, bool)
        for agent, value in views.items():
            position, row = self.index[agent], self.read(agent, value)
            observation[position, : row.size] = row
            active[position] = True
            mask = value.get(MASK) if isinstance(value, Mapping) and MASK in value else masks.get(agent)
            if mask is not None and isinstance(self.spec.action, Discrete):
                self._forbid(agent, legal[position], mask)
        fields: dict[str, Any] = {"observation": observation, "legal": legal, "active": active, "shared": shared}
        return TimeStep(**fields, **came)

    def _forbid(self, agent: Any, legal: np.ndarray, mask: Any) -> None:
        size = self.writers[self.index[agent]].size
        mask = np.asarray(mask).astype(bool)
        if mask.shape != (size,):
            raise AgentError(agent, f"action mask has shape {mask.shape}, expected {(size,)}")
        if mask.any():  # after the last move some games forbid everything; nobody acts then
            legal[:size] = mask

    def draw(self) -> str:
        frame = self.env.render() if getattr(self.env, "render_mode", None) == "rgb_array" else None
        if frame is None:
            raise NotImplementedError(f"{self.name} was made without pictures: make it with render=True")
        return picture(np.asarray(frame))

    def close(self) -> None:
        self.env.close()


def outcome(reward: Any, terminated: bool, truncated: bool) -> dict[str, np.ndarray]:
    """The fields of `TimeStep` that tell what came of an action, in numpy."""
    return {
        "reward": np.asarray(reward, np.float32),
        "terminated": np.asarray(terminated, bool),
        "truncated": np.asarray(truncated, bool),
    }


def picture(frame: np.ndarray) -> str:
    """An RGB frame `[height, width, 3]` of bytes as an SVG that carries it inside as a small PNG."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(frame[..., :3], dtype=np.uint8))
    if image.width > PICTURE_WIDTH:
        image = image.resize((PICTURE_WIDTH, max(1, round(image.height * PICTURE_WIDTH / image.width))))
    stream = io.BytesIO()
    image.quantize(64).save(stream, "PNG", optimize=True)  # a palette makes a replay several times smaller
    data = base64.b64encode(stream.getvalue()).decode()
    size = f'width="{image.width}" height="{image.height}"'
    view = f'viewBox="0 0 {image.width} {image.height}"'
    inside = f'<image {size} href="data:image/png;base64,{data}"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {view} {size}>{inside}</svg>'


def quiet() -> None:
    """Let games that draw run without a screen, a sound card and a banner on standard output."""
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    os.environ.setdefault("SDL_AUDIODRIVER", "dummy")
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    if sys.platform == "linux" and not os.environ.get("DISPLAY"):
        os.environ.setdefault("MUJOCO_GL", "egl")


@contextlib.contextmanager
def silent_mujoco() -> Iterator[None]:
    """Let MuJoCo load its models without writing a log file into the present folder."""
    mujoco: Any = importlib.import_module("mujoco")
    before = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(lambda message: None)
    try:
        yield
    finally:
        mujoco.set_mju_user_warning(before)


def called(prefix: str, rest: str, parameters: Mapping[str, Any]) -> str:
    """The name that makes this game again: `pettingzoo:sisl/multiwalker_v9(n_walkers=2)`."""
    written = ", ".join(f"{key}={value!r}" for key, value in parameters.items() if value is not None)
    return f"{prefix}:{rest}({written})" if written else f"{prefix}:{rest}"


def construct(maker: Callable[..., Any], name: str, parameters: Mapping[str, Any]) -> Any:
    """`maker(**parameters)`; raises `InputError` where the maker does not know a parameter."""
    try:
        return maker(**parameters)
    except TypeError as wrong:
        raise InputError(f"cannot make '{name}': {wrong}") from None


def module(path: str) -> Any:
    """The module called `path`, or None where there is none; a package that it needs and lacks still raises."""
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as missing:
        if missing.name and (path == missing.name or path.startswith(missing.name + ".")):
            return None
        raise
