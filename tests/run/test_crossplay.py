"""Cross-play between the seeds of a saved run, and between its checkpoints."""

import json

import jax
import numpy as np
import pytest

import interplay
from interplay import cli
from interplay.core.errors import InputError
from interplay.core.game import SpokenGame
from interplay.measure import returns
from interplay.methods import dr_mas
from interplay.run import devices, loop, training

TALK = {"tasks": 4, "group": 4, "width": 8, "depth": 1, "imitation": 4}


def test_the_seeds_of_a_run_play_with_each_other(tmp_path):
    run = interplay.train("ippo", "climbing", seeds=2, steps=64, batch=4, length=8, width=8, out=tmp_path / "run")
    saved = interplay.load(run.path)
    found, alone = saved.crossplay(episodes=4), saved.evaluate(episodes=4)
    assert np.shape(found["crossplay"]) == (2, 2) and found["seeds"] == [0, 1] and found["mode"] == "greedy"
    assert np.allclose(np.diag(found["crossplay"]), alone["per_seed"])  # one greedy episode is like the other here
    assert found["self_play"] == pytest.approx(np.mean(alone["per_seed"]))
    assert found["cross_play"] == pytest.approx((found["crossplay"][0][1] + found["crossplay"][1][0]) / 2)


def test_language_teams_are_mixed_seat_by_seat(tmp_path, capsys):
    """All share one member that imitated an honest script; beside members that know nothing, the answerer is what counts."""
    pytest.importorskip("torch")
    game = "ledger(known=1.0,unknown=1.0,skill=1.0)"
    more = {"share": True, "demonstrations": 48, "imitation_rate": 2e-2}
    pace = loop.Pace(save=0.0, keep=5)
    run = training.train("dr-mas", game, seeds=2, steps=32, out=tmp_path / "run", pace=pace, **TALK, **more)
    saved = interplay.load(run.path)
    game, good = saved.game, saved.team(0).greedy()
    blank = good.__class__(members=tuple({k: 0 * v for k, v in one.items()} for one in good.members), temperature=0.0)
    words = game.tasks(np.random.default_rng(0), 32)
    score = lambda *teams: np.mean([one.outcome for one in game.played(game.mixed(teams), words, (0,))])
    alone = np.mean([one.outcome for one in game.played(good, words, (0,))])
    assert score(good, good, good) == alone > score(blank, blank, blank)
    assert score(blank, blank, good) > score(good, good, blank)
    with pytest.raises(SystemExit) as leaving:
        cli.main(["evaluate", str(run.path), "--crossplay", "--pool", "--episodes", "4", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert leaving.value.code == 0 and list(told["by_agent"]) == ["router", "searcher", "answerer"]
    assert np.shape(told["crossplay"]) == (2, 2) == np.shape(told["pool"]["crossplay"])
    assert told["by_agent"]["router"]["crossplay"] == told["crossplay"] and told["pool"]["steps"] == [16, 32]


def test_where_every_agent_has_its_own_member_the_game_s_model_speaks(tmp_path):
    pytest.importorskip("torch")
    method = dr_mas.build(dr_mas.Settings(**TALK))
    one, other = (method.team(method.init(devices.starting_key(seed))) for seed in (0, 1))
    mixed = method.game.mixed([one, other, one])
    assert [mine is theirs for mine, theirs in zip(mixed.members, one.members, strict=True)] == [True, False, True]
    played = returns.play(method.game.mixed([one] * 3), method.game, jax.random.key(0), 8)
    np.testing.assert_array_equal(played.returns, returns.play(one, method.game, jax.random.key(0), 8).returns)
    assert method.game._roomy.models is method.game.models
    with pytest.raises(InputError, match="do not mix: pass greedy teams"):
        method.game.mixed([one, one.greedy(), one])


def test_where_teams_cannot_be_mixed_one_line_says_so(tmp_path, capsys):
    pytest.importorskip("torch")
    run = training.train("grpo", "ledger-alone", steps=16, out=tmp_path / "run", demonstrations=0, **TALK)
    with pytest.raises(SystemExit) as leaving:
        cli.main(["evaluate", str(run.path), "--crossplay", "--episodes", "2"])
    assert leaving.value.code == 2 and "this game has one agent" in capsys.readouterr().err
    with pytest.raises(InputError, match="cannot mix the agents of several teams"):
        SpokenGame.mixed(interplay.load(run.path).game, [])
