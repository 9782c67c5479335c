"""Programs in seats: they play as compiled policies do, and cannot change what they are shown unless they are trusted."""

import jax
import numpy as np
import pytest

from interplay import games
from interplay.core.errors import InputError
from interplay.text import policy_play, policy_programs
from interplay.text.policies import REFERENCES, genes
from interplay.text.policy_programs import ATTACKS, GREEDY
from interplay.text.sandbox import Pool

POND, KEY, STEPS = games.make("cleanup(map='pond', agents=2)"), jax.random.key(3), 25


@pytest.fixture(scope="module")
def pool():
    with Pool(policy_programs.LIMITS, workers=2) as pool:
        yield pool


def test_a_program_plays_as_the_compiled_policy_does(pool):
    played = policy_programs.play(POND, [GREEDY] * 2, KEY, STEPS, pool=pool)
    compiled = policy_play.episode(POND, policy_play.decider(POND), genes(REFERENCES["greedy"]), KEY, STEPS)
    assert played.reward.sum(0).mean() == compiled.reward > 0
    assert not played.faults and not played.altered and played.active.all()


@pytest.mark.parametrize("name", ["cleanup(map='pond', agents=2)", "gathering(map='garden', agents=2)"])
def test_attacks_fail_by_default_and_succeed_where_programs_are_trusted(name):
    game = games.make(name)
    safe, unsafe = (policy_programs.audit(game, KEY, STEPS, trusting=trusting) for trusting in (False, True))
    assert safe.keys() == unsafe.keys() >= ATTACKS.keys() - {"empty the river"}
    for attack, found in safe.items():
        assert not found.altered and found.faults == STEPS and "read-only" in found.failure, attack
        assert found.reward == 0 < found.fair
    for attack, found in unsafe.items():
        assert found.altered and not found.faults, attack
    assert unsafe["all of these"].reward == STEPS > unsafe["all of these"].fair


def test_a_copy_that_is_made_writable_changes_nothing_either(pool):
    """A program may do what it likes with its own memory."""
    bent = GREEDY.replace(
        "return", "ripe = view.ripe.copy(); ripe[:] = False; object.__setattr__(view, 'ripe', ripe); return"
    )
    played = policy_programs.play(POND, [bent, GREEDY], KEY, STEPS, pool=pool)
    assert not played.altered and not played.faults and played.reward[:, 0].sum() == 0 < played.reward[:, 1].sum()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("def policy(view): return 99", "no action"),
        ("def policy(view): return 1 / 0", "division"),
        ("def policy(view): return None", "TypeError"),
        ("oops(", "SyntaxError"),
        ("def other(view): return 0", "policy"),
    ],
)
def test_programs_that_fail_stand_and_are_counted(pool, source, words):
    played = policy_programs.play(POND, [source, GREEDY], KEY, 4, pool=pool)
    assert played.faults == 4 and words in played.failure and np.isfinite(played.reward).all()


def test_memory_is_kept_between_steps_and_is_one_seats_own(pool):
    source = "count = []\ndef policy(view):\n    count.append(1)\n    return len(count) if len(count) < 4 else view.agent + 4"
    assert not policy_programs.play(POND, [source] * 2, KEY, 5, pool=pool).faults


def test_seats_and_sandboxes_must_suffice(pool):
    with pytest.raises(InputError, match="give one for each"):
        policy_programs.play(POND, [GREEDY], KEY, 1, pool=pool)
    with pytest.raises(InputError, match="workers=3"):
        policy_programs.play(games.make("cleanup(map='pond', agents=3)"), [GREEDY] * 3, KEY, 1, pool=pool)
