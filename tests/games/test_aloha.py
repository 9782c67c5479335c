import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.core.errors import InputError
from interplay.games.aloha import PUBLISHED_LINKS, aloha

KEY = jax.random.key(0)


def test_contract(contract):
    contract(aloha())


def send(game, *who, state=None):
    state = game.reset(KEY)[0] if state is None else state
    action = jnp.isin(jnp.arange(game.spec.agents), jnp.array(who, int)).astype(int)
    return game.step(state, action, KEY)


def test_neighbors_of_the_grid():
    linked = aloha().neighbors
    assert np.array_equal(linked, linked.T) and linked.sum() == 2 * 13  # 8 along the rows, 5 across
    assert np.flatnonzero(linked[2]).tolist() == [1, 3, 7]
    assert np.flatnonzero(linked[4]).tolist() == [3, 9]


def test_extra_link_is_only_there_when_asked_for():
    linked = aloha(extra_links=PUBLISHED_LINKS).neighbors
    assert linked.sum() == 2 * 14 and linked[4, 5] and linked[5, 4]
    assert np.allclose(send(aloha(), 4, 5)[1].reward, 0.2)
    assert np.allclose(send(aloha(extra_links=PUBLISHED_LINKS), 4, 5)[1].reward, -20.0)


def test_one_color_of_the_checkerboard_gets_through():
    game = aloha(arrival=0.0)
    state, seen = send(game, 0, 2, 4, 6, 8)
    assert np.allclose(seen.reward, 0.5)
    assert state.backlog.tolist() == [0, 1, 0, 1, 0, 1, 0, 1, 0, 1]
    assert seen.observation[:, 0].tolist() == seen.shared.tolist() == state.backlog.tolist()


def test_neighbors_that_send_both_lose():
    game = aloha(arrival=0.0)
    state, seen = send(game, 0, 1, 9)
    assert np.allclose(seen.reward, 0.1 - 20.0)
    assert state.backlog.tolist() == [1] * 9 + [0]


def test_an_empty_queue_disturbs_for_free():
    game = aloha(arrival=0.0)
    state, _ = send(game, 0)
    state, seen = send(game, 0, state=state)
    assert np.allclose(seen.reward, 0)
    assert np.allclose(send(game, 0, 1, state=state)[1].reward, -10.0)


def test_queues_fill_up_to_capacity():
    game = aloha(arrival=1.0, capacity=3)
    state, _ = game.reset(KEY)
    lengths = []
    for _ in range(4):
        state, _ = send(game, state=state)
        lengths.append(int(state.backlog[0]))
    assert lengths == [2, 3, 3, 3]


def test_arrivals_have_their_rate():
    game = aloha(arrival=0.6)
    state, _ = game.reset(KEY)
    silent = jax.jit(jax.vmap(lambda key: game.step(state, jnp.zeros(10, int), key)))
    after, _ = silent(jax.random.split(KEY, 2000))
    assert np.isclose(np.mean(after.backlog) - 1, 0.6, atol=0.015)


def test_time_runs_out():
    game = aloha(horizon=2)
    state, seen = send(game)
    assert not seen.truncated
    seen = send(game, state=state)[1]
    assert seen.truncated and not seen.terminated


def test_bad_settings_say_what_to_do():
    with pytest.raises(InputError, match="cannot link 4 and 10: give two different agents from 0 to 9"):
        aloha(extra_links=((4, 10),))
    with pytest.raises(InputError, match="arrival=2"):
        aloha(arrival=2.0)
    with pytest.raises(InputError, match="give more"):
        aloha(rows=1, columns=1)
