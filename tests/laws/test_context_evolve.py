"""Laws of context-evolve: without its texts it is plain evolution, bit for bit and token for token; cut searches go on."""

import dataclasses

import numpy as np
import pytest

from interplay.core.errors import InputError
from interplay.lm.client import scripted
from interplay.methods import context_evolve as evolve
from interplay.methods.context_evolve import NEUTRAL, Settings
from interplay.run import searching
from interplay.text.systems import named
from interplay.text.trial import Allowance, Trial, failed
from interplay.update.archive import best, evenly, grid

S = Settings(task="cache", batch=3)
TASK = named("cache")


def invented(genomes):
    """Scores made of the text, some failures among them; nothing is run."""
    found = []
    for genome in genomes:
        values = np.random.default_rng(int(genome.hash, 16)).random(4)
        metrics = dict(zip(evolve.told(TASK), values.tolist(), strict=True))
        broken = values[0] < 0.15 and genome.parents
        found.append(failed(genome, "it raised") if broken else Trial(genome, float(values.mean()), metrics))
    return found


def run(search, path, evaluations=25, seed=3):
    allowed = Allowance(evaluations=evaluations)
    return searching.run(search, [TASK.genome(TASK.start)], path, {"seed": seed}, allowed, lambda state, share: None)


def mutated(parts, acceptance=None, s=S):
    return evolve.build(s, invented, parts, evolve.mutation(TASK, s), acceptance)


@pytest.mark.parametrize("acceptance", [None, best(8, evenly, mates=3)], ids=["tournament", "uniform"])
def test_empty_texts_are_plain_evolution_bit_for_bit(tmp_path, acceptance):
    plain = evolve.plain(S, invented, evolve.mutation(TASK, S), acceptance)
    run(plain, tmp_path / "plain")
    run(mutated(NEUTRAL, acceptance), tmp_path / "neutral")
    lines = [(tmp_path / name / "trials.jsonl").read_bytes() for name in ("plain", "neutral")]
    assert lines[0] == lines[1] and lines[0].count(b"\n") == 25
    run(mutated(evolve.embedded(TASK, S), acceptance), tmp_path / "context")
    assert (tmp_path / "context" / "trials.jsonl").read_bytes() != lines[0]


def test_empty_texts_ask_a_model_the_same_and_cost_the_same(tmp_path):
    """Token for token: a scripted model hears the same prompts in the same order."""
    blocks = [f"<<<<<<< SEARCH\n    return\n=======\n    return {number} +\n>>>>>>> REPLACE" for number in range(40)]
    heard = {}

    def search(name):
        model, talks = scripted(blocks), heard.setdefault(name, [])
        write = evolve.written(TASK, lambda talk: talks.append(list(talk)) or model(talk))
        return evolve.plain(S, invented, write) if name == "plain" else evolve.build(S, invented, NEUTRAL, write)

    plain, neutral = (run(search(name), tmp_path / name, 12) for name in ("plain", "neutral"))
    assert heard["plain"] == heard["neutral"] and len(heard["plain"]) >= 11
    assert list(plain.tried) == list(neutral.tried)
    assert plain.spent._replace(seconds=0) == neutral.spent._replace(seconds=0) and plain.spent.tokens > 1000
    tokens = [each.tokens for each in plain.tried.values()]
    assert tokens == sorted(tokens) and tokens[-1] == plain.spent.tokens


@pytest.mark.parametrize("archive", ["best", "grid"])
def test_one_island_is_its_archive_alone_bit_for_bit(tmp_path, archive):
    alone = {
        "best": best(S.population, mates=S.examples),
        "grid": grid((evolve.LETTERS, evolve.TRAITS), mates=S.examples),
    }
    s = dataclasses.replace(S, archive=archive, migration=2)
    run(mutated(NEUTRAL, alone[archive]), tmp_path / "alone")
    run(mutated(NEUTRAL, s=s), tmp_path / "island")
    lines = [(tmp_path / name / "trials.jsonl").read_bytes() for name in ("alone", "island")]
    assert lines[0] == lines[1] and lines[0].count(b"\n") == 25


def test_islands_have_no_common_children_until_the_best_move(tmp_path):
    """Parents and mates of a child are of its island, or the seed; where the best move, some are not."""

    def strangers(migration):
        s = dataclasses.replace(S, islands=3, migration=migration)
        tried = run(mutated(NEUTRAL, s=s), tmp_path / str(migration), 60).tried
        assert {each.place for each in tried.values()} == {0, 1, 2}
        seed, *children = tried.values()
        pairs = [(each, tried[name]) for each in children for name in each.trial.genome.parents]
        return sum(parent is not seed and parent.place != child.place for child, parent in pairs)

    assert strangers(1000) == 0 < strangers(9)


@pytest.mark.parametrize(
    "s", [S, dataclasses.replace(S, archive="grid", islands=2, migration=5)], ids=["best", "islands"]
)
def test_a_search_that_was_cut_goes_on_as_if_it_was_not(tmp_path, s):
    whole = run(mutated(evolve.embedded(TASK, s), s=s), tmp_path / "whole", 25)
    run(mutated(evolve.embedded(TASK, s), s=s), tmp_path / "cut", 16)
    run(mutated(evolve.embedded(TASK, s), s=s), tmp_path / "cut", 25)
    lines = [(tmp_path / name / "trials.jsonl").read_bytes() for name in ("whole", "cut")]
    assert lines[0] == lines[1]
    children = [each.trial for each in whole.tried.values() if each.trial.genome.parents]
    assert all("summary" in each.artefacts for each in children) and any("aim" in each.artefacts for each in children)


def test_every_role_changes_the_search(tmp_path):
    whole = evolve.embedded(TASK, S)
    arms = {
        "whole": whole,
        "no summaries": whole._replace(begin=NEUTRAL.begin, summarize=NEUTRAL.summarize),
        "no navigator": whole._replace(navigate=NEUTRAL.navigate),
        "no sampler": whole._replace(sample=None),
    }
    found = {name: tuple(run(mutated(parts), tmp_path / name).tried) for name, parts in arms.items()}
    assert len(set(found.values())) == 4


def test_roles_of_a_model_that_fail_leave_their_text_empty_and_the_search_goes_on(tmp_path):
    asked = scripted(["I would rather not."])
    parts = evolve.modeled(TASK, asked)
    state = run(evolve.build(S, invented, parts, evolve.mutation(TASK, S)), tmp_path / "model", 12)
    assert len(state.tried) == 12 and state.spent.calls >= 12 * 3
    lost = [each.trial.artefacts.get("lost roles", "") for each in state.tried.values()]
    assert sum("no usable answer" in each for each in lost) == 11


@pytest.mark.parametrize(
    "wrong",
    [{"task": "disk"}, {"batch": 0}, {"tracks": 0}, {"ridge": 0.0}, {"clip": -1.0}, {"islands": 0}, {"archive": "bst"}],
)
def test_settings_that_cannot_be_used_are_said(wrong):
    with pytest.raises(InputError):
        Settings(**wrong)
