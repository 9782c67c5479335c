import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.core.errors import InputError
from interplay.games.foraging import LOAD, MOVES, State, foraging

WAIT, NORTH, SOUTH, WEST, EAST = range(5)
KEY = jax.random.key(0)


def board(position, level, food, worth):
    """A state written down by hand."""
    whole = lambda values: jnp.array(values, jnp.int32)
    return State(
        position=whole(position),
        level=whole(level),
        food=whole(food).reshape(-1, 2),
        worth=whole(worth),
        total=whole(sum(worth)),
        loading=jnp.zeros(len(level), bool),
        step=whole(0),
    )


@eqx.filter_jit
def step(game, state, actions):
    return game.step(state, actions, KEY)


def act(game, state, *actions):
    return step(game, state, jnp.array(actions))


def test_contract(contract):
    contract(foraging(agents=4, size=6, food=3, sight=1, max_level=3, penalty=0.1, horizon=40))


def test_starts_follow_the_rules():
    game = foraging(agents=3, size=7, food=3, max_level=3)
    state, time_step = jax.jit(jax.vmap(game.reset))(jax.random.split(KEY, 2000))
    people, food, worth = (np.asarray(part) for part in (state.position, state.food, state.worth))
    cells = np.concatenate([people, food], axis=1) @ [7, 1]
    there = np.concatenate([np.ones((2000, 3), bool), worth > 0], axis=1)
    assert all(len(set(row[mask])) == mask.sum() for row, mask in zip(cells, there, strict=True))
    assert np.all((food[worth > 0] >= 1) & (food[worth > 0] <= 5))
    down, right = np.moveaxis(np.abs(food[:, :, None] - food[:, None]), -1, 0)
    near = (np.maximum(down, right) <= 1) | ((down + right == 2) & (np.minimum(down, right) == 0))
    pairs = (worth[:, :, None] > 0) & (worth[:, None] > 0) & ~np.eye(3, dtype=bool)
    assert not np.any(near & pairs)
    assert np.all(np.diff(food @ [7, 1], axis=1) >= 0)
    level = np.asarray(state.level)
    assert set(level.ravel()) == {1, 2, 3}
    assert np.all(worth <= level.sum(1)[:, None]) and set(np.unique(worth)) == set(range(1, 10))
    assert np.array_equal(state.total, worth.sum(1))
    assert not np.any(time_step.terminated)


def test_food_without_a_cell_is_left_out():
    state, time_step = jax.jit(foraging(agents=1, size=4, food=3).reset)(KEY)  # four inner cells: one food fills them
    assert sorted((state.worth > 0).tolist()) == [False, False, True] and state.worth.sum() == state.total
    assert time_step.observation[0, 3:9].tolist() == [-1, -1, 0] * 2


def test_one_agent_plays_alone():
    game = foraging(agents=1, size=5, food=1)
    seen = act(game, board([[1, 2]], [1], [[2, 2]], [1]), LOAD)[1]
    assert seen.reward.tolist() == [1.0] and seen.terminated


def test_starts_are_uniform():
    game = foraging(agents=1, size=4, food=1, max_level=2)
    state, _ = jax.jit(jax.vmap(game.reset))(jax.random.split(KEY, 16_000))
    cells = np.bincount(np.asarray(state.position[:, 0] @ jnp.array([4, 1])), minlength=16) / 16_000
    assert np.allclose(cells, 1 / 16, atol=0.008)  # four standard deviations
    outside = np.asarray(jnp.any((state.position[:, 0] == 0) | (state.position[:, 0] == 3), axis=1))
    food = np.asarray(state.food[outside, 0] @ jnp.array([4, 1]))
    assert np.allclose(np.bincount(food, minlength=16)[[5, 6, 9, 10]] / len(food), 0.25, atol=0.02)
    assert np.allclose(np.mean(np.asarray(state.level) == 2), 0.5, atol=0.016)


def test_cooperative_food_needs_the_three_weakest():
    two = jax.jit(foraging(agents=2, cooperative=True).reset)(KEY)[0]
    assert np.all(two.worth == two.level.sum())
    four = jax.jit(foraging(agents=4, size=10, max_level=5, cooperative=True).reset)(KEY)[0]
    assert np.all(four.worth == jnp.sort(four.level)[:3].sum())


def test_load_shares_the_food_by_level():
    game = foraging(agents=3, size=6, food=2)
    state = board([[1, 2], [3, 2], [0, 5]], [1, 2, 1], [[2, 2], [4, 4]], [3, 2])
    state, seen = act(game, state, LOAD, LOAD, WAIT)
    # Levels 1 and 2 lift a food of 3; 5 is all there is: 1·3/(3·5) and 2·3/(3·5).
    assert np.allclose(seen.reward, [1 / 5, 2 / 5, 0])
    assert state.worth.tolist() == [0, 2] and not seen.terminated
    assert state.loading.tolist() == [True, True, False]


def test_all_food_gives_one_and_ends_the_game():
    game = foraging(agents=2, size=6, food=2)
    state = board([[1, 1], [4, 3]], [1, 2], [[1, 2], [4, 4]], [1, 2])
    state, seen = act(game, state, LOAD, LOAD)
    assert np.allclose(seen.reward, [1 / 3, 2 / 3])
    assert seen.terminated and not seen.truncated
    assert seen.observation[0, :6].tolist() == [-1, -1, 0, -1, -1, 0]
    assert not np.any(seen.legal[:, LOAD])


def test_load_that_is_too_weak_costs_the_penalty():
    game = foraging(agents=3, size=6, food=1, penalty=0.1)
    state = board([[1, 2], [3, 2], [2, 1]], [1, 1, 1], [[2, 2]], [3])
    state, seen = act(game, state, LOAD, LOAD, WAIT)
    assert np.allclose(seen.reward, [-0.1, -0.1, 0])
    assert state.worth.tolist() == [3]
    assert act(game, state, LOAD, LOAD, LOAD)[1].terminated


def test_load_away_from_food_is_a_wait():
    game = foraging(agents=2, size=6, food=1, penalty=0.1)
    state = board([[0, 0], [5, 5]], [1, 1], [[2, 2]], [1])
    state, seen = act(game, state, LOAD, LOAD)
    assert seen.reward.tolist() == [0, 0] and not state.loading.any()


@pytest.mark.parametrize(
    ("position", "actions", "expected"),
    [
        ([[3, 3], [5, 5]], [NORTH, WEST], [[2, 3], [5, 4]]),  # free to go
        ([[1, 2], [0, 0]], [SOUTH, NORTH], [[1, 2], [0, 0]]),  # food and the border stop
        ([[4, 1], [4, 3]], [EAST, WEST], [[4, 1], [4, 3]]),  # both want (4, 2): none moves
        ([[4, 1], [4, 2]], [EAST, WAIT], [[4, 1], [4, 2]]),  # who stays is not pushed
        ([[4, 1], [4, 2]], [EAST, EAST], [[4, 2], [4, 3]]),  # following
        ([[4, 1], [4, 2]], [EAST, WEST], [[4, 2], [4, 1]]),  # changing places
    ],
)
def test_moves(position, actions, expected):
    game = foraging(agents=2, size=6, food=1)
    state, _ = act(game, board(position, [1, 1], [[2, 2]], [1]), *actions)
    assert state.position.tolist() == expected


def test_legal_actions_by_hand():
    game = foraging(agents=2, size=5, food=1)
    state, _ = act(game, board([[0, 0], [2, 1]], [1, 1], [[2, 2]], [2]), WAIT, WAIT)
    legal = act(game, state, WAIT, WAIT)[1].legal
    assert legal.tolist() == [[True, False, True, False, True, False], [True, True, True, True, False, True]]


def test_illegal_actions_change_nothing_but_time():
    game = foraging(agents=3, size=5, food=2)
    state, time_step = jax.jit(game.reset)(KEY)
    for action in range(1, len(MOVES)):
        kept = jnp.where(time_step.legal[:, action], WAIT, action)
        after, _ = step(game, state, kept)
        assert np.array_equal(after.position, state.position)
        assert np.array_equal(after.worth, state.worth)


def test_observation_of_the_whole_grid():
    game = foraging(agents=2, size=6, food=2)
    state = board([[1, 1], [4, 3]], [1, 2], [[2, 4], [4, 4]], [3, 2])
    seen = act(game, state, WAIT, WAIT)[1]
    assert seen.observation[0].tolist() == [2, 4, 3, 4, 4, 2, 1, 1, 1, 4, 3, 2]
    assert seen.observation[1].tolist() == [2, 4, 3, 4, 4, 2, 4, 3, 2, 1, 1, 1]
    assert seen.shared.tolist() == [2, 4, 3, 4, 4, 2, 1, 1, 1, 4, 3, 2]


def test_observation_within_sight():
    game = foraging(agents=2, size=9, food=2, sight=2)
    state = board([[4, 4], [8, 8]], [1, 2], [[1, 1], [5, 6]], [3, 2])
    seen = act(game, state, WAIT, WAIT)[1]
    # The window of agent 0 starts at (2, 2): the near food lies at (3, 4) in it, the far food and agent 1 are not seen.
    assert seen.observation[0].tolist() == [3, 4, 2, -1, -1, 0, 2, 2, 1, -1, -1, 0]
    assert seen.observation[1].tolist() == [-1, -1, 0, -1, -1, 0, 2, 2, 2, -1, -1, 0]


def test_time_runs_out():
    game = foraging(horizon=3)
    state, seen = jax.jit(game.reset)(KEY)
    ends = []
    for _ in range(3):
        state, seen = act(game, state, WAIT, WAIT)
        ends.append((bool(seen.terminated), bool(seen.truncated)))
    assert ends == [(False, False), (False, False), (False, True)]


def test_the_last_food_on_the_last_step_ends_rather_than_cuts():
    game = foraging(agents=1, size=5, food=1, horizon=1)
    seen = act(game, board([[1, 2]], [1], [[2, 2]], [1]), LOAD)[1]
    assert seen.terminated and not seen.truncated


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({"agents": 0}, "agents=0: give at least 1"),
        ({"size": 3}, "size=3: give at least 4"),
        ({"food": 0}, "food=0"),
        ({"sight": 0}, "sight=0"),
        ({"penalty": -1.0}, "penalty=-1.0"),
        ({"agents": 9, "size": 5}, "give fewer, or size > 5"),
    ],
)
def test_bad_settings_say_what_to_do(settings, hint):
    with pytest.raises(InputError, match=hint):
        foraging(**settings)
