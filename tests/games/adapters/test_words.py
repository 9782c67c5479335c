"""Array games in words: what is told is what the agent's own observation holds, and choices have their names."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay import games
from interplay.core.errors import InputError
from interplay.games.adapters import words


def opened(name, seed=0):
    game = games.make(name)
    state, seen = game.reset(jax.random.key(seed))
    return game, words.wording(game), state, jax.device_get(seen)


def test_tree_games_tell_what_a_player_knows_and_nothing_more():
    told = {}
    for seed in range(8):
        _, telling, state, seen = opened("kuhn", seed)
        told.setdefault(seen.observation[0].tobytes(), set()).add(telling.seen(state, seen, 0))
        assert telling.named(state, seen, 0) == ("pass", "bet")
    assert len(told) == 3 and all(len(lines) == 1 for lines in told.values())  # three cards, whatever the other holds


def test_foragers_are_told_places_and_levels():
    game, telling, state, seen = opened("foraging(size=6, food=2)", 1)
    me, other = (f"{row[0]} {row[1]} level {level}" for row, level in zip(state.position, state.level, strict=True))
    food = [f"food {place[0]} {place[1]} level {worth}" for place, worth in zip(state.food, state.worth, strict=True)]
    assert telling.seen(None, seen, 0) == "; ".join([f"you {me}", *food, f"agent {other}"])
    assert telling.named(None, seen, 0)[-1] == "load" and len(telling.named(None, seen, 0)) == game.spec.action.count


def test_repeated_matrix_games_tell_the_round_and_what_was_done():
    game, telling, state, seen = opened("climbing(horizon=3)")
    assert telling.seen(None, seen, 1) == "agent_1 round 1 of 3"
    _, seen = game.step(state, jnp.array([2, 1]), jax.random.key(0))
    assert telling.seen(None, jax.device_get(seen), 0) == "agent_0 round 2 of 3: last 2 1"


@pytest.mark.parametrize("name", ["gathering(map='garden', agents=2)", "cleanup(map='pond', agents=2)"])
def test_grid_worlds_are_maps_that_hold_all_that_is_seen(name):
    game, telling, _, seen = opened(name, 3)
    told = telling.seen(None, seen, 0)
    lines = told.split("\n")
    height, width = game.window.shape
    assert [len(line) for line in lines] == [width] * height and lines[game.window.ahead][game.window.side] == "^"
    names = [part.split(" ")[1].rstrip(".") for part in telling.legend.split(": ")[1].split(", ")[1:]]
    layers = seen.observation[0][: len(names) * height * width].reshape(len(names), height, width) > 0.5
    covered = np.zeros((height, width), bool)
    covered[game.window.ahead, game.window.side] = True
    for name_ in [name for name in words.OVER if name in names]:
        shown = np.array([[sign == words.MARKS[name_] for sign in line] for line in lines])
        np.testing.assert_array_equal(shown, layers[names.index(name_)] & ~covered)
        covered |= shown
    assert len(words.TURNS) >= game.spec.action.count


def test_any_other_game_gives_its_numbers():
    _, telling, _, seen = opened("assignment")
    told = telling.seen(None, seen, 2).split()
    np.testing.assert_allclose([float(word) for word in told], seen.observation[2], atol=0.006)
    assert telling.named(None, seen, 2) == ("0", "1", "2", "3")


@pytest.mark.parametrize(("name", "says"), [("lqr", "real numbers"), ("treasures", "several objectives")])
def test_what_cannot_be_said_is_one_line(name, says):
    with pytest.raises(InputError, match=says) as refused:
        words.wording(games.make(name))
    assert "\n" not in str(refused.value)
