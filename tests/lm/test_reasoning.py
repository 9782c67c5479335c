"""reasoning-gym by name: its own verifier pays, questions held out are others, nothing that is said is run as a program."""

import builtins
import sys

import numpy as np
import pytest

from interplay.core.errors import InputError
from interplay.lm import tasks
from interplay.lm.play import Seat, play
from interplay.lm.scripted import Scripted, always
from interplay.lm.tasks import plain, reasoning
from interplay.lm.words import Pieces

SUMS = "reasoning-gym:basic_arithmetic(max_terms=2, max_digits=1, skill=1.0)"


def test_pieces_lose_nothing_and_say_anything():
    codec = Pieces([" plus", "Calculate", "7"], ["solver"])
    for text in ("Calculate 12 plus 7.\n", "  two  spaces", "½ 🙂\ttab", "", "<pad><end>"):
        assert codec.decode(codec.encode(text)) == text
    assert codec.encode("Calculate plus").tolist() == [codec.size - 1, codec.size - 2]
    assert codec.size == 5 + 1 + 256 + 2  # marks, the agent, bytes, the words of more than one letter
    assert codec.decode(np.array([6 + 0xC2, 1])) == "�"  # half a letter is no error
    assert codec.opening("solver", "7").tolist() == [5, 6 + ord("7")]


gym = pytest.importorskip("reasoning_gym", reason="needs interplay[reasoning]")


def played(scene, script=None, episodes=60):
    codec = scene.codec(scene.vocabulary, scene.agents)
    seats = {"solver": Seat(Scripted(codec, script or scene.script))}
    drawn = [scene.draw(np.random.default_rng(number)) for number in range(episodes)]
    return play(scene, seats, drawn, (0,))


def test_the_verifier_is_the_reward():
    scene = tasks.make(SUMS)
    right, wrong = played(scene), played(scene, always("no number"))
    assert {one.outcome for one in right} == {1.0} and {one.outcome for one in wrong} == {0.0}
    marked = played(scene, lambda request, random: f"<answer>{request.task.entry['answer']}</answer>")
    assert {one.outcome for one in marked} == {1.0}
    half = np.mean([one.outcome for one in played(tasks.make(SUMS.replace("1.0", "0.5")), episodes=200)])
    assert 0.4 < half < 0.7  # the other half answers another question, which sometimes fits
    longest = max(len(one.path(0).tokens) for one in right)
    assert longest <= scene.context and not any(one.events.get("room") or one.events.get("limit") for one in right)


def test_partial_credit_is_the_verifiers_own():
    question = tasks.make("reasoning-gym:fraction_simplification").draw(np.random.default_rng(0))
    dataset = gym.create_dataset("fraction_simplification", seed=0, size=reasoning.WIDE)
    for words in (question.entry["answer"], "1/2", "no"):
        assert question.score(words) == dataset.score_answer(words, question.entry)


def test_the_same_seed_asks_the_same_and_others_ask_otherwise():
    ask = lambda name, seed: tasks.make(name).draw(np.random.default_rng(seed)).question
    for name in ("reasoning-gym:chain_sum", "reasoning-gym:gsm_symbolic"):  # by number, and by seed
        assert ask(name, 3) == ask(name, 3) != ask(name, 4)
    numbers = {ask("reasoning-gym:chain_sum", seed) for seed in range(40)}
    assert len(numbers) == 40


@pytest.mark.parametrize("name", sorted(set(plain.EVALUATED) - {"intermediate_integration"}))  # that one is slow
def test_true_answers_pass_the_gate(name):
    entry, verify = reasoning.source(name, {})
    drawn = [entry(number) for number in range(4)]
    assert all(verify(one["answer"], one) == 1.0 for one in drawn)


def test_repeating_the_question_is_no_integral():
    assert plain.formula("-x**2*cos(x) + exp(2*x)/4 + C") and not plain.formula("-Integral(x**2*cos(x), x) + C")


ATTACKS = (
    "__import__('os').getpid()",
    "exit()",
    "[0 for a in 'aaaa' for b in 'bbbb']",
    "9**9**9**9",
    "((9**99)**99)**99",
    "x.__class__",
    "(lambda: 0)()",
    "'a' * 999999999",
    "exp(exp(exp(99)))",
    "open('x', 'w')",
)


@pytest.mark.parametrize("name", ["spiral_matrix", "puzzle24", "polynomial_multiplication"])
def test_what_is_said_is_never_run(name, monkeypatch):
    entry, verify = reasoning.source(name, {})
    question = reasoning.Question(entry(0), verify)
    ran = []
    real = builtins.eval
    monkeypatch.setattr(builtins, "eval", lambda *given: ran.append(given) or real(*given))
    for attack in ATTACKS:
        assert question.score(attack) == 0.0
    assert not ran
    assert not any(gate("a" * 5000) for gate in (plain.listed, plain.formula)) and not plain.summed("1+" * 5000)


def test_a_verifier_that_raises_is_counted():
    scene = tasks.make(SUMS)
    broken = reasoning.Question(scene.draw(np.random.default_rng(0)).entry, lambda words, entry: 1 / 0)
    seats = {"solver": Seat(Scripted(scene.codec(scene.vocabulary, scene.agents), always("4")))}
    one = play(scene, seats, [broken], (0,))[0]
    assert one.outcome == 0.0 and one.events["verifier_errors"] == 1


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("reasoning-gym:basic_arithmetc", "did you mean basic_arithmetic"),
        ("reasoning_gym:gcd", "did you mean reasoning-gym:gcd"),
        ("reasoning-gym:gcd(colors=3)", "unexpected keyword argument 'colors'"),
        ("reasoning-gym:gcd(min_numbers=0)", "min_numbers must be at least 2"),
        ("reasoning-gym:gcd(seed=3)", "seed is set by the run"),
        ("reasoning-gym:gcd(skill=3)", "give a share"),
        ("reasoning-gym:composite", "at least one dataset"),
    ],
)
def test_bad_names_are_one_line(name, says):
    with pytest.raises(InputError) as refused:
        tasks.make(name)
    assert says in str(refused.value) and "\n" not in str(refused.value)


def test_without_the_package_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "reasoning_gym.factory", None)
    with pytest.raises(InputError, match=r"pip install 'interplay\[reasoning\]'"):
        tasks.make("reasoning-gym:gcd")


def test_a_tiny_model_has_room_for_the_questions():
    pytest.importorskip("torch")
    from interplay.methods import language

    settings = language.LanguageSettings(width=8, depth=1)
    long, short = (language.model_of(settings, tasks.make(name)) for name in ("reasoning-gym:caesar_cipher", "ledger"))
    assert long.size.context > short.size.context == language.CONTEXT and isinstance(long.codec, Pieces)
