"""The wiring of search: what is passed is used, what fails is counted, and killed searches end as whole ones."""

import json

import numpy as np
import pytest

from interplay.core.budget import Budget
from interplay.core.errors import InputError
from interplay.lm.client import Answer, scripted
from interplay.methods import writing
from interplay.methods.evolution import Proposal, evolution, guarded
from interplay.run import searching
from interplay.text.genome import Genome
from interplay.text.trial import Allowance, Trial
from interplay.update.archive import Entry, best

SEED = Genome({"number": "0"})
ASKED = {"seed": 0}


def propose(ask, rng):
    value = int(ask.parent.genome.parts["number"]) + int(rng.integers(-300, 301))
    return Proposal(Genome({"number": str(value)}, (ask.parent.genome.hash,), "step"), Budget(tokens=2))


def score(genome):
    value = int(genome.parts["number"])
    if value % 50 == 3:
        raise RuntimeError("three is not liked")
    return Trial(genome, float(-abs(value - 2000)), {"value": float(value)})


def searched(propose=propose):
    entry = lambda trial: Entry(trial.genome.hash, trial.score)
    return evolution(propose, lambda trial: "go on", best(4), guarded(score), entry, batch=6)


def run(path, allowed, search=None, watch=lambda state, share: None):
    return searching.run(search or searched(), [SEED], path, ASKED, allowed, watch)


def test_a_search_climbs_and_a_scorer_that_raises_fails_one_candidate(tmp_path):
    state = run(tmp_path, Allowance(evaluations=150))
    assert state.best.score > -100
    assert state.spent.evaluations == len(state.tried) == 150
    assert state.spent.tokens >= 2 * 149
    broken = {each.trial.failure for each in state.tried.values() if not each.trial.valid}
    assert broken == {"the scorer raised RuntimeError: three is not liked"}


def test_a_search_that_finds_nothing_new_ends(tmp_path):
    same = lambda ask, rng: Proposal(ask.parent.genome)
    state = run(tmp_path, Allowance(evaluations=10), searched(same))
    assert state.lost == {"tried already": 6 * (searching.STALLED - 1) + 6}
    assert searching.read(tmp_path).state == "stalled"


class Killed(BaseException):
    pass


@pytest.mark.parametrize("after", [1, 4])
def test_a_search_that_was_killed_ends_as_one_that_was_not(tmp_path, after):
    whole = run(tmp_path / "whole", Allowance(evaluations=60))
    count = 0

    def watch(state, share):
        nonlocal count
        count += 1
        if count == after:
            raise Killed

    with pytest.raises(Killed):
        run(tmp_path / "cut", Allowance(evaluations=60), watch=watch)
    with (tmp_path / "cut" / "trials.jsonl").open("a") as file:
        file.write('{"genome": {"parts"')  # a batch that was being written
    cut = run(tmp_path / "cut", Allowance(evaluations=60))
    assert list(cut.tried) == list(whole.tried)
    assert cut.archive == whole.archive
    assert cut.spent._replace(seconds=0) == whole.spent._replace(seconds=0)
    assert (tmp_path / "cut" / "trials.jsonl").read_bytes() == (tmp_path / "whole" / "trials.jsonl").read_bytes()
    kept = searching.read(tmp_path / "cut")
    assert kept.state == "done"
    assert len(kept.tried) == 60


def test_more_may_be_spent_later_and_another_search_is_refused(tmp_path):
    run(tmp_path, Allowance(evaluations=20))
    assert len(run(tmp_path, Allowance(evaluations=40)).tried) == 40
    with pytest.raises(InputError, match="seed differs"):
        searching.run(searched(), [SEED], tmp_path, {"seed": 1}, Allowance(evaluations=50), lambda state, share: None)
    with pytest.raises(InputError, match="is no search"):
        searching.read(tmp_path / "nowhere")


def test_a_seed_that_cannot_be_scored_is_bad_input(tmp_path):
    with pytest.raises(InputError, match="three is not liked"):
        searching.run(searched(), [Genome({"number": "3"})], tmp_path, ASKED, Allowance(evaluations=5), lambda *_: None)


BLOCK = "<<<<<<< SEARCH\nnumber = {}\n=======\nnumber = {}\n>>>>>>> REPLACE"


def reader(text):
    name, _, value = text.partition(" = ")
    if not value.strip().lstrip("-").isdigit():
        raise InputError(f"'{value.strip()}' is no number")
    return Genome({name: value.strip()})


def asking(parent=SEED, known=lambda genome: False):
    from interplay.methods.evolution import Ask

    return Ask(Trial(parent, 0.0), (Trial(Genome({"number": "7"}), -1.0),), "2000 would be best", known)


def test_a_model_is_told_what_was_wrong_and_answers_again():
    talks = []
    answers = iter(["I think it should grow.", BLOCK.format(0, "many"), BLOCK.format(0, 9)])

    def ask(talk):
        talks.append(talk)
        return Answer(next(answers), Budget(calls=1, tokens=10))

    made = writing.proposer(ask, "A number.", reader)(asking(), np.random.default_rng(0))
    assert made.genome == Genome({"number": "9"}, (SEED.hash,), "model")
    assert (made.spent.calls, made.spent.tokens) == (3, 30)
    assert "no change" in talks[1][-1]["content"]
    assert "'many' is no number" in talks[2][-1]["content"]
    first = talks[0][-1]["content"]
    assert "number = 7" in first and "2000 would be best" in first


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("nothing", "no usable answer"),
        (BLOCK.format(5, 6), "no usable answer"),
        (BLOCK.format(0, "0x"), "no usable answer"),
    ],
)
def test_bad_answers_are_given_up_and_counted(answer, words):
    made = writing.proposer(scripted([answer]), "A number.", reader)(asking(), np.random.default_rng(0))
    assert made.genome is None
    assert words in made.failure
    assert made.spent.calls == writing.TRIES


def test_an_endpoint_that_is_down_costs_its_calls_and_the_search_goes_on(tmp_path):
    down = lambda talk: Answer("", Budget(calls=4), "the endpoint cannot be reached (ConnectionRefusedError)")
    search = searched(writing.proposer(down, "A number.", reader))
    state = run(tmp_path, Allowance(calls=40), search)
    assert state.spent.calls >= 40
    assert sum(state.lost.values()) >= 10
    assert state.best.genome.hash == SEED.hash
    assert json.loads((tmp_path / "search.json").read_text())["lost"] == dict(state.lost)
