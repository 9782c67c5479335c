"""What one record of episodes, pure or in Python, tells about a game: the parts that both batteries share."""

from collections.abc import Callable, Iterator
from typing import Any
from xml.etree import ElementTree

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from interplay.core.game import AnyGame, Box, Discrete, Spec, TimeStep
from interplay.play.bench import shapes

LONGEST = 2000  # steps after which we stop waiting for the end of a very long game
OUTCOME = ("reward", "terminated", "truncated")
NO_SAY = (
    "actions of agents that are not active (or of dimensions that an agent does not have) change what comes: ignore "
    "them with jnp.where(active, action, …)"
)


def legal_action(spec: Spec, seen: TimeStep, key: PRNGKeyArray) -> Array:
    """A random joint action that the rules allow; zero in dimensions that an agent does not have."""
    if isinstance(spec.action, Discrete):
        return jax.random.categorical(key, jnp.where(seen.legal, 0.0, -1e9)).astype(jnp.int32)
    return jnp.where(seen.legal, anything(spec, key), 0.0)


def anything(spec: Spec, key: PRNGKeyArray) -> Array:
    """A random joint action without regard to the rules."""
    if isinstance(spec.action, Discrete):
        return jax.random.randint(key, (spec.agents,), 0, spec.action.count)
    low, high = np.clip([spec.action.low, spec.action.high], -1e3, 1e3)
    return jax.random.uniform(key, (spec.agents, spec.action.size), minval=low, maxval=high)


def without_say(spec: Spec, seen: TimeStep, action: Any, other: Any) -> Any:
    """`action` with `other` wherever nobody is to move, or in dimensions that an agent does not have."""
    if isinstance(spec.action, Discrete):
        return jnp.where(seen.active, action, other)
    return jnp.where(seen.active[:, None] & seen.legal, action, other)


def sound_spec(game: AnyGame, seeds: int) -> Iterator[str]:
    """What is wrong with the game's `spec` by itself."""
    spec = getattr(game, "spec", None)
    if not isinstance(spec, Spec):
        yield f"spec is {type(spec).__name__}: set it to an interplay.core.game.Spec"
        return
    for name in ("agents", "horizon", "observation"):
        if getattr(spec, name) < 1:
            yield f"spec.{name} is {getattr(spec, name)}: give 1 or more"
    if not isinstance(spec.action, (Discrete, Box)):
        yield f"spec.action is {type(spec.action).__name__}: use Discrete(count) or Box(size, low, high)"
        return
    if isinstance(spec.action, Box) and not spec.action.low < spec.action.high:
        yield f"actions lie between {spec.action.low} and {spec.action.high}: give a low below high"
    widths = (("observation_sizes", spec.observation), ("action_sizes", spec.action.width))
    for name, width in widths:
        if max(getattr(spec, name), default=0) > width:
            yield f"spec.{name} reaches {max(getattr(spec, name))}, room is for {width}: give the widest agent's width"


def fields(spec: Spec, seen: Any, where: str, exact: bool = True) -> Iterator[str]:
    """Shapes and dtypes of one time step; numpy games may use any float."""
    if not isinstance(seen, TimeStep):
        yield f"{where} gives {type(seen).__name__} where a TimeStep is wanted"
        return
    for name, (shape, kind) in shapes(spec).items():
        value = getattr(seen, name)
        if not hasattr(value, "dtype"):
            hint = "build it with outcome(reward, terminated, truncated)" if name in OUTCOME else "use jnp.asarray"
            yield f"{where}: {name} is a Python {type(value).__name__}, not an array: {hint}"
        elif value.shape != shape:
            hint = _shape_hint(name, value.shape, shape)
            yield f"{where}: {name} has shape {value.shape}, the spec says {shape}: {hint}"
        elif value.dtype != kind and (exact or np.dtype(value.dtype).kind != np.dtype(kind).kind):
            yield f"{where}: {name} is {value.dtype}, expected {np.dtype(kind).name}: convert it with astype"


def _shape_hint(name: str, got: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    if name in ("terminated", "truncated"):
        return "give one for the whole game; agents that are out of it are inactive"
    if name == "reward" and not got:
        return "that is one number for the whole team, give every agent its own: jnp.full(agents, reward)"
    if len(got) > 1 and got == wanted[::-1]:
        return "the axes are swapped, agents come first"
    if len(got) == len(wanted) + 1:
        return "that is one axis too many; games are unbatched, whoever plays them makes batches"
    if got == wanted[1:]:
        return "the agent axis is missing, give every agent a row"
    return "pad narrow agents with zeros and set the sizes in the spec"


def picture(draw: Callable[[], Any]) -> Iterator[str]:
    """Whether what `draw` gives is SVG; a game that says that it has no picture need not have one."""
    try:
        yield from svg(draw())
    except NotImplementedError:
        return


def svg(picture: Any) -> Iterator[str]:
    if not isinstance(picture, str):
        yield f"draw returns {type(picture).__name__}: return an SVG document as a string"
        return
    try:
        root = ElementTree.fromstring(picture)
    except ElementTree.ParseError as error:
        yield f"draw returns a string that is not well-formed SVG ({error}): close every tag and escape & and <"
        return
    if not root.tag.endswith("svg"):
        yield f"draw returns <{root.tag}>: wrap the shapes in <svg viewBox=…>"


def running(rows: TimeStep) -> np.ndarray:
    """Rows [seed, step] up to and including the end of their episode."""
    done = rows.terminated | rows.truncated
    return np.cumsum(done, axis=1) - done == 0


def judged(spec: Spec, opening: TimeStep, rows: TimeStep) -> Iterator[str]:
    """What a record of episodes says: `opening` has axes [seed, …], `rows` [seed, step, …]."""
    lead = lambda first, rest: np.concatenate([first[:, None], rest], axis=1)
    every = jax.tree.map(lead, opening, rows)
    valid = lead(np.ones(len(rows.terminated), bool), running(rows))
    done = every.terminated | every.truncated
    place = lambda bad: "seed {}, step {}".format(*np.argwhere(bad)[0][:2])
    if np.any(opening.reward) or np.any(done[:, 0]):
        yield "reset gives a reward or an end: use **opening(spec) there, they belong to steps"
    for name in ("observation", "shared", "reward"):
        bad = ~np.isfinite(getattr(every, name)) & _wide(valid, getattr(every, name))
        if bad.any():
            yield f"{name} is not finite ({place(bad)}): look for a division by zero or the root of a negative number"
    if np.any(both := every.terminated & every.truncated & valid):
        yield f"terminated and truncated at once ({place(both)}): truncated means that nothing ended but the time"
    seen = valid & ~done
    yield from _moves(spec, every, seen, place)
    if spec.horizon <= rows.terminated.shape[1] and not done.any(1).all():
        yield (
            f"an episode does not end within spec.horizon = {spec.horizon} steps: count the steps in the state and set "
            "truncated when they reach the horizon"
        )


def _moves(spec: Spec, every: TimeStep, seen: np.ndarray, place: Any) -> Iterator[str]:
    """Who is to move and what is allowed, in rows where the episode goes on."""
    if np.any(nobody := seen & ~every.active.any(-1)):
        yield f"nobody is active though the episode goes on ({place(nobody)}): mark in `active` whose move it is"
    if np.any(stuck := seen[..., None] & every.active & ~every.legal.any(-1)):
        yield f"an active agent has no legal action ({place(stuck)}): allow one, or make the agent inactive"
    pads = (("observation", spec.observation_sizes), ("legal", spec.action_sizes))
    for name, sizes in pads:
        outside = np.arange(getattr(every, name).shape[-1]) >= np.array(sizes)[:, None]
        if np.any(filled := seen[..., None, None] & (getattr(every, name) != 0) & outside):
            sizes_name = f"spec.{name.replace('legal', 'action')}_sizes"
            yield f"{name} is not zero beyond {sizes_name} ({place(filled)}): pad with zeros"
    if np.any(shown := seen[..., None] & ~every.active & (every.observation != 0).any(-1)):
        yield f"an inactive agent has an observation that is not zero ({place(shown)}): multiply it by active"


def _wide(mask: np.ndarray, like: np.ndarray) -> np.ndarray:
    return mask.reshape(mask.shape + (1,) * (like.ndim - mask.ndim))
