"""Roles without a model: they see summaries and scores alone, and find what is planted in them."""

import dataclasses

import numpy as np
import pytest

from interplay.text import context
from interplay.text.context import History, kind_of, slope
from interplay.text.genome import Genome
from interplay.text.roles import Aim, Example, Step, Summary, Track
from interplay.text.trial import Trial, failed

WORTH = {"good": 0.08, "bad": -0.05, "idle": 0.0, "fair": 0.03}


def traits(genome):
    return tuple(sorted(genome.parts["program"].split()))


def trial(text, parent=None, summary=None, number=0):
    score = sum(WORTH[each] for each in text.split())
    genome = Genome({"program": text, "number": str(number)}, (parent.genome.hash,) if parent else ())
    artefacts = {"summary": context.written(summary)} if summary else {}
    return Trial(
        genome, score, {"score": score, "score a": score, "score b": -score if "bad" in text else score}, artefacts
    )


def grown(count=40, seed=0, summarize=None):
    """Trials whose traits come and go at random, each with the summary that the summarizer makes of it."""
    rng, play = np.random.default_rng(seed), summarize or context.summarizer(traits)
    trials, summaries = [trial("idle")], [Summary((), ("idle",))]
    while len(trials) < count:
        at = int(rng.integers(len(trials)))
        parent = trials[at]
        text = " ".join(sorted(set(parent.genome.parts["program"].split()) ^ {str(rng.choice(list(WORTH)))})) or "idle"
        summaries.append(play(Genome({"program": text}), parent.genome, summaries[at]).value)
        trials.append(trial(text, parent, summaries[-1], len(trials)))
    return trials


def history(trials, clip=1.0):
    return History(trials, lambda seed: Summary((), traits(seed)), clip, ("score a", "score b"))


def test_what_is_inherited_and_what_is_new():
    play = context.summarizer(traits)
    said = play(Genome({"program": "bad good"}), Genome({"program": "good idle"}), Summary(("idle",), ("good",))).value
    assert said == Summary(("good",), ("bad",))
    forgets = context.amnesiac(traits)
    assert forgets(Genome({"program": "bad good"}), Genome({"program": "good"}), Summary()).value == Summary(
        (), ("bad",)
    )


def test_the_regression_finds_what_traits_are_worth():
    steps = [
        Step(Summary((), ("idle",)), Summary(("idle",), (name,)), worth, (worth,))
        for name, worth in (("good", 0.08), ("bad", -0.05), ("fair", 0.03))
    ]
    found = slope([Track((step,), "mixed") for step in steps], ridge=1e-9)
    assert dict(zip(found.names, found.worth, strict=True)) == pytest.approx(
        {"good": 0.08, "bad": -0.05, "fair": 0.03}, rel=1e-6
    )
    aim = context.navigator(1.0, 2.0)([Track(tuple(steps), "mixed")], None).value
    assert aim.lean["good"] == pytest.approx(2.0) and aim.lean["bad"] < 0 < aim.lean["fair"]
    assert aim.text.startswith("More of what has good, fair; less of what has bad")
    only = context.prescriptive()([Track(tuple(steps), "mixed")], None).value
    assert list(only.lean) == ["good"] and only.lean["good"] > 3


def test_an_aim_needs_summaries_and_is_misled_by_shuffled_changes():
    trials = grown()
    rng = lambda: np.random.default_rng(0)
    tracks = history(trials).tracks(rng(), 12, 4)
    lean = context.navigator()(tracks, rng()).value.lean
    assert lean["good"] == 1.0 and lean["bad"] < 0
    blind = [
        track._replace(steps=tuple(step._replace(before=Summary(), after=Summary()) for step in track.steps))
        for track in tracks
    ]
    assert context.navigator()(blind, rng()).value == Aim()
    misled = [context.shuffled(context.navigator())(tracks, np.random.default_rng(at)).value.lean for at in range(20)]
    assert np.mean([each.get("good", 0.0) for each in misled]) < 0.5


def test_tracks_are_series_of_parents_and_children_of_all_classes():
    trials = grown(60)
    past = history(trials)
    tracks = past.tracks(np.random.default_rng(0), 6, 4)
    assert len(tracks) == 6 and len(set(tracks)) == 6 and {track.kind for track in tracks} == set(context.KINDS)
    for track in tracks:
        assert 1 <= len(track.steps) <= 4 and kind_of(track.steps) == track.kind
        assert all(one.after == two.before for one, two in zip(track.steps, track.steps[1:], strict=False))
    again = history(trials).tracks(np.random.default_rng(0), 6, 4)
    assert again == tracks


def test_failures_are_steps_down_that_are_clipped():
    first = trial("good")
    broken = dataclasses.replace(failed(Genome({"program": "bad"}, (first.genome.hash,)), "it raised"))
    steep = trial("good good good", first)
    past = history([first, broken, steep], clip=0.1)
    assert past.steps[0] is None and past.steps[1].failed and past.steps[1].change == -0.1
    assert past.steps[2].change == pytest.approx(0.1)
    assert kind_of([past.steps[1]]) == "decline" and kind_of([past.steps[2]]) == "improvement"


def test_examples_bear_on_the_aim_and_differ():
    some = [trial("good fair"), trial("good fair idle"), trial("bad"), trial("idle bad")]
    examples = [Example(each, Summary((), traits(each.genome)), 0.01) for each in some]
    sample = context.sampler()
    chosen = sample(examples, Summary((), ("idle",)), Aim("", {"good": 1.0, "fair": 0.5}), 2).value
    assert chosen[0] in some[:2] and chosen[1] in some[2:]
    other = sample(examples, Summary((), ("idle",)), Aim("", {"bad": 2.0}), 1).value
    assert other[0] in some[2:]
    assert len(sample(examples, Summary(), Aim(), 9).value) == 4
    blind = [each._replace(summary=Summary()) for each in examples]
    assert len(sample(blind, Summary(), Aim(), 2).value) == 2
    assert context.best_scores(examples, Summary(), Aim(), 1).value == (some[0],)
