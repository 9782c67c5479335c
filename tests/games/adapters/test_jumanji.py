"""jumanji's environments through the adapter: its own numbers, masks, views, rewards for all, and why episodes end."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jumanji.environments.routing.connector.utils import get_agent_grid

from interplay import games
from interplay.check import check_game
from interplay.core.errors import InputError
from interplay.core.game import Box, Discrete
from interplay.games.adapters import jumanji as adapter


def recorded(name, steps, **parameters):
    """A game, its opening, and states, time steps, actions and jumanji's own time steps of random legal play.

    Play goes on beyond the end, if that comes.
    """
    game = games.make(name, **parameters)

    def advance(carry, key):
        state, seen = carry
        if isinstance(game.spec.action, Discrete):
            action = jax.random.categorical(key, jnp.where(seen.legal, 0.0, -jnp.inf))
        else:
            action = jax.random.uniform(key, seen.legal.shape, minval=-1.0)
        carry = game.step(state, action, key)
        return carry, (*carry, action, game.env.step(state, action)[1])

    def run(key):
        opening = game.reset(key)
        return (*opening, game.env.reset(key)), jax.lax.scan(advance, opening, jax.random.split(key, steps))[1]

    return game, *jax.jit(run)(jax.random.key(2))


@pytest.fixture(scope="module")
def foraging():
    return recorded("jumanji:LevelBasedForaging-v0", 100)


@pytest.fixture(scope="module")
def warehouse():
    return recorded("jumanji:RobotWarehouse-v0", 60, num_agents=3, column_height=2, shelf_rows=1, request_queue_size=2)


def test_foraging_has_jumanjis_numbers(foraging):
    game, (state, seen, (their_state, their_seen)), (_, steps, _, theirs) = foraging
    np.testing.assert_array_equal(seen.observation, their_seen.observation.agents_view)
    jax.tree.map(np.testing.assert_array_equal, state.agents, their_state.agents)
    np.testing.assert_array_equal(steps.observation, theirs.observation.agents_view)
    np.testing.assert_array_equal(steps.legal, theirs.observation.action_mask)
    np.testing.assert_array_equal(steps.reward, theirs.reward)
    np.testing.assert_array_equal(steps.terminated | steps.truncated, theirs.last())
    assert steps.active.all() and game.spec.agents == 2


def test_foraging_is_finished_or_cut(foraging):
    game, (state, *_), _ = foraging
    step, still = eqx.filter_jit(game.step), jnp.zeros(2, int)
    late = eqx.tree_at(lambda state: state.step_count, state, jnp.array(99))
    eaten = eqx.tree_at(lambda state: state.food_items.eaten, state, jnp.ones(2, bool))
    both = eqx.tree_at(lambda state: state.step_count, eaten, jnp.array(99))
    for start, ended, cut in ((state, False, False), (late, False, True), (eaten, True, False), (both, True, False)):
        arrived = step(start, still, jax.random.key(0))[1]
        assert (bool(arrived.terminated), bool(arrived.truncated)) == (ended, cut)


def test_level_parameters_reach_the_generator():
    game = games.make("jumanji:LevelBasedForaging-v0(num_agents=3, grid_size=10, time_limit=7, penalty=0.1)")
    assert (game.spec.agents, game.spec.horizon, game.spec.observation) == (3, 7, 3 * (3 + 2))
    assert (game.env.grid_size, game.env.fov, game.env.penalty) == (10, 10, 0.1)


def test_one_reward_of_the_warehouse_goes_to_everybody(warehouse):
    game, _, (_, steps, _, theirs) = warehouse
    assert game.spec.agents == 3 and steps.reward.shape == (60, 3)
    np.testing.assert_array_equal(steps.reward, np.repeat(np.asarray(theirs.reward)[:, None], 3, 1))
    np.testing.assert_array_equal(steps.observation, theirs.observation.agents_view)


def test_robots_that_collide_end_the_episode_and_the_clock_cuts_it(warehouse):
    game, (state, *_), _ = warehouse
    step, still = eqx.filter_jit(game.step), jnp.zeros(3, int)
    late = eqx.tree_at(lambda state: state.step_count, state, jnp.array(499))
    # The second robot stands where the first is, and the grid shows only one of them.
    place = state.agents.position
    first = tuple(int(side) for side in (place.x[0], place.y[0]))
    second = tuple(int(side) for side in (place.x[1], place.y[1]))
    crash = eqx.tree_at(
        lambda state: (state.agents.position.x, state.agents.position.y, state.grid),
        late,
        (
            place.x.at[1].set(first[0]),
            place.y.at[1].set(first[1]),
            state.grid.at[1, first[0], first[1]].set(2).at[1, second[0], second[1]].set(0),
        ),
    )
    for start, ended, cut in ((late, False, True), (crash, True, False)):
        arrived = step(start, still, jax.random.key(0))[1]
        assert (bool(arrived.terminated), bool(arrived.truncated)) == (ended, cut)


def test_connector_shows_each_agent_its_own_wire_first():
    game, _, (states, steps, *_) = recorded("jumanji:Connector-v3", 12, num_agents=3, grid_size=6, time_limit=12)
    assert game.spec.observation == 6 * 36
    last = jax.tree.map(lambda leaf: leaf[4], (states, steps))
    pictures = np.asarray(last[1].observation).reshape(3, 6, 6, 6)
    for agent in np.flatnonzero(last[1].active):
        own = np.asarray(get_agent_grid(agent, last[0].grid))
        code = np.asarray([1, 2, 3])[:, None, None] + 3 * agent
        np.testing.assert_array_equal((pictures[agent, :3] * code).sum(0), own)
        others = np.where(own > 0, 0, np.asarray(last[0].grid))
        np.testing.assert_array_equal(pictures[agent, 3:].sum(0) > 0, others > 0)
    active = np.asarray(steps.active)
    assert not np.asarray(steps.observation)[~active].any() and not active.all()
    done = np.asarray(steps.terminated)
    np.testing.assert_array_equal(done, ~active.any(1), "it is over when nobody can move")
    assert not (done & np.asarray(steps.truncated)).any() and bool(done[-1] ^ steps.truncated[-1])


def test_cleaner_tells_walls_dirt_and_time_apart():
    game, (state, seen, _), (_, steps, *_) = recorded(
        "jumanji:Cleaner-v0", 9, num_agents=2, num_rows=5, num_cols=5, time_limit=9
    )
    pictures = np.asarray(seen.observation).reshape(2, 4, 5, 5)
    np.testing.assert_array_equal(pictures[0, 0], np.asarray(state.grid) == 0)
    np.testing.assert_array_equal(pictures[0, 1], np.asarray(state.grid) == 2)
    assert pictures[0, 2, 0, 0] == 1 and pictures[0, 3, 0, 0] == 1 and pictures[:, 2:].sum() == 4
    assert steps.truncated[-1] and not steps.terminated.any(), "legal play of nine steps cannot clean everything"
    illegal = jnp.argmin(seen.legal, -1)
    arrived = eqx.filter_jit(game.step)(state, illegal, jax.random.key(0))[1]
    assert arrived.terminated and not arrived.truncated


def test_foraging_keeps_the_contract(contract):
    contract(games.make("jumanji:LevelBasedForaging-v0", time_limit=6))


def test_pictures(foraging, warehouse):
    for game, (state, *_), (states, *_) in (foraging, warehouse):
        for one in (state, jax.tree.map(lambda leaf: leaf[-1], states)):
            drawn = game.draw(one)
            assert drawn.startswith("<svg") and drawn.endswith("</svg>") and "nan" not in drawn


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("jumanji:LevelBasedForaging-v9", "did you mean jumanji:LevelBasedForaging-v0"),
        ("jumanji:qqqq", "there are LevelBasedForaging-v0"),
        ("jumanji:Snake-v1", "has no agents_view"),
        ("jumanji:MMST-v0", "has no agents_view"),
        ("jumanji:LevelBasedForaging-v0(walls=2)", "unexpected keyword argument 'walls'"),
        ("jumanji:LevelBasedForaging-v0(grid_size=2)", "cannot make"),
    ],
)
def test_mistakes_are_told_in_one_line(name, message):
    with pytest.raises(InputError) as caught:
        games.make(name)
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["RobotWarehouse-v0", "Connector-v3", "Cleaner-v0"])
def test_whole_contract(name):
    assert check_game(adapter.make(name, time_limit=20), seeds=1) == []


@pytest.mark.slow
def test_searchers_play_with_real_numbers():
    game, opening, (_, steps, *_) = recorded("jumanji:SearchAndRescue-v0", 40, time_limit=40)
    assert game.spec.action == Box(2, -1.0, 1.0)
    assert np.isfinite(steps.observation).all() and steps.truncated[-1]
    assert game.draw(opening[0]).count("<circle") == 42
