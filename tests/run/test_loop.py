"""The loop with a method that costs nothing: rows, checkpoints, stopping, resuming, and every way of breaking down."""

import json
import signal
import threading
import time

import jax.numpy as jnp
import numpy as np
import pytest

from interplay.core.errors import DivergenceError, GameError, InputError
from interplay.run import loop, sinks, state
from interplay.run.devices import CHUNK, Host, Seeds

NOTHING = lambda rows, progress: None


def digest(run) -> str:
    """What tells final states apart, bit for bit."""
    return state.check(state.latest(run.checkpoints))["digest"]


def at(number: int, value: float):
    """`value` at one update, 0 before and after."""
    return lambda update: jnp.where(update == number, value, 0.0)


def test_rows_hold_every_update_of_every_seed_once(toy, start, go):
    run = start(seeds=3)
    progress = go(Seeds(toy(), (5, 6, 7)), run, 100)
    rows = run.metrics()
    assert [(row["update"], row["seed"]) for row in rows] == [(n, s) for n in range(1, 101) for s in (5, 6, 7)]
    assert all(row["step"] == 4 * row["update"] for row in rows)
    seconds = [row["seconds"] for row in rows]
    assert seconds == sorted(seconds)
    assert rows[3]["return"] is None  # no episode ended
    assert rows[0]["return"] is not None
    status = run.status()
    assert status["state"] == "done"
    assert status["step"] == progress.steps == 400
    assert status["compile_seconds"] > 0
    assert status["steps_per_second"] == pytest.approx(3 * progress.steps_per_second)


def test_steps_are_rounded_up_to_whole_updates(toy, start):
    run = start()
    _, progress = loop.train(Seeds(toy(), (0,)), run, 9, watch=NOTHING)
    assert (progress.update, progress.steps) == (3, 12)


@pytest.mark.parametrize("layout", [Seeds, Host])
@pytest.mark.parametrize("seeds", [(0,), (3, 1, 2)])
def test_resuming_gives_the_same_bits(toy, start, go, layout, seeds):
    whole, parts = start("whole", len(seeds)), start("parts", len(seeds))
    method = toy(compiled=layout is Seeds)
    go(layout(method, seeds), whole, 150)
    for stop in (1, 40):
        progress = go(layout(method, seeds), parts, 150, stop=stop)
        assert progress.interrupted
        assert parts.status()["state"] == "interrupted"
    assert not go(layout(method, seeds), parts, 150).interrupted
    assert digest(whole) == digest(parts)
    mine, theirs = ([row | {"seconds": 0} for row in run.metrics()] for run in (whole, parts))
    assert mine == theirs


def test_rows_after_the_last_checkpoint_are_told_again_once(toy, start, go):
    run, layout = start(), Seeds(toy(), (0,))
    go(layout, run, 100, stop=20)
    reached = run.status()["step"]
    sink = sinks.JsonLines(run.metrics_file)  # what a killed process wrote after its last checkpoint
    sink.write([{"step": reached + 4, "seed": 0, "update": reached // 4 + 1, "return": 99.0}])
    sink.close()
    go(layout, run, 100)
    assert [row["update"] for row in run.metrics()] == list(range(1, 101))
    assert 99.0 not in [row["return"] for row in run.metrics()]


def test_a_finished_run_is_left_as_it_is(toy, start, go):
    run, layout = start(), Seeds(toy(), (0,))
    go(layout, run, 10)
    before = digest(run), run.metrics_file.read_bytes()
    layout.advance = None  # nothing is computed
    go(layout, run, 10)
    assert (digest(run), run.metrics_file.read_bytes()) == before
    assert run.status()["state"] == "done"


def test_checkpoints_are_written_at_the_pace_and_few_are_kept(toy, start, go):
    run = start()
    go(Seeds(toy(), (0,)), run, 20 * CHUNK, save=0.0, keep=2)
    kept = sorted(path.name for path in run.checkpoints.iterdir())
    assert len(kept) == 2
    assert kept[-1] == f"{20 * CHUNK * 4:012d}"


def test_a_damaged_checkpoint_costs_only_the_way_from_the_one_before(toy, start, go):
    whole, run, layout = start("whole"), start(), Seeds(toy(), (0,))
    go(layout, whole, 60)
    go(layout, run, 60, stop=10)
    go(layout, run, 60, stop=30)
    newest = state.latest(run.checkpoints)
    tensors = newest / "state.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:-3])
    go(layout, run, 60)
    assert digest(run) == digest(whole)
    (note,) = run.status()["notes"]
    assert note["metric"] == "checkpoint"
    assert newest.name in note["message"]
    assert [row["update"] for row in run.metrics()] == list(range(1, 61))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_after_the_update_at_hand(toy, start, number):
    run, before = start(), signal.getsignal(number)
    watch = lambda rows, progress: signal.raise_signal(number)
    _, progress = loop.train(Seeds(toy(), (0,)), run, 400, watch=watch)
    assert progress.update == 1
    assert run.status()["state"] == "interrupted"
    assert state.step_of(state.latest(run.checkpoints)) == 4
    assert signal.getsignal(number) is before


def test_ctrl_c_while_compiling_saves_the_start(toy, start, monkeypatch):
    run, layout = start(), Seeds(toy(), (0,))
    compiled = layout.compile
    monkeypatch.setattr(layout, "compile", lambda states: [signal.raise_signal(signal.SIGINT), compiled(states)][1])
    loop.train(layout, run, 400, watch=NOTHING)
    assert run.status()["state"] == "interrupted"
    assert state.step_of(state.latest(run.checkpoints)) == 0


def test_a_second_ctrl_c_stops_at_once(toy, start):
    def watch(rows, progress):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    run = start()
    with pytest.raises(KeyboardInterrupt):
        loop.train(Seeds(toy(), (0,)), run, 400, watch=watch)
    assert run.status()["state"] == "interrupted"


def test_it_trains_in_a_thread_too(toy, start, go):
    run = start()
    thread = threading.Thread(target=go, args=(Seeds(toy(), (0,)), run, 5))
    thread.start()
    thread.join()
    assert run.status()["state"] == "done"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_metric_that_is_not_finite_stops_the_run_and_says_where(toy, start, go, value):
    run = start(seeds=2)
    good = Seeds(toy(), (4, 5))
    go(good, run, 400, stop=3)
    saved = digest(run)
    checkpoint = state.latest(run.checkpoints)
    with pytest.raises(DivergenceError, match=r"step 80, seed 4: size is (nan|inf); .*Train again") as caught:
        go(Seeds(toy(metric=at(20, value)), (4, 5)), run, 400)
    assert str(checkpoint) in str(caught.value)
    assert caught.value.run == str(run.path)
    status = run.status()
    assert status["state"] == "failed"
    assert {name: status["notes"][0][name] for name in ("step", "seed", "metric", "checkpoint")} == {
        "step": 80, "seed": 4, "metric": "size", "checkpoint": str(checkpoint)}  # fmt: skip
    assert digest(run) == saved
    assert [row["update"] for row in run.metrics()[::2]] == list(range(1, 20))  # all that was still sound


def test_a_return_may_be_missing_but_not_wrong():
    row = {"step": 4, "seed": 0, "update": 1, "size": 1.0, "episodes": 0.0, "return": np.nan, "length": np.nan}
    assert loop._nonsense([row]) is None
    assert loop._nonsense([row | {"episodes": 2.0}])[1] == "return"
    assert loop._nonsense([row | {"return": -np.inf}])[1] == "return"
    assert loop._nonsense([row | {"size": np.nan, "return": np.inf}])[1] == "return"


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_no_checkpoint_holds_a_number_that_is_not_finite(toy, start, go, value):
    """The metrics of an update are those of the weights before it, so that they can be fine when it was the last."""
    method = toy(weight=at(10, value))
    method = method._replace(step=lambda state, key: [out := method_step(state, key), (out[0], fine)][1])
    method_step, fine = toy(weight=at(10, value)).step, {"return": jnp.float32(0), "episodes": jnp.float32(1)}
    run = start()
    with pytest.raises(DivergenceError, match=r"step 40, seed 0: team/value holds a number that is not finite"):
        go(Seeds(method, (0,)), run, 10)
    assert not list(run.checkpoints.glob("0*"))
    assert run.status()["state"] == "failed"


def test_games_may_keep_any_number_but_nobody_may_see_it(toy, start):
    run, layout = start(), Seeds(toy()._replace(batched=lambda state: {"play": True, "time_step": True}), (0,))
    loop._refuse_broken(layout, {"play": np.array([np.nan]), "time_step": np.ones(1)}, run, loop.Progress())
    with pytest.raises(DivergenceError, match="time_step holds"):
        loop._refuse_broken(layout, {"play": np.ones(1), "time_step": np.array([np.inf])}, run, loop.Progress())


@pytest.mark.parametrize(
    ("error", "metric"), [(GameError("game 3: it hung"), "game"), (OSError("no more\nat all"), "error")]
)
def test_whatever_ends_a_run_is_in_its_status(toy, start, error, metric):
    class Failing(Host):
        def advance(self, state, update, count):
            if update >= 2:
                raise error
            return super().advance(state, update, count)

    run = start()
    with pytest.raises(type(error)):
        loop.train(Failing(toy(compiled=False), (0,)), run, 400, watch=NOTHING, pace=loop.Pace(look=1e-9, save=0))
    status = run.status()
    (note,) = status["notes"]
    assert status["state"] == "failed"
    assert (note["metric"], note["step"], note["seed"]) == (metric, 8, None)
    assert note["message"] == str(error).splitlines()[0]
    assert note["checkpoint"].endswith(f"{8:012d}")
    assert getattr(error, "run", str(run.path)) == str(run.path)


def test_a_disk_that_fills_up_gives_a_line_and_keeps_the_checkpoint_before(toy, start, go, monkeypatch):
    run, layout = start(), Seeds(toy(), (0,))
    go(layout, run, 100, stop=10)
    good = digest(run)

    def full(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("interplay.run.folder.write_flushed", full)
    with pytest.raises(InputError, match="the disk is full: free some space"):
        go(layout, run, 100)
    monkeypatch.undo()
    assert digest(run) == good
    go(layout, run, 100)
    assert run.status()["state"] == "done"
    assert [row["update"] for row in run.metrics()] == list(range(1, 101))


def test_metrics_that_cannot_be_written_stop_the_run(toy, start, go, monkeypatch):
    def full(self, rows):
        raise InputError(f"cannot write {self.path}: the disk is full")

    monkeypatch.setattr(sinks.JsonLines, "write", full)
    run = start()
    with pytest.raises(InputError, match=r"metrics.jsonl: the disk is full"):
        go(Seeds(toy(), (0,)), run, 100)
    assert run.status()["state"] == "failed"
    assert not run.checkpoints.exists()


def test_sinks_get_every_row_and_are_closed(toy, start, monkeypatch):
    class Memory:
        rows, closed = [], False

        def write(self, rows):
            self.rows.extend(rows)

        def close(self):
            Memory.closed = True

    monkeypatch.setattr(sinks, "make", lambda name, run: Memory())
    run = start()
    loop.train(Seeds(toy(), (0,)), run, 400, watch=NOTHING, extra=("memory",))
    assert [row["update"] for row in Memory.rows] == list(range(1, 101))
    assert Memory.closed
    assert all(json.loads(line)["seed"] == 0 for line in run.metrics_file.read_text().splitlines())


def test_the_number_of_updates_between_looks_follows_their_speed():
    assert loop._paced(1, 10.0, 0.25) == 1
    assert loop._paced(4, 0.001, 0.25) == 8
    assert loop._paced(CHUNK, 1e-9, 0.25) == CHUNK
    assert loop._paced(32, 0.5, 0.25) == 16


def test_where_a_look_costs_much_looks_are_rare(toy, start):
    layout, run = Seeds(toy(), (0,)), start()
    advance, asked = layout.advance, []

    def slow(states, update, count):
        asked.append(count)
        time.sleep(0.02)
        return advance(states, update, count)

    layout.advance = slow
    loop.train(layout, run, 400, watch=NOTHING, pace=loop.Pace(look=0.001))
    assert sum(asked) == 100
    assert len([count for count in asked if count]) < 12


def test_where_a_checkpoint_costs_much_they_are_rare(toy, start, monkeypatch):
    times, save = [], loop.save

    def slow(*given):
        times.append(time.perf_counter())
        time.sleep(0.05)
        save(*given)

    monkeypatch.setattr(loop, "save", slow)
    loop.train(Seeds(toy(), (0,)), start(), 4000, watch=NOTHING, pace=loop.Pace(look=1e-9, save=1e-9))
    assert len(times) >= 2
    assert np.diff(times)[:-1].min(initial=1.0) > 0.45  # the last comes when all is done
