"""A saved run acts, is taken apart, evaluated and drawn; a damaged checkpoint is passed over and said."""

import shutil

import jax
import numpy as np
import pytest

import interplay
from interplay.core.errors import InputError
from interplay.core.game import HostGame
from interplay.run import saved, state
from interplay.run.loop import Pace

TINY = {"width": 8, "batch": 4, "length": 8, "passes": 1, "minibatches": 2}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two seeds of agents that each learn a network of their own, with two checkpoints."""
    path = tmp_path_factory.mktemp("runs") / "run"
    return interplay.train(
        "ippo", "spread", steps=1600, seeds=2, seed=3, out=path, share=False, pace=Pace(save=0), **TINY
    )


@pytest.fixture
def run(trained, tmp_path):
    """A copy that may be harmed."""
    shutil.copytree(trained.path, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture(scope="module")
def loaded(trained):
    return interplay.load(trained.path)


def test_teams_act_greedily_or_by_a_key(loaded):
    seen = loaded.game.reset(jax.random.key(1))[1]
    memory, decision = loaded.act(seen)
    assert decision.action.shape == (3,)
    again = loaded.act(seen, memory)[1]
    np.testing.assert_array_equal(decision.action, again.action)
    drawn = {tuple(np.asarray(loaded.act(seen, key=jax.random.key(n))[1].action).tolist()) for n in range(8)}
    assert len(drawn) > 1


def test_seeds_have_teams_of_their_own(loaded):
    assert loaded.seeds == (3, 4)
    first, second = (jax.tree.leaves(loaded.team(seed).actors)[0] for seed in (3, 4))
    assert np.any(np.asarray(first) != np.asarray(second))
    for call in (loaded.team, lambda seed: loaded.part("team/actors", None, seed=seed)):
        with pytest.raises(InputError, match="has seeds 3 to 4: seed 0 is not one"):
            call(0)


def test_one_agent_of_n_is_restored_by_its_path(loaded):
    team = loaded.team(4)
    members = team.actors.members
    one = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), members)
    part = loaded.part("team/actors/members", one, seed=4, member=2)
    for mine, theirs in zip(jax.tree.leaves(part), jax.tree.leaves(members), strict=True):
        np.testing.assert_array_equal(mine, np.asarray(theirs)[2])
    with pytest.raises(InputError, match="nearest"):
        loaded.part("team/actor/members", one, member=2)


def test_evaluation_is_over_seeds_and_the_same_each_time(loaded):
    result = loaded.evaluate(8)
    assert result == loaded.evaluate(8)
    assert (result["mode"], result["over"], result["episodes"]) == ("greedy", "seeds", 8)
    assert result["return"]["low"] <= result["return"]["mean"] <= result["return"]["high"]
    assert len(result["per_seed"]) == 2
    assert len(result["per_agent"]) == 3
    assert loaded.evaluate(8, greedy=False)["mode"] == "sampled"
    with pytest.raises(InputError, match="0 episodes"):
        loaded.evaluate(0)


def test_a_replay_has_a_picture_for_every_reward(run):
    loaded = interplay.load(run)
    recorded = loaded.replay(4, number=1)
    assert len(recorded["frames"]) == len(recorded["rewards"]) == 26
    assert recorded["frames"][0].startswith("<svg")
    assert recorded["seed"] == 4
    path = saved.write_replay(loaded, recorded)
    assert path == run / "replays" / "seed-4-greedy.json"
    (run / "blocked").touch()
    shutil.rmtree(run / "replays")
    (run / "replays").touch()
    with pytest.raises(InputError, match="cannot write"):
        saved.write_replay(loaded, recorded)


def test_others_games_are_made_again_so_that_they_draw(loaded, monkeypatch):
    class Theirs(HostGame):
        reset = step = None  # type: ignore[assignment]

    Theirs.__abstractmethods__ = frozenset()
    made = []
    monkeypatch.setattr(type(loaded), "game", property(lambda self: Theirs()))
    monkeypatch.setitem(loaded.run.settings, "game", "pettingzoo:mpe/simple_spread_v3")
    monkeypatch.setattr(saved.games, "make", lambda name, **parameters: made.append((name, parameters)))
    loaded._drawable()
    assert made == [("pettingzoo:mpe/simple_spread_v3", {"render": True})]


def test_a_damaged_checkpoint_is_passed_over_and_said(run):
    newest = state.latest(run / "checkpoints")
    file = newest / "state.safetensors"
    data = bytearray(file.read_bytes())
    data[-5] ^= 1
    file.write_bytes(bytes(data))
    loaded = interplay.load(run)
    assert loaded.directory < newest
    assert newest.name in loaded.notes[0] and "damaged" in loaded.notes[0]
    for directory in (run / "checkpoints").iterdir():
        (directory / "manifest.json").write_text("{}")
    with pytest.raises(InputError, match="has no checkpoint to use: train it first; skipped: "):
        interplay.load(run)


def test_a_run_of_another_version_is_refused(run):
    file = run / "settings.json"
    file.write_text(file.read_text().replace('"format": 1', '"format": 99'))
    with pytest.raises(InputError, match="has format 99, this version reads format 1"):
        interplay.load(run)


def test_a_run_split_over_many_devices_can_be_used_on_few(tmp_path):
    run = interplay.train("ippo", "climbing", steps=32, out=tmp_path / "run", **TINY)
    assert run.settings["layout"] == "split"
    file = run.path / "settings.json"
    file.write_text(file.read_text().replace('"devices": 2', '"devices": 64'))
    assert interplay.load(run.path).evaluate(2)["episodes"] == 2
