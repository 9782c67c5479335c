"""Level-based foraging against `lbforaging`: the same starts and actions give the same episode, number by number.

And against `jumanji`, a second port of the same game, wherever that one keeps to the rules of the first: there nobody
may enter a cell that somebody is just leaving, sight ends at the same distance on all sides, and food keeps its place
in an observation after others are gone.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.games.foraging import MOVES, foraging

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
    theirs = np.zeros((2, 5, 5))
    levels, foods = [], []
    for index in range(count):
        env.reset(seed=index if index == 0 else None)
        theirs[0] += env.field > 0
        levels.append([player.level for player in env.players])
        foods.append(env.field.sum())
        for player in env.players:
            theirs[1][player.position] += 1
    ours = np.zeros((2, 5, 5))
    there = state.worth > 0
    np.add.at(ours[0], tuple(state.food[there].T), 1)
    np.add.at(ours[1], tuple(state.position.reshape(-1, 2).T), 1)
    assert np.allclose(ours / count, theirs / count, atol=0.045)  # four standard deviations of a difference
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


def jumanji_twin(game, state):
    """The second port in the same state."""
    lbf = pytest.importorskip("jumanji.environments.routing.lbf")
    types = pytest.importorskip("jumanji.environments.routing.lbf.types")
    generator = pytest.importorskip("jumanji.environments.routing.lbf.generator")
    sizes = {"grid_size": game.size, "fov": game.sight, "num_agents": game.spec.agents, "num_food": game.food}
    env = lbf.env.LevelBasedForaging(generator.RandomGenerator(**sizes), penalty=game.penalty)
    agents, idle = jnp.arange(game.spec.agents), jnp.zeros(game.spec.agents, bool)
    slots, time = jnp.arange(game.food), jnp.zeros((), jnp.int32)
    food = types.Food(id=slots, position=state.food, level=state.worth, eaten=state.worth == 0)
    people = types.Agent(id=agents, position=state.position, level=state.level, loading=idle)
    return env, types.State(agents=people, food_items=food, step_count=time, key=jax.random.key(0))


def test_episodes_are_those_of_the_second_port():
    game = foraging(agents=3, size=7, food=2, horizon=HORIZON)
    reset, step = jax.jit(game.reset), jax.jit(game.step)
    env, _ = jumanji_twin(game, reset(jax.random.key(0))[0])
    other_step, generator, gained = jax.jit(env.step), np.random.default_rng(0), 0.0
    for episode in range(10):
        state, time_step = reset(jax.random.key(episode))
        _, other = jumanji_twin(game, state)
        for _ in range(HORIZON):
            action = generator.integers(0, 5, 3)
            goal = np.asarray(state.position) + MOVES[action]
            taken = np.concatenate([np.asarray(state.position), goal])
            crowd = (goal[:, None] == taken).all(-1).sum(1) > 1 + (action == 0)
            action = np.where(time_step.legal[:, 5], 5, np.where(crowd, 0, action))
            state, time_step = step(state, jnp.asarray(action), jax.random.key(0))
            other, seen = other_step(other, jnp.asarray(action))
            assert np.array_equal(other.agents.position, state.position)
            assert np.array_equal(other.food_items.eaten, state.worth == 0)
            assert np.allclose(seen.reward, time_step.reward, atol=1e-6)
            gained += float(np.sum(seen.reward))
            if np.all(state.worth > 0):
                assert np.array_equal(seen.observation.agents_view, time_step.observation)
            if time_step.terminated:
                break
    assert gained > 1
