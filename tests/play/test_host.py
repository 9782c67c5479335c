"""Gathering from Python games: what each row means, exact resume by replay, faults named, processes ended."""

import functools
import multiprocessing
import textwrap
import time
import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay import games
from interplay.core.errors import GameError, InputError
from interplay.core.game import Box, Discrete, Game, HostGame, Spec, TimeStep
from interplay.core.team import Decision, Team
from interplay.play import host, resume, workers


class Dice(Team):
    """Acts at random; remembers how many steps the episode has had, and claims that as its value times ten."""

    spec: Spec
    needs: str = eqx.field(static=True, default="decentralized")

    def begin(self):
        return jnp.zeros(())

    def act(self, memory, time_step, key):
        if isinstance(self.spec.action, Discrete):
            action = jax.random.categorical(key, jnp.where(time_step.legal, 0.0, -jnp.inf))
        else:
            action = jax.random.uniform(key, time_step.legal.shape, minval=-1.0)
        value = jnp.full(self.spec.agents, 10 * memory)
        return memory + 1, Decision(action, jnp.zeros(self.spec.agents), value, {"noise": jax.random.uniform(key)})


class Clock(HostGame):
    """Two agents; ends after `length` steps, by death or the clock; pays the action plus one, shows (seed, time)."""

    def __init__(self, length=3, terminates=False, drift=0.0):
        self.spec = Spec(agents=2, observation=2, action=Discrete(4), horizon=max(length, 1), shared=1)
        self.length, self.terminates, self.drift, self.starts = length, terminates, drift, 0
        self.fed = []

    def reset(self, seed):
        self.seed, self.time, self.starts = seed, 0, self.starts + 1
        return self.see(np.zeros(2))

    def step(self, action):
        self.time += 1
        self.fed.append(action.copy())
        return self.see(action + 1.0)

    def see(self, reward):
        done = self.time >= self.length
        rows = np.array([[self.seed % 97, self.time], [self.starts * self.drift, self.time]], np.float32)
        return TimeStep(
            observation=rows, legal=np.ones((2, 4), bool), active=np.array([True, self.time % 2 == 0]),
            shared=np.array([self.time], np.float32), reward=np.asarray(reward, np.float32),
            terminated=np.array(done and self.terminates), truncated=np.array(done and not self.terminates),
        )  # fmt: skip


def gather(make, batch=2, length=5, **how):
    gather = host.steps(make, batch, length, **how)
    team = Dice(gather.spec)
    return gather, team, gather.init(team, jax.random.key(0))


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True))


def test_rows_say_what_was_seen_done_and_came_of_it():
    collect, team, play = gather(Clock)
    play, seen, finished = collect(team, play, jax.random.key(1))
    assert seen.reward.shape == (5, 2, 2) and seen.started.shape == (5, 2) and collect.cost == 10
    assert np.asarray(seen.time_step.observation[:, 0, 0, 1]).tolist() == [0, 1, 2, 0, 1]
    assert np.asarray(seen.started[:, 0]).tolist() == [True, False, False, True, False]
    assert np.asarray(seen.truncated[:, 0]).tolist() == [False, False, True, False, False]
    assert not seen.terminated.any() and not seen.time_step.truncated.any()
    fed = np.where(seen.time_step.active, seen.decision.action, 0)
    np.testing.assert_array_equal(seen.reward, fed + 1)  # whoever is not to move is fed zero
    np.testing.assert_allclose(finished.total, fed[:3].sum((0, 1)) + 6)
    assert finished.episodes == 2 and finished.length == 6
    assert play.length.tolist() == [2, 2] and play.memory.tolist() == [2, 2] and not play.started.any()
    np.testing.assert_array_equal(play.total, seen.reward[3:].sum(0))


def test_what_a_replay_gets_is_the_play_that_is_recorded_for_on_policy_methods():
    collect, team, play = gather(Clock)
    expected = collect(team, play, jax.random.key(1))
    keep = host.experience(Clock, 2, 5)
    after, rows, finished = keep(team, play, jax.random.key(1))
    assert same((after, finished), (expected[0], expected[2]))
    seen = expected[1]
    assert same((rows.time_step, rows.decision.action), (seen.time_step, seen.decision.action))
    outcome = (rows.arrived.reward, rows.arrived.terminated, rows.arrived.truncated, rows.started)
    assert same(outcome, (seen.reward, seen.terminated, seen.truncated, seen.started))
    assert np.asarray(rows.arrived.observation[:, 0, 0, 1]).tolist() == [1, 2, 3, 1, 2]  # what an end looked like
    assert not rows.decision.value.any()


def test_bootstrap_is_the_value_of_the_step_arrived_at_where_the_record_breaks_off():
    collect, team, play = gather(Clock)
    _, seen, _ = collect(team, play, jax.random.key(1))
    # the memory before acting on the truncated step is 3, on the step after the last row 2
    assert np.asarray(seen.bootstrap[:, 1, 0]).tolist() == [0, 0, 30, 0, 20]
    collect, team, play = gather(lambda: Clock(terminates=True))
    _, seen, _ = collect(team, play, jax.random.key(1))
    assert np.asarray(seen.bootstrap[:, 1, 0]).tolist() == [0, 0, 0, 0, 20]
    collect, team, play = gather(lambda: Clock(terminates=True), length=3)
    play, seen, _ = collect(team, play, jax.random.key(1))
    assert not seen.bootstrap.any() and play.started.all() and play.memory.tolist() == [0, 0]


def test_episodes_have_seeds_of_their_own_that_follow_from_the_key():
    collect, team, play = gather(Clock, batch=3, length=9)
    _, seen, _ = collect(team, play, jax.random.key(1))
    numbers = np.asarray(seen.time_step.observation[::3, :, 0, 0])
    assert len(set(numbers.ravel().tolist())) > 6  # nine episodes; two may share a remainder
    again, team, play = gather(Clock, batch=3, length=9)
    assert same(again(team, play, jax.random.key(1))[1], seen)


@pytest.mark.parametrize(("make", "how"), [(host.steps, {}), (host.steps, {"workers": 2}), (host.experience, {})])
def test_a_new_process_resumes_bit_for_bit(make, how):
    name = "pettingzoo:mpe/simple_spread_v3"
    collect = make(name, 3, 11, **how)
    team = Dice(collect.spec)
    play, _, _ = collect(team, collect.init(team, jax.random.key(0)), jax.random.key(1))
    saved = jax.tree.map(np.asarray, play)
    expected = collect(team, play, jax.random.key(2))
    collect.close()
    fresh = make(name, 3, 11)
    assert same(fresh(team, saved, jax.random.key(2)), expected)


def test_an_earlier_play_in_the_same_process_is_returned_to():
    collect, team, play = gather("pettingzoo:mpe/simple_spread_v3", length=7)
    middle, _, _ = collect(team, play, jax.random.key(1))
    expected = collect(team, middle, jax.random.key(2))
    other = collect.init(team, jax.random.key(9))  # another seed's games are kept beside the first one's
    collect(team, other, jax.random.key(3))
    collect(team, expected[0], jax.random.key(3))
    assert same(collect(team, middle, jax.random.key(2)), expected)


def test_games_that_stand_right_are_not_replayed():
    made = []
    collect, team, play = gather(lambda: made.append(Clock(length=50)) or made[-1], batch=1, length=4)
    for key in range(3):
        play, _, _ = collect(team, play, jax.random.key(key))
    assert len(made) == 1 and made[0].starts == 1 and len(made[0].fed) == 12


def test_games_that_do_not_repeat_themselves_are_said_to():
    collect, team, play = gather(lambda: Clock(length=50, drift=1.0), length=4)
    play, _, _ = collect(team, play, jax.random.key(1))
    collect(team, play, jax.random.key(2))
    with pytest.warns(RuntimeWarning, match="does not repeat itself"):
        collect(team, play, jax.random.key(2))


def test_episodes_longer_than_the_log_begin_anew(monkeypatch):
    monkeypatch.setattr(host, "LONGEST_LOG", 3)
    collect, team, play = gather(lambda: Clock(length=50), length=4)
    assert play.log.shape == (2, 3, 2)
    play, _, _ = collect(team, play, jax.random.key(1))
    fresh = host.steps(lambda: Clock(length=50), 2, 4)
    with pytest.warns(RuntimeWarning, match="2 episodes of Clock cannot be replayed"):
        play, seen, _ = fresh(team, play, jax.random.key(2))
    assert seen.started[0].all() and seen.time_step.observation[0, 0, 0, 1] == 0 and play.length.tolist() == [4, 4]


@pytest.mark.parametrize(
    "name", ["gymnasium:CartPole-v1", "mamujoco:HalfCheetah/2x3", "pettingzoo:classic/tictactoe_v3"]
)
def test_games_of_every_adapter_are_gathered_alike_here_and_elsewhere(name):
    collect, team, play = gather(name, length=12)
    ended = collect(team, play, jax.random.key(1))
    assert np.isfinite(ended[1].reward).all() and ended[1].reward.shape == (12, 2, collect.spec.agents)
    if isinstance(collect.spec.action, Box):
        assert ended[1].decision.action.shape == (12, 2, 2, 3)
    if "tictactoe" in name:
        assert (ended[1].time_step.active.sum(-1) == 1).all() and ended[2].episodes >= 2


FAULTY = textwrap.dedent("""
    import os, time
    import numpy as np
    from interplay.core.game import Discrete, HostGame, Spec, TimeStep

    class Faulty(HostGame):
        def __init__(self, fault="", turns=False):
            self.spec = Spec(agents=2, observation=2, action=Discrete(2), horizon=9, names=("walker_0", "walker_1"))
            self.fault, self.turns = fault, turns
        def reset(self, seed):
            self.time = 0
            return self.see()
        def step(self, action):
            self.time += 1
            if self.time == 3:
                if self.fault == "raise": raise ZeroDivisionError("the ground gave way")
                if self.fault == "hang": time.sleep(600)
                if self.fault == "die": os._exit(7)
            return self.see()
        def see(self):
            late = self.time == 3
            view = np.zeros((2, 3 if late and self.fault == "shape" else 2))
            if late and self.fault == "nan": view[1, 0] = np.nan
            active = np.array([not self.turns, True])
            no = np.array(False)
            return TimeStep(view, np.ones((2, 2), bool), active, np.zeros(0), np.zeros(2), no, no)
""")
FAULTS = [
    ("raise", r"game 0, step 3: ZeroDivisionError: the ground gave way \(episode seed \d+\)"),
    ("shape", r"game 0, step 3: observation has shape \(2, 3\), expected \(2, 2\)"),
    ("nan", r"game 0, agent walker_1, step 3: observation is not finite"),
]


@pytest.fixture
def faulty(tmp_path, monkeypatch):
    (tmp_path / "faulty_games.py").write_text(FAULTY)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "faulty_games:Faulty"


@pytest.mark.parametrize(("fault", "message"), FAULTS)
def test_faults_are_named(faulty, fault, message):
    collect, team, play = gather(f"{faulty}(fault='{fault}')")
    with pytest.raises(GameError, match=message):
        collect(team, play, jax.random.key(1))


def test_in_a_game_of_turns_a_fault_is_of_whoever_moved(faulty):
    collect, team, play = gather(f"{faulty}(fault='raise', turns=True)")
    with pytest.raises(GameError, match="game 0, agent walker_1, step 3: ZeroDivisionError"):
        collect(team, play, jax.random.key(1))


@pytest.mark.parametrize(
    ("fault", "message"),
    [FAULTS[0], ("hang", r"game 0, agent walker_1, step 3: no answer within 0.5 s"), ("die", r"step 3: .*exit code 7")],
)
def test_faults_in_worker_processes_are_named_and_nothing_is_left_behind(faulty, fault, message):
    turns = fault == "hang"
    collect, team, play = gather(f"{faulty}(fault='{fault}', turns={turns})", workers=2, timeout=0.5)
    began = time.monotonic()
    with pytest.raises(GameError, match=message):
        collect(team, play, jax.random.key(1))
    assert time.monotonic() - began < 20
    assert not multiprocessing.active_children()


def test_a_fault_of_the_third_walker_in_a_pettingzoo_game(monkeypatch):
    game = games.make("pettingzoo:mpe/simple_spread_v3")
    collect, team, play = gather(lambda: game, batch=1)
    collect(team, play, jax.random.key(1))
    whole = type(game.env.unwrapped).observe
    monkeypatch.setattr(type(game.env.unwrapped), "observe", lambda env, agent: whole(env, agent)[agent == "agent_2" :])
    message = r"simple_spread_v3 game 0, agent agent_2, step 0: observation has shape \(17,\), expected \(18,\)"
    with pytest.raises(GameError, match=message):
        collect.init(team, jax.random.key(0))


def test_games_that_other_processes_cannot_make():
    with pytest.raises(InputError, match="give its name"):
        host.steps(lambda: Clock(), 2, 2, workers=1)
    with pytest.raises(InputError, match="plain parameters"):
        workers.recipe(functools.partial(games.make, "spread", size=object()))
    with pytest.raises(InputError, match="multiwalker_v9"):
        host.steps("pettingzoo:sisl/multiwaker_v9", 2, 2, workers=1)
    assert not multiprocessing.active_children()


def test_pure_games_are_told_where_to_go():
    class Pure(Game):
        spec: Spec = Spec(1, 1, Discrete(2), 3)

        def reset(self, key): ...

        def step(self, state, action, key): ...

    with pytest.raises(InputError, match="scan"):
        host.steps(Pure, 1, 2)


def test_whole_episodes_do_not_depend_on_how_many_are_played_at_once(monkeypatch):
    name = "gymnasium:CartPole-v1"
    team = Dice(games.make(name).spec)
    returns, lengths = host.episodes(team, name, jax.random.key(3), 5)
    assert returns.shape == (5, 1) and np.array_equal(returns[:, 0], lengths) and (lengths > 5).all()
    monkeypatch.setattr(host, "SIDE_BY_SIDE", 2)
    again = host.episodes(team, name, jax.random.key(3), 5)
    assert same(again, (returns, lengths))


def test_a_recorded_episode_has_a_picture_for_every_step():
    class Drawn(Clock):
        def draw(self):
            return f"<svg>{self.time}</svg>"

    game = Drawn()
    frames, rewards = host.record(Dice(game.spec), game, seed=4)
    assert frames == [f"<svg>{t}</svg>" for t in range(4)] and rewards.shape == (4, 2) and not rewards[0].any()


def test_teams_that_differ_in_parameters_share_a_compiled_program():
    class Fixed(Dice):
        weight: jax.Array = eqx.field(default_factory=lambda: jnp.zeros(()))

    spec = Clock().spec
    one, other = host.actor(Fixed(spec)), host.actor(Fixed(spec, weight=jnp.ones(())))
    assert one.func is other.func
    assert resume.word(1, 2) == resume.word(1, 2) != resume.word(2, 1)


def test_no_warning_on_an_exact_resume():
    collect, team, play = gather(Clock, length=4)
    play, _, _ = collect(team, play, jax.random.key(1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        host.steps(Clock, 2, 4)(team, play, jax.random.key(2))
