"""Campaigns: every cell is run once, what is done is kept, and what breaks down is said."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from interplay import cli
from interplay.bench import campaign, page, results
from interplay.core.errors import InputError

TOY = '''
"""A claim that takes no time."""
from pathlib import Path
from interplay.bench.claim import Claim, Computed, Control, Measured, Outcome, Scale, Trained, final_return
from interplay.bench.verdict import better

def level(value):
    def work(game, scale):
        with open("calls.txt", "a") as file:
            file.write(f"{value}\\n")
        scores = [value + 0.1 * seed for seed in range(scale.seeds)]
        curve = {"steps": [0, 1], "curves": [[0.0, score] for score in scores]}
        shown = {"kind": "map", "title": "A map", "words": "of anything", "x": "column", "y": "row"}
        figure = {"seed": 0, **shown, "values": [[value, None]]}
        return Outcome(scores, curve, {"steps": scale.steps}, figures=[figure])
    return Computed(work, f"always about {value}", on=("exact",))

def negated(run):
    return [-score for score in final_return(run)]

CLAIM = Claim(
    slug="toys:CLAIM", method="random", sentence="More is better.", source="Nobody (2026)", paper="more",
    unit="points", games={"exact": "none", "played": "climbing"},
    arms={"more": level(5.0), "less": level(1.0),
          "random": Trained("random", {"batch": 2}, on=("played",)),
          "negated": Measured("random", negated, on=("played",))},
    controls={"as much": Control(level(5.0), "more")},
    scales={"smoke": Scale(3, 64), "small": Scale(4, 64)},
    expect=(better("more", "less", by=2.0, on=("exact",)),),
)
'''


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "toys.py").write_text(TOY)
    yield tmp_path
    sys.modules.pop("toys", None)


PAIR = '''
"""Two arms that are worked out at once."""
from interplay.bench.claim import Claim, Joint, Outcome, Scale
from interplay.bench.verdict import better, exactly

def both(game, scale):
    with open("calls.txt", "a") as file:
        file.write(f"{game}\\n")
    return {"one": Outcome([1.0], also={"early": [0.5]}), "two": Outcome([2.0], also={"early": [0.25]})}

CLAIM = Claim(
    slug="pairs:CLAIM", method="random", sentence="Two is more.", source="Nobody (2026)", paper="more", unit="points",
    games={"a": "first", "b": "second"}, arms={name: Joint(both, name) for name in ("one", "two")}, controls={},
    scales={"smoke": Scale(1, 1)},
    expect=(better("two", "one", apart=exactly, on=("a",)), better("one", "two", apart=exactly, on=("b @ early",))),
)
'''


def test_cells_of_another_size_are_run_again(here):
    campaign.run("toys:CLAIM", "smoke", watch=lambda *_: None)
    (here / "toys.py").write_text(TOY.replace("Scale(3, 64)", "Scale(2, 64)"))
    sys.modules.pop("toys")
    again = campaign.run("toys:CLAIM", "smoke", watch=lambda *_: None)
    assert len(again.finished("more", "exact")["per_seed"]) == len(again.finished("negated", "played")["per_seed"]) == 2
    assert (here / "calls.txt").read_text().split() == ["5.0", "1.0", "5.0"] * 2


def test_joint_arms_are_worked_out_once_a_game_and_have_further_scores(here):
    (here / "pairs.py").write_text(PAIR)
    ran = campaign.run("pairs:CLAIM", "smoke", watch=lambda *progress: None)
    found = campaign.result(ran)
    assert (here / "calls.txt").read_text().split() == ["first", "second"]
    assert found["verdict"] == "reproduced" and len(found["because"]) == 2
    assert found["arms"]["two on b"]["also"] == {"early": [0.25]} and found["arms"]["two on b"]["mean"] == 2.0
    seconds = [arm["budget"]["seconds"] for arm in found["arms"].values()]
    assert found["seconds"] < 10 and len(seconds) == 4
    assert "early" in page.write(ran).read_text()
    sys.modules.pop("pairs", None)


def run(scale="smoke", **options):
    seen = []
    ran = campaign.run("toys:CLAIM", scale, watch=lambda *progress: seen.append(progress), **options)
    return ran, seen


def said(capsys, *words):
    with pytest.raises(SystemExit) as leaving:
        cli.main(list(words))
    return leaving.value.code, capsys.readouterr()


def test_all_arms_are_run_once_and_judged(here):
    ran, seen = run()
    assert [done for done, *_ in seen] == [1, 2, 3, 4, 5] and seen[-1][1:] == (5, "negated on played")
    found = campaign.result(ran)
    assert found["verdict"] == "reproduced"
    assert found["summary"] == "reproduced, but the control explains it (as much)"
    assert found["arms"]["more on exact"]["per_seed"] == [5.0, 5.1, 5.2]
    assert found["controls"]["as much on exact"]["mean"] == pytest.approx(5.1)
    played = found["arms"]["random on played"]
    assert found["arms"]["negated on played"]["per_seed"] == [-score for score in played["per_seed"]]
    assert played["budget"]["steps"] >= 64 and played["seeds"] == 3
    run()
    assert (here / "calls.txt").read_text().split() == ["5.0", "1.0", "5.0"]  # nothing ran twice
    run(fresh=True)
    assert len((here / "calls.txt").read_text().split()) == 6


def test_a_run_that_was_cut_goes_on():
    ran, _ = run()
    cell = ran.place("random", "played")
    (cell / "cell.json").unlink()
    status = json.loads((cell / "run" / "status.json").read_text())
    (cell / "run" / "status.json").write_text(json.dumps({**status, "state": "interrupted"}))
    ran, seen = run()
    assert [name for *_, name in seen] == ["random on played"]
    assert ran.finished("random", "played")["state"] == "done"


def test_an_arm_that_breaks_down_is_a_failed_cell_and_not_the_end(monkeypatch):
    from interplay.core.errors import DivergenceError

    def broken(*arguments, **keywords):
        raise DivergenceError("training broke at step 3")

    monkeypatch.setattr(campaign, "_trained", broken)
    ran, _ = run()
    told = campaign.result(ran)["arms"]["random on played"]
    assert told["failed"] == "training broke at step 3" and told["per_seed"] == []
    page.write(ran)


def test_the_page_holds_verdict_arms_and_reasons():
    ran, _ = run()
    text = page.write(ran).read_text()
    for words in (
        "More is better.",
        "the control explains it",
        "always about 5.0",
        "More is better",
        "as much",
        "holds",
    ):
        assert words in text
    assert text.count('class="heat"') == 3 and "A map" in text and "as much, seed 0" in text  # one for each arm
    assert "<script>" in text and "http://" not in text.replace("http://www.w3.org", "")


def test_only_what_is_reported_is_kept(here):
    smoke, _ = run()
    assert results.write(campaign.result(smoke), here / "results") is None
    small, _ = run("small")
    path = results.write(campaign.result(small), here / "results")
    kept = json.loads(path.read_text())
    assert path.name == "toys-CLAIM.json" and kept["verdict"] == "reproduced" and kept["environment"]["cores"]


def test_the_command_prints_one_object(capsys):
    code, out = said(capsys, "reproduce", "toys:CLAIM", "--scale", "smoke", "--json")
    answer = json.loads(out.out)
    assert code == 0 and {"claim", "scale", "verdict", "arms", "controls", "seconds", "report"} <= set(answer)
    assert Path(answer["report"]).exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("hamer",), "no claim is called 'hamer': did you mean hammer?"),
        (("toys:NOTHING",), "give MODULE:NAME"),
        (("toys:CLAIM", "--scale", "tiny"), "has no scale 'tiny': use smoke, small"),
        (("toys:CLAIM", "--on", "moon"), "cannot run on 'moon'"),
        (("toys:CLAIM", "--workers", "0"), "give 1 or more"),
    ],
)
def test_what_cannot_be_run_gets_one_line(words, message, capsys):
    code, out = said(capsys, "reproduce", *words)
    assert code == 2 and message in out.err and len(out.err.strip().splitlines()) == 1


def test_cells_run_in_processes_of_their_own(here):
    alone = campaign.result(run()[0])
    apart = campaign.result(run(fresh=True, workers=2)[0])
    scores = lambda found: {name: arm["per_seed"] for name, arm in found["arms"].items()}
    assert scores(apart) == scores(alone)


@pytest.mark.slow
def test_cells_run_on_a_cluster_of_two_nodes(here):
    """In a process of its own, which Ray leaves with threads and files that it never closes."""
    program = """
import ray
from ray.cluster_utils import Cluster
from interplay.bench import campaign
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
cluster.add_node(num_cpus=1)
ray.init(address=cluster.address, log_to_driver=False)
assert len(ray.nodes()) == 2
ran = campaign.run("toys:CLAIM", "smoke", on="ray", watch=lambda *progress: None)
print(campaign.result(ran)["verdict"])
ray.shutdown()
cluster.shutdown()
"""
    told = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=280,
        env={**os.environ, "RAY_DEDUP_LOGS": "0"},
    )
    assert told.stdout.strip().endswith("reproduced"), told.stderr[-2000:]


def test_a_cluster_without_its_package_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'interplay\[ray\]'"):
        run(on="ray")


def test_an_arm_may_take_longer_to_say_as_many_tokens(monkeypatch, here):
    from interplay.bench.claim import Scale, Trained
    from interplay.run import training

    asked = {}
    monkeypatch.setattr(training, "train", lambda method, name, **given: asked.update(given))
    arm = Trained("grpo", {}, games={"ledger": "ledger-alone"}, longer=1.5)
    campaign._trained(
        SimpleNamespace(claim=SimpleNamespace(games={"ledger": "ledger"})), arm, "ledger", Scale(2, 128), here / "run"
    )
    assert asked["steps"] == 192
    rows = [{"seed": seed, "tokens": 4.0 + seed} for seed in (0, 1) for _ in range(3)]
    assert campaign._tokens(rows, seeds=2, episodes=8) == {"tokens": 3 * 8 * 4.5}
    assert campaign._tokens([{"seed": 0, "return": 1.0}], 1, 8) == {}
