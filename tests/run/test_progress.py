"""What a person sees while a run trains, on a terminal and in a log."""

import io

import pytest
import rich.console

from interplay.run import progress
from interplay.run.loop import Progress

NAN = float("nan")


def rows(update: int, **returns: float):
    return [{"update": update, "seed": int(name[1:]), "return": value} for name, value in returns.items()]


def how_far(update: int) -> Progress:
    return Progress(update=update, updates=10, seconds=2.0, steps=update * 1000)


def test_a_log_gets_a_line_now_and_then_and_one_at_the_end(capsys, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress.shown("ippo on spread") as watch:
        watch(rows(1, s0=-3.0, s1=NAN), how_far(1))
        watch(rows(2, s0=-2.5, s1=-1.0), how_far(2))  # too soon for another line
        now[0] += progress.QUIET
        watch(rows(3, s0=NAN, s1=NAN), how_far(3))
        watch(rows(10, s0=-2.0, s1=-0.5), how_far(10))
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == 3
    assert lines[0].split() == ["ippo", "on", "spread", "10%", "1,000", "steps/s", "return", "-3.00"]
    assert lines[1].endswith("30%  3,000 steps/s  return -2.50 -1.00")  # the latest of each seed, this time none ended
    assert lines[2].endswith("100%  10,000 steps/s  return -2.00 -0.50")


def test_a_method_without_returns_is_fine(capsys):
    with progress.shown("x") as watch:
        watch([{"update": 1, "seed": 0}], how_far(1))
    assert "return" not in capsys.readouterr().err


def test_a_terminal_shows_a_bar(monkeypatch):
    terminal = rich.console.Console(file=io.StringIO(), force_terminal=True, width=140)
    monkeypatch.setattr(progress.rich.console, "Console", lambda **_: terminal)
    with progress.shown("ippo on spread") as watch:
        watch(rows(5, s0=-3.0, s1=-4.0), how_far(5))
    shown = terminal.file.getvalue()
    for word in ("compiling", "ippo on spread", "50%", "5,000 steps/s", "return -3.00 -4.00"):
        assert word in shown, word


def test_the_bar_goes_when_training_breaks():
    with pytest.raises(ZeroDivisionError), progress.shown("x"):
        raise ZeroDivisionError
