"""MOMAland both ways: their vectors arrive as they were paid, and our games of several objectives pass their tests."""

import warnings

import jax
import numpy as np
import pytest

from interplay import check, games
from interplay.core.errors import InputError
from interplay.games.particle_objectives import spread_objectives
from interplay.games.treasures import treasures
from interplay.methods.baselines.random import Uniform
from interplay.play import gathering, host
from interplay.run import training

pytest.importorskip("momaland", reason="momaland is not installed")

with warnings.catch_warnings():  # they import games and SDL in ways that are deprecated
    warnings.simplefilter("ignore")
    from momaland.envs.item_gathering import moitem_gathering_v0
    from momaland.test.api_test import api_test
    from momaland.utils.parallel_wrappers import LinearizeReward
    from pettingzoo.test import parallel_api_test

    from interplay.games.adapters import momaland as adapter
    from interplay.games.adapters.pettingzoo import ParallelGame

STEPS = 60
ITEMS = f"momaland:moitem_gathering_v0(num_timesteps={STEPS})"
WEIGHTS = (0.2, 0.3, 0.5)


@pytest.fixture(autouse=True)
def named(monkeypatch):
    """Known by name whether or not the catalog lists it already."""
    monkeypatch.setitem(games.ADAPTERS, "momaland", ("momaland", "momaland", "moitem_gathering_v0", "theirs"))


def actions(count: int, agents: int = 2) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 5, (count, agents)).astype(np.int32)


@pytest.mark.parametrize("name", ["moitem_gathering_v0", "mobeach_v0(num_agents=4, num_timesteps=3)", "moconnect4_v0"])
def test_their_games_keep_the_contract(name):
    game = games.make(f"momaland:{name}")
    assert game.spec.objectives > 1
    assert check.check_game(game, 2) == []


def paid(env, seed: int = 0) -> list[np.ndarray]:
    """What their own environment pays for `actions`, agents in their order, to the end of an episode."""
    env.reset(seed=seed)
    found = []
    for joint in actions(STEPS):
        if env.agents:
            rewards = env.step(dict(zip(env.possible_agents, joint.tolist(), strict=True)))[1]
            found.append(np.stack([rewards[agent] for agent in env.possible_agents]))
    return found


def test_vectors_arrive_as_they_were_paid():
    """Oracle: their own environment, the same actions; one after the other, as both draw from one global generator."""
    theirs = paid(moitem_gathering_v0.parallel_env(num_timesteps=STEPS))
    game = games.make(ITEMS)
    assert game.spec.objectives == 3 and game.spec.horizon == STEPS and game.reset(0).reward.shape == (2, 3)
    game.reset(0)
    steps = [game.step(joint) for joint, _ in zip(actions(STEPS), theirs, strict=False)]
    np.testing.assert_array_equal([step.reward for step in steps], theirs)
    assert np.sum(theirs) > 0 and (steps[-1].truncated or steps[-1].terminated)


def test_weighed_is_their_own_linear_reward():
    """Oracle: their `LinearizeReward`."""
    env = moitem_gathering_v0.parallel_env(num_timesteps=STEPS)
    theirs = paid(LinearizeReward(env, dict.fromkeys(env.possible_agents, np.array(WEIGHTS))))
    game = games.make("weighed", game=ITEMS, weights=WEIGHTS)
    assert game.spec.objectives == 0 and check.check_game(game.again(), 1) == []
    game.reset(0)
    steps = [game.step(joint) for joint, _ in zip(actions(STEPS), theirs, strict=False)]
    np.testing.assert_allclose([step.reward for step in steps], theirs, rtol=1e-6)


def test_returns_are_kept_apart_by_objective_and_weigh_to_those_of_the_weighed_game():
    vector = games.make(ITEMS)
    team, key = Uniform(vector.spec), jax.random.key(0)
    apart, lengths = host.vector_episodes(team, vector.again, key, 3)
    assert apart.shape == (3, 2, 3) and lengths.tolist() == [STEPS] * 3
    np.testing.assert_allclose(host.episodes(team, vector.again, key, 3)[0], apart.sum(-1))
    single = games.make("weighed", game=ITEMS, weights=WEIGHTS)
    team = Uniform(single.spec)
    np.testing.assert_allclose(host.episodes(team, single.again, key, 3)[0], apart @ np.array(WEIGHTS), rtol=1e-5)


def test_methods_of_one_reward_play_the_weighed_game_and_refuse_the_other(tmp_path):
    single = games.make("weighed", game=ITEMS, weights=WEIGHTS)
    team = Uniform(single.spec)
    gather = gathering.steps(single, 2, 5)
    _, rows, _ = gather(team, gather.init(team, jax.random.key(0)), jax.random.key(1))
    assert rows.reward.shape == (5, 2, 2)
    gather.close()
    with pytest.raises(InputError, match="3 objectives"):
        gathering.steps(games.make(ITEMS), 2, 5)
    with pytest.raises(InputError, match="3 objectives and the method learns from one reward: train mo-mix"):
        training.train("qmix", ITEMS, out=tmp_path / "run")


@pytest.mark.slow  # compiling
def test_mo_mix_learns_from_their_vectors(tmp_path):
    small = {"batch": 4, "length": 8, "width": 8, "depth": 1, "mixed": 4, "hyper": 8, "sampled": 8, "warmup": 32}
    run = training.train("mo-mix", ITEMS, steps=3 * (32 + STEPS), out=tmp_path / "run", **small)
    rows = list(run.metrics())
    assert len(rows) == 3 and rows[-1]["gradient_norm"] > 0 and rows[-1]["front"] >= 1
    assert all(np.isfinite(value) for row in rows for name, value in row.items() if name not in ("return", "length"))


@pytest.mark.parametrize("game", [treasures(), spread_objectives(2, 1, 10)])
def test_our_games_pass_their_tests_and_pettingzoos(game, capsys):
    env = adapter.to_parallel(game)
    assert env.reward_space("agent_0").shape == (game.spec.objectives,)
    with warnings.catch_warnings():  # they may find our observations odd; they must only not fail
        warnings.simplefilter("ignore", UserWarning)
        parallel_api_test(env, num_cycles=20)
        api_test(adapter.to_aec(game), num_cycles=20)


def test_there_and_back_again():
    """Law: ours as theirs as ours pays what ours pays."""
    game = treasures()
    back = ParallelGame(adapter.to_parallel(game), horizon=game.spec.horizon)
    assert (back.spec.objectives, back.spec.observation) == (2, game.spec.observation)
    state, _ = game.reset(jax.random.key(0))
    back.reset(0)
    advance, total = jax.jit(game.step), np.zeros(2)
    for joint in actions(game.spec.horizon):
        state, arrived = advance(state, joint, jax.random.key(0))
        there = back.step(joint)
        np.testing.assert_allclose(there.reward, arrived.reward)
        over = bool(arrived.terminated)  # nobody is shown anything after an end
        np.testing.assert_allclose(there.observation, np.where(over, 0.0, arrived.observation))
        total += np.asarray(arrived.reward).sum(0)
    assert total.sum() > 0


def test_what_is_wrong_with_names_and_games():
    with pytest.raises(InputError, match="MOMAland has moitem_gathering_v0"):
        games.make("momaland:item_gathering_v0")
    with pytest.raises(InputError, match="wrong"):
        games.make("momaland:moitem_gathering_v0(wrong=1)")
    with pytest.raises(InputError, match=r"pettingzoo\.to_parallel"):
        adapter.to_parallel(games.make("climbing"))
    with pytest.raises(InputError, match="no objectives"):
        games.make("weighed", game="climbing")
