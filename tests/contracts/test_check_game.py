"""What people get wrong in a game of their own is told in plain words."""

import random

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay import check
from interplay.core.errors import InputError
from interplay.core.game import Discrete, Game, HostGame, Spec, TimeStep, opening, outcome

SPEC = Spec(agents=2, observation=3, action=Discrete(2), horizon=4, observation_sizes=(3, 2), action_sizes=(2, 1))


class Sound(Game):
    """Two unequal agents that wait for each other every other step; subclasses below each make one mistake."""

    spec: Spec = SPEC

    def reset(self, key):
        state = {"time": jnp.zeros((), jnp.int32), "luck": jax.random.uniform(key)}
        return state, TimeStep(**self.view(state), **opening(self.spec))

    def step(self, state, action, key):
        action = jnp.where(self.active(state), action, 0)
        state = {"time": state["time"] + 1, "luck": jax.random.uniform(key)}
        late = state["time"] >= self.spec.horizon
        return state, TimeStep(**self.view(state), **outcome(action + state["luck"], False, late))

    def active(self, state):
        return jnp.array([True, True]) & ((state["time"] % 2 == 0) | jnp.array([True, False]))

    def view(self, state):
        active = self.active(state)
        seen = jnp.array([[1, 1, 1], [1, 1, 0]]) * state["luck"] * active[:, None]
        return {
            "observation": seen,
            "legal": jnp.array([[True, True], [True, False]]),
            "active": active,
            "shared": jnp.zeros(0),
        }


class Changed(Sound):
    """Somebody's `step` that changes one field of what a sound one returns."""

    def step(self, state, action, key):
        state, seen = super().step(state, action, key)
        return state, TimeStep(**{**vars(seen), **self.changes(state, seen, action)})


def changing(**fields):
    """A game whose steps have other fields, each a function of state, time step and action."""
    read = lambda self, state, seen, action: {name: make(state, seen, action) for name, make in fields.items()}
    return type("Changing", (Changed,), {"changes": read})()


class ForgotActive(Sound):
    def view(self, state):
        return {name: value for name, value in super().view(state).items() if name != "active"}


class NeverEnds(Sound):
    def step(self, state, action, key):
        after, seen = super().step(state, action, key)
        return {**after, "time": state["time"]}, seen


class LooksWithIf(Sound):
    def step(self, state, action, key):
        if action[0] > 0:
            return super().step(state, action, key)
        return super().step(state, 1 - action, key)


class NumpyLuck(Sound):
    def reset(self, key):
        state, seen = super().reset(key)
        return {**state, "luck": jnp.asarray(random.random(), jnp.float32)}, seen


class Remembers(Sound):
    log: list = eqx.field(static=True, default_factory=list)

    def step(self, state, action, key):
        self.log.append(1)
        return super().step(state, action, key)


class WritesOnItself(Sound):
    time: int = 0

    def step(self, state, action, key):
        self.time = self.time + 1
        return super().step(state, action, key)


class ListensToWaiting(Sound):
    def step(self, state, action, key):
        state, seen = super().step(state, action, key)
        return state, eqx.tree_at(lambda seen: seen.reward, seen, seen.reward + action[1])


class PythonState(Sound):
    def reset(self, key):
        state, seen = super().reset(key)
        return {**state, "round": 0}, seen


class Retypes(Sound):
    def step(self, state, action, key):
        state, seen = super().step(state, action, key)
        return {**state, "time": state["time"].astype(jnp.float32)}, seen


class Draws(Sound):
    picture: str = eqx.field(static=True, default="<svg>")

    def draw(self, state):
        return self.picture


class Alone(Sound):
    def step(self, state, action, key):
        return super().step(state, action, key)[1]


MISTAKES = {
    "reward of the team": (changing(reward=lambda s, t, a: t.reward.sum()), "one number for the whole team.*jnp.full"),
    "Python float": (changing(reward=lambda s, t, a: 1.0), "reward is a Python float.*outcome"),
    "end per agent": (changing(terminated=lambda s, t, a: jnp.zeros(2, bool)), "give one for the whole game"),
    "axes swapped": (changing(observation=lambda s, t, a: t.observation.T), "axes are swapped, agents come first"),
    "batched": (changing(legal=lambda s, t, a: t.legal[None]), "one axis too many"),
    "no agent axis": (changing(observation=lambda s, t, a: t.observation[0]), "the agent axis is missing"),
    "dtype": (changing(active=lambda s, t, a: t.active.astype(int)), "active is int32, expected bool"),
    "forgot active": (ForgotActive(), "say whose move it is: active=jnp.ones"),
    "nobody active": (changing(active=lambda s, t, a: t.active & False), "nobody is active"),
    "never ends": (NeverEnds(), "does not end within spec.horizon = 4 steps: count the steps"),
    "ends twice": (changing(terminated=lambda s, t, a: t.truncated), "terminated and truncated at once"),
    "if": (LooksWithIf(), "compiling step raises .*jnp.where or jax.lax.cond instead of `if`"),
    "numpy luck": (NumpyLuck(), "reset answers the same key in two ways .*luck"),
    "remembers": (Remembers(), "playing changes game.log"),
    "assigns": (WritesOnItself(), "games and teams are frozen"),
    "hears who waits": (ListensToWaiting(), "actions of agents that are not active .* change what comes"),
    "Python state": (PythonState(), "the state holds round \\(int\\).*no arrays"),
    "retypes": (Retypes(), "step changes 0/time from int32\\[\\] to float32\\[\\]"),
    "not finite": (changing(reward=lambda s, t, a: jnp.log(-t.reward)), "reward is not finite \\(seed 0, step 1\\)"),
    "no legal action": (changing(legal=lambda s, t, a: t.legal & False), "an active agent has no legal action"),
    "legal padding": (changing(legal=lambda s, t, a: t.legal | True), "legal is not zero beyond spec.action_sizes"),
    "padding": (
        changing(observation=lambda s, t, a: t.observation + 1),
        "observation is not zero beyond .*pad with zeros",
    ),
    "shows to the inactive": (
        changing(observation=lambda s, t, a: jnp.array([[1.0, 1, 1], [1, 1, 0]])),
        "an inactive agent has an observation",
    ),
    "no pair": (Alone(), "step returns TimeStep: return a pair"),
    "torn picture": (Draws(), "not well-formed SVG"),
    "other picture": (Draws(picture="<p/>"), "draw returns <p>: wrap"),
    "no picture": (Draws(picture=3), "draw returns int: return an SVG"),
    "no game": (object(), "subclass interplay.core.game.Game"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_told(mistake):
    game, words = MISTAKES[mistake]
    with pytest.raises(InputError, match=words):
        check.assert_game(game)


def test_a_sound_game_passes():
    check.assert_game(Sound())
    check.assert_game(Draws(picture="<svg viewBox='0 0 1 1'/>"))


def test_all_problems_are_told_at_once():
    game = changing(reward=lambda s, t, a: jnp.log(-t.reward), terminated=lambda s, t, a: t.truncated)
    problems = check.check_game(game)
    assert len(problems) == 2
    with pytest.raises(InputError, match="has 2 problem"):
        check.assert_game(game)


def test_specs_that_cannot_be():
    assert (
        "spec.horizon is 0"
        in check.check_game(Sound(spec=Spec(agents=2, observation=3, action=Discrete(2), horizon=0)))[0]
    )
    wide = Spec(agents=2, observation=3, action=Discrete(2), horizon=4, action_sizes=(2, 5))
    assert "spec.action_sizes reaches 5" in check.check_game(Sound(spec=wide))[0]


class Python(HostGame):
    """The same in Python: agent 1 waits in odd steps."""

    spec = SPEC

    def __init__(self, luck=False, hears=False, ends=True):
        self.luck, self.hears, self.ends = luck, hears, ends

    def reset(self, seed):
        self.time, self.bonus, self.random = 0, 0.0, np.random.default_rng(None if self.luck else seed)
        return self.see(np.zeros(2))

    def step(self, action):
        heard = action * self.active()
        self.bonus += float(action[1]) if self.hears else 0.0
        self.time += 1
        return self.see(heard + self.random.random() + self.bonus)

    def active(self):
        return np.array([True, self.time % 2 == 0])

    def see(self, reward):
        return TimeStep(
            observation=np.array([[1.0, 1, 1], [1, 1, 0]]) * self.active()[:, None],
            legal=np.array([[True, True], [True, False]]),
            active=self.active(),
            shared=np.zeros(0),
            reward=reward,
            terminated=np.array(False),
            truncated=np.array(self.time >= 4 and self.ends),
        )


def test_games_in_python():
    assert check.check_game(Python()) == []
    assert "the same seed and actions give another episode" in check.check_game(Python(luck=True))[0]
    assert "not active" in check.check_game(Python(hears=True))[0]
    assert "does not end within spec.horizon" in check.check_game(Python(ends=False))[0]
