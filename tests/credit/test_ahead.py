"""Targets from values that lie ahead, on arrays worked by hand: ends of both kinds, waiting, off-policy actions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.core.errors import InputError
from interplay.credit import returns

#            row     0    1    2    3    4 ; row 1 terminates, row 3 is truncated, row 4 is the record's last
REWARD = [1.0, 2.0, 4.0, 8.0, 16.0]
AHEAD = [10.0, 99.0, 20.0, 40.0, 80.0]


def play(waiting: tuple[int, ...] = (), greedy: tuple[int, ...] = (0, 1, 2, 3, 4)):
    rows = lambda values: jnp.asarray(values, jnp.float32)
    marks = lambda which: jnp.array([t in which for t in range(5)])
    following = 0.5 * rows(AHEAD).at[1].set(0.0)
    discount = 0.5 * rows([1, 0, 1, 0, 0])
    return returns.Ahead(rows(REWARD), rows(AHEAD), following, discount, marks(waiting), marks(greedy))


ONE = [1 + 5, 2, 4 + 10, 8 + 20, 16 + 40]


def test_one_step_is_the_temporal_difference():
    assert returns.n_step(1)(play()).tolist() == ONE


def test_more_steps_stop_at_ends():
    two = [1 + 0.5 * 2, 2, 4 + 0.5 * ONE[3], ONE[3], ONE[4]]
    assert returns.n_step(2)(play()).tolist() == two
    assert returns.n_step(5)(play()).tolist() == two


def test_steps_are_counted_along_one_agent():
    # at the step that row 0 led to it is not the agent's move: its own next step is the one after
    assert returns.n_step(1)(play(waiting=(0,))).tolist() == [1 + 0.5 * 2, *ONE[1:]]
    three = play()
    long = returns.Ahead(*(jnp.concatenate([leaf[2:3]] * 3 + [leaf[4:]]) for leaf in (three.reward, three.ahead,
        three.following, three.discount, three.waiting, three.greedy)))  # fmt: skip
    waits = returns.Ahead(
        long.reward, long.ahead, long.following, long.discount, jnp.array([1, 0, 0, 0], bool), long.greedy
    )
    g1 = [4 + 0.5 * 14, 14, 14, 56]
    assert returns.n_step(1)(waits).tolist() == g1
    assert returns.n_step(2)(waits).tolist() == [4 + 0.5 * (4 + 0.5 * 14), 4 + 0.5 * 14, 4 + 0.5 * 56, 56]


@pytest.mark.parametrize("trace", [0.0, 0.5, 1.0])
def test_peng_mixes_values_and_returns(trace):
    first = 1 + 0.5 * ((1 - trace) * 10 + trace * 2)
    third = 4 + 0.5 * ((1 - trace) * 20 + trace * ONE[3])
    np.testing.assert_allclose(returns.peng(trace)(play()), [first, 2, third, ONE[3], ONE[4]], rtol=1e-6)


def test_without_trace_peng_is_one_step():
    np.testing.assert_allclose(returns.peng(0.0)(play()), ONE, rtol=1e-6)


def test_watkins_cuts_where_the_next_action_was_not_the_best():
    np.testing.assert_allclose(returns.watkins(0.5)(play()), returns.peng(0.5)(play()), rtol=1e-6)
    cut = returns.watkins(0.5)(play(greedy=(0,)))
    np.testing.assert_allclose(cut, [*returns.peng(0.5)(play())[:2], *ONE[2:]], rtol=1e-6)
    np.testing.assert_allclose(returns.watkins(0.5)(play(greedy=())), ONE, rtol=1e-6)


def test_double_selects_by_one_and_judges_by_the_other():
    online, target = jnp.array([1.0, 2.0]), jnp.array([7.0, 5.0])
    assert returns.double(online, target) is online
    assert returns.single(online, target) is target


def test_no_steps_are_refused():
    with pytest.raises(InputError, match="n_step is 0"):
        returns.n_step(0)


def test_targets_keep_further_axes():
    wide = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf[:, None, None], (5, 2, 3)), play())
    assert returns.n_step(3)(wide).shape == returns.peng(0.3)(wide).shape == (5, 2, 3)
