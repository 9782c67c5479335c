"""Every kind of team keeps the contract on every kind of game."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

from interplay import check, games
from interplay.core import population
from interplay.core.errors import InputError
from interplay.core.team import Team
from interplay.methods.baselines.random import Uniform
from interplay.nets import views
from interplay.nets.seated import seated

KEY = jax.random.key(0)
SLOW = pytest.mark.slow  # the other cases have every kind of game, seats and memory once
SEATS = {
    "shared": population.shared,
    "separate": population.separate,
    "grouped": lambda agents: (*(0,) * (agents - 1), 1),
}
CASES = [  # game (discrete, legal moves, unequal agents, continuous), seats, memory, what critics see
    ("climbing", "shared", 0, views.local),
    pytest.param("climbing(horizon=3)", "separate", 4, views.central, marks=SLOW),
    ("foraging(horizon=8)", "grouped", 0, views.local),
    pytest.param("foraging(horizon=8)", "shared", 4, views.central, marks=SLOW),
    pytest.param("speaker-listener", "grouped", 0, views.local, marks=SLOW),
    ("speaker-listener", "shared", 4, views.local),
    pytest.param("tag", "separate", 0, views.central, marks=SLOW),
    pytest.param("sum-guessing(agents=3)", "shared", 0, views.central, marks=SLOW),
    ("sum-guessing(agents=3)", "separate", 4, views.local),
]


def make(name, seats="shared", memory=0, view=views.local):
    spec = games.make(name).spec
    return seated(spec, KEY, SEATS[seats](spec.agents), view, width=4, depth=1, memory=memory, decay=0.9)


@pytest.mark.parametrize(("name", "seats", "memory", "view"), CASES)
def test_seated(name, seats, memory, view):
    assert check.check_team(make(name, seats, memory, view), games.make(name)) == []


@pytest.mark.parametrize("name", ["foraging", "sum-guessing"])
def test_random(name):
    assert check.check_team(Uniform(games.make(name).spec), games.make(name)) == []


class Wrapped(Team):
    """Somebody's own team around a sound one; subclasses below each make one mistake."""

    inner: Team
    needs: str = eqx.field(static=True, default="decentralized")

    def begin(self):
        return self.inner.begin()

    def act(self, memory, time_step, key):
        return self.inner.act(memory, time_step, key)

    def evaluate(self, memory, time_step, decision):
        return self.inner.evaluate(memory, time_step, decision)

    def greedy(self):
        return dataclasses.replace(self, inner=self.inner.greedy())


class BlindToRules(Wrapped):
    def act(self, memory, time_step, key):
        return self.inner.act(memory, dataclasses.replace(time_step, legal=jnp.ones_like(time_step.legal)), key)


class NoiseUntold(Wrapped):
    """Perturbs what it sees when it acts, and forgets how."""

    def act(self, memory, time_step, key):
        noise = jax.random.normal(jax.random.fold_in(key, 1), time_step.observation.shape)
        seen = dataclasses.replace(time_step, observation=time_step.observation + 5 * noise)
        return self.inner.act(memory, seen, key)


class OverConfident(Wrapped):
    def act(self, memory, time_step, key):
        memory, decision = self.inner.act(memory, time_step, key)
        return memory, dataclasses.replace(decision, log_prob=decision.log_prob / 4)

    def evaluate(self, memory, time_step, decision):
        memory, seen = self.inner.evaluate(memory, time_step, decision)
        return memory, dataclasses.replace(seen, log_prob=seen.log_prob / 4)


class Grows(Wrapped):
    def act(self, memory, time_step, key):
        memory, decision = self.inner.act(memory, time_step, key)
        return (memory, jnp.zeros(3)), decision


class Boxed(Wrapped):
    """Gives real numbers where the game wants choices."""

    def act(self, memory, time_step, key):
        memory, decision = self.inner.act(memory, time_step, key)
        return memory, dataclasses.replace(decision, action=decision.action[:, None] / 2)


class NeverGreedy(Wrapped):
    def greedy(self):
        return Wrapped(self.inner)


class BrokenGradient(Wrapped):
    def evaluate(self, memory, time_step, decision):
        memory, seen = self.inner.evaluate(memory, time_step, decision)
        return memory, dataclasses.replace(seen, entropy=seen.entropy + jnp.sqrt(0 * seen.value))


class LateRestart(Wrapped):
    def evaluate_sequence(self, memory, time_step, decision, started):
        return super().evaluate_sequence(memory, time_step, decision, jnp.roll(started, 1))


MISTAKES = [
    (BlindToRules, "foraging(horizon=8)", 0, "an illegal action was chosen"),
    (NoiseUntold, "climbing", 0, "keep everything random that shaped it in decision.extra"),
    (OverConfident, "climbing", 0, "but log_prob says"),
    (Grows, "climbing", 0, "act changes the form of the memory"),
    (Boxed, "climbing", 0, r"action is float32\[2, 1\].* wants integer\[2\]"),
    (NeverGreedy, "climbing", 0, "greedy\\(\\) still decides at random"),
    (BrokenGradient, "climbing", 0, "gradient of log_prob, entropy and value is not finite"),
    (LateRestart, "climbing(horizon=3)", 4, "evaluate_sequence differs"),
]


@pytest.mark.parametrize(("mistake", "name", "memory", "words"), MISTAKES)
def test_mistakes_are_told(mistake, name, memory, words):
    team = make(name, memory=memory)
    team = eqx.tree_at(
        lambda team: team.actors.members.network.head.weight, team, replace_fn=lambda weight: 100 * weight
    )
    with pytest.raises(InputError, match=words):
        check.assert_team(mistake(team), games.make(name))


def test_a_team_for_another_game_is_told():
    assert "act cannot be compiled for Foraging" in check.check_team(make("climbing"), games.make("foraging"))[0]
    assert "is no team" in check.check_team(None, games.make("climbing"))[0]  # type: ignore[arg-type]
