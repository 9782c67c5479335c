"""Every method keeps the contract, on the smallest settings that exercise it."""

import dataclasses

import jax
import jax.numpy as jnp
import pytest

from interplay import check, methods
from interplay.core.budget import Budget
from interplay.core.errors import InputError

PLAY = {"game": "climbing(horizon=3)", "batch": 4, "length": 4, "width": 4, "depth": 1, "passes": 1, "minibatches": 2}
TINY = {**PLAY, "sampled": 4, "updates": 2, "capacity": 256, "warmup": 0}


def build(slug, **changes):
    kind = methods.module(slug).Settings
    fields = {field.name: field for field in dataclasses.fields(kind)}
    small = {**TINY, "memory": 4 if getattr(fields.get("memory"), "default", 0) else 0, **changes}
    return methods.module(slug).build(kind(**{name: value for name, value in small.items() if name in fields}))


SPOKEN = {"game": "ledger", "tasks": 3, "group": 4, "width": 8, "depth": 1, "demonstrations": 8, "imitation": 1}
OWN = {
    "dr-mas": SPOKEN,
    "grpo": SPOKEN,
    "rloo": SPOKEN,
    "m-grpo": {**SPOKEN, "game": "two-hop", "imitation_rate": 2e-3},
    **{slug: {**SPOKEN, "game": "k-hop", "passes": 1} for slug in ("ppo", "turn-ppo", "s-ppo", "st-ppo")},
    "advantage-alignment": {**SPOKEN, "game": "dilemma(rounds=2)", "tasks": 1},
    "advantage-alignment-games": {"game": "iterated-prisoners-dilemma"},
    "mo-mix": {"game": "treasures"},
    "exploration-collapse": {"game": "lattice(rows=4,columns=5)", "length": 8, "kept": 8},
}
IMITATORS = ("mamql", "iq-learn", "behavior-cloning", "ma-airl")  # need demonstrations: tests/methods/test_imitation.py
SLOW = (  # compile longest, or are another method with other settings
    "mappo-recurrent", "hatrpo", "vdn", "iql-recurrent", "vdn-recurrent", "qmix-recurrent", "mansa", "soft-q",
    "hammer", "qmix", "happo", "igt-gradient", "exploration-collapse", "mo-mix", "cmat", "mat", "iql",
    "maddpg", "turn-ppo", "s-ppo", "ppo", "ippo-recurrent", "mappo",
)  # fmt: skip
BUILT = [slug for slug in methods.MODULES if slug not in IMITATORS]


@pytest.mark.parametrize("slug", [pytest.param(slug, marks=[pytest.mark.slow] * (slug in SLOW)) for slug in BUILT])
def test_every_method(slug):
    assert check.check_method(build(slug, **OWN.get(slug, {}))) == []


@pytest.mark.parametrize("slug", ["ippo", pytest.param("iql", marks=pytest.mark.slow)])
def test_a_method_that_plays_in_python(slug):
    pytest.importorskip("pettingzoo")
    assert check.check_method(build(slug, game="pettingzoo:classic/tictactoe_v3")) == []


def wrong_cost(method):
    return method._replace(cost=Budget(steps=4))


def vector_metric(method):
    return method._replace(step=lambda state, key: (method.step(state, key)[0], {"loss": jnp.zeros(2)}))


def not_finite(method):
    return method._replace(step=lambda state, key: (method.step(state, key)[0], {"loss": jnp.log(-1.0)}))


def grows(method):
    return method._replace(step=lambda state, key: ((state, 0), method.step(state, key)[1]))


def marks_all(method):
    return method._replace(batched=lambda state: jax.tree.map(lambda _: True, state))


def forgets(method):
    calls = []

    def step(state, key):
        calls.append(0)
        return method.step(state, jax.random.fold_in(key, len(calls)))

    return method._replace(step=step, compiled=False, batched=None)


def devices_apart(method):
    from interplay.core import shards

    def step(state, key):
        after, metrics = method.step(state, key)
        scaled = jax.tree.map(lambda leaf: leaf * jax.random.uniform(shards.own(key)), after.team.actors)
        return dataclasses.replace(after, team=dataclasses.replace(after.team, actors=scaled)), metrics

    return method._replace(step=step)


MISTAKES = [
    (wrong_cost, "cost.steps is 4, but one step of the method takes 16"),
    (vector_metric, "metric 'loss' has shape \\(2,\\): reduce it"),
    (not_finite, "metric 'loss' is nan"),
    (grows, "step changes the structure of the tree"),
    (marks_all, "leading axes .* mark what carries the games"),
    (forgets, "step gives other numbers for the same state and key"),
    (devices_apart, "the devices disagree about team/actors"),
]


@pytest.mark.parametrize(("mistake", "words"), MISTAKES)
def test_mistakes_are_told(mistake, words):
    with pytest.raises(InputError, match=words):
        check.assert_method(mistake(build("reinforce")))
