"""The torch side of the token loss: values, gradients and metrics are JAX's, to 1e-6 on the same float64 arrays."""

import itertools
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.credit import turns
from interplay.objectives import tokens
from interplay.objectives.tokens import PolicyLoss, Tokens

torch = pytest.importorskip("torch")
from interplay.lm import objectives  # noqa: E402

RNG = np.random.default_rng(0)
MASK = RNG.uniform(size=(5, 12)) < 0.7
LOG_PROB = np.log(RNG.uniform(0.05, 1.0, size=(5, 12)))
BATCH = Tokens(
    old=LOG_PROB + RNG.normal(0, 0.3, size=(5, 12)),
    advantage=RNG.normal(size=(5, 12)),
    mask=MASK,
    sequence=turns.sequences(MASK),
    turn=turns.turns(MASK),
    weight=np.repeat(RNG.uniform(0.5, 2.0, size=(5, 1)), 12, axis=1),
    sampler=LOG_PROB + RNG.normal(0, 0.5, size=(5, 12)),
    reference=LOG_PROB + RNG.normal(0, 0.3, size=(5, 12)),
    total=np.float64(40),
)
RATIOS = (tokens.no_ratio, tokens.token, tokens.turn, tokens.sequence)
CLIPS = (tokens.unclipped, tokens.symmetric(0.2), tokens.asymmetric(0.2, 0.28), tokens.dual(0.2, 0.2, 1.5))
AVERAGES = (tokens.token_mean, tokens.sequence_mean, tokens.token_total, tokens.sequence_total)
REST = ((tokens.no_kl, tokens.uncorrected), (tokens.k3(0.1), tokens.truncated(2.0)))


def by_torch(loss, log_prob=LOG_PROB, batch=BATCH):
    leaf = torch.tensor(log_prob, dtype=torch.float64, requires_grad=True)
    value, metrics = loss(leaf, objectives.tensors(batch, leaf))
    value.backward()
    return value.item(), leaf.grad.numpy(), {name: float(metric) for name, metric in metrics.items()}


def by_jax(loss, log_prob=LOG_PROB, batch=BATCH):
    with jax.enable_x64(True):
        given = jax.tree.map(jnp.asarray, batch)
        (value, metrics), slope = jax.value_and_grad(loss, has_aux=True)(jnp.asarray(log_prob), given)
        return float(value), np.asarray(slope), {name: float(metric) for name, metric in metrics.items()}


@pytest.mark.parametrize("ratio", RATIOS, ids=lambda ratio: ratio.__name__)
def test_twins_agree(ratio):
    for clip, average, (kl, correction) in itertools.product(CLIPS, AVERAGES, REST):
        loss = PolicyLoss(ratio, clip, average, kl, correction)
        ours, theirs = by_torch(loss), by_jax(loss)
        assert ours[2].keys() == theirs[2].keys()
        for mine, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
            np.testing.assert_allclose(mine, other, rtol=1e-6, atol=1e-9)
        assert np.abs(ours[1]).max() > 1e-3


def test_single_precision_stays_single():
    leaf = torch.tensor(LOG_PROB, dtype=torch.float32, requires_grad=True)
    batch = objectives.tensors(BATCH, leaf)
    assert batch.old.dtype == torch.float32 and batch.sequence.dtype == torch.int64 and batch.mask.dtype == torch.bool
    value, metrics = PolicyLoss(kl=tokens.k3(0.1), correction=tokens.truncated())(leaf, batch)
    assert value.dtype == torch.float32 and not metrics["policy_loss"].requires_grad


def test_gradients_are_those_of_jax():
    matrix = RNG.normal(size=(60, 3))
    loss = PolicyLoss(ratio=tokens.turn, average=tokens.sequence_mean)
    w, unused = torch.zeros(3, dtype=torch.float64, requires_grad=True), torch.ones(2, requires_grad=True)
    log_prob = torch.tensor(LOG_PROB) + (torch.tensor(matrix) @ w).reshape(5, 12)
    clipped, bias, _ = objectives.gradients(loss, log_prob, [w, unused], objectives.tensors(BATCH, log_prob))
    with jax.enable_x64(True):
        log_probs = lambda w: jnp.asarray(LOG_PROB) + (jnp.asarray(matrix) @ w).reshape(5, 12)
        theirs = tokens.gradients(loss, log_probs, jnp.zeros(3), jax.tree.map(jnp.asarray, BATCH))
    np.testing.assert_allclose(clipped[0].numpy(), theirs[0], rtol=1e-6)
    np.testing.assert_allclose(bias[0].numpy(), theirs[1], rtol=1e-6)
    assert np.abs(theirs[1]).max() > 1e-3
    assert not clipped[1].any() and not bias[1].any()
    np.testing.assert_allclose(tokens.norm(bias), tokens.norm([np.asarray(theirs[1])]), rtol=1e-6)


def test_the_bias_is_zero_on_policy_and_costs_no_second_pass_back():
    class Counted(torch.autograd.Function):
        passes = 0

        @staticmethod
        def forward(ctx, w):
            return w.expand(5, 12).clone()

        @staticmethod
        def backward(ctx, slope):  # pyright: ignore
            Counted.passes += 1
            return slope.sum()

    w = torch.zeros((), dtype=torch.float64, requires_grad=True)
    for batch, passes in ((BATCH._replace(old=LOG_PROB), 1), (BATCH, 3)):
        log_prob = torch.tensor(LOG_PROB) + Counted.apply(w)
        _, bias, _ = objectives.gradients(PolicyLoss(), log_prob, [w], objectives.tensors(batch, log_prob))
        assert Counted.passes == passes
        assert bool(bias[0] == 0) == (passes == 1)


def test_factors_on_tensors():
    assert float(tokens.norm([torch.tensor([3.0]), torch.tensor([[0.0, 4.0]])])) == 5
    assert float(tokens.limited(2.0)(torch.tensor(8.0))) == 0.25
    assert float(tokens.triggered(tokens.literal(1.0))(torch.tensor(0.0))) == 1


def test_nothing_loads_jax():
    code = "import sys, interplay.lm.objectives; sys.exit(int('jax' in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
