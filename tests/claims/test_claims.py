"""The claims that ship: each can be loaded, names what exists, and fits the scales it promises."""

import pytest

from interplay import claims, games, methods
from interplay.bench.claim import SCALES, Measured, Trained
from interplay.games import tree as trees
from interplay.lm import tasks


@pytest.mark.parametrize("slug", claims.MODULES)
def test_a_claim_is_whole(slug):
    claim = claims.load(slug)
    assert (
        claim.slug == slug
        and claim.method in methods.ELSEWHERE.keys() | methods.MODULES.keys()
        and set(claim.scales) == set(SCALES)
    )
    assert claim.expect and claim.arms and claim.controls
    for name, control in claim.controls.items():
        assert control.against in claim.arms and name not in claim.arms
    for arm in claim.everything().values():
        assert set(arm.on) <= set(claim.games)
        if isinstance(arm, Measured):
            assert isinstance(claim.everything()[arm.of], Trained)
        if isinstance(arm, Trained):
            for scale in claim.scales.values():
                for label in arm.on or claim.games:
                    changes = {**arm.settings, **arm.settings_on.get(label, {}), **scale.settings}
                    methods.settings(arm.method, game="spread", **changes)


@pytest.mark.parametrize("slug", claims.MODULES)
def test_the_games_of_a_claim_exist(slug):
    for label, name in claims.load(slug).games.items():
        head = name.partition("(")[0]
        if head in tasks.MODULES:
            assert tasks.make(name).agents  # for language teams
        elif head in trees.OWN or name.startswith("openspiel:"):
            assert trees.sequential(name).players >= 2  # a tree, for claims on tables
        elif label != name:  # a heading over several games
            assert games.make(name).spec.agents >= 1
