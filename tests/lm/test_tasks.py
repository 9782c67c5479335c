"""Tasks for language teams: what a perfect team earns, and that scenes of one task agree."""

import numpy as np
import pytest

from interplay.lm import tasks
from interplay.lm.play import Seat, play
from interplay.lm.scripted import Scripted
from interplay.lm.tasks import ledger
from interplay.lm.words import Words


def earned(scene, episodes=150):
    codec = Words(scene.vocabulary, scene.agents)
    seats = dict.fromkeys(scene.agents, Seat(Scripted(codec, scene.script)))
    drawn = [scene.draw(np.random.default_rng(number)) for number in range(episodes)]
    return play(scene, seats, drawn, (0,))


def test_a_perfect_team_earns_what_can_be_earned():
    played = earned(tasks.make("ledger(skill=1.0)"))
    mean = np.mean([one.outcome for one in played])
    assert abs(mean - (0.5 * (0.9 + 0.1 * 0) + 0.5 * 0.95)) < 0.08  # known by heart, or searched for once
    assert not any(one.events.get("illegal") for one in played)
    worse = np.mean([one.outcome for one in earned(tasks.make("ledger(skill=0.3)"))])
    assert worse < mean - 0.3


def test_a_clerk_that_does_all_of_it_earns_as_much():
    played = earned(tasks.make("ledger-alone(skill=1.0)"))
    assert abs(np.mean([one.outcome for one in played]) - 0.925) < 0.08
    assert len(played[0].chains()) == 1  # all that it says is one sequence


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_chance_in_the_routers_place_searches_so_often(share):
    played = earned(tasks.make(f"ledger-routed(share={share})"))
    searched = np.mean([any(call.agent == "searcher" for call in one.calls) for one in played])
    assert abs(searched - share) < 0.12 and not any(call.agent == "router" for one in played for call in one.calls)


def test_every_name_is_filed_under_one_word():
    filed = [ledger.right_query(name) for name in ledger.NAMES]
    assert all(filed.count(query) == 2 for query in ledger.QUERIES)
