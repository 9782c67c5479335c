"""Legal answers: a tree of tokens, its masks, and what cannot be told apart."""

import numpy as np
import pytest

from interplay.core.errors import InputError
from interplay.lm.constrain import Trie, among, ending, mask, walked
from interplay.lm.words import END, Words

WORDS = Words(["go", "left", "right", "stay"], ["pilot"])


def test_the_tree_of_answers_holds_them_and_nothing_else():
    tree = among(["go left", "go right", "stay"], WORDS)
    go, left, right, stay = (int(WORDS.encode(word)[0]) for word in ("go", "left", "right", "stay"))
    assert sorted(tree.legal(0).tolist()) == sorted([go, stay])
    second = tree.after(0, go)
    assert sorted(tree.legal(second).tolist()) == sorted([left, right])
    assert tree.legal(tree.after(second, left)).tolist() == [END]
    with pytest.raises(InputError, match="not legal here"):
        tree.after(0, left)


def test_an_answer_that_begins_another_may_end_or_go_on():
    tree = Trie([[7], [7, 8]], end=0)
    assert tree.legal(tree.after(0, 7)).tolist() == [0, 8]
    assert [legal.tolist() for legal in walked(tree, np.array([7, 0]))] == [[7], [0, 8]]


def test_answers_that_are_the_same_in_tokens_are_refused():
    with pytest.raises(InputError, match="cannot be told apart"):
        among(["abc", "xyz"], WORDS)  # both unknown
    with pytest.raises(InputError, match="no legal answers"):
        among([], WORDS)


def test_masks():
    assert mask([None, None], 3) is None
    np.testing.assert_array_equal(mask([np.array([2]), None], 3), [[False, False, True], [True, True, True]])


def test_what_is_certain_is_told_up_to_the_end_or_the_room():
    tree = Trie([[1, 2, 3], [1, 2, 4], [5, 6]], end=0)
    said = lambda place, room: None if (found := ending(tree, place, room)) is None else [token for token, _ in found]
    assert said(0, 9) is None and said(tree.after(0, 1), 9) is None  # a choice, at once and later
    five = tree.after(0, 5)
    assert said(five, 9) == [6, 0] and said(five, 1) == [6] and said(tree.after(0, 1), 1) == [2]
    assert all(legal.tolist() == [token] for token, legal in ending(tree, five, 9))
