"""What is put into a replay comes out of it, whole and where it belongs, until it is written over."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.core.errors import InputError
from interplay.core.game import TimeStep
from interplay.core.team import Decision
from interplay.core.trajectory import Transitions
from interplay.play import ring
from interplay.play.ring import Room

LANES, LENGTH = 2, 4
ENDS = {0: (2, 6, 7, 13, 18), 1: (4, 9, 11, 19)}  # rows at which episodes end, lane by lane
CUT = 11  # lane 1's third episode is cut by the clock


def insertion(number):
    """Rows `number`·LENGTH … of a play in which row t of lane b shows 100·b + t and leads to 100·b + t + 1/2."""
    rows = number * LENGTH + np.arange(LENGTH)[:, None] + np.zeros((1, LANES), int)
    lane = np.arange(LANES)[None] + np.zeros((LENGTH, 1), int)
    shown = jnp.asarray(100.0 * lane + rows, jnp.float32)
    done = np.array([[t in ENDS[b] for b in range(LANES)] for t in rows[:, 0]])
    opens = np.array([[t == 0 or t - 1 in ENDS[b] for b in range(LANES)] for t in rows[:, 0]])
    over = jnp.asarray(done & (rows != CUT))
    none = jnp.zeros((LENGTH, LANES), bool)

    def seen(value, terminated, truncated):
        return TimeStep(
            observation=jnp.broadcast_to(value[..., None, None], (LENGTH, LANES, 2, 3)),
            legal=jnp.ones((LENGTH, LANES, 2, 2), bool),
            active=jnp.ones((LENGTH, LANES, 2), bool),
            shared=jnp.zeros((LENGTH, LANES, 0)),
            reward=jnp.broadcast_to(value[..., None], (LENGTH, LANES, 2)),
            terminated=terminated,
            truncated=truncated,
        )

    action = jnp.asarray(np.broadcast_to(rows[..., None] % 2, (LENGTH, LANES, 2)), jnp.int32)
    decision = Decision(action, jnp.zeros((LENGTH, LANES, 2)), jnp.zeros((LENGTH, LANES, 2)))
    arrived = seen(shown + 0.5, over, jnp.asarray(done) & ~over)
    return Transitions(seen(shown, none, none), decision, arrived, jnp.asarray(opens))


def filled(replay, insertions):
    memory, add = replay.init(insertion(0)), eqx.filter_jit(replay.add)
    for number in range(insertions):
        memory = add(memory, insertion(number))
    return memory


def room(capacity=24, drawn=4000, warmup=0):
    return Room(capacity, LANES, LENGTH, drawn, warmup)


def drawn(replay, memory, seed=0):
    """(first row of every draw, as 100·lane + row; everything drawn)."""
    _, out = eqx.filter_jit(replay.draw)(memory, jax.random.key(seed))
    return np.asarray(out.transitions.time_step.observation[0, :, 0, 0]), out


KINDS = {
    "uniform": ring.uniform,
    "prioritized": lambda room, window=1: ring.prioritized(room, window, alpha=0.6),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("window", [1, 3])
@pytest.mark.parametrize("insertions", [1, 3, 4, 5])
def test_every_window_that_is_still_whole_is_drawn_equally_often(kind, window, insertions):
    replay = KINDS[kind](room(), window)
    first, _ = drawn(replay, filled(replay, insertions))
    written = insertions * LENGTH
    expected = [100 * b + t for b in range(LANES) for t in range(max(0, written - 12), written - window + 1)]
    found, count = np.unique(first, return_counts=True)
    assert found.tolist() == expected
    assert abs(count - 4000 / len(expected)).max() < 6 * np.sqrt(4000 / len(expected))


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_a_draw_follow_each_other_and_keep_together(kind):
    replay = KINDS[kind](room(), 3)
    first, out = drawn(replay, filled(replay, 5))
    play = out.transitions
    assert play.time_step.observation.shape == (3, 4000, 2, 3)
    for k in range(3):
        np.testing.assert_array_equal(
            play.time_step.observation[k], np.broadcast_to(first[:, None, None] + k, (4000, 2, 3))
        )
    np.testing.assert_array_equal(play.arrived.observation, play.time_step.observation + 0.5)
    np.testing.assert_array_equal(play.arrived.reward, play.time_step.observation[..., 0] + 0.5)
    np.testing.assert_array_equal(play.decision.action[..., 0], play.time_step.observation[..., 0, 0].astype(int) % 2)
    assert play.decision.action.dtype == jnp.int32
    assert play.time_step.legal.dtype == bool


def test_rows_beyond_the_end_of_an_episode_have_no_weight():
    replay = ring.uniform(room(), 3)
    first, out = drawn(replay, filled(replay, 3))
    for number, weight in zip(first, np.asarray(out.weight).T, strict=True):
        lane, row = divmod(int(number), 100)
        left = min((end - row for end in ENDS[lane] if end >= row), default=9)
        assert weight.tolist() == [1.0 if k <= left else 0.0 for k in range(3)]


def test_both_kinds_of_end_come_out_as_they_went_in():
    replay = ring.uniform(room())
    first, out = drawn(replay, filled(replay, 3))
    cut, over = np.asarray(out.transitions.arrived.truncated[0]), np.asarray(out.transitions.arrived.terminated[0])
    np.testing.assert_array_equal(cut, first == 100 + CUT)
    np.testing.assert_array_equal(over, np.isin(first, [2, 6, 7, 104, 109]))


def whole(written, kept):
    """Episodes that have ended within `written` rows and whose first row is among the last `kept`."""
    found = {}
    for lane, ends in ENDS.items():
        for start, end in zip((0, *(end + 1 for end in ends)), ends, strict=False):
            if end < written and start >= written - kept:
                found[100 * lane + start] = end - start + 1
    return found


@pytest.mark.parametrize("insertions", [1, 2, 3, 4, 5])
def test_whole_episodes_are_drawn_from_their_ends_until_their_first_row_is_gone(insertions):
    replay = ring.episodes(room(capacity=32), 8)
    memory = filled(replay, insertions)
    assert bool(replay.ready(memory))
    first, out = drawn(replay, memory)
    expected = whole(insertions * LENGTH, 16)
    found, count = np.unique(first, return_counts=True)
    assert found.tolist() == sorted(expected)
    assert abs(count - 4000 / len(expected)).max() < 6 * np.sqrt(4000 / len(expected))
    np.testing.assert_array_equal(np.asarray(out.weight).sum(0), [expected[int(number)] for number in first])
    assert bool(out.transitions.started[0].all())


def test_nothing_is_ready_before_there_is_enough():
    assert not bool(ring.uniform(room(), 5).ready(filled(ring.uniform(room(), 5), 1)))
    assert bool(ring.uniform(room(), 5).ready(filled(ring.uniform(room(), 5), 2)))
    warm = ring.uniform(room(warmup=13))
    assert [bool(warm.ready(filled(warm, count))) for count in (1, 2)] == [False, True]
    episodes = ring.episodes(room(capacity=64), 20)
    empty = episodes.add(episodes.init(insertion(0)), insertion(2))
    assert bool(episodes.ready(empty))  # rows 8 to 11 hold an end
    assert not bool(episodes.ready(episodes.init(insertion(0))))


def test_draws_follow_the_errors_they_were_told():
    replay = ring.prioritized(room(), alpha=1.0, beta=1.0, least=0.0)
    memory = filled(replay, 3)
    lane, start = np.divmod(np.arange(24), 12)
    error = np.where((lane == 1) & (start == 5), 9.0, 1.0)
    where = ring.Drawn(jnp.asarray(lane), jnp.asarray(start), jnp.ones(24))
    memory = replay.rate(memory, where, jnp.asarray(error, jnp.float32))
    assert float(memory.masses[:, 1].sum()) == 32
    first, out = drawn(replay, memory)
    share = (first == 105).mean()
    assert abs(share - 9 / 32) < 0.03
    np.testing.assert_allclose(out.weight[0], np.where(first == 105, 1 / 9, 1.0), rtol=1e-6)


def test_new_rows_get_the_largest_priority_there_was():
    replay = ring.prioritized(room(capacity=48), alpha=1.0, least=0.0)
    memory = filled(replay, 1)
    told = ring.Drawn(jnp.array([0]), jnp.array([1]), jnp.ones(1))
    memory = replay.rate(memory, told, jnp.array([7.0]))
    memory = replay.add(memory, insertion(1))
    half = memory.masses.shape[1] // 2
    assert memory.masses[0, half : half + 8].tolist() == [1, 7, 1, 1, 7, 7, 7, 7]
    assert memory.masses[1, half : half + 8].tolist() == [1, 1, 1, 1, 7, 7, 7, 7]


@pytest.mark.parametrize("window", [1, 3])
@pytest.mark.parametrize("insertions", [2, 3, 4, 5])
def test_priorities_to_the_power_of_zero_are_uniform_draw_for_draw(window, insertions):
    plain, ranked = ring.uniform(room(), window), ring.prioritized(room(), window, alpha=0.0)
    first, second = drawn(plain, filled(plain, insertions))[1], drawn(ranked, filled(ranked, insertions))[1]
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        np.testing.assert_array_equal(a, b)


def test_too_large_a_replay_is_refused_before_anything_is_allocated():
    replay = ring.uniform(room(capacity=10**13))
    with pytest.raises(InputError, match=r"takes .* GiB and this machine has .* GiB: give a capacity of at most"):
        jax.eval_shape(lambda: replay.init(insertion(0)).written)
    assert ring.bytes_of(room(capacity=100), insertion(0)) == 100 * ring.Packing.of(insertion(0)).row_bytes


def test_the_bytes_that_are_stated_are_those_that_are_taken():
    memory = ring.uniform(room(capacity=48)).init(insertion(0))
    assert sum(rows.nbytes for rows in memory.rows.values()) == ring.bytes_of(room(capacity=48), insertion(0))


def test_too_small_a_replay_is_refused():
    with pytest.raises(InputError, match="too few for one draw: give 24 or more"):
        ring.episodes(room(capacity=16), 7).init(insertion(0))
    with pytest.raises(InputError, match="nothing to learn from"):
        ring.uniform(room(drawn=0)).init(insertion(0))
    replay = ring.uniform(Room(18, LANES, 3, 4))
    with pytest.raises(InputError, match="4 rows were added"):
        replay.add(replay.init(insertion(0)), insertion(0))
