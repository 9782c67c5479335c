"""Level-based foraging against `lbforaging`: the same starts and actions give the same episode, number by number."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.games.foraging import foraging

reference = pytest.importorskip("lbforaging.foraging.environment")

HORIZON = 30
SETTINGS = {
    "two": {},
    "four, crowded, with penalty": {"agents": 4, "size": 6, "food": 3, "penalty": 0.1, "max_level": 3},
    "short sight": {"agents": 3, "size": 8, "food": 3, "sight": 2},
    "cooperative": {"agents": 3, "size": 5, "food": 2, "cooperative": True, "sight": 1},
}


def twin(game, state):
    """A reference environment in the same state."""
    field = (game.size, game.size)
    levels = {"min_player_level": 1, "max_player_level": game.max_level, "min_food_level": 1, "max_food_level": None}
    env = reference.ForagingEnv(
        players=game.spec.agents,
        field_size=field,
        max_num_food=game.food,
        sight=game.sight,
        max_episode_steps=game.spec.horizon,
        force_coop=game.cooperative,
        penalty=game.penalty,
        **levels,
    )
    env.reset(seed=0)
    env.field[:] = 0
    for (row, column), worth in zip(state.food, state.worth, strict=True):
        if worth:
            env.field[row, column] = worth
    env._food_spawned = env.field.sum()
    for player, position, level in zip(env.players, state.position, state.level, strict=True):
        player.setup(tuple(position.tolist()), int(level), field)
    env._gen_valid_moves()
    return env


def legal(env):
    """The reference's legal actions as a mask."""
    return np.array([[action in env._valid_actions[player] for action in reference.Action] for player in env.players])


def agree(env, time_step):
    assert np.array_equal(np.stack(env.test_make_gym_obs()), time_step.observation)
    assert np.array_equal(legal(env), time_step.legal)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS.keys())
def test_episodes_are_those_of_the_reference(settings):
    """Random play that loads wherever it can, illegal actions among it, from 30 starts."""
    game = foraging(**settings, horizon=HORIZON)
    reset, step = jax.jit(game.reset), jax.jit(game.step)
    generator = np.random.default_rng(0)
    gained = stacked = 0
    for episode in range(30):
        state, time_step = jax.device_get(reset(jax.random.key(episode)))
        env, done = twin(game, state), False
        agree(env, time_step)
        while not done:
            action = generator.integers(0, 6, game.spec.agents)
            eager = legal(env)[:, 5] & (generator.random(game.spec.agents) < 0.5)
            action = np.where(eager, 5, action)
            _, reward, done, _, _ = env.step(action.tolist())
            state, time_step = jax.device_get(step(state, jnp.asarray(action), jax.random.key(0)))
            agree(env, time_step)
            assert np.allclose(reward, time_step.reward, atol=1e-6)
            assert done == (time_step.terminated or time_step.truncated)
            assert time_step.terminated == (env.field.sum() == 0)
            gained += sum(part for part in reward if part > 0)
            stacked += len({tuple(position) for position in state.position}) < game.spec.agents
    assert gained > 0, "no food was taken: the comparison saw too little"
    if game.spec.agents == 4:
        assert stacked > 0, "the odd case of two agents in one cell never came up"


def test_starts_are_drawn_as_in_the_reference():
    """The joint frequencies of levels, and where food and agents lie, agree within sampling noise."""
    game, count = foraging(agents=2, size=5, food=2), 4000
    state, _ = jax.device_get(jax.jit(jax.vmap(game.reset))(jax.random.split(jax.random.key(0), count)))
    env = twin(game, jax.tree.map(lambda leaf: leaf[0], state))
    generator_state = np.zeros((2, 5, 5))
    levels, foods = [], []
    for index in range(count):
        env.reset(seed=index if index == 0 else None)
        generator_state[0] += env.field > 0
        levels.append([player.level for player in env.players])
        foods.append(env.field.sum())
        for player in env.players:
            generator_state[1][player.position] += 1
    ours = np.zeros((2, 5, 5))
    there = state.worth > 0
    np.add.at(ours[0], tuple(state.food[there].T), 1)
    np.add.at(ours[1], tuple(state.position.reshape(-1, 2).T), 1)
    assert np.allclose(ours / count, generator_state / count, atol=0.045)  # four standard deviations of a difference
    assert np.isclose(state.total.mean(), np.mean(foods), atol=0.1)
    assert np.isclose(state.level.mean(), np.mean(levels), atol=0.03)


def test_settings_are_those_of_the_registered_tasks():
    gymnasium = pytest.importorskip("gymnasium")
    for name, game in {
        "Foraging-8x8-2p-2f-v3": foraging(horizon=50),
        "Foraging-2s-10x10-3p-3f-v3": foraging(3, 10, 3, sight=2, horizon=50),
    }.items():
        settings = gymnasium.spec(name).kwargs
        assert settings["players"] == game.spec.agents and settings["field_size"] == (game.size, game.size)
        assert settings["max_num_food"] == game.food and min(settings["sight"], game.size) == game.sight
        assert settings["max_player_level"] == game.max_level and settings["max_episode_steps"] == game.spec.horizon
        assert settings["force_coop"] == game.cooperative
