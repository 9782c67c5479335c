"""Demonstrations: what is recorded comes back from its file, and what does not fit is refused in one line."""

import dataclasses

import jax
import numpy as np
import pytest

from interplay.core.errors import InputError
from interplay.games import intersection
from interplay.games.gems import gems_mini
from interplay.methods import mamql
from interplay.methods.baselines import behavior_cloning
from interplay.nets.lookup import Lookup
from interplay.play import demonstrations
from interplay.run import demonstrated

NAME = "interplay.games.intersection:intersection(agents=2)"
GAME = intersection.intersection(2)


@pytest.fixture(scope="module")
def shown():
    known = jax.numpy.zeros((2, 1, GAME.spec.observation))
    team = Lookup(known=known, policy=jax.numpy.ones((2, 1, 3)))
    return demonstrations.record(team, GAME, NAME, jax.random.key(0), 5)


@pytest.fixture
def path(shown, tmp_path):
    return demonstrated.save(tmp_path / "some" / "shown.safetensors", shown, GAME.spec)


def test_whole_episodes_are_recorded(shown):
    assert shown.episodes == 5
    rows = jax.tree.map(lambda leaf: np.asarray(leaf)[0], shown.rows)
    done = rows.arrived.terminated | rows.arrived.truncated
    np.testing.assert_array_equal(np.append(rows.started[1:], True), done)
    inside = ~done[:-1]
    np.testing.assert_array_equal(rows.arrived.observation[:-1][inside], rows.time_step.observation[1:][inside])
    assert shown.returns().shape == (5, 2)
    np.testing.assert_allclose(shown.returns().sum(0), rows.arrived.reward.sum(0), rtol=1e-4)


def test_a_file_gives_back_what_was_recorded(shown, path):
    back = demonstrations.load(path, NAME, GAME.spec)
    assert back.fingerprint == shown.fingerprint and back.episodes == 5
    np.testing.assert_array_equal(back.rows.arrived.reward, shown.rows.arrived.reward)
    assert demonstrations.manifest(path)["episodes"] == 5
    assert back.first(2).episodes == 2
    with pytest.raises(InputError, match="5 episodes were demonstrated"):
        back.first(6)
    assert not list(path.parent.glob(".*partial"))


def test_what_does_not_fit_is_refused(path, tmp_path):
    gems = gems_mini(size=3)
    with pytest.raises(InputError, match=r"shows .*intersection.*, not gems: give demonstrations of gems"):
        demonstrations.load(path, "gems", gems.spec)
    with pytest.raises(InputError, match=r"recorded with agents 2 and .* has 3"):
        demonstrations.load(path, NAME, intersection.intersection(3).spec)
    with pytest.raises(InputError, match="recorded with observation 16"):
        demonstrations.load(path, NAME, intersection.intersection(2, approach=2).spec)
    empty = tmp_path / "empty.safetensors"
    with pytest.raises(InputError, match="there is no file"):
        demonstrations.load(empty, NAME, GAME.spec)
    empty.touch()
    with pytest.raises(InputError, match="is empty: record the demonstrations again"):
        demonstrations.load(empty, NAME, GAME.spec)
    empty.write_bytes(b"no tensors at all")
    with pytest.raises(InputError, match="holds no demonstrations, or is damaged"):
        demonstrations.load(empty, NAME, GAME.spec)


def test_a_flipped_byte_is_noticed(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="digest differs"):
        demonstrations.load(path, NAME, GAME.spec)


def test_methods_ask_for_demonstrations_and_read_their_file(path, shown):
    small = {"batch": 2, "length": 4, "width": 4, "depth": 1, "sampled": 4, "capacity": 64}
    with pytest.raises(InputError, match="give demonstrations=FILE"):
        mamql.build(mamql.Settings(game=NAME, **small))
    method = behavior_cloning.build(behavior_cloning.Settings(game=NAME, demonstrations=str(path), episodes=3, **small))
    state = jax.eval_shape(method.init, jax.random.key(0))
    assert list(state.known) == [shown.first(3).fingerprint]  # a checkpoint names what it was learned from


def test_anybody_can_be_watched():
    shown = demonstrations.watched(GAME, NAME, lambda seen: np.array([2, 0]), 3)
    assert shown.episodes == 3
    assert set(np.unique(np.asarray(shown.rows.decision.action))) == {0, 2}
    with pytest.raises(InputError, match="record 1 episode or more"):
        demonstrations.watched(GAME, NAME, lambda seen: np.array([2, 0]), 0)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")  # theirs
def test_play_in_pettingzoo_is_imported(tmp_path):
    pytest.importorskip("pettingzoo")
    pytest.importorskip("mpe2")
    from interplay import games

    name = "pettingzoo:mpe/simple_spread_v3"
    game = games.make(name)
    shown = demonstrations.watched(game, name, lambda seen: np.zeros(game.spec.agents, int), 2, source="a script")
    back = demonstrations.load(demonstrated.save(tmp_path / "zoo", shown, game.spec), name, game.spec)
    assert back.episodes == 2 and back.source == "a script"
    assert dataclasses.replace(back, source="").count == shown.count
    game.close()
