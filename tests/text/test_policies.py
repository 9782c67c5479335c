"""Policy texts: what is written is read back, what cannot be read is said, and changes go where their names say."""

import numpy as np
import pytest

from interplay.core.errors import InputError
from interplay.text import policies, policy_changes
from interplay.text.policies import REFERENCES, Guard, Plan, Policy


def wandered(seed, steps=25):
    """A policy after many changes, and all on the way."""
    rng, policy, found = np.random.default_rng(seed), REFERENCES["greedy"], []
    for _ in range(steps):
        made = policy_changes.change(policy, policy_changes.NAMES[int(rng.integers(len(policy_changes.NAMES)))], rng)
        policy = made.policy if made else policy
        found.append(policy)
    return found


@pytest.mark.parametrize("name", REFERENCES)
def test_reference_policies_survive_a_round_trip(name):
    assert policies.parse(policies.write(REFERENCES[name])) == policies.tidy(REFERENCES[name])


def test_whatever_changes_make_survives_a_round_trip_and_stays_in_bounds():
    some = [policy for seed in range(20) for policy in wandered(seed)]
    assert len({policies.write(policy) for policy in some}) > 200
    for policy in some:
        assert policies.parse(policies.write(policy)) == policy == policies.tidy(policy)
        assert len(policy.branches) < policies.MOST and np.isfinite(policies.genes(policy)).all()
    assert {guard.variable for policy in some for guard, _ in policy.branches} == set(policies.VARIABLES)


def test_two_texts_are_two_policies():
    """Genes tell policies apart exactly where their texts differ."""
    some = {policies.write(policy): policies.genes(policy).tobytes() for policy in wandered(3, 60)}
    assert len(set(some.values())) == len(some)


def test_short_texts_have_defaults_and_comments():
    text = "if id % 3 < 1:  # a third\n  cleaners 9\n  chosen rotating\n\nelse:\n"
    assert policies.parse(text) == Policy(((Guard("id", True, 1.0, 3), policies.fixed(9, who="rotating")),), Plan())


def test_what_nothing_depends_on_is_left_out():
    idle = Policy((), Plan(who="rotating", trigger=7, within=9))
    assert policies.tidy(idle) == REFERENCES["greedy"] and "chosen" not in policies.write(idle)
    assert policies.tidy(Policy((), Plan(cleaners=5, more=2))).otherwise == policies.fixed(2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no last plan"),
        ("if waste > 0.3:\nelse:", "cannot read the condition"),
        ("if waste < 0.3:", "no last plan"),
        ("always:\n cleaners many", "write 'cleaners 2'"),
        ("always:\n jump 3", "a plan has lines"),
        ("cleaners 3\nalways:", "outside a plan"),
        ("always:\n idle home\n idle stand", "two lines"),
        ("if id % 2 < 1:\n" * 4 + "else:", "4 at most"),
    ],
)
def test_what_cannot_be_read_is_said(text, words):
    with pytest.raises(InputError, match=words):
        policies.parse(text)


def test_changes_go_where_their_names_say():
    rng, start = np.random.default_rng(0), Policy((), policies.fixed(2, fire="contested", trigger=3))

    def after(how):
        made = policy_changes.change(start, how, rng)
        assert made is not None
        return made.policy.otherwise

    assert after("more cleaners").more > 2 > after("fewer cleaners").more
    assert after("higher trigger").trigger > 3 > after("lower trigger").trigger
    assert after("more fire").fire == "near" and after("less fire").fire == "never"
    assert after("take turns").who == "rotating" and after("stay cleaners").who == "nearest"
    staged = after("cleaners by waste")
    assert staged.above > 0 and staged.cleaners < staged.more
    assert policy_changes.change(REFERENCES["greedy"], "fewer plans", rng) is None
