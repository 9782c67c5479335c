"""Transcripts: exact tokens of what was read and said, each message once, nothing encoded again."""

import asyncio

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from interplay.lm.model import Batch  # noqa: E402
from interplay.lm.play import Seat, play  # noqa: E402
from interplay.lm.scene import Scene  # noqa: E402
from interplay.lm.tiny import Size, Tiny  # noqa: E402
from interplay.lm.transcript import each_call, joined, turns  # noqa: E402
from interplay.lm.words import Words  # noqa: E402

AGENTS = ("solver", "checker")


class Wary(Words):
    """A codec whose encoder fails on anything that a model said."""

    said: frozenset = frozenset()
    forbidden = ("a", "b", "c", "d")

    def encode(self, text):
        assert not any(word in self.forbidden for word in text.split()), f"{text!r} was encoded again"
        return super().encode(text)


async def rounds(team, task):
    asked, history = team.note(task), []
    for index in range(3):
        draft = await team.say("solver", asked, *history)
        verdict = await team.say("checker", asked, draft)
        history += [draft, verdict, team.note(f"round {index}")]
    return 1.0


@pytest.fixture
def played():
    codec = Wary(["go", "round", "0", "1", "2", "a", "b", "c", "d"], AGENTS)
    model = Tiny(codec, 2, Size(16, 1, 2, 96))
    for member in range(2):
        model.load(member, model.fresh(np.random.default_rng(member)))
    # only words that the encoder refuses, and the end, can be said
    allowed = [codec.words.index(word) for word in Wary.forbidden] + [codec.end]

    class Free:
        begin = staticmethod(lambda: 0)
        legal = staticmethod(lambda place: np.array(sorted(allowed)))
        after = staticmethod(lambda place, token: 0)

    async def speaking(team, task):
        say = team.say
        team.say = lambda agent, *parts: say(agent, *parts, answers=Free)
        return await rounds(team, task)

    scene = Scene("test", AGENTS, speaking, lambda random: "go", limits=dict.fromkeys(AGENTS, 3))
    seats = {agent: Seat(model, member) for member, agent in enumerate(AGENTS)}
    return model, play(scene, seats, ["go"] * 4, (0,))


def test_nothing_generated_is_encoded_again_and_paths_are_what_was_read(played):
    """The encoder of `Wary` fails on generated words, so rollouts and paths go without it."""
    _, transcripts = played
    for one in transcripts:
        assert len(one.calls) == 6
        for turn, call in enumerate(one.calls):
            path = one.path(turn)
            own = np.flatnonzero(path.own)
            np.testing.assert_array_equal(path.tokens[own], call.message.completion.tokens)
            assert own[-1] == len(path.tokens) - 1 and (path.turn[own] == turn).all()


def test_chains_hold_the_turns_of_one_reader_and_the_very_tokens_of_each_call(played):
    _, transcripts = played
    for one in transcripts:
        chains = joined(one)
        assert chains[0] == (0, 2, 4)  # the solver reads on; the checker begins anew each time
        assert sorted(turn for chain in chains for turn in chain) == list(range(6))
        whole = one.path(*chains[0])
        for turn in chains[0]:
            part = one.path(turn)
            np.testing.assert_array_equal(whole.tokens[: len(part.tokens)], part.tokens)
            np.testing.assert_array_equal(np.flatnonzero(whole.turn == turn), np.flatnonzero(part.own))
        assert whole.own.sum() == sum(one.path(turn).own.sum() for turn in chains[0])
        assert each_call(one) == [(turn,) for turn in range(6)]
    with pytest.raises(ValueError, match="does not continue"):
        transcripts[0].path(0, 1)


def test_a_chain_is_judged_as_its_calls_were_drawn(played):
    from interplay.lm.constrain import mask

    model, transcripts = played
    path = transcripts[0].path(0, 2, 4)
    own = np.flatnonzero(path.own)
    legal = mask([path.legal[at] for at in own], model.codec.size)
    batch = Batch(path.tokens[None], own - 1, path.tokens[own], np.ones(len(own), np.float32), legal)
    np.testing.assert_allclose(model.score(0, batch)[0].detach(), path.log_prob[own], atol=1e-5)


def test_messages_are_stored_once(played):
    _, transcripts = played
    one = transcripts[0]
    assert len(one.messages) == 1 + 6 + 3  # the task, what was said, three notes
    assert all(call.context[0] is one.messages[0] for call in one.calls)


def test_turns_are_arrays_for_credit(played):
    _, transcripts = played
    rows = turns(transcripts, np.array([0, 0, 1, 1]), AGENTS)
    assert rows.task.tolist() == [0] * 12 + [1] * 12
    assert rows.episode.tolist() == np.repeat(range(4), 6).tolist()
    assert rows.agent.tolist() == [0, 1] * 12 and rows.index.tolist() == list(range(6)) * 4
    assert (rows.reward == 1.0).all() and rows.trained.all()


def test_a_reader_of_another_codec_gets_the_words(played):
    _, transcripts = played
    other = Words(["a", "b"], AGENTS)
    message = transcripts[0].calls[0].message
    np.testing.assert_array_equal(message.tokens(other), other.encode(message.text))
    assert asyncio.iscoroutinefunction(rounds)
