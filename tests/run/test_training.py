"""Training by name: what is refused before a folder is made, and that stopping and resuming changes no bit."""

import dataclasses

import jax
import pytest

from interplay import methods
from interplay.core.errors import DivergenceError, GameError, InputError
from interplay.methods import mo_mix
from interplay.run import devices, folder, loop, state, training

TOYS = """
import time
import jax.numpy as jnp
import numpy as np
from interplay.core.game import Discrete, Game, HostGame, Spec, TimeStep, opening, outcome


class Pure(Game):
    spec: Spec

    def __init__(self):
        self.spec = Spec(2, observation=1, action=Discrete(2), horizon=4)

    def seen(self, t):
        return dict(observation=jnp.full((2, 1), t / 4), legal=jnp.ones((2, 2), bool), active=jnp.ones(2, bool),
                    shared=jnp.zeros(0))

    def reset(self, key):
        return jnp.int32(0), TimeStep(**self.seen(jnp.float32(0)), **opening(self.spec))

    def reward(self, state):
        return jnp.zeros(2)

    def step(self, state, action, key):
        now = state + 1
        return now, TimeStep(**self.seen(now.astype(jnp.float32)), **outcome(self.reward(now), now >= 4, False))


class Wide(Pure):
    def seen(self, t):
        return super().seen(t) | {"observation": jnp.zeros((2, 3))}


class Alone(Pure):
    def reset(self, key):
        return super().reset(key)[1]


class Grown(Pure):
    def step(self, state, action, key):
        now, seen = super().step(state, action, key)
        return now.astype(jnp.float32), seen


class Poison(Pure):
    def reward(self, state):
        return jnp.full(2, jnp.nan)


class Undefined(Pure):
    def reward(self, state):
        return nowhere_to_be_found


class Fragile(HostGame):
    def __init__(self, last=40, hang=False):
        self.last, self.hang, self.count = last, hang, 0
        self.spec = Spec(2, observation=1, action=Discrete(2), horizon=4)

    def seen(self):
        fields = dict(observation=np.full((2, 1), self.t / 4, np.float32), legal=np.ones((2, 2), bool))
        ends = dict(terminated=np.asarray(self.t >= 4), truncated=np.asarray(False))
        return TimeStep(**fields, **ends, active=np.ones(2, bool), shared=np.zeros(0, np.float32),
                        reward=np.zeros(2, np.float32))

    def reset(self, seed):
        self.t = 0
        return self.seen()

    def step(self, action):
        self.t, self.count = self.t + 1, self.count + 1
        print("a game that talks")
        if self.count > self.last and self.hang:
            time.sleep(1000)
        if self.count > self.last:
            raise ZeroDivisionError("worn out")
        return self.seen()
"""


@pytest.fixture
def toys(tmp_path, monkeypatch):
    """A folder with the user's file toys.py, which is where we stand."""
    (tmp_path / "toys.py").write_text(TOYS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    __import__("sys").modules.pop("toys", None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "ipo"}, "no method is called 'ipo': did you mean ippo"),
        ({"game": "climbin"}, "no game is called 'climbin': did you mean climbing"),
        ({"widht": 3}, "ippo has no setting 'widht': did you mean width"),
        ({"width": 0}, "width is 0: give 1 or more"),
        ({"rate": -1.0}, "rate is -1.0: give a number of 0 or more"),
        ({"steps": 0}, "cannot train for 0 steps: give 1 or more"),
        ({"seeds": 0}, "cannot train 0 seeds: give 1 or more"),
        ({"seed": -1}, "seeds -1 to -1 are out of range"),
        ({"seed": 2**32 - 1, "seeds": 2}, "out of range"),
        ({"game": "nowhere:Game"}, "no adapter and no module is called 'nowhere'"),
        ({"game": "toys:Wide"}, r"the observation that reset gives is float32\[2, 3\], the spec says float32\[2, 1\]"),
        ({"game": "toys:Alone"}, "reset has to return a pair, the state and a TimeStep"),
        ({"game": "toys:Grown"}, r"step changes the state's itself from int32\[\] to float32\[\]"),
    ],
)
def test_what_is_wrong_is_said_before_a_folder_is_made(toys, tiny, arguments, message):
    arguments = {"method": "ippo", "game": "climbing", **tiny} | arguments
    with pytest.raises(InputError, match=message):
        training.train(**arguments)
    assert not (toys / "runs").exists()


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [("width", "wide", "a whole number"), ("width", 2.5, "a whole number"), ("width", True, "a whole number"),
     ("rate", "fast", "a number"), ("share", 1, "True or False"), ("game", 3, "a text")],
)  # fmt: skip
def test_a_setting_of_another_type_is_refused(name, value, wanted):
    settings = methods.settings("ippo")
    object.__setattr__(settings, name, value)  # the suite checks annotations and would refuse it sooner
    with pytest.raises(InputError, match=f"{name} is {value!r}: give {wanted}"):
        training.build("ippo", settings)


@pytest.mark.parametrize("out", [None, "mine"])
def test_a_run_in_which_nothing_could_be_trained_leaves_no_folder(toys, tiny, out):
    with pytest.raises(InputError, match="32 rows do not divide into 3 minibatches: change batch"):
        training.train("ippo", "climbing", out=out, **tiny | {"minibatches": 3})
    assert not list(toys.glob("runs/*"))
    assert not (toys / "mine").exists()


def test_an_occupied_folder_is_left_alone(toys, tiny):
    (toys / "mine").mkdir()
    (toys / "mine" / "thesis.txt").write_text("important")
    with pytest.raises(InputError, match="not empty"):
        training.train("ippo", "climbing", out="mine", **tiny)
    assert [path.name for path in (toys / "mine").iterdir()] == ["thesis.txt"]


def test_every_setting_is_described():
    for slug in methods.MODULES:
        kind = methods.module(slug).Settings
        assert set(training.described(kind)) == {field.name for field in dataclasses.fields(kind)}, slug


def test_a_run_by_name_can_be_resumed_by_name(toys, tiny, go):
    import signal

    def watch(rows, progress):
        if progress.update >= 5:
            signal.raise_signal(signal.SIGINT)

    whole = training.train("ippo", "climbing", steps=6400, seeds=2, **tiny)
    parts = training.train("ippo", "climbing", steps=6400, seeds=2, watch=watch, **tiny)
    assert [run.path.name for run in (whole, parts)] == ["ippo-climbing-0001", "ippo-climbing-0002"]
    assert parts.status()["state"] == "interrupted"
    resumed = training.resume(parts.path)
    assert resumed.status()["state"] == whole.status()["state"] == "done"
    assert resumed.status()["execution"] == "decentralized"
    final = [state.check(state.latest(run.checkpoints))["digest"] for run in (whole, resumed)]
    assert final[0] == final[1]


LAYOUTS = {
    "ippo": ("climbing", 1, devices.Split, {}),
    "ippo-recurrent": ("spread", 2, devices.Seeds, {"memory": 4}),
    "happo": ("climbing", 3, devices.Seeds, {}),
    "mappo": ("pettingzoo:mpe/simple_spread_v3", 2, devices.Host, {}),
    "iql": ("pettingzoo:mpe/simple_spread_v3", 2, devices.Host, {"sampled": 8, "capacity": 96, "warmup": 32}),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("slug", LAYOUTS)
def test_stopping_and_resuming_changes_no_bit(slug, tiny, start, go):
    """Parameters, optimizers and the games in mid-episode; every sitting in a layout of its own but for the programs."""
    game, seeds, kind, changes = LAYOUTS[slug]
    if kind is devices.Host:
        pytest.importorskip("mpe2")
    known = training.described(methods.module(slug).Settings)
    small = {name: value for name, value in {**tiny, **changes}.items() if name in known}
    build = lambda: training.build(slug, methods.settings(slug, game=game, steps=960, **small))
    layout = devices.choose(build(), tuple(range(seeds)))
    assert type(layout) is kind
    whole, parts = start("whole", seeds), start("parts", seeds)
    updates = 6 if kind is devices.Host else 30
    go(layout, whole, updates)
    for stop in (1, 3):
        if kind is devices.Host:  # games anew, as in a new process
            layout = devices.choose(build(), (0, 1))
        go(layout, parts, updates, stop=stop)
        assert parts.status()["state"] == "interrupted"
    go(layout, parts, updates)
    first, second = (state.check(state.latest(run.checkpoints)) for run in (whole, parts))
    assert any("time_step" in path for path in first["paths"])
    assert first["digest"] == second["digest"]
    assert [row | {"seconds": 0} for row in whole.metrics()] == [row | {"seconds": 0} for row in parts.metrics()]


def test_a_run_over_more_devices_than_there_are_says_how_to_go_on(toys, tiny, monkeypatch):
    about = {
        "method": "ippo",
        "game": "climbing",
        "seeds": 1,
        "seed": 0,
        "steps": 320,
        "layout": "split",
        "devices": 64,
    }
    folder.create("wide", about | {"settings": {"game": "climbing", **tiny}})
    with pytest.raises(InputError, match=r"64 devices and this process has 2: .*INTERPLAY_DEVICES=64"):
        training.resume("wide")


def test_an_exploding_run_names_its_last_good_checkpoint(toys, tiny, start, go):
    """A learning rate beyond all reason after a good start: the checkpoint before it stays and can be used."""
    run = start("run", 2)
    build = lambda rate: training.build(
        "ippo", methods.settings("ippo", game="climbing", rate=rate, steps=3200, **tiny)
    )
    go(devices.plain(build(1e-3), (0, 1)), run, 100, stop=3)
    good = state.latest(run.checkpoints)
    with pytest.raises(
        DivergenceError, match=r"step \d+, seed [01]: \w+ is (nan|inf|-inf); the last good checkpoint"
    ) as caught:
        go(devices.plain(build(1e30), (0, 1)), run, 100)
    assert str(good) in str(caught.value)
    assert state.latest(run.checkpoints) == good
    tree = loop.restored(devices.plain(build(1e-3), (0, 1)), good)
    assert all(
        bool(jax.numpy.isfinite(leaf).all())
        for leaf in jax.tree.leaves(tree["team"] if isinstance(tree, dict) else tree.team.actors)
    )


def test_a_game_that_gives_nonsense_is_named_by_its_return(toys, tiny):
    with pytest.raises(
        DivergenceError, match=r"step 32, seed 0: return is nan; there is no checkpoint yet\. Look at the rewards"
    ):
        training.train("ippo", "toys:Poison", out="poison", **tiny)
    assert folder.open_run("poison").status()["state"] == "failed"


def test_a_host_game_that_breaks_in_mid_run_leaves_its_checkpoint(toys, tiny):
    with pytest.raises(GameError, match=r"Fragile game 0, .*ZeroDivisionError: worn out") as caught:
        training.train(
            "random", "toys:Fragile", out="broken", steps=3200, batch=4, length=8, pace=loop.Pace(look=1e-9, save=0)
        )
    run = folder.open_run("broken")
    assert caught.value.run == str(run.path)
    assert run.status()["notes"][0]["metric"] == "game"
    assert state.step_of(state.latest(run.checkpoints)) == run.status()["step"] == 160


def test_a_game_that_hangs_in_a_worker_is_noticed(toys):
    with pytest.raises(GameError, match=r"Fragile game [02], .*no answer within 2 s"):
        training.train("random", "toys:Fragile(hang=True)", steps=3200, batch=4, length=64, workers=2, timeout=2.0)


def test_settings_that_may_be_negative_say_so():
    """MO-MIX's reference point lies below the returns, which may be negative; its other numbers are not."""
    assert training.build("mo-mix", mo_mix.Settings(reference=-100.0)).compiled
    with pytest.raises(InputError, match="give a number of 0 or more"):
        training.build("mo-mix", mo_mix.Settings(guided=-1.0))
