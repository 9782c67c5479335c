"""How far an optimizer's direction is from the true gradient, on problems where the true gradient is known.

Two known problems are a softmax policy of logits θ[s, a] on a small Markov game (`table`), and a linear policy with Gaussian
noise on the linear-quadratic regulator (`regulator`), whose Fisher information is never degenerate. Two questions are asked:
how large is ‖d − ∇J‖ / ‖∇J‖ after so many iterations (`study`), and how fast does it fall (`slope`).

Source: Fatkhullin et al., "Stochastic policy gradient methods" (2023), section 4 (rates).
"""

import itertools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from interplay.games import lqr
from interplay.games.markov import MarkovGame
from interplay.objectives.policy_gradient import Estimator, to_come
from interplay.update import variance_reduced
from interplay.update.variance_reduced import Optimizer, Sample

Logits = Float[Array, "state action"]
Make = Callable[[Estimator, float], Optimizer]

COMPARED: Mapping[str, Make] = {  # what the claim compares, the falsifiers after it
    "none": variance_reduced.normalized,
    "momentum": variance_reduced.momentum,
    "igt": variance_reduced.igt,
    "storm": variance_reduced.storm,
    "n-harpg": variance_reduced.normalized_harpg,
    "igt, no extrapolation": lambda estimator, rate: variance_reduced.igt(estimator, rate, strength=0.0),
    "n-harpg, v = 0": lambda estimator, rate: variance_reduced.averaging(
        estimator, variance_reduced.power(1), variance_reduced.power(1, rate)
    ),
    "n-harpg, no score": lambda estimator, rate: variance_reduced.normalized_harpg(estimator, rate, score=0.0),
}


class Problem(NamedTuple):
    """Where θ starts, how θ plays a batch of episodes, how to read them, and what θ is worth, exactly and differentiably."""

    start: Array
    play: Callable[[Array, PRNGKeyArray, int], Any]
    estimator: Estimator
    worth: Callable[[Array], Float[Array, ""]]


class Episodes(NamedTuple):
    """States, actions and rewards, `[time, batch]`."""

    state: Int[Array, "time batch"]
    action: Int[Array, "time batch"]
    reward: Float[Array, "time batch"]


class Study(NamedTuple):
    """Per seed and point: ‖d − ∇J(θ_t)‖, ‖∇J(θ_t)‖, the cosine between d and ∇J(θ_t), and J(θ_{t+1}).

    `iterations` and `episodes` count what was spent up to each point.
    """

    distance: Float[np.ndarray, "seed point"]
    norm: Float[np.ndarray, "seed point"]
    cosine: Float[np.ndarray, "seed point"]
    value: Float[np.ndarray, "seed point"]
    iterations: Int[np.ndarray, "point"]
    episodes: Int[np.ndarray, "point"]

    @property
    def error(self) -> Float[np.ndarray, "seed point"]:
        """‖d − ∇J‖ / ‖∇J‖."""
        return self.distance / self.norm


def estimator(discount: float) -> Estimator:
    """How to read `Episodes` of a softmax policy."""

    def log_probs(logits: Logits, record: Episodes) -> Float[Array, "time batch"]:
        return jax.nn.log_softmax(logits)[record.state, record.action]

    return Estimator(log_probs, lambda record: to_come(record.reward, discount))


def play(game: MarkovGame, logits: Logits, key: PRNGKeyArray, horizon: int, batch: int = 1) -> Episodes:
    """`batch` episodes of `horizon` steps by the softmax policy, all random numbers drawn at once."""
    start_key, key = jax.random.split(key)
    chosen = jnp.cumsum(jax.nn.softmax(logits), -1)
    moved = jnp.cumsum(game.transition, -1)
    first = jax.random.categorical(start_key, jnp.log(game.start), shape=(batch,))

    def step(state, noise):
        action = (chosen[state, :-1] <= noise[0, :, None]).sum(-1)
        there = (moved[state, action, :-1] <= noise[1, :, None]).sum(-1)
        return there, Episodes(state, action, game.reward[0, state, action])

    return jax.lax.scan(step, first, jax.random.uniform(key, (horizon, 2, batch)))[1]


def worth(game: MarkovGame, logits: Logits, horizon: int) -> Float[Array, ""]:
    """J_H = Σ_s μ(s) V_0(s), V_h(s) = Σ_a π(a | s) (r(s, a) + γ Σ_s' P(s' | s, a) V_{h+1}(s')), V_H = 0; differentiable."""
    policy = jax.nn.softmax(logits)

    def back(value, _):
        return (policy * (game.reward[0] + game.discount * game.transition @ value)).sum(-1), None

    return game.start @ jax.lax.scan(back, jnp.zeros(game.states, logits.dtype), None, horizon)[0]


def best(game: MarkovGame, horizon: int) -> Float[Array, ""]:
    """The largest J_H of any policy, those that look at the clock included."""

    def back(value, _):
        return (game.reward[0] + game.discount * game.transition @ value).max(-1), None

    return game.start @ jax.lax.scan(back, jnp.zeros(game.states), None, horizon)[0]


def table(game: MarkovGame, horizon: int) -> Problem:
    """A softmax policy on `game`, one agent, `horizon` steps, from the uniform policy."""
    start = jnp.zeros((game.states, game.actions[0]))
    playing = lambda logits, key, batch: play(game, logits, key, horizon, batch)
    return Problem(start, playing, estimator(game.discount), lambda logits: worth(game, logits, horizon))


def regulator(game: lqr.Regulator, deviation: float = 0.5) -> Problem:
    """The policy u ~ N(θ x, `deviation`² I) on the regulator, not discounted, from θ = 0; one agent sets all forces."""
    spread = jnp.full(2, deviation)

    def playing(gain: Array, key: PRNGKeyArray, batch: int):
        def step(carry, key):
            state, seen = carry
            noise_key, key = jax.random.split(key)
            force = seen.observation[0] @ gain.T + deviation * jax.random.normal(noise_key, (2,))
            after, came = game.step(state, force[None], key)
            return (after, came), (seen.observation[0], force, came.reward[0])

        def episode(key):
            start, key = jax.random.split(key)
            return jax.lax.scan(step, game.reset(start), jax.random.split(key, game.spec.horizon))[1]

        return jax.vmap(episode, out_axes=1)(jax.random.split(key, batch))

    def log_probs(gain: Array, record) -> Float[Array, "time batch"]:
        body, force, _ = record
        return -0.5 * jnp.square((force - body @ gain.T) / deviation).sum(-1)  # up to a constant

    return Problem(
        jnp.zeros((2, 4)),
        playing,
        Estimator(log_probs, lambda record: to_come(record[2], 1.0)),
        lambda gain: lqr.expected_return(game, -gain, spread),
    )


def study(
    problem: Problem, make: Make, seeds: int, *, iterations: int, every: int, rate: float = 0.3, batch: int = 1
) -> Study:
    """`iterations` of `batch` episodes per query point, looked at in every `every`-th; seeds side by side."""
    optimizer = make(problem.estimator, rate)

    def train(key: PRNGKeyArray):
        return jax.lax.scan(block, optimizer.init(problem.start), jax.random.split(key, (iterations // every, every)))[
            1
        ]

    def advance(state, key):
        query_key, update_key, *keys = jax.random.split(key, 2 + len(optimizer.roles))
        points = optimizer.query_points(state, query_key)
        samples = [Sample(point, problem.play(point, key, batch)) for (point, _), key in zip(points, keys, strict=True)]
        return optimizer.update(state, samples, update_key)[1], None

    def block(state, keys):
        state, _ = jax.lax.scan(advance, state, keys)
        true = jax.grad(problem.worth)(state.before)
        norm, size = jnp.linalg.norm(true), jnp.linalg.norm(state.direction)
        cosine = jnp.vdot(state.direction, true) / jnp.maximum(norm * size, 1e-30)
        return state, (jnp.linalg.norm(state.direction - true), norm, cosine, problem.worth(state.parameters))

    points = jax.jit(jax.vmap(train))(jax.vmap(jax.random.key)(jnp.arange(seeds)))
    distance, norm, cosine, value = map(np.asarray, points)
    count = every * np.arange(1, iterations // every + 1)
    return Study(distance, norm, cosine, value, count, count * batch * len(optimizer.roles))


def slope(found: Study, first: int, points: int = 12) -> float:
    """β of ‖d − ∇J‖ ~ iterations^β from `first` iterations on: least squares on logs, in equal ratios of iterations.

    Means over seeds and over all points looked at between two neighboring edges.
    """
    edges = np.geomspace(first, found.iterations[-1] + 1, points + 1)
    x, y = [], []
    for low, high in itertools.pairwise(edges):
        inside = (found.iterations >= low) & (found.iterations < high)
        if inside.any():
            x.append(np.log(found.iterations[inside]).mean())
            y.append(np.log(found.distance[:, inside].mean(0)).mean())
    return float(np.polyfit(x, y, 1)[0])


def summary(found: Study) -> dict[str, Any]:
    """The last half of a study per seed: error and cosine as means, the value reached, the episodes spent."""
    half = len(found.iterations) // 2
    return {
        "error": found.error[:, half:].mean(1),
        "cosine": found.cosine[:, half:].mean(1),
        "value": found.value[:, -1],
        "episodes": int(found.episodes[-1]),
    }
