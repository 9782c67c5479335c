"""What every row of a record means, on a game whose whole course is worked out by hand."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.core.game import Discrete, Game, Spec, TimeStep, opening, outcome
from interplay.core.team import DECENTRALIZED, Decision, Evaluation, Team
from interplay.play import scan

KEY = jax.random.key(0)


class Clock(Game):
    """Two agents; ends after three steps, by death or by the clock; shows the time, pays the action, agent 1 ten more."""

    spec: Spec
    dies: bool = eqx.field(static=True, default=False)
    keyed: bool = eqx.field(static=True, default=False)

    def reset(self, key):
        start = {"time": jnp.zeros((), jnp.int32)}
        start |= {"key": key} if self.keyed else {}
        return start, TimeStep(**self.view(start), **opening(self.spec))

    def step(self, state, action, key):
        state = {**state, "time": state["time"] + 1}
        done = state["time"] >= 3
        reward = action + jnp.array([0.0, 10.0])
        return state, TimeStep(**self.view(state), **outcome(reward, done & self.dies, done & (not self.dies)))

    def view(self, state):
        seen = jnp.full((2, 1), state["time"], jnp.float32)
        return {"observation": seen, "legal": jnp.ones((2, 3), bool), "active": jnp.ones(2, bool), "shared": seen[0]}


SPEC = Spec(agents=2, observation=1, action=Discrete(3), horizon=3, shared=1)


class Counting(Team):
    """Does what time it is; remembers how often it acted in this episode; values a step at ten times that plus the agent."""

    scale: jax.Array
    needs: str = eqx.field(static=True, default=DECENTRALIZED)

    def begin(self):
        return jnp.zeros(())

    def act(self, memory, time_step, key):
        value = self.scale * (10 * memory + jnp.arange(2.0))
        action = time_step.observation[:, 0].astype(jnp.int32)
        return memory + 1, Decision(action, -memory - jnp.zeros(2), value, {"noise": jax.random.uniform(key)})

    def evaluate(self, memory, time_step, decision):
        value = self.scale * (10 * memory + jnp.arange(2.0))
        return memory + 1, Evaluation(-memory - jnp.zeros(2), jnp.zeros(2), value, {"noise": decision.extra["noise"]})


TEAM = Counting(jnp.ones(()))


def gathered(game, length, times=1, batch=2):
    collect = scan.steps(game, batch, length)
    play, records = collect.init(TEAM, KEY), []
    for index in range(times):
        play, *record = jax.jit(collect.__call__)(TEAM, play, jax.random.key(index))
        records.append(record)
    return play, records


@pytest.fixture(scope="module")
def truncating():
    return gathered(Clock(SPEC), 5, times=2)


def column(rows, agent=None):
    rows = np.asarray(rows)[:, 1]
    return (rows if agent is None else rows[:, agent]).tolist()


def test_rows_are_what_was_seen_what_was_done_and_what_came_of_it(truncating):
    _, [(record, _), _] = truncating
    assert column(record.time_step.observation[..., 0], 1) == [0, 1, 2, 0, 1]
    assert column(record.decision.action, 0) == [0, 1, 2, 0, 1]
    assert column(record.reward, 0) == [0, 1, 2, 0, 1]
    assert column(record.reward, 1) == [10, 11, 12, 10, 11]
    assert column(record.truncated) == [False, False, True, False, False]
    assert not record.terminated.any()
    assert column(record.started) == [True, False, False, True, False]
    assert not record.time_step.truncated.any(), "a row shows the step it acts on, never the one that ended"


def test_memory_starts_afresh_with_every_episode_and_only_then(truncating):
    play, [(first, _), (second, _)] = truncating
    assert column(first.decision.value, 0) == [0, 10, 20, 0, 10]
    assert column(second.decision.value, 0) == [20, 0, 10, 20, 0]
    assert first.memory.tolist() == [0, 0]
    assert second.memory.tolist() == [2, 2]
    assert column(second.started) == [False, True, False, False, True]
    assert play.memory.tolist() == [1, 1]


def test_the_bootstrap_is_the_value_of_the_step_arrived_at(truncating):
    _, [(first, _), (second, _)] = truncating
    assert column(first.bootstrap, 0) == [0, 0, 30, 0, 20]  # the fourth step of the episode; the third one
    assert column(first.bootstrap, 1) == [0, 0, 31, 0, 21]
    assert column(second.bootstrap, 0) == [30, 0, 0, 30, 10]


def test_a_truncation_in_the_last_row_is_valued_once():
    _, [(record, _)] = gathered(Clock(SPEC), 3)
    assert column(record.bootstrap, 0) == [0, 0, 30]


def test_what_terminated_is_worth_nothing():
    _, [(record, _)] = gathered(Clock(SPEC, dies=True), 5)
    assert column(record.terminated) == [False, False, True, False, False]
    assert column(record.bootstrap, 0) == [0, 0, 0, 0, 20]
    play, [(record, _)] = gathered(Clock(SPEC, dies=True), 3)
    assert not record.bootstrap.any()
    assert play.started.all()


def test_finished_episodes_are_summed(truncating):
    play, [(_, first), (_, second)] = truncating
    assert first.episodes == 2
    assert first.length == 6
    assert first.total.tolist() == [6, 66]  # 0 + 1 + 2 and 10 + 11 + 12, in both games
    assert second.episodes == 4
    assert second.total.tolist() == [12, 132]
    assert play.length.tolist() == [1, 1]
    assert play.total.tolist() == [[0, 10], [0, 10]]


def test_games_that_keep_random_keys_in_their_state_start_again():
    play, [(record, _)] = gathered(Clock(SPEC, keyed=True), 5)
    assert column(record.started) == [True, False, False, True, False]
    words = np.asarray(jax.random.key_data(play.state["key"]))
    assert (words[0] != words[1]).any(), "each game starts from a key of its own"
    first = np.asarray(jax.random.key_data(gathered(Clock(SPEC, keyed=True), 2)[0].state["key"]))
    assert (words != first).any(), "and each episode too"


def test_randomness_differs_between_steps_games_and_calls(truncating):
    _, [(first, _), (second, _)] = truncating
    noise = np.concatenate([np.ravel(record.decision.extra["noise"]) for record in (first, second)])
    assert len(np.unique(noise)) == 20


def test_reevaluation_is_what_was_recorded(truncating):
    for record, _ in truncating[1]:
        again = jax.jit(scan.reevaluate)(TEAM, record)
        np.testing.assert_array_equal(again.log_prob, record.decision.log_prob)
        np.testing.assert_array_equal(again.value, record.decision.value)
        np.testing.assert_array_equal(again.extra["noise"], record.decision.extra["noise"])


@pytest.mark.parametrize("dies", [True, False])
def test_whole_episodes(dies):
    returns, lengths = jax.jit(lambda: scan.episodes(TEAM, Clock(SPEC, dies=dies), KEY, 4))()
    assert returns.tolist() == [[3, 33]] * 4
    assert lengths.tolist() == [3] * 4


class Uneven(Clock):
    """Ends after as many steps as the key says, one or two: what comes after the end does not count."""

    def reset(self, key):
        _, seen = super().reset(key)
        return {"time": 1 + jax.random.bernoulli(key).astype(jnp.int32)}, seen


def test_whole_episodes_stop_counting_at_their_own_end():
    returns, lengths = jax.jit(lambda: scan.episodes(TEAM, Uneven(SPEC), KEY, 32))()
    assert set(lengths.tolist()) == {1, 2}
    pays = {1: 10, 2: 10 + 12}  # the team acts on what it sees: first nothing, then that the time is 2
    assert returns[:, 1].tolist() == [pays[length] for length in lengths.tolist()]


def test_one_recorded_episode():
    states, rewards = scan.record(TEAM, Clock(SPEC), KEY)
    assert [int(state["time"]) for state in states] == [0, 1, 2, 3]
    assert rewards.tolist() == [[0, 0], [0, 10], [1, 11], [2, 12]]
