"""A limited game hides what it says it hides and leaves everything else alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay import games
from interplay.check import assert_game
from interplay.core.errors import InputError
from interplay.games.limited import limited


def test_only_the_first_numbers_are_seen_and_the_rest_is_as_it_was():
    whole, part = games.make("spread"), games.make("limited(game='spread', first=10)")
    key, action = jax.random.key(3), jnp.array([1, 2, 3])
    (state, seen), (same, cut) = whole.reset(key), part.reset(key)
    _, after = whole.step(state, action, key)
    _, later = part.step(same, action, key)
    for one, other in ((seen, cut), (after, later)):
        np.testing.assert_array_equal(other.observation[:, :10], one.observation[:, :10])
        assert not np.asarray(other.observation[:, 10:]).any()
        np.testing.assert_array_equal(other.reward, one.reward)
        np.testing.assert_array_equal(other.shared, one.shared)
    assert part.draw(same) == whole.draw(state)


def test_one_agent_may_see_less_than_the_others():
    seen, cut = games.make("spread").reset(jax.random.key(0))[1], limited("spread", 4, (1,)).reset(jax.random.key(0))[1]
    assert not np.asarray(cut.observation[1, 4:]).any()
    np.testing.assert_array_equal(cut.observation[jnp.array([0, 2])], seen.observation[jnp.array([0, 2])])


def test_the_contract_of_games_holds():
    assert_game(limited("spread", 6))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"first": 0}, "show 1 to 17 numbers"),
        ({"first": 99}, "show 1 to 17 numbers"),
        ({"agents": (3,)}, "agents 0 to 2"),
        ({"game": "pettingzoo:sisl/multiwalker_v9"}, "Python"),
    ],
)
def test_what_cannot_be_limited_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        limited(**arguments)
