"""Who speaks at the table of an array game: exact values against strategies, seats, memory, host games, refusals."""

import dataclasses

import numpy as np
import pytest

from interplay.core.errors import InputError
from interplay.core.game import Discrete, HostGame, Spec, TimeStep
from interplay.games import staged, tree
from interplay.games.sequential import CHANCE, TERMINAL
from interplay.lm import tasks
from interplay.lm.play import Seat, play
from interplay.lm.scripted import Scripted, always
from interplay.nets import tabular
from interplay.run import shared_table, strategies


def played(scene, count, script=None, first=0):
    codec = scene.codec(scene.vocabulary, scene.agents)
    seats = dict.fromkeys(scene.agents, Seat(Scripted(codec, script or scene.script)))
    deals = [scene.draw(np.random.default_rng(first + number)) for number in range(count)]
    return play(scene, seats, deals, (0,))


@pytest.fixture(scope="module")
def kuhn():
    return tree.make("kuhn")


@pytest.fixture(scope="module")
def betting(kuhn):
    """Bets three times of four, whatever it knows."""
    return np.tile([0.25, 0.75], (kuhn.rows, 1))


def worth(game, chance, state=None):
    """What a game is worth to every player where `chance(mover)` says how likely each move is: by going through it all."""
    state = game.start() if state is None else state
    mover = game.mover(state)
    if mover == TERMINAL:
        return np.array(game.payoffs(state))
    moves = game.chances(state) if mover == CHANCE else zip(game.legal(state), chance(mover), strict=True)
    return sum(likely * worth(game, chance, game.play(state, move)) for move, likely in moves)


@pytest.mark.parametrize(("seat", "script", "chance"), [(0, always("pass"), (1.0, 0.0)), (1, None, (0.5, 0.5))])
def test_a_model_earns_from_a_strategy_what_the_tree_says(kuhn, betting, seat, script, chance):
    scene = shared_table.make("kuhn", others={1 - seat: tabular.tabular(staged.of_tree(kuhn), betting)})
    assert scene.agents == (f"player_{seat}",)
    found = [one.outcome[f"player_{seat}"] for one in played(scene, 250, script)]
    exact = worth(kuhn.record.game, lambda mover: chance if mover == seat else (0.25, 0.75))[seat]
    even = worth(kuhn.record.game, lambda mover: (0.5, 0.5))[seat]
    error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found) - exact) < 3.5 * error
    assert script is None or abs(even - exact) > 3.5 * error  # it matters who plays


def test_a_folder_of_a_strategy_sits_down_and_others_do_not(kuhn, betting, tmp_path):
    strategies.save(tmp_path / "strategy", "kuhn", kuhn, betting)
    scene = tasks.make(f"game:kuhn(others={{1: '{tmp_path}'}})")
    assert not any(one.error for one in played(scene, 3))
    for name, says in (
        (f"game:leduc(suits=False, others={{1: '{tmp_path}'}})", "not the same game"),
        (f"game:climbing(others={{1: '{tmp_path}'}})", "climbing is none"),
        ("game:kuhn(others={1: 'nowhere'})", "nowhere"),
        (f"game:kuhn(others={{2: '{tmp_path}'}})", "seats 0 to 1"),
        (f"game:kuhn(others={{0: '{tmp_path}', 1: '{tmp_path}'}})", "leave one"),
        ("game:lqr", "real numbers"),
        ("game:kuhm", "did you mean kuhn"),
        ("game:kuhn(remembered=-1)", "remembered=-1"),
    ):
        with pytest.raises(InputError, match=says) as refused:
            tasks.make(name)
        assert "\n" not in str(refused.value)


def test_an_episode_is_its_deal_and_nothing_else():
    scene = shared_table.make("kuhn")
    many, alone = played(scene, 5), played(scene, 1, first=4)[0]
    cards = lambda one: [call.context[-1].text for call in one.calls]
    assert cards(many[4])[0] == cards(alone)[0]
    assert all(sum(one.outcome.values()) == 0 for one in many)


def test_all_who_move_at_once_speak_at_once_and_rounds_pay():
    scene = shared_table.make("climbing", horizon=3, remembered=1)
    one = played(scene, 1, always("2"))[0]
    assert one.outcome == {"agent_0": 15.0, "agent_1": 15.0} and len(one.rounds) == 3
    assert [call.round for call in one.calls] == [0, 0, 1, 1, 2, 2]
    reads = [message.text for message in one.calls[4].context]
    assert reads == ["agent_0 round 2 of 3: last 2 2", "2", "agent_0 round 3 of 3: last 2 2"]
    assert max(len(one.path(index).tokens) for index in range(6)) <= scene.context


def test_an_answer_that_is_no_move_is_counted():
    scene = dataclasses.replace(shared_table.make("climbing"), script=None)

    class Mute(Scripted):
        def _answer(self, request):
            return super()._answer(dataclasses.replace(request, answers=None))

    seats = dict.fromkeys(scene.agents, Seat(Mute(scene.codec(scene.vocabulary, scene.agents), always("hm"))))
    one = play(scene, seats, [shared_table.Deal(0)], (0,))[0]
    assert one.events["illegal"] == 2 and one.outcome["agent_0"] == 11.0  # both did the first thing


class Guess(HostGame):
    """One agent; whether it said the parity of the seed."""

    spec = Spec(agents=1, observation=1, action=Discrete(2), horizon=1)

    def reset(self, seed):
        self.seed = seed % 2
        return self._told(0.0, False)

    def step(self, action):
        return self._told(float(action[0] == self.seed), True)

    def again(self):
        return Guess()

    def _told(self, reward, done):
        one = np.ones((1,), bool)
        return TimeStep(
            observation=np.array([[self.seed]], np.float32), legal=np.ones((1, 2), bool), active=one,
            shared=np.zeros(0, np.float32), reward=np.array([reward], np.float32),
            terminated=np.array(done), truncated=np.array(False),
        )  # fmt: skip


def test_games_of_python_objects_are_told_too(monkeypatch):
    monkeypatch.setattr(shared_table.games, "make", lambda name, **parameters: Guess())
    found = played(shared_table.make("guess"), 12, lambda request, random: request.reads[-1].text)
    assert [one.outcome["agent_0"] for one in found] == [1.0] * 12
    assert {one.calls[0].context[0].text for one in found} == {"0", "1"}


@pytest.mark.slow
def test_a_trained_run_sits_down_where_its_game_is_played(tmp_path):
    from interplay.run import training

    training.train("ippo", "kuhn", steps=2048, out=tmp_path / "run", width=8)
    scene = tasks.make(f"game:kuhn(others={{0: '{tmp_path / 'run'}'}})")
    assert scene.agents == ("player_1",) and not any(one.error for one in played(scene, 20))
    with pytest.raises(InputError, match="their agents differ"):
        tasks.make(f"game:kuhn(players=3, others={{0: '{tmp_path / 'run'}'}})")
