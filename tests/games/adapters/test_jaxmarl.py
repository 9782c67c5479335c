"""jaxmarl's environments through the adapter: its own numbers, masks, deaths, clocks, padding and pictures."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay import games
from interplay.core.errors import InputError
from interplay.core.game import Box, Discrete
from interplay.games.adapters import jaxmarl as adapter
from interplay.games.adapters.jaxmarl_pictures import THINGS

STOP = 4  # the only move of a dead SMAX unit


def chosen(legal, key):
    return jax.random.categorical(key, jnp.where(legal, 0.0, -jnp.inf))


def recorded(name, steps, **parameters):
    """A game, the states and time steps of random legal play, the actions taken, and what jaxmarl says itself."""
    game = games.make(name, **parameters)
    env = game.env

    def advance(carry, key):
        state, seen, inner = carry
        action = chosen(seen.legal, key)
        arrived, next_seen = game.step(state, action, key)
        theirs = env.step_env(key, inner, dict(zip(env.agents, action, strict=True)))
        legal = {} if adapter._mask(env) is None else adapter._mask(env)(theirs[1])
        return (arrived, next_seen, theirs[1]), (arrived, next_seen, action, (theirs[0], theirs[2], theirs[3], legal))

    def run(key):
        state, seen = game.reset(key)
        observation, inner = env.reset(key)
        _, rows = jax.lax.scan(advance, (state, seen, inner), jax.random.split(key, steps))
        return (state, seen, observation), rows

    (state, seen, observation), rows = jax.jit(run)(jax.random.key(1))
    return game, (state, seen, observation), rows


@pytest.fixture(scope="module")
def spread():
    return recorded("jaxmarl:mpe/simple_spread_v3", 30)


@pytest.fixture(scope="module")
def battle():
    return recorded("jaxmarl:smax/2s3z", 40)


@pytest.fixture(scope="module")
def kitchen():
    return recorded("jaxmarl:overcooked/cramped_room", 60, shaping=0.5)


@pytest.fixture(scope="module")
def battle_step(battle):
    return eqx.filter_jit(battle[0].step)


def same_numbers(game, opening, rows, reward):
    _, seen, observation = opening
    _, steps, _, (theirs, rewards, done, legal) = rows
    agents = game.env.agents
    flat = lambda tree: np.asarray(tree).reshape(len(tree), -1)
    for index, agent in enumerate(agents):
        np.testing.assert_array_equal(seen.observation[index], np.ravel(observation[agent]))
        np.testing.assert_array_equal(steps.observation[:, index], flat(theirs[agent]))
        np.testing.assert_allclose(steps.reward[:, index], reward(rewards, agent), rtol=1e-6)
        if legal:
            np.testing.assert_array_equal(steps.legal[:, index], np.asarray(legal[agent], bool))
    np.testing.assert_array_equal(steps.terminated | steps.truncated, done["__all__"])


def test_spread_has_jaxmarls_numbers(spread):
    same_numbers(*spread, lambda rewards, agent: rewards[agent])


def test_battle_has_jaxmarls_numbers(battle):
    same_numbers(*battle, lambda rewards, agent: rewards[agent])
    theirs = battle[2][3][0]
    np.testing.assert_array_equal(battle[2][1].shared, theirs["world_state"])
    assert battle[0].spec.shared == theirs["world_state"].shape[1] > 0


def test_kitchen_has_jaxmarls_numbers(kitchen):
    game, opening, rows = kitchen
    plain = np.asarray(rows[3][1]["agent_0"])
    same_numbers(game, opening, rows, lambda rewards, agent: np.asarray(rows[1].reward)[:, int(agent[-1])])
    assert np.all(np.asarray(rows[1].reward) >= plain[:, None]), "shaping only adds here"
    assert game.spec.observation == 4 * 5 * 26


def test_spread_ends_by_the_clock(spread):
    game, _, (_, steps, _, _) = spread
    assert game.spec.horizon == 26 and int(np.argmax(steps.truncated)) == 25
    assert not steps.terminated.any()
    assert steps.active.all()


def test_dead_units_are_inactive_and_blind(battle):
    _, _, (states, steps, _, _) = battle
    alive = np.asarray(states.inner.state.unit_alive)[:, :5]
    np.testing.assert_array_equal(steps.active, alive)
    assert not alive.all() and alive[0].all(), "the script of this test lets somebody die"
    assert not np.asarray(steps.observation)[~alive].any()
    assert np.array_equal(np.flatnonzero(np.asarray(steps.legal)[~alive].any(0)), [STOP])


def test_actions_of_dead_units_change_nothing(battle, battle_step):
    _, _, (states, steps, actions, _) = battle
    active = np.asarray(steps.active)
    when = int(np.argmax(~active.all(1) & active.any(1)))
    pick = lambda tree: jax.tree.map(lambda leaf: leaf[when], tree)
    left = battle_step(pick(states), actions[when + 1], jax.random.key(0))[1]
    other = jnp.where(steps.active[when], actions[when + 1], 9)
    right = battle_step(pick(states), other, jax.random.key(0))[1]
    jax.tree.map(np.testing.assert_array_equal, left, right)


def test_a_battle_is_won_lost_or_cut(battle, battle_step):
    game, (state, _, _), _ = battle
    assert game.spec.horizon == 101
    stop = jnp.full(5, STOP)
    health = lambda state: state.inner.state.unit_health
    clock = lambda state: (state.inner.state.step, state.clock)
    late = eqx.tree_at(clock, state, (jnp.array(100), jnp.array(100)))
    for start, ended, cut in (
        (late, False, True),
        (eqx.tree_at(health, state, health(state).at[5:].set(0.0)), True, False),
        (eqx.tree_at(health, state, health(state).at[:5].set(0.0)), True, False),
        (eqx.tree_at(health, late, health(state).at[5:].set(0.0)), True, False),
    ):
        arrived = battle_step(start, stop, jax.random.key(0))[1]
        assert (bool(arrived.terminated), bool(arrived.truncated)) == (ended, cut)


def test_legal_moves_are_what_jaxmarl_allows(battle):
    legal = np.asarray(battle[2][1].legal)
    assert legal.any(-1).all(), "somebody could do nothing at all"
    assert (legal[..., 5:].any(-1) & ~legal[..., 5:].all(-1)).any(), "nobody was ever in reach of some enemies only"


def test_unequal_agents_are_padded():
    game = games.make("jaxmarl:mpe/simple_speaker_listener_v4")
    assert game.spec.observation_sizes == (3, 11) and game.spec.action_sizes == (3, 5)
    _, seen = eqx.filter_jit(game.reset)(jax.random.key(0))
    assert seen.observation.shape == (2, 11) and not seen.observation[0, 3:].any()
    np.testing.assert_array_equal(seen.legal, [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])


def test_continuous_actions_go_through_and_are_cut_at_their_bounds():
    game = games.make("jaxmarl:mpe/simple_spread_v3(action_type='Continuous', num_agents=2, num_landmarks=2)")
    assert game.spec.action == Box(5, 0.0, 1.0) and game.spec.agents == 2
    key = jax.random.key(3)
    state, _ = eqx.filter_jit(game.reset)(key)
    step = eqx.filter_jit(game.step)
    action = jax.random.uniform(key, (2, 5), minval=-1, maxval=2)
    _, wild = step(state, action, key)
    inside = jnp.clip(action, 0, 1)
    theirs, *_ = game.env.step_env(key, state.inner, dict(zip(game.env.agents, inside, strict=True)))
    np.testing.assert_allclose(wild.observation, jnp.stack([theirs[agent] for agent in game.env.agents]), rtol=1e-5)


def test_bounds_that_differ_become_one_box():
    spaces = adapter.jaxmarl.environments.spaces
    boxes = [spaces.Box(jnp.array([0.0, -2.0]), jnp.array([1.0, 2.0]), (2,)), spaces.Box(-3.0, 1.0, (1,))]
    action, widths, bounds = adapter._action(boxes)
    assert action == Box(2) and widths == [2, 1]
    assert bounds == (((0.0, -2.0), (-3.0, 0.0)), ((1.0, 2.0), (1.0, 0.0)))
    with pytest.raises(InputError, match="no bounds"):
        adapter._action([spaces.Box(-jnp.inf, jnp.inf, (2,))])
    with pytest.raises(InputError, match="only Discrete or flat Box"):
        adapter._action([spaces.Discrete(2), spaces.Box(0.0, 1.0, (2,))])


def test_a_game_no_file_names_keeps_the_contract(contract):
    contract(games.make("jaxmarl:switch_riddle", num_agents=4))


def test_a_horizon_cuts_earlier():
    game = games.make("jaxmarl:switch_riddle(horizon=2)")
    state, _ = eqx.filter_jit(game.reset)(jax.random.key(0))
    step, nothing = eqx.filter_jit(game.step), jnp.zeros(3, int)
    state, first = step(state, nothing, jax.random.key(0))
    _, second = step(state, nothing, jax.random.key(0))
    assert game.spec.horizon == 2 and not first.truncated and second.truncated and not second.terminated


def test_telling_the_riddle_is_an_end_and_time_is_not():
    game = games.make("jaxmarl:switch_riddle")
    step = eqx.filter_jit(game.step)
    state, _ = eqx.filter_jit(game.reset)(jax.random.key(0))
    told = step(state, jnp.full(3, 2), jax.random.key(0))[1]
    assert told.terminated and not told.truncated and told.reward[0] == -1
    for index in range(game.spec.horizon):
        state, seen = step(state, jnp.zeros(3, int), jax.random.key(index))
    assert seen.truncated and not seen.terminated
    last = eqx.tree_at(lambda state: (state.inner.step, state.clock), state, (jnp.array(5), jnp.array(5)))
    told = step(last, jnp.full(3, 2), jax.random.key(0))[1]
    assert told.terminated and not told.truncated, "telling at the last moment is still telling"


def test_pictures(spread, battle, kitchen):
    for game, (state, _, _), (states, *_) in (spread, battle, kitchen):
        for one in (state, jax.tree.map(lambda leaf: leaf[-1], states)):
            drawn = game.draw(one)
            assert drawn.startswith("<svg") and drawn.endswith("</svg>") and "nan" not in drawn
    from jaxmarl.environments.overcooked.common import OBJECT_TO_INDEX

    assert tuple(sorted(OBJECT_TO_INDEX, key=OBJECT_TO_INDEX.get)) == THINGS


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("jaxmarl:smax/3mm", "did you mean jaxmarl:smax/3m"),
        ("jaxmarl:overcooked/cramped", "did you mean jaxmarl:overcooked/cramped_room"),
        ("jaxmarl:MPE_simple_spred_v3", "did you mean jaxmarl:MPE_simple_spread_v3"),
        ("jaxmarl:qqqq", "mpe/…, smax/…, overcooked/…"),
        ("jaxmarl:storm", "does not fit: its observations are not one per agent"),
        ("jaxmarl:LearnedPolicyEnemySMAX", "cannot make"),
        ("jaxmarl:switch_riddle(num_agents=1)", "minimum number of agents"),
        ("jaxmarl:switch_riddle(walls=2)", "unexpected keyword argument 'walls'"),
        ("jaxmarl:switch_riddle(shaping=1.0)", "no shaped reward"),
        ("jaxmarl:switch_riddle(horizon=0)", "at least 1"),
    ],
)
def test_mistakes_are_told_in_one_line(name, message):
    with pytest.raises(InputError) as caught:
        games.make(name)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_importing_prints_nothing_and_leaves_the_streams_alone():
    import subprocess
    import sys

    script = (
        "import io, sys; mine = sys.stdout = io.StringIO(); import interplay.games.adapters.jaxmarl; "
        "assert sys.stdout is mine and not mine.getvalue(), 'streams were taken'"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*scatter inputs have incompatible types:FutureWarning")
@pytest.mark.parametrize("name", adapter.names())
def test_everything_named_plays(name):
    game = adapter.make(name)
    discrete = isinstance(game.spec.action, Discrete)

    def advance(carry, key):
        state, seen = carry
        action = chosen(seen.legal, key) if discrete else jax.random.uniform(key, seen.legal.shape)
        carry = game.step(state, action, key)
        return carry, carry[1]

    steps = jax.jit(lambda key: jax.lax.scan(advance, game.reset(key), jax.random.split(key, game.spec.horizon))[1])
    steps = steps(jax.random.key(0))
    assert np.isfinite(steps.observation).all() and np.isfinite(steps.reward).all()
    assert (steps.terminated | steps.truncated).any(), "no end within the horizon"
    assert not (steps.terminated & steps.truncated).any()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mpe/simple_push_v3", "smax/3m", "smax/5m_vs_6m", "overcooked/coord_ring"])
def test_whole_contract(name, contract):
    contract(adapter.make(name, horizon=30))
