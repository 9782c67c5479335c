"""Teams of several architectures: the law that one part changes nothing, and that parts learn together."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay import games
from interplay.check.team import check_team, shown
from interplay.core.errors import InputError
from interplay.core.game import Box
from interplay.core.population import separate, shared
from interplay.core.team import CENTER, DECENTRALIZED, ORDER, has_memory
from interplay.credit import returns
from interplay.methods.wiring import on_policy
from interplay.nets import views
from interplay.nets.assembly import assembled, joined, narrowed, part_spec, pick, strongest
from interplay.nets.seated import seated
from interplay.objectives import gradient, value
from interplay.play import gathering
from interplay.update.gradient import adam, epochs


def part(view=views.local, seats=separate, decay=0.99, **shape):
    return lambda spec, key: seated(spec, key, seats(spec.agents), view, decay=decay, **{"width": 8, **shape})


def method(game, make_team, passes=1):
    loss = gradient.clipped(0.2) + 0.5 * value.clipped(0.2) - 0.01 * gradient.entropy()
    gather, credit = gathering.steps(game, 4, 8), returns.standardized(returns.gae(0.99, 0.95))
    return on_policy(
        game, make_team, gather=gather, credit=credit, learner=epochs(loss, adam(3e-3, 0.5), passes, passes)
    )


def trained(game, make_team, passes=1):
    """The team before and after one update, and the update's metrics."""
    made = method(game, make_team, passes)
    state = jax.jit(made.init)(jax.random.key(0))
    after, metrics = eqx.filter_jit(made.step)(state, jax.random.key(1))
    return state.team, after.team, metrics


@pytest.mark.parametrize(("view", "memory"), [(views.central, 0), pytest.param(views.local, 6, marks=pytest.mark.slow)])
def test_an_assembly_of_one_group_is_its_part(view, memory):
    game = games.make("speaker-listener")
    make = part(view, memory=memory)
    _, alone, metrics = trained(game, lambda key: make(game.spec, key), passes=2)
    _, grouped, also = trained(game, lambda key: assembled(game.spec, key, [((0, 1), make)]), passes=2)
    assert {name: float(number) for name, number in metrics.items()} == pytest.approx(
        {name: float(number) for name, number in also.items()}, nan_ok=True, rel=1e-6
    )
    pairs = zip(jax.tree.leaves(alone), jax.tree.leaves(grouped.parts[0]), strict=True)
    assert all(np.allclose(one, other, rtol=1e-5, atol=1e-6) for one, other in pairs)


def test_an_assembly_of_one_group_acts_bit_for_bit_as_its_part():
    game, key = games.make("climbing(horizon=3)"), jax.random.key(1)
    alone, seen = part(views.central)(game.spec, key), jax.tree.map(lambda leaf: leaf[0], shown(game))
    grouped = assembled(game.spec, key, [((0, 1), part(views.central))])
    (_, one), (_, other) = alone.act(alone.begin(), seen, key), grouped.act(grouped.begin(), seen, key)
    for name in ("action", "log_prob", "value"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name


MIXED = {
    "speaker-listener": [((1,), part(views.central, memory=6)), ((0,), part(width=4, depth=1))],
    "tag(chasers=2)": [((0, 2), part(views.central, shared, decay=1.0)), ((1,), part(width=12))],
}


@pytest.mark.parametrize("name", ["tag(chasers=2)", pytest.param("speaker-listener", marks=pytest.mark.slow)])
def test_two_architectures_are_one_sound_team(name):
    game = games.make(name)
    team = assembled(game.spec, jax.random.key(0), MIXED[name])
    assert check_team(team, game) == []  # stored decisions judged again have ratio 1, among others
    assert has_memory(team) == ("speaker" in name)
    assert team.needs == DECENTRALIZED


@pytest.mark.parametrize("name", ["speaker-listener", pytest.param("tag(chasers=2)", marks=pytest.mark.slow)])
def test_every_part_learns_from_ratio_one(name):
    game = games.make(name)
    before, after, metrics = trained(game, lambda key: assembled(game.spec, key, MIXED[name]))
    assert abs(float(metrics["approx_kl"])) < 1e-6 and float(metrics["clip_fraction"]) == 0
    assert np.isfinite([float(metrics[name]) for name in ("loss", "value_loss", "entropy")]).all()
    for old, new in zip(before.parts, after.parts, strict=True):
        numbers = lambda tree: np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])
        assert np.abs(numbers(new.actors) - numbers(old.actors)).max() > 1e-5
        assert np.abs(numbers(new.critics) - numbers(old.critics)).max() > 1e-5


def test_each_part_has_its_own_scale_of_values():
    game = games.make("speaker-listener")
    team = assembled(game.spec, jax.random.key(0), [((0,), part()), ((1,), part())])
    target, weight = jnp.array([[0.0, 100.0], [2.0, 300.0]]), jnp.ones((2, 2))
    after = team.rescaled(target, weight)
    assert np.allclose(after.normalize(target), [[-1, -1], [1, 1]], atol=1e-3)
    assert np.allclose(team.normalize(target), target)


def test_rows_go_back_where_they_came_from():
    rows, groups = jnp.arange(12.0).reshape(4, 3).T, ((2,), (0, 1))
    assert np.array_equal(joined([pick(rows, group, 0) for group in groups], groups, 0), rows)
    assert np.array_equal(pick(rows, (2, 0), 0), rows[np.array([2, 0])])


def test_a_part_sees_a_game_as_narrow_as_its_agents():
    game = games.make("speaker-listener")
    spec, seen = part_spec(game.spec, (0,)), shown(game)
    assert (spec.observation, spec.action.count, spec.names) == (3, 3, ("speaker",))
    assert narrowed(seen, game.spec, (0,), 1).observation.shape[1:] == (1, 3)
    assert narrowed(seen, game.spec, (0,), 1).legal.all()
    stateless = dataclasses.replace(game.spec, shared=0)
    assert part_spec(stateless, (0,)).shared == 2 * game.spec.observation
    everything = narrowed(seen, stateless, (0,), 1).shared
    assert np.array_equal(everything, seen.observation.reshape(seen.observation.shape[0], -1))


def test_boxes_are_padded_to_the_widest():
    base = games.make("speaker-listener").spec
    spec = dataclasses.replace(base, action=Box(3), action_sizes=(1, 3))
    seen = jax.tree.map(lambda leaf: leaf[0], shown(games.make("speaker-listener")))
    seen = dataclasses.replace(seen, legal=jnp.array([[True, False, False], [True, True, True]]))
    team = assembled(spec, jax.random.key(0), [((0,), part()), ((1,), part())])
    memory, decision = team.act(team.begin(), seen, jax.random.key(1))
    assert decision.action.shape == (2, 3) and not decision.action[0, 1:].any()
    assert np.allclose(team.evaluate(memory, seen, decision)[1].log_prob, decision.log_prob, atol=1e-6)


def test_groups_that_miss_or_repeat_an_agent_are_refused():
    spec = games.make("tag").spec
    for groups in (
        [((0, 1), part())],
        [((0, 1, 2, 3), part()), ((3,), part())],
        [((0, 1, 2, 3), part()), ((), part())],
    ):
        with pytest.raises(InputError, match="name each of 0 to 3 once"):
            assembled(spec, jax.random.key(0), groups)


def test_a_team_needs_what_its_neediest_part_needs():
    made = part()(games.make("climbing").spec, jax.random.key(0))
    needy = lambda what: dataclasses.replace(made, needs=what)
    assert strongest([made, needy(CENTER)]) == CENTER and strongest([needy(ORDER), needy(CENTER)]) == ORDER
    team = assembled(games.make("climbing").spec, jax.random.key(0), [((0,), part()), ((1,), part())])
    assert dataclasses.replace(team, parts=(made, needy(CENTER))).needs == CENTER
