"""Look-ups and sums: what perfect teams earn, how often agents are called, who is paid for what, who needs no encoder."""

import numpy as np
import pytest

from interplay.core.errors import InputError
from interplay.lm import tasks
from interplay.lm.play import Seat, play
from interplay.lm.scripted import Scripted
from interplay.lm.tasks import delegation, hops, sums
from interplay.lm.words import Words


def played(scene, episodes=120, script=None):
    codec = Words(scene.vocabulary, scene.agents)
    seats = dict.fromkeys(scene.agents, Seat(Scripted(codec, script or scene.script)))
    drawn = [scene.draw(np.random.default_rng(number)) for number in range(episodes)]
    return play(scene, seats, drawn, (0,))


def mean(found, event):
    return np.mean([one.events.get(event, 0) for one in found])


@pytest.mark.parametrize(
    "scene",
    [
        delegation.two_hop(skill=1.0, seeking=1.0),
        delegation.alone(skill=1.0),
        hops.k_hop(least=2, most=4, skill=1.0),
        sums.modular_sums(skill=1.0),
    ],
    ids=lambda scene: scene.name,
)
def test_who_makes_no_mistake_earns_all_and_says_nothing_unknown(scene):
    found = played(scene)
    first = [one.outcome[scene.agents[0]] if isinstance(one.outcome, dict) else one.outcome for one in found]
    assert np.mean(first) == pytest.approx(1.0)
    assert mean(found, "illegal") == mean(found, "failed") == mean(found, "limit") == 0
    for one in found[:20]:
        for chain in one.chains():
            path = one.path(*chain)
            assert 2 not in path.tokens  # <unknown>
            assert len(path.tokens) < 100


@pytest.mark.parametrize("scene", [delegation.two_hop(), delegation.alone(), hops.k_hop(), sums.modular_sums()])
def test_demonstrations_are_neither_perfect_nor_hopeless(scene):
    returns = [
        np.mean(list(one.outcome.values())) if isinstance(one.outcome, dict) else one.outcome for one in played(scene)
    ]
    assert 0.2 < np.mean(returns) < 0.85


def test_the_seeker_is_called_once_for_each_fact():
    found = played(delegation.two_hop(skill=1.0, seeking=1.0))
    calls = np.array([one.events["delegations"] for one in found])
    assert calls.tolist() == [one.task.needed for one in found] and set(calls) == {1, 2, 3, 4}
    for one in found[:20]:
        sizes = [len(chain) for chain in one.chains()]
        assert sizes == [calls_ + 1 if index == 0 else 2 for index, calls_ in enumerate([one.task.needed] * len(sizes))]
        assert [one.calls[chain[0]].invocation for chain in one.chains()] == list(range(one.task.needed + 1))


def test_a_seeker_is_paid_for_form_for_service_and_for_the_whole():
    scene = delegation.two_hop(skill=1.0, seeking=1.0)
    one = played(scene, 1)[0]
    assert {one.reward(call) for call in one.calls if call.agent == "seeker"} == {1.0}
    wrong = lambda request, random: (
        "report 7" if request.agent == "seeker" and len(request.reads) > 1 else scene.script(request, random)
    )
    for one in played(scene, 30, wrong):
        for call in (call for call in one.calls if call.agent == "seeker"):
            said = [other for other in one.calls if other.invocation == call.invocation]
            served = said[-1].message.text.split()[1] == delegation._fact(one.task, call.context[0].text)
            assert one.reward(call) == pytest.approx(0.1 + 0.4 * served + 0.5 * (one.outcome["planner"] == 1))
    rude = lambda request, random: "west" if request.agent == "seeker" else scene.script(request, random)
    one = played(scene, 1, rude)[0]
    assert {one.reward(call) for call in one.calls if call.agent == "seeker"} == {0.0}


def test_every_name_stands_on_a_shelf_of_its_own():
    assert sorted(delegation.filed(name) for name in delegation.NAMES) == sorted(delegation.SHELVES)


def test_thoughts_are_free_and_nonsense_is_not():
    scene = hops.k_hop(skill=1.0)
    quiet = lambda request, random: " ".join(scene.script(request, random).split()[-2:])
    assert np.mean([one.outcome for one in played(scene, 20, quiet)]) == 1.0
    assert {one.outcome for one in played(scene, 5, lambda request, random: "left left")} == {hops.ILLEGAL}


def test_a_rejected_sum_is_tried_again_at_a_cost():
    scene = sums.modular_sums(skill=1.0)
    sour = lambda request, random: "wrong" if request.agent == "verifier" else scene.script(request, random)
    for one in played(scene, 10, sour):
        assert one.outcome == pytest.approx(0.9) and len(one.calls) == 4
        assert [one.reward(call) for call in one.calls] == pytest.approx([0.9] * 4)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: delegation.two_hop(main=1.5), "give a share from 0 to 1"),
        (lambda: hops.k_hop(least=3, most=2), "the smaller first"),
        (lambda: hops.k_hop(most=9), "give 1 to 4"),
        (lambda: sums.modular_sums(rounds=0), "give 2 or more, and 1 or more"),
    ],
)
def test_what_makes_no_sense_is_refused(make, words):
    with pytest.raises(InputError, match=words):
        make()


def test_by_name():
    assert tasks.make("interplay.lm.tasks.hops:k_hop(most=2)").name == "k-hop"
