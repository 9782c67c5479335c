"""The particle games: their contract, forces worked by hand, the clock, symmetry under renaming, pictures."""

import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay import games
from interplay.core.errors import InputError
from interplay.games import plane
from interplay.games.particle import reference, speaker_listener, spread, tag

GAMES = [
    "spread",
    "spread(agents=1)",
    "spread(agents=4, landmarks=2, noise=1.0)",
    "reference",
    "speaker-listener",
    "tag",
    "tag(chasers=1, runners=2, obstacles=0)",
]
KEY = jax.random.key(0)
STAY = jnp.zeros(3, jnp.int32)


@eqx.filter_jit
def fresh(game, key=KEY):
    return game.reset(key)


@eqx.filter_jit
def advance(game, world, action, key=KEY):
    return game.step(world, action, key)


def at(game, *places, **fields):
    """A world of `game` at rest with its agents at `places`."""
    world, _ = fresh(game)
    return replace(world, position=jnp.array(places), **fields)


@pytest.mark.parametrize("name", GAMES[2:6])
def test_contract(name, contract):
    game = games.make(name, horizon=6)
    records = contract(game)
    assert len(records) == 7 and records[-1][1].truncated and not records[-1][1].terminated


@pytest.mark.parametrize("name", GAMES)
def test_sizes_tell_what_is_padding(name):
    game = games.make(name)
    world, first = fresh(game)
    _, step = advance(game, replace(world, velocity=world.velocity + 1), jnp.ones(game.spec.agents, jnp.int32))
    for row, width in zip(step.observation, game.spec.observation_sizes, strict=True):
        assert not np.any(row[width:]) and width <= game.spec.observation
    assert np.array_equal(first.legal.sum(1), game.spec.action_sizes)
    assert np.all(first.active)


def test_unequal_agents():
    assert speaker_listener().spec.observation_sizes == (3, 11)
    assert speaker_listener().spec.action_sizes == (3, 5)
    assert tag().spec.observation_sizes == (16, 16, 16, 14)
    assert reference().spec.action.width == 50
    assert tag(runners=2).spec.names[-1] == "runner_1"


def test_the_clock_cuts_at_the_horizon():
    game = spread(horizon=3)
    world, _ = fresh(game)
    cuts = []
    for _ in range(4):
        world, step = advance(game, world, STAY)
        cuts.append(bool(step.truncated))
        assert not step.terminated
    assert cuts == [False, False, True, True]


def test_a_push_changes_velocity_first_and_place_one_step_later():
    game = spread(agents=1)
    start = at(game, [0.0, 0.0])
    for action, direction in {0: (0, 0), 1: (-1, 0), 2: (1, 0), 3: (0, -1), 4: (0, 1)}.items():
        first, _ = advance(game, start, jnp.array([action]))
        second, _ = advance(game, first, jnp.array([0]))
        assert np.allclose(first.position, 0) and np.allclose(first.velocity, 0.5 * np.array(direction))
        assert np.allclose(second.position, 0.05 * np.array(direction), atol=1e-7)
        assert np.allclose(second.velocity, 0.375 * np.array(direction))


def test_a_contact_pushes_both_apart():
    """Two discs of radius 0.15 at distance 0.2 overlap by 0.1: force 10, velocity 1. At 0.3 it is 100 k log 2."""
    game = spread(agents=3)
    world, _ = advance(game, at(game, [0.0, 0.0], [0.2, 0.0], [0.0, 5.0]), STAY)
    assert np.allclose(world.velocity, [[-1, 0], [1, 0], [0, 0]], atol=1e-5)
    world, _ = advance(game, at(game, [0.0, 0.0], [0.3, 0.0], [0.0, 5.0]), STAY)
    assert np.allclose(world.velocity[1], [0.01 * np.log(2), 0], atol=1e-6)


def test_no_direction_no_force():
    game = spread(agents=3)
    world, step = advance(game, at(game, [0.1, 0.1], [0.1, 0.1], [0.9, 0.9]), STAY)
    assert np.array_equal(world.velocity, np.zeros((3, 2)))
    assert np.all(np.isfinite(step.reward))


@pytest.mark.parametrize("agents", [1, 2, 5, 6])
def test_each_pair_counts_once(agents):
    """Against the sum over all ordered pairs."""
    place = np.random.default_rng(agents).uniform(0, 0.5, (agents, 2))
    radius = np.linspace(0.1, 0.3, agents, dtype=np.float32)
    force, count = np.zeros((agents, 2)), np.zeros(agents)
    for one in range(agents):
        for other in range(agents):
            if one != other:
                distance = np.linalg.norm(place[one] - place[other])
                depth = (radius[one] + radius[other] - distance) / 1e-3
                force[one] += 0.1 * np.logaddexp(0, depth) * (place[one] - place[other]) / distance
                count[one] += distance < 0.3
    mine = jax.jit(lambda place: (plane.contacts(place, radius), plane.touching(place, 0.3)))(jnp.float32(place))
    assert np.allclose(mine[0], force, atol=1e-5) and np.array_equal(mine[1], count)


def test_spread_pays_for_cover_and_fines_contact():
    game = spread(agents=3, landmarks=1, local_ratio=0.25)
    start = at(game, [0.0, 0.0], [0.2, 0.0], [1.0, 0.0], landmark=jnp.array([[1.0, 0.5]]))
    _, step = advance(game, start, STAY)
    assert np.allclose(step.reward, [-0.25 - 0.375, -0.25 - 0.375, -0.375])
    assert np.allclose(step.shared[:6], start.position.ravel())
    assert np.allclose(step.shared[-2:], [1.0, 0.5])


def test_renaming_agents_renames_what_they_get():
    game, order = spread(agents=5), jnp.array([3, 0, 4, 1, 2])
    world, _ = fresh(game)
    world = replace(world, position=world.position * 0.3)
    action = jnp.array([0, 1, 2, 3, 4])
    renamed = replace(world, position=world.position[order], velocity=world.velocity[order])
    after, step = advance(game, world, action)
    moved, turned = advance(game, renamed, action[order])
    assert np.allclose(moved.position, after.position[order], atol=1e-6)
    assert np.allclose(moved.velocity, after.velocity[order], atol=1e-5)
    assert np.allclose(turned.reward, step.reward[order], atol=1e-5)
    alone = slice(0, 4 + 10)  # own velocity, own place, landmarks; the others come in another order
    assert np.allclose(turned.observation[:, alone], step.observation[order, alone], atol=1e-5)
    total = lambda seen: seen.observation[:, 14:22].reshape(5, 4, 2).sum(1)
    assert np.allclose(total(turned), total(step)[order], atol=1e-5)


def test_noise_has_the_spread_asked_for_and_none_costs_nothing():
    game, quiet = spread(noise=2.0), spread()
    world = at(game, [-5.0, 0.0], [0.0, 0.0], [5.0, 0.0])
    keys = jax.random.split(KEY, 2000)
    velocity = jax.jit(jax.vmap(lambda key: game.step(world, STAY, key)[0].velocity))(keys)
    assert abs(float(velocity.mean())) < 0.01 and abs(float(velocity.std()) - 0.2) < 0.01
    program = str(jax.make_jaxpr(quiet.step)(world, STAY, KEY))
    assert "random" not in program and "threefry" not in program
    assert "gather" not in program and "scatter" not in program


def test_reference_hears_the_partner_and_sees_its_goal():
    game = reference(local_ratio=1.0)
    places = {"landmark": jnp.array([[0.0, 1.0], [0.0, 2.0], [0.0, 3.0]]), "goal": jnp.array([2, 0])}
    world, step = advance(game, at(game, [0.0, 0.0], [0.0, 0.0], **places), jnp.array([5 * 7 + 2, 5 * 4]))
    assert world.message.tolist() == [7, 4] and np.allclose(world.velocity, [[0.5, 0], [0, 0]])
    assert np.allclose(step.observation[0, 8:11], [0.75, 0.25, 0.25])
    assert np.allclose(step.observation[1, 8:11], [0.25, 0.25, 0.75])
    assert np.argmax(step.observation[:, 11:], 1).tolist() == [4, 7]
    assert np.allclose(step.reward, [-1.0, -3.0])  # each is paid for its partner
    _, first = fresh(game)
    assert not np.any(first.observation[:, 11:]), "nothing was said before the first step"


def test_the_speaker_stands_still_and_is_heard():
    game = speaker_listener()
    start = at(game, [0.5, 0.5], [0.0, 0.0], goal=jnp.array([1]), landmark=jnp.array([[0.0, 0], [0, 2], [0, 0]]))
    world, step = advance(game, start, jnp.array([2, 2]))
    assert np.allclose(world.velocity, [[0, 0], [0.5, 0]])
    assert np.allclose(step.observation[0, :3], [0.15, 0.65, 0.15])
    assert np.allclose(step.observation[1, 8:], [0, 0, 1])
    assert np.allclose(step.reward, -4.0)


def test_tag_pays_catches_and_fines_flight():
    game = tag(chasers=2, runners=2, obstacles=0)
    start = at(game, [0.0, 0.0], [0.1, 0.0], [0.05, 0.0], [0.0, 0.95])
    _, step = advance(game, start, jnp.zeros(4, jnp.int32))
    assert np.allclose(step.reward, [20, 20, -20, -0.5], atol=1e-4)
    far = at(game, [9.0, 0.0], [9.1, 0.0], [-1.5, 0.0], [0.0, 8.0])
    _, step = advance(game, far, jnp.zeros(4, jnp.int32))
    assert np.allclose(step.reward[2:], [-np.exp(1.0), -10], atol=1e-4)


def test_nobody_in_tag_is_faster_than_allowed():
    game = tag()
    world = at(game, *np.linspace([-3.0, 0.0], [3.0, 0.0], 4), landmark=jnp.full((2, 2), 9.0))
    for _ in range(20):
        world, _ = advance(game, world, jnp.full(4, 2))
    assert np.allclose(world.velocity[:, 0], [1, 1, 1, 1.3])


def test_batch_innermost_is_the_same_game():
    game = spread()
    keys, action = jax.random.split(KEY, 4), jax.random.randint(KEY, (3, 4), 0, 5)
    first, _ = jax.jit(jax.vmap(game.reset))(keys)
    last, _ = jax.jit(jax.vmap(game.reset, out_axes=-1))(keys)
    _, outer = jax.jit(jax.vmap(game.step))(first, action.T, keys)
    _, inner = jax.jit(jax.vmap(game.step, in_axes=(-1, -1, 0), out_axes=-1))(last, action, keys)
    assert np.allclose(np.moveaxis(inner.observation, -1, 0), outer.observation, atol=1e-6)
    assert np.allclose(inner.reward.T, outer.reward, atol=1e-6)


def test_pictures():
    game = reference()
    drawing = game.draw(at(game, [0.0, 0.0], [40.0, -40.0], message=jnp.array([7, plane.SILENT])))
    root = ElementTree.fromstring(drawing)
    left, _, width, _ = map(float, root.attrib["viewBox"].split())
    circles = [child for child in root if child.tag.endswith("circle")]
    assert len(circles) == 2 + 3 + 2  # rings around the goals, landmarks, agents
    assert all(left <= float(circle.attrib["cx"]) <= left + width for circle in circles)
    assert [child.text for child in root if child.tag.endswith("text")] == ["0", "1", "“7”", "step 0 of 25"]
    drawings = [game.draw(fresh(game)[0]) for game in map(games.make, GAMES)]
    boxes = {drawing.split('viewBox="')[1].split('"')[0] for drawing in drawings}
    assert len(boxes) == 1


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("spread(agents=0)", "at least one"),
        ("spread(local_ratio=2.0)", "from 0 to 1"),
        ("spread(noise=-1.0)", "from 0 up"),
        ("reference(horizon=0)", "horizon"),
        ("speaker-listener(horizon=0)", "horizon"),
        ("tag(runners=0)", "at least one"),
    ],
)
def test_bad_input_says_what_to_do(name, hint):
    with pytest.raises(InputError, match=hint):
        games.make(name)
