"""Laws of MO-MIX: with one objective it is QMIX, tracks learn their own objective, preferences hold for whole episodes."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay import check, games
from interplay.core.errors import InputError
from interplay.core.game import Game, Spec
from interplay.credit import returns
from interplay.games.weighed import weighed
from interplay.methods import mo_mix
from interplay.methods.baselines import dqn, ippo, qmix
from interplay.nets import mixing, preferred
from interplay.nets.preferred import Guided

TINY: dict[str, Any] = {
    "batch": 4, "length": 4, "width": 8, "depth": 1, "sampled": 8, "updates": 2, "capacity": 256, "warmup": 0,
    "epsilon_steps": 50, "mixed": 4, "hyper": 4,
}  # fmt: skip
SMALL = "interplay.games.treasures:treasures(map=('g.c', 'P.P'), horizon=3)"


class OneObjective(Game):
    """A game whose one reward is a vector of one number."""

    spec: Spec
    game: Game

    def reset(self, key):
        state, seen = self.game.reset(key)
        return state, dataclasses.replace(seen, reward=seen.reward[..., None])

    def step(self, state, action, key):
        state, seen = self.game.step(state, action, key)
        return state, dataclasses.replace(seen, reward=seen.reward[..., None])


def build(**changes):
    return mo_mix.build(mo_mix.Settings(**{"game": SMALL, **TINY, **changes}))


def after(method, updates=3):
    state, step = jax.jit(method.init)(jax.random.key(0)), jax.jit(method.step)
    for update in range(updates):
        state, told = step(state, jax.random.key(update))
    return state, told


def weights(team):
    return jax.tree.leaves(eqx.filter(team, eqx.is_inexact_array))


@pytest.mark.parametrize("memory", [0, pytest.param(4, marks=pytest.mark.slow)])
def test_with_one_objective_it_is_qmix(memory):
    game = weighed(SMALL, (0.3, 0.7))
    one = OneObjective(spec=dataclasses.replace(game.spec, objectives=1), game=game)
    shape = {"width": TINY["mixed"], "hidden": TINY["hyper"]}
    state, told = after(mo_mix.playing(one, mo_mix.Settings(**TINY, memory=memory), mixing.tracks(**shape)))
    same = lambda spec, key: mixing.monotone(**shape)(spec, jax.random.split(key, 1)[0])  # as the first track begins
    plain, known = after(dqn.playing(game, qmix.Settings(**TINY, memory=memory), same))
    for a, b in zip(weights(state.team.team), weights(plain.team), strict=True):
        np.testing.assert_allclose(np.asarray(a).reshape(b.shape), b, atol=1e-6, rtol=1e-6)
    np.testing.assert_array_equal(state.play.total, plain.play.total)
    np.testing.assert_allclose(told["return"], known["return"])
    np.testing.assert_allclose(told["td_loss"], known["td_loss"], rtol=1e-5)


@pytest.fixture(scope="module")
def played():
    method = build(looks=2)
    return method, *after(method)


def test_it_learns_every_objective_by_its_own_equation(played):
    method, state, _ = played
    s = mo_mix.Settings(**TINY)
    _, drawn = dqn.replay(s, method.game.spec).draw(state.ring, jax.random.key(1))
    weight = drawn.transitions.decision.extra["preference"]
    seen = preferred.replayed(drawn, weight)
    team, target = state.team.team, state.target
    credit = returns.bellman(0.9, returns.n_step(1))(team, target, seen)
    play = jax.tree.map(lambda leaf: leaf[0, 3], seen.transitions)
    own, judged = team.values((), play.arrived)[1], target.values((), play.arrived)[1]
    utility = jnp.where(play.arrived.legal, own @ weight[0, 3], -jnp.inf)  # w · Q, agents one by one
    picked = jnp.stack([judged[agent, int(utility[agent].argmax())] for agent in range(2)])
    for k in range(2):
        ahead = target.mixer.tracks.seat(k)(picked[:, k], play.arrived.shared)
        wanted = play.arrived.reward[:, k].mean() + 0.9 * ahead * (1 - play.arrived.terminated)
        np.testing.assert_allclose(credit.target[0, 3, :, k], wanted, rtol=1e-5, atol=1e-6)


def test_a_preference_holds_for_a_whole_episode_and_changes_with_the_next(played):
    _, state, _ = played
    rows = state.ring.packing.unpacked(state.ring.rows)
    weight = np.asarray(rows.decision.extra["preference"])[:, : int(state.ring.written)]  # [lane, time, objective]
    started = np.asarray(rows.started)[:, : weight.shape[1]]
    np.testing.assert_allclose(weight.sum(-1), 1.0, rtol=1e-6)
    assert (weight >= 0).all()
    changed = (weight[:, 1:] != weight[:, :-1]).any(-1)
    np.testing.assert_array_equal(changed, started[:, 1:])


def test_the_guide_looks_at_all_preferences_in_turn_and_pays_for_it(played):
    method, state, told = played
    assert method.cost.steps == 4 * 4 + 2 * 3
    assert int(state.team.preferences.next) == 6
    assert int(state.team.team.steps) == 3 * method.cost.steps
    assert 1 <= told["front"] <= 21
    assert 0 <= told["hypervolume"] <= 1


def test_gaps_of_the_front_draw_preferences():
    weights = jnp.array([[0.0, 1.0], [0.25, 0.75], [0.5, 0.5], [0.75, 0.25], [1.0, 0.0]])
    found = jnp.array([[0.0, 4.0], [0.0, 4.0], [1.0, 1.0], [4.0, 2.0], [8.0, 0.0]])  # the third is dominated
    guide = Guided(weights, found, jnp.zeros((), jnp.int32), 1.0)
    left, right, gap = guide.gaps()
    assert left[:5, 0].tolist() == [0, 0, 0.25, 0.75, 1] and right[:5, 0].tolist() == [0, 0.25, 0.75, 1, 1]
    wide = 0.5**0.5
    np.testing.assert_allclose(gap, [2 * wide / 3, 0, wide, wide, 2 * wide / 3, 0], atol=1e-6)
    first = np.asarray(jax.vmap(guide)(jax.random.split(jax.random.key(0), 2000))[:, 0])
    for low, high, share in ((0.25, 0.75, 0.3), (0.75, 1.0, 0.3)):  # two gaps as wide as each other, and both ends
        assert np.mean((first > low) & (first < high)) == pytest.approx(share, abs=0.04)
    assert np.mean(first == 0) == pytest.approx(0.2, abs=0.04) == np.mean(first == 1)
    assert not ((first > 0) & (first < 0.25)).any()
    nothing = dataclasses.replace(guide, found=jnp.zeros((5, 2)))
    assert np.asarray(jax.vmap(nothing)(jax.random.split(jax.random.key(0), 500))[:, 0]).min() < 0.1
    after = guide.told(jnp.array([1, 2]), jnp.ones((2, 2)))
    assert after.found[1:3].tolist() == [[1, 1], [1, 1]]


def test_a_draw_can_be_seen_under_another_preference(played):
    method, state, _ = played
    _, drawn = dqn.replay(mo_mix.Settings(**TINY), method.game.spec).draw(state.ring, jax.random.key(2))
    kept = drawn.transitions.decision.extra["preference"]
    np.testing.assert_array_equal(mo_mix.relabeled(0.0, drawn, jax.random.key(0)), kept)
    other = mo_mix.relabeled(1.0, drawn, jax.random.key(0))
    assert (other != kept).all()
    np.testing.assert_allclose(other.sum(-1), 1.0, rtol=1e-6)
    seen = preferred.replayed(drawn, other).transitions.arrived
    np.testing.assert_allclose(
        preferred.utility(jax.tree.map(lambda leaf: leaf[0], seen), jnp.ones((8, 2, 5, 2)) * jnp.array([2.0, 1.0])),
        jnp.broadcast_to((1 + other[0, :, :1])[..., None], (8, 2, 5)),
        rtol=1e-5,
    )


@pytest.mark.slow
@pytest.mark.parametrize("more", [{}, {"memory": 4}, {"guided": 0.0}])
def test_it_keeps_the_contract(more):
    assert check.check_method(build(**more)) == []


def test_preferences_that_do_not_sum_to_one_are_refused(played):
    _, state, _ = played
    for wrong in ((0.5, 0.6), (1.5, -0.5), (0.0, 0.0)):
        with pytest.raises(InputError, match="weights of 0 or more that sum to 1"):
            state.team.under(wrong)
        with pytest.raises(InputError, match="weights of 0 or more that sum to 1"):
            weighed(SMALL, wrong)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"game": "spread"}, "no objectives to choose among: use qmix"),
        ({"guided": 1.5}, "give a share from 0 to 1"),
        ({"relabeled": 2.0}, "give a share from 0 to 1"),
        ({"parts": 0}, "give 1 or more of each"),
        ({"looks": 50}, "give at most as many"),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong, words):
    with pytest.raises(InputError, match=words):
        build(**wrong)


def test_methods_for_one_reward_say_so():
    with pytest.raises(InputError, match="2 objectives and the method learns from one reward: train mo-mix"):
        qmix.build(qmix.Settings(game=SMALL))
    with pytest.raises(InputError, match="2 objectives and the method learns from one reward"):
        ippo.build(ippo.Settings(game=SMALL))
    assert games.make(f"interplay.games.weighed:weighed(game={SMALL!r})").spec.objectives == 0
