"""Gathering, cleanup and harvest: what a step does, worked out by hand, and against a loop over agents in plain Python."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay import games
from interplay.core.errors import InputError
from interplay.games import grid, grid_views
from interplay.games.grid import CLEAN, EAST, FIRE, FORWARD, NORTH, SOUTH, STAND, WEST, Bodies

ROOM = """
@@@@@@@
@P....@
@A.@..@
@P..A.@
@@@@@@@
"""
STREAM = """
@@@@@@@
@PHH.A@
@PRR.A@
@@@@@@@
"""
KEY = jax.random.key(0)


def placed(game, places, facings, **changes):
    """A fresh state with bodies put where the test wants them."""
    state = game.reset(KEY)[0]
    none = jnp.zeros(len(places), jnp.int32)
    bodies = Bodies(jnp.array(places, jnp.int32), jnp.array(facings, jnp.int32), none, none, none)
    return dataclasses.replace(state, bodies=bodies, **changes)


def stepped(game, state, *actions, key=KEY):
    return game.step(state, jnp.array(actions, jnp.int32), key)


def test_apples_are_taken_by_the_first_and_grow_back():
    game = games.make("gathering", map=ROOM, agents=2, regrowth=3)
    state = placed(game, [[1, 1], [3, 1]], [SOUTH, NORTH])
    state, seen = stepped(game, state, FORWARD, FORWARD)  # both onto the apple at (2, 1)
    assert seen.reward.tolist() == [1.0, 0.0]
    ripening = [int(state.unripe[0])]
    for _ in range(3):
        state, seen = stepped(game, state, STAND, STAND)
        ripening.append(int(state.unripe[0]))
    assert ripening == [3, 2, 1, 3] and seen.reward.tolist() == [1.0, 0.0]


def test_two_hits_put_out_and_walls_stop_beams():
    game = games.make("gathering", map=ROOM, agents=2, timeout=4)
    state = placed(game, [[3, 1], [3, 4]], [EAST, WEST])
    state, _ = stepped(game, state, FIRE, STAND)
    assert state.bodies.hits.tolist() == [0, 1] and state.bodies.timeout.tolist() == [0, 0]
    state, seen = stepped(game, state, FIRE, STAND)
    assert state.bodies.hits.tolist() == [0, 0] and state.bodies.timeout.tolist() == [0, 4]
    assert seen.active.tolist() == [True, False] and seen.legal[1].sum() == 1
    behind = placed(game, [[2, 2], [2, 4]], [EAST, WEST])  # a wall stands between them
    assert stepped(game, behind, FIRE, STAND)[0].bodies.hits.tolist() == [0, 0]


def test_who_is_put_out_before_its_turn_does_not_act():
    game = games.make("gathering", map=ROOM, agents=2, hits=1)
    state = placed(game, [[3, 1], [3, 3]], [EAST, EAST])
    after, seen = stepped(game, state, FIRE, FORWARD)  # onto the apple, but hit before
    assert after.bodies.position[1].tolist() == [3, 3] and seen.reward.tolist() == [0.0, 0.0]


def test_cleaning_costs_and_clears_what_the_beam_sweeps():
    game = games.make("cleanup", map=STREAM, agents=2, fouling=0.0)
    state = placed(game, [[1, 1], [2, 1]], [EAST, EAST], ripe=jnp.zeros(2, bool))
    assert state.waste.tolist() == [True, True, False, False]
    after, seen = stepped(game, state, CLEAN, STAND)
    assert seen.reward.tolist() == [-1.0, 0.0] and not after.waste.any()


def test_hits_cost_whoever_is_hit_and_whoever_fires():
    game = games.make("cleanup", map=STREAM, agents=2)
    state = placed(game, [[1, 1], [1, 4]], [EAST, EAST])
    after, seen = stepped(game, state, FIRE, STAND)
    assert seen.reward.tolist() == [-1.0, -50.0] and after.bodies.timeout.tolist() == [0, 25]


@pytest.mark.parametrize(("waste", "chance"), [((1, 1, 0, 0), 0.0), ((1, 0, 0, 0), 0.3), ((0, 0, 0, 0), 0.8)])
def test_apples_grow_by_how_clean_the_river_is(waste, chance):
    game = games.make("cleanup", map=STREAM, agents=2, growth=0.8, fouling=0.0)
    state = placed(game, [[1, 1], [2, 1]], [EAST, EAST], ripe=jnp.zeros(2, bool), waste=jnp.array(waste, bool))
    grown = jax.vmap(lambda key: stepped(game, state, STAND, STAND, key=key)[0].ripe)(jax.random.split(KEY, 2000))
    assert float(grown.mean()) == pytest.approx(chance, abs=0.03)


def test_a_clean_river_fouls_one_cell_at_a_time():
    game = games.make("cleanup", map=STREAM, agents=2, fouling=0.5)
    state = placed(game, [[1, 1], [2, 2]], [EAST, EAST], waste=jnp.zeros(4, bool))
    fouled = jax.vmap(lambda key: stepped(game, state, STAND, STAND, key=key)[0].waste)(jax.random.split(KEY, 2000))
    assert set(fouled.sum(1).tolist()) == {0, 1} and float(fouled.any(1).mean()) == pytest.approx(0.5, abs=0.05)
    assert fouled.mean(0)[2] == 0 and float(fouled.mean(0)[0]) == pytest.approx(
        1 / 6, abs=0.04
    )  # nobody stands on (1, 2)


def test_apples_of_a_harvest_come_from_apples():
    text = "@@@@@@@@@@\n@AAAAAP..@\n@PPP....A@\n@@@@@@@@@@"
    game = games.make("harvest", map=text, agents=2, chances=(0.0, 0.2, 0.4))
    state = placed(game, [[2, 1], [2, 2]], [EAST, EAST], ripe=jnp.array([False, True, True, False, False, False]))
    grown = jax.vmap(lambda key: stepped(game, state, STAND, STAND, key=key)[0].ripe)(jax.random.split(KEY, 2000))
    # two apples within reach of the first and the fourth place, one of the fifth, none of the far one
    assert np.allclose(np.asarray(grown.mean(0)), [0.4, 1, 1, 0.4, 0.2, 0.0], atol=0.04)


def test_turns_are_those_of_a_loop_over_agents():
    game = games.make("gathering", map="garden", agents=6, hits=1, timeout=3, blocking=True, beam=(4, 3))
    act = jax.jit(lambda bodies, action: grid.act(game.rules, bodies, action, grid.by_index(6))[0])
    for seed in range(20):
        keys = jax.random.split(jax.random.key(seed), 3)
        bodies = game.reset(keys[0])[0].bodies
        for key in jax.random.split(keys[1], 5):
            action = jax.random.randint(key, (6,), 0, 8)
            wanted = looped(game.rules, bodies, np.asarray(action))
            bodies = act(bodies, action)
            for name, value in wanted.items():
                assert np.array_equal(np.asarray(getattr(bodies, name)), value), (seed, name)


def looped(rules, bodies, action):
    """One step as a book would tell it: agent after agent."""
    position, facing = np.array(bodies.position), np.array(bodies.facing)
    timeout, hits = np.maximum(np.array(bodies.timeout) - 1, 0), np.array(bodies.hits)
    walls = rules.chart.walls
    for agent, choice in enumerate(action):
        if timeout[agent] > 0:
            continue
        face = grid.FACES[facing[agent]]
        right = np.array([face[1], -face[0]])
        moves = {grid.FORWARD: face, grid.BACKWARD: -face, grid.LEFT: -right, grid.RIGHT: right}
        if choice in moves:
            goal = position[agent] + moves[choice]
            free = not any((position[other] == goal).all() for other in range(len(action)) if other != agent)
            if not walls[tuple(goal)] and free:
                position[agent] = goal
        facing[agent] = (facing[agent] + (choice == grid.TURN_RIGHT) - (choice == grid.TURN_LEFT)) % 4
        if choice == FIRE:
            area = grid_views._area(
                walls, tuple(position[agent].tolist()), int(facing[agent]), rules.length, rules.width // 2
            )
            for other in range(len(action)):
                if other != agent and timeout[other] == 0 and area[tuple(position[other])]:
                    timeout[other] = rules.timeout
    return {"position": position, "facing": facing, "timeout": timeout, "hits": hits}


def test_programs_see_what_they_cannot_change():
    game = games.make("cleanup(map='pond', agents=3)")
    seen = game.view(game.reset(KEY)[0], 1)
    for name in ("position", "ripe", "waste", "walls", "distance"):
        with pytest.raises(ValueError, match=r"read-only|WRITEABLE"):
            getattr(seen, name)[0] = 1
        with pytest.raises(ValueError, match="WRITEABLE"):
            getattr(seen, name).flags.writeable = True
    assert grid_views.action(seen, grid_views.first_step(seen, seen.waste)) in range(4)


def test_the_way_to_an_apple_is_a_shortest_one():
    game = games.make("gathering(map='garden', agents=1)")
    state, seen = game.reset(KEY)
    for _ in range(3):
        view = game.view(state, 0)
        action = grid_views.action(view, grid_views.first_step(view, view.ripe))
        least = view.distance[view.place[view.here], view.place[view.ripe]].min()
        state, seen = stepped(game, state, action)
        assert float(seen.reward[0]) == (least == 1)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gathering(map='park')", "no map is called 'park'"),
        ("gathering(hits=0)", "hits=0: give at least 1"),
        ("gathering(map='garden', agents=99)", "room for"),
        ("gathering(beam=(5, 2))", "odd number"),
        ("cleanup(map='pond', growth=2.0)", "from 0 to 1"),
        ("cleanup(map='''@@@@\n@PA@\n@@@@''', agents=1)", "needs a river"),
        ("harvest(chances=())", "give one from 0 to 1"),
    ],
)
def test_what_cannot_be_a_game_is_told(name, words):
    with pytest.raises(InputError, match=words):
        games.make(name).reset(KEY)


def test_pictures_show_everybody():
    for name in (
        "gathering(map='garden', agents=3)",
        "cleanup(map='pond', agents=3)",
        "harvest(map='garden', agents=3)",
    ):
        game = games.make(name)
        assert game.draw(game.reset(KEY)[0]).count("<polygon") == 3
