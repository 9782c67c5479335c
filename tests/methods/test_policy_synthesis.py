"""Policy synthesis: feedback is all that differs, the bandit learns what helps, and searches repeat and go on exactly."""

import dataclasses
import itertools

import numpy as np
import pytest

from interplay.core.errors import InputError
from interplay.lm.client import scripted
from interplay.methods import policy_synthesis as synthesis
from interplay.methods import writing
from interplay.methods.policy_synthesis import FEEDBACK, Experience, History, Scale, Settings
from interplay.run import searching
from interplay.text import policies, policy_changes
from interplay.text.policy_play import Scores
from interplay.text.trial import Allowance, Trial

SETTINGS = Settings(game="cleanup(map='pond', agents=4)", length=400, practice=0)
START = [synthesis.genome(policies.REFERENCES["greedy"])]


def invented(some):
    """Scores that are made up: three cleaners are best, and equality falls with cleaners."""
    for policy in some:
        count = policy.otherwise.more
        yield Scores(100.0 - 20 * abs(count - 3), 1.0, 1.0 - count, 1.0, 100.0, 10.0)


SCORE = synthesis.scorer(lambda some: list(invented(some)))


def search(feedback="dense", **changes):
    s = dataclasses.replace(SETTINGS, feedback=feedback, **changes)
    none = Experience(np.zeros((0, 3 + len(FEEDBACK[feedback].metrics))), np.zeros(0, int), np.zeros(0))
    return synthesis.build(s, score=SCORE, learned=none)


def run(path, evaluations, made=None):
    asked, allowed = {"seed": 1}, Allowance(evaluations=evaluations)
    return searching.run(made or search(), START, path, asked, allowed, lambda state, share: None)


def trials(state):
    return [each.trial for each in state.tried.values()]


def test_a_search_climbs_repeats_exactly_and_goes_on_where_it_was_cut(tmp_path):
    whole = run(tmp_path / "whole", 40)
    assert whole.best.score == 100 and len(whole.tried) == 40
    run(tmp_path / "cut", 17)
    assert trials(run(tmp_path / "again", 40)) == trials(whole)
    cut = run(tmp_path / "cut", 17 + 4)  # whole batches before and after: 1, 5, 9, 13, 17, 21
    assert trials(cut) == trials(whole)[:21]


def test_the_bandit_learns_which_change_helps_where():
    """Where equality is low fewer cleaners helped, where it is high more did: dense feedback tells them apart."""
    more, fewer = (policy_changes.NAMES.index(name) for name in ("more cleaners", "fewer cleaners"))
    high, low = np.array([1.0, 0.5, 0, 1, 0.5, 1]), np.array([1.0, 0.5, 0, -1, 0.5, 1])
    rows, change = np.array([high, high, low, low]), np.array([more, fewer, more, fewer])
    past = Experience(np.tile(rows, (9, 1)), np.tile(change, 9), np.tile([1.0, 0, 0, 1], 9))
    wins = [synthesis.expected([past], now, 0.1) for now in (high, low)]
    assert wins[0][more] > 0.8 > 0.2 > wins[0][fewer] and wins[1][fewer] > 0.8 > 0.2 > wins[1][more]
    blind = past._replace(features=past.features[:, :3])
    assert abs(np.diff(synthesis.expected([blind], high[:3], 0.1)[[more, fewer]])) < 1e-9
    chances = synthesis.likely(wins[0], 0.1, 0.14)
    assert chances.sum() == pytest.approx(1) and chances.min() >= 0.01 and chances.argmax() == more


def made(*rows):
    """Trials, each the child of the one before."""
    found, parents = [], ()
    for cleaners, equality in rows:
        one = synthesis.genome(policies.Policy((), policies.fixed(cleaners)), parents, "more cleaners")
        metrics = Scores(40.0 * cleaners, 1.0, equality, 1.0, 200.0, 10.0)._asdict()
        found.append(Trial(one, 40.0 * cleaners, metrics))
        parents = (one.hash,)
    return found


def test_feedback_is_all_that_differs():
    some = made((0, 1.0), (1, 0.5), (2, -9.0))
    look = {name: History(told, Scale(400, 10), some).features(some[2]) for name, told in FEEDBACK.items()}
    assert look["sparse"] == pytest.approx([1, np.tanh(2.0), np.tanh(1.0)])
    assert look["dense"] == pytest.approx([*look["sparse"], -2, 0.5, 1])
    assert look["shuffled"][:3] == pytest.approx(look["sparse"]) and look["shuffled"][3] in (1.0, 0.5)
    words = {name: synthesis.critic(History(told, Scale(400, 10), some))(some[2]) for name, told in FEEDBACK.items()}
    assert "equality" not in words["sparse"] and words["sparse"].count("reward") == 4
    assert "equality -9.00" in words["dense"] and "equality -9.00" not in words["shuffled"]
    assert words["dense"].splitlines()[0] == words["sparse"].splitlines()[0]


def test_experience_counts_improvements_only():
    some = made((1, 0.0), (2, 0.0), (0, 0.0))
    past = History(FEEDBACK["sparse"], Scale(400, 10), some).experience()
    assert past.gain.tolist() == [1.0, 0.0] and past.features.shape == (2, 3)


def test_the_latest_policy_is_gone_on_from_where_that_is_asked(tmp_path):
    state = run(tmp_path / "latest", 20, search(keep="latest", batch=1))
    some = trials(state)
    assert all(child.genome.parents == (parent.genome.hash,) for parent, child in itertools.pairwise(some))


def test_a_model_proposes_from_feedback_in_words(tmp_path):
    answer = "<<<<<<< SEARCH\n    cleaners 0\n=======\n    cleaners 3\n>>>>>>> REPLACE"
    heard = []
    model = scripted([answer, "I would rather not."])
    ask = lambda talk: heard.append(talk) or model(talk)
    propose = writing.proposer(ask, synthesis.ABOUT, synthesis.read)
    made = synthesis.build(dataclasses.replace(SETTINGS, batch=1), score=SCORE, propose=propose)
    state = run(tmp_path / "model", 2, made)
    assert state.best.score == 100 and state.best.genome.how == "model"
    assert "sustainability" in heard[0][1]["content"] and "cleaners" in heard[0][0]["content"]


@pytest.mark.slow
@pytest.mark.slow
def test_played_for_real_cleaning_is_found(tmp_path):
    s = dataclasses.replace(SETTINGS, length=60, episodes=1, practice=30)
    state = run(tmp_path / "real", 21, synthesis.build(s))
    first = trials(state)[0].score
    assert state.best.score >= first and len(state.tried) == 21


@pytest.mark.parametrize(
    "wrong", [{"feedback": "none"}, {"keep": "all"}, {"start": "clever"}, {"length": 0}, {"practice": -1}]
)
def test_settings_that_cannot_be_used_are_said(wrong):
    with pytest.raises(InputError):
        Settings(**wrong)
