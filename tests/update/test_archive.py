"""What a search keeps: the best, the best of every kind, what nothing dominates, islands that exchange."""

import numpy as np
import pytest

from interplay.core.errors import InputError
from interplay.update.archive import Entry, best, cell, everything, grid, islands, pareto, tournament


def fed(acceptance, entries, places=None):
    state = acceptance.init()
    for at, entry in enumerate(entries):
        state = acceptance.accept(state, entry, 0 if places is None else places[at])
    return state


def names(acceptance, state):
    return {entry.name for entry in acceptance.members(state)}


ENTRIES = [Entry(str(at), float(score)) for at, score in enumerate((3, 1, 4, 1, 5))]


def test_the_best_stay_and_the_earlier_of_equals():
    keep = best(4)
    assert names(keep, fed(keep, ENTRIES)) == {"0", "2", "4", "1"}


def test_a_grid_keeps_one_of_every_kind():
    keep = grid([(1.0,), (0.0,)])
    entries = [
        Entry("a", 1.0, features=(0.0, 1.0)),
        Entry("b", 2.0, features=(0.5, 1.0)),
        Entry("c", 1.5, features=(0.5, 1.0)),
        Entry("d", 0.0, features=(2.0, -1.0)),
    ]
    assert names(keep, fed(keep, entries)) == {"b", "d"}
    assert cell(entries[3], [(1.0,), (0.0,)]) == (1, 0)
    with pytest.raises(InputError, match="features"):
        cell(entries[0], [(1.0,)])


def test_a_front_keeps_what_nothing_dominates():
    keep = pareto()
    entries = [Entry(name, 0.0, scores) for name, scores in
               {"a": (1.0, 1.0), "b": (2.0, 0.0), "c": (2.0, 1.0), "d": (0.0, 3.0), "e": (2.0, 1.0)}.items()]  # fmt: skip
    assert names(keep, fed(keep, entries)) == {"c", "d"}


def test_islands_stay_apart_until_they_exchange_their_best():
    keep = islands(best(10), 2, every=6, share=0.5)
    entries = [Entry(str(at), float(at)) for at in range(6)]
    state = fed(keep, entries[:5], [0, 0, 0, 1, 1])
    assert [{entry.name for entry in part} for part in state[1]] == [{"0", "1", "2"}, {"0", "3", "4"}]
    state = keep.accept(state, entries[5], 1)
    assert [{entry.name for entry in part} for part in state[1]] == [
        {"0", "1", "2", "5", "4"},
        {"0", "3", "4", "5", "2", "1"},
    ]


def test_the_same_entries_give_the_same_state_and_the_same_picks():
    keep = islands(best(3), 2)
    one, other = (fed(keep, ENTRIES, [0, 1, 0, 1, 1]) for _ in range(2))
    assert one == other
    assert keep.pick(one, np.random.default_rng(1)) == keep.pick(other, np.random.default_rng(1))


def test_selection_favors_the_good_and_its_absence_does_not():
    rng = np.random.default_rng(0)
    entries = [Entry(str(at), float(at)) for at in range(10)]
    for keep, low, high in ((best(10, tournament(3)), 6.5, 9.0), (everything(), 4.0, 5.0)):
        state = fed(keep, entries)
        assert low < np.mean([keep.pick(state, rng).parent.score for _ in range(500)]) < high


def test_a_tournament_may_be_on_a_single_task():
    draw, rng = tournament(50), np.random.default_rng(0)
    entries = [Entry("mean", 2.0, (1.0, 1.0)), Entry("first", 0.0, (3.0, 0.0)), Entry("second", 0.0, (0.0, 3.0))]
    assert {draw(entries, rng).name for _ in range(50)} == {"mean", "first", "second"}


def test_nothing_can_be_kept_in_no_room():
    for make in (lambda: best(0), lambda: islands(best(1), 0)):
        with pytest.raises(InputError):
            make()


def test_one_of_each_kind_stays_among_the_best():
    keep = best(3)
    entries = [
        Entry("a", 1.0, kind="x"),
        Entry("b", 2.0, kind="x"),
        Entry("c", 1.5, kind="x"),
        Entry("d", 0.0, kind="y"),
    ]
    assert names(keep, fed(keep, entries)) == {"b", "d"}
