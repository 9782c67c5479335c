"""Separate bases in one team: one base told three times is that base, others differ and learn, what is wrong is one line."""

import dataclasses

import jax
import numpy as np
import pytest

pytest.importorskip("torch")

from interplay.core.errors import InputError
from interplay.lm import separate
from interplay.methods import dr_mas, st_ppo
from interplay.methods.language import LanguageSettings, demonstrations_of, scene_of
from interplay.run import devices, saved, training

SMALL = {"tasks": 3, "group": 3, "width": 8, "depth": 1, "demonstrations": 12, "imitation": 1, "rate": 1e-2}
THRICE = "router=tiny; searcher=tiny; answerer=tiny"
MIXED = "router=tiny(width=12); searcher + answerer=tiny(depth=2)"


def stepped(model, updates=2):
    method = dr_mas.build(dr_mas.Settings(**SMALL, model=model))
    state = method.init(devices.starting_key(0))
    for update in range(updates):
        state, told = method.step(state, devices.update_key(0, update))
    return method, state, told


def test_a_base_for_each_that_is_the_same_is_one_base_bit_for_bit():
    (_, one, told), (_, three, same) = stepped("tiny"), stepped(THRICE)
    for here, there in zip(jax.tree.leaves(one), jax.tree.leaves(three), strict=True):
        np.testing.assert_array_equal(here, there)
    assert {name: float(value) for name, value in told.items()} == {name: float(value) for name, value in same.items()}


def test_members_of_different_width_and_depth_all_learn():
    method, state, told = stepped(MIXED)
    router, searcher, answerer = (member.weights for member in state.members)
    assert router["token.weight"].shape[1] == 12 and searcher["token.weight"].shape[1] == 8
    assert "blocks.1.up.weight" in answerer and "blocks.1.up.weight" not in router
    assert method.game.models[1] is method.game.models[2] is not method.game.models[0]
    before = method.init(devices.starting_key(0))
    for old, new in zip(before.members, state.members, strict=True):
        assert new.count > 0 and any((old.weights[name] != new.weights[name]).any() for name in old.weights)
    assert all(told[f"gradient_norm/{agent}"] > 0 for agent in method.game.scene.agents)


def test_their_runs_are_kept_evaluated_and_mixed(tmp_path):
    run = training.train("dr-mas", "ledger", steps=9, seeds=2, out=tmp_path / "run", model=MIXED, **SMALL)
    opened = saved.load(run.path)
    assert [team.members[0]["token.weight"].shape[1] for team in map(opened.team, (0, 1))] == [12, 12]
    table = np.array(opened.crossplay(episodes=4)["crossplay"])
    assert table.shape == (2, 2) and np.isfinite(table).all()


def test_only_who_starts_from_nothing_imitates():
    settings = LanguageSettings(model="router=tiny; searcher+answerer=smollm2", examples=3)
    assert demonstrations_of(settings, scene_of(settings)) == (1024, 3, 3)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"model": "router=tiny; searcher=tiny"}, "agent 'answerer' has no model"),
        ({"model": "rooter=tiny; searcher=tiny"}, "no agent 'rooter': did you mean router"),
        ({"model": "router+searcher=tiny; searcher+answerer=tiny"}, "'searcher' has two models"),
        ({"model": f"{THRICE}; tiny"}, "says not whose it is"),
        ({"model": THRICE.replace("tiny;", "tyny;")}, "there is no model 'tyny'"),
        ({"model": THRICE.replace("router=tiny", "router=tiny(depht=2)")}, "did you mean depth"),
        ({"model": THRICE, "share": True}, "leave share=True out"),
    ],
)
def test_what_does_not_fit_is_one_line(changed, says):
    with pytest.raises(InputError, match=says) as refused:
        dr_mas.build(dataclasses.replace(dr_mas.Settings(**SMALL), **changed))
    assert "\n" not in str(refused.value)


def test_methods_with_critics_of_one_base_say_so():
    settings = {name: SMALL[name] for name in ("tasks", "group", "width", "depth")}
    with pytest.raises(InputError, match="members of one base"):
        st_ppo.build(st_ppo.Settings(**settings, game="ledger", model=MIXED))


def test_what_looks_like_one_model_is_one():
    assert not separate.written("local:/models/a=b;c") and not separate.written("tiny")


@pytest.mark.slow
def test_a_tiny_model_and_one_that_knows_words_are_one_team():
    pytest.importorskip("transformers")
    settings = dr_mas.Settings(
        tasks=1,
        group=2,
        demonstrations=8,
        imitation=1,
        rank=2,
        model="router+searcher=tiny(width=16); answerer=smollm2",
    )
    method = dr_mas.build(settings)
    state, told = method.step(method.init(devices.starting_key(0)), devices.update_key(0, 0))
    tiny, _, large = (model.codec for model in method.game.models)
    assert (tiny.size, large.size) == (method.game.models[1].codec.size, 49152)
    assert [bool(member.count) for member in state.members] == [
        told[f"calls/{a}"] > 0 for a in method.game.scene.agents
    ]
