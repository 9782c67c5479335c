"""Work shared out: trials are the same wherever they are made, and what cannot be shared out is said."""

import contextlib
import os
import subprocess
import sys

import numpy as np
import pytest

from interplay.core.errors import InputError
from interplay.run import evolving, searching, spread
from interplay.text.genome import Genome
from interplay.text.sandbox import Pool
from interplay.text.systems import named
from interplay.text.systems.task import LIMITS, PART


@contextlib.contextmanager
def inline(count):
    """A place whose only worker is this process."""
    yield lambda function, calls: [function(*each) for each in calls]


def test_programs_that_are_scored_away_have_the_trials_of_those_scored_here():
    task = named("jobs")
    texts = [task.start, *task.known.values(), "def rank(job, machine):\n    return 1 / 0\n"]
    genomes = [Genome({PART: text}, ("parent",), "change") for text in texts]
    with Pool(LIMITS) as pool:
        with evolving.here(task, pool) as score:
            here = score(genomes)
        with evolving.away(inline)(task, pool) as score:
            assert score(genomes) == here and score([]) == []
    assert [each.genome for each in here] == genomes and not here[-1].valid and here[0].valid


def measured(game, texts, horizons):
    """Stands for the measuring of rules."""
    return np.array([[len(game) + len(text) + horizon for horizon in horizons] for text in texts])


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_parts_come_together_in_order(count):
    texts = ["a" * number for number in range(1, 6)]
    with searching.processes(count, measured, inline) as shared:
        assert (shared("kuhn", texts, (1, 5)) == measured("kuhn", texts, (1, 5))).all()


@pytest.mark.parametrize("place", spread.PLACES.values())
def test_no_worker_is_said(place):
    with pytest.raises(InputError, match="give 1 or more"), place(0):
        pass


def test_a_place_that_is_none_and_a_missing_package_are_said(monkeypatch):
    with pytest.raises(InputError, match="cannot run on 'moon'"):
        spread.place("moon")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'interplay\[ray\]'"), spread.place("ray")(1):
        pass


@pytest.mark.slow
def test_a_search_on_a_cluster_is_the_search_here(tmp_path):
    """In a process of its own, which Ray leaves with threads and files that it never closes."""
    program = """
import os, sys
import ray
from pathlib import Path
from interplay.core.errors import InputError
from interplay.methods.context_evolve import Settings
from interplay.methods.discover import Settings as Rules
from interplay.methods.policy_synthesis import Settings as Policies
from interplay.run import discovering, evolving, spread, synthesizing
from interplay.text.trial import Allowance
path, few = Path(sys.argv[1]), Allowance(evaluations=6)
rules = Rules(games=("kuhn",), held_out=(), horizons=(5, 15), batch=4)
policies = Policies(game="gathering(map='garden', agents=3)", practice=0, batch=3, length=40, report_length=40)
ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
places = {"here": (evolving.here, spread.processes), "ray": (evolving.away(spread.cluster), spread.cluster)}
for name, (scored, place) in places.items():
    evolving.run(Settings(task="jobs"), few, path / f"evolve-{name}", scored=scored, workers=4)
    discovering.run(discovering.KINDS["cfr"], rules, few, path / f"discover-{name}", workers=2, place=place)
    play = synthesizing.here if name == "here" else synthesizing.away(place, 2)
    synthesizing.run(policies, few, path / f"synthesize-{name}", scored=play)
try:
    with spread.cluster(1) as over:
        over(os._exit, [(1,)])
except InputError as lost:
    print(lost)
ray.shutdown()
"""
    told = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=280,
        env={**os.environ, "RAY_DEDUP_LOGS": "0"},
    )
    assert "a process that scores was killed" in told.stdout, told.stderr[-2000:]
    for kind in ("evolve", "discover", "synthesize"):
        lines = [(tmp_path / f"{kind}-{name}" / "trials.jsonl").read_bytes() for name in ("here", "ray")]
        assert lines[0] == lines[1] and lines[0].count(b"\n") == 6
