"""The particle games against JaxMARL and MPE2: the same worlds and actions give the same observations and rewards.

Every comparison is made step by step, from a world that both sides are set to; a contact is so stiff (100 per unit of
depth) that two ways of rounding drift apart when episodes of many crowded agents run freely. What differs on purpose:

- JaxMARL looks at the clock before it moves it: its episodes last one step more than `max_steps`. MPE2 and Interplay
  stop after exactly that many.
- MPE2 lays the obstacles of tag in [−0.9, 0.9]², JaxMARL and Interplay in [−1, 1]².
- With several runners JaxMARL shows only the last one's velocity and pays every runner for the collisions of the last
  one (it reads past the end of the table, and JAX clamps the index). Interplay does what MPE2 does.
- Two agents on the same spot are not a number in both; in Interplay they do not push.
"""

import importlib
from dataclasses import replace
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay import games
from interplay.games.particle import spread, tag

LENGTH = 25
SLOW = pytest.mark.slow
ROUNDING = 5e-6  # of one step in float32: 1e-7 of a position, magnified by the stiffness of a contact

JAXMARL = {  # our name -> (theirs, their arguments); all but the first four are slow to compile
    "spread": ("MPE_simple_spread_v3", {}),
    "reference": ("MPE_simple_reference_v3", {}),
    "speaker-listener": ("MPE_simple_speaker_listener_v4", {}),
    "tag": ("MPE_simple_tag_v3", {}),
    "spread(agents=3, landmarks=5, local_ratio=0.2)": (
        "MPE_simple_spread_v3",
        {"num_agents": 3, "num_landmarks": 5, "local_ratio": 0.2},
    ),
    "spread(agents=10)": ("MPE_simple_spread_v3", {"num_agents": 10, "num_landmarks": 10}),
    "tag(chasers=4, obstacles=3)": ("MPE_simple_tag_v3", {"num_adversaries": 4, "num_obs": 3}),
}
MPE2 = {  # our name -> (their module, their arguments)
    "spread": ("simple_spread_v3", {}),
    "spread(agents=6, local_ratio=0.9)": ("simple_spread_v3", {"N": 6, "local_ratio": 0.9}),
    "reference": ("simple_reference_v3", {}),
    "speaker-listener": ("simple_speaker_listener_v4", {}),
    "tag": ("simple_tag_v3", {}),
    "tag(chasers=2, runners=3, obstacles=1)": (
        "simple_tag_v3",
        {"num_adversaries": 2, "num_good": 3, "num_obstacles": 1},
    ),
}


def random_action(game, key):
    """A joint action that every agent may choose."""
    return jax.random.randint(key, (game.spec.agents,), 0, jnp.array(game.spec.action_sizes))


def reaches(game):
    """From which distance on two agents touch."""
    if hasattr(game, "kinds"):
        radius = game.kinds[0].astype(float)
        return radius[:, None] + radius
    return 2 * getattr(game, "RADIUS", -1.0)  # where nobody collides no distance is special


def near_threshold(game, position):
    """Where some pair is so near to the distance at which contact begins that rounding decides whether it counts."""
    distance = np.linalg.norm(position[..., :, None, :].astype(float) - position[..., None, :, :], axis=-1)
    apart = np.abs(distance + np.eye(game.spec.agents) - reaches(game))
    return np.any(apart < 1e-6, axis=(-1, -2))


def padded(rows, width):
    """Rows of different length, filled up with zeros."""
    return jnp.stack([jnp.pad(row, (0, width - len(row))) for row in rows])


# JaxMARL


def jaxmarl_state(world, words):
    """A world of ours as a state of theirs."""
    from jaxmarl.environments.mpe.simple import State

    agents, landmarks = len(world.position), len(world.landmark)
    return State(
        p_pos=jnp.concatenate([world.position, world.landmark]),
        p_vel=jnp.concatenate([world.velocity, jnp.zeros((landmarks, 2))]),
        c=jnp.zeros((agents, words)),
        done=jnp.array(False),
        step=world.time,
        goal=world.goal[0] if len(world.goal) == 1 else world.goal,
    )


def jaxmarl_step(game, env, world, action):
    """What JaxMARL makes of `world`: its next state, observations padded as ours, rewards, whether it is done."""
    state = jaxmarl_state(world, env.dim_c)
    moves = {name: action[index] for index, name in enumerate(env.agents)}
    seen, state, reward, done, _ = env.step_env(jax.random.key(0), state, moves)
    rows = padded([seen[name] for name in env.agents], game.spec.observation)
    return state, rows, jnp.stack([reward[name] for name in env.agents]), done["__all__"]


def jaxmarl_episodes(name, seeds, follow):
    """`seeds` episodes of random play on both sides from the same starts; arrays [seed, time, …].

    `follow(ours, theirs)` are the two worlds that the next step starts from.
    """
    jaxmarl = pytest.importorskip("jaxmarl")
    game, (theirs, arguments) = games.make(name), JAXMARL[name]
    env, agents = jaxmarl.make(theirs, **arguments), game.spec.agents

    def advance(worlds, key):
        action = random_action(game, key)
        mine, step = game.step(worlds[0], action, key)
        state, seen, reward, _ = jaxmarl_step(game, env, worlds[1], action)
        other = replace(mine, position=state.p_pos[:agents], velocity=state.p_vel[:agents])
        return follow(mine, other), (step.observation, seen, step.reward, reward, mine.position, other.position)

    def episode(key):
        world, _ = game.reset(key)
        return jax.lax.scan(advance, (world, world), jax.random.split(key, LENGTH))[1]

    records = jax.jit(jax.vmap(episode))(jax.random.split(jax.random.key(0), seeds))
    return game, [np.asarray(record) for record in records]


def together(mine, other):
    return other, other


def apart(mine, other):
    return mine, other


@pytest.mark.parametrize("name", [*list(JAXMARL)[:4], *(pytest.param(name, marks=SLOW) for name in list(JAXMARL)[4:])])
def test_steps_are_those_of_jaxmarl(name):
    """750 joint actions over 30 seeds."""
    game, (mine, theirs, reward, their_reward, position, _) = jaxmarl_episodes(name, 30, together)
    np.testing.assert_allclose(mine, theirs, atol=ROUNDING)
    worst = np.abs(reward - their_reward).max(-1)
    unclear = near_threshold(game, position)
    assert np.all((worst < ROUNDING * 10) | unclear) and unclear.mean() < 0.01
    assert len(np.unique(their_reward)) > 100, "play too dull to tell anything"


def test_whole_spread_episodes_are_those_of_jaxmarl():
    """Both run freely: rounding is all that comes between them."""
    _, (mine, theirs, *_) = jaxmarl_episodes("spread", 100, apart)
    assert np.median(np.abs(mine - theirs).max((-1, -2))) < 3e-7
    np.testing.assert_allclose(mine, theirs, atol=1e-4)


@pytest.mark.slow
def test_a_reward_may_differ_by_one_contact_at_the_threshold():
    """Ten agents that run freely: where rewards jump, a pair touches on one side and just does not on the other.

    Positions of the two sides differ by some 1e-6 after a few contacts. A pair that one side sees at 0.3 − 7e-8 and
    the other at 0.3 + 8e-8 costs each of its agents half a point on one side only; no definition differs.
    """
    _, (_, _, mine, theirs, *places) = jaxmarl_episodes("spread(agents=10)", 400, apart)
    measure = lambda place: np.linalg.norm(place[:, :, :, None].astype(float) - place[:, :, None], axis=-1)
    one, other = (measure(place) + np.eye(10) for place in places)
    drift, nearest = np.abs(one - other).max((-1, -2)), np.abs(one - 0.3).min((-1, -2))
    jumps = np.abs(mine - theirs).max(-1) > 0.25
    crossed = ((one < 0.3) != (other < 0.3)).any((-1, -2))
    assert np.all(crossed[jumps] | (nearest[jumps] < 1e-7))
    assert np.all(nearest[jumps] <= drift[jumps] + 1e-7)
    assert jumps.mean() < 1e-3


def test_at_the_threshold_itself_both_agree():
    """Exactly at 0.3 nobody touches; one unit in the last place nearer, both count."""
    jaxmarl = pytest.importorskip("jaxmarl")
    game, env = spread(2), jaxmarl.make("MPE_simple_spread_v3", num_agents=2, num_landmarks=2)
    stay, key = jnp.zeros(2, jnp.int32), jax.random.key(0)
    world, _ = game.reset(key)
    step = jax.jit(lambda world: (game.step(world, stay, key)[1].reward, jaxmarl_step(game, env, world, stay)[2]))
    edge = np.float32(0.3)
    gaps = [np.nextafter(edge, np.float32(0)), edge, np.nextafter(edge, np.float32(1))]
    rewards = [step(replace(world, position=jnp.array([[0, 0], [gap, 0]]))) for gap in gaps]
    for mine, theirs in rewards:
        np.testing.assert_allclose(mine, theirs, atol=1e-6)
    assert np.allclose(rewards[0][0] + 0.5, rewards[1][0], atol=1e-5) and np.allclose(rewards[1], rewards[2], atol=1e-5)


def test_jaxmarl_episodes_are_one_step_longer():
    jaxmarl = pytest.importorskip("jaxmarl")
    game, env = spread(), jaxmarl.make("MPE_simple_spread_v3")
    world, _ = game.reset(jax.random.key(0))
    stay, key = jnp.zeros(3, jnp.int32), jax.random.key(0)

    def ends(time):
        late = replace(world, time=time)
        return game.step(late, stay, key)[1].truncated, jaxmarl_step(game, env, late, stay)[3]

    mine, theirs = jax.jit(jax.vmap(ends))(jnp.arange(27))
    assert int(np.argmax(mine)) + 1 == 25 and int(np.argmax(theirs)) + 1 == 26


def test_jaxmarl_confuses_several_runners():
    """Runner 0 is caught, runner 1 is not: JaxMARL pays runner 0 for runner 1's freedom, and hides its velocity."""
    jaxmarl = pytest.importorskip("jaxmarl")
    game, env = tag(runners=2), jaxmarl.make("MPE_simple_tag_v3", num_good_agents=2)
    world, _ = game.reset(jax.random.key(0))
    places = jnp.array([[0.0, 0.0], [0.5, 0.5], [-0.5, 0.5], [0.05, 0.0], [0.5, -0.5]])
    world = replace(world, position=places, landmark=jnp.full((2, 2), 5.0))
    stay = jnp.zeros(5, jnp.int32)
    moves = {name: stay[index] for index, name in enumerate(env.agents)}
    seen, _, reward, _, _ = env.step_env(jax.random.key(0), jaxmarl_state(world, env.dim_c), moves)
    _, step = game.step(world, stay, jax.random.key(0))
    assert step.reward.tolist()[3:] == [-10, 0] and float(reward["agent_0"]) == 0
    assert game.spec.observation_sizes == (20, 20, 20, 18, 18)
    assert len(seen["adversary_0"]) == 18 and len(seen["agent_0"]) == 16


# MPE2


def mpe2_environment(name):
    pytest.importorskip("mpe2")
    module, arguments = MPE2[name]
    env = importlib.import_module(f"mpe2.{module}").parallel_env(max_cycles=LENGTH, **arguments)
    env.reset(seed=0)
    return SimpleNamespace(env=env, world=env.unwrapped.world)


def set_mpe2(theirs, world):
    """Put their world, in float64, where ours is."""
    for agent, position, velocity in zip(theirs.world.agents, world.position, world.velocity, strict=True):
        agent.state.p_pos, agent.state.p_vel = np.array(position, float), np.array(velocity, float)
    for landmark, position in zip(theirs.world.landmarks, world.landmark, strict=True):
        landmark.state.p_pos = np.array(position, float)
    goals = [theirs.world.landmarks[goal] for goal in np.asarray(world.goal)]
    for agent, goal in zip(theirs.world.agents, reversed(goals), strict=False):
        agent.goal_b = goal  # an agent holds the goal of its partner


@pytest.mark.parametrize("name", MPE2)
def test_steps_are_those_of_mpe2(name):
    """300 joint actions over 12 seeds, theirs in float64."""
    game, theirs = games.make(name), mpe2_environment(name)
    advance, counted = jax.jit(game.step), 0
    for seed in range(12):
        theirs.env.reset(seed=seed)
        world, _ = game.reset(jax.random.key(seed))
        for key in jax.random.split(jax.random.key(seed), LENGTH):
            set_mpe2(theirs, world)
            action = np.asarray(random_action(game, key))
            names = theirs.env.possible_agents
            seen, reward, ended, cut, _ = theirs.env.step(dict(zip(names, action.tolist(), strict=True)))
            world, step = advance(world, action, key)
            rows = padded([seen[agent] for agent in names], game.spec.observation)
            np.testing.assert_allclose(step.observation, rows, atol=ROUNDING)
            if not near_threshold(game, np.asarray(world.position)):
                counted += 1
                np.testing.assert_allclose(step.reward, [reward[agent] for agent in names], atol=ROUNDING * 10)
            assert bool(step.truncated) == all(cut.values()) and not any(ended.values())
    assert counted > 280


def test_obstacles_of_mpe2_keep_from_the_edge():
    theirs, game = mpe2_environment("tag"), tag()
    places = []
    for seed in range(100):
        theirs.env.reset(seed=seed)
        places += [landmark.state.p_pos for landmark in theirs.world.landmarks]
    mine = jax.jit(jax.vmap(lambda key: game.reset(key)[0].landmark))(jax.random.split(jax.random.key(0), 200))
    assert np.abs(places).max() <= 0.9 < np.abs(mine).max() <= 1


def test_same_spot_is_not_a_number_elsewhere():
    theirs, game = mpe2_environment("spread"), spread()
    world, _ = game.reset(jax.random.key(0))
    world = replace(world, position=jnp.zeros((3, 2)))
    set_mpe2(theirs, world)
    with np.errstate(invalid="ignore"):
        seen, *_ = theirs.env.step(dict.fromkeys(theirs.env.agents, 0))
    assert np.isnan(seen["agent_0"]).any()
    assert np.all(np.isfinite(game.step(world, jnp.zeros(3, jnp.int32), jax.random.key(0))[1].observation))
