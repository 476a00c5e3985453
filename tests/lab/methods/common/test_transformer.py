"""The transformer block and its short cut for mixtures, against one token at a time."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fewact.lab.methods.clip_spm import Mixtures, Projector
from fewact.lab.methods.common import transformer as module
from fewact.lab.methods.common.transformer import Transformer
from tests.methods.made_up import drawn


def block(width: int, heads: int = 2, head_width: int | None = 3, seed: int = 0) -> Transformer:
    """With weights of which none is what it is by default."""
    made = Transformer(width, heads=heads, head_width=head_width, hidden=7).double().eval()
    generator = torch.Generator().manual_seed(seed)
    for weight in made.parameters():
        torch.nn.init.normal_(weight, generator=generator)
    return made


def slow(made: Transformer, tokens: torch.Tensor) -> torch.Tensor:
    """(m d), number by number."""
    m = len(tokens)
    weights = {name: value.detach() for name, value in made.named_parameters()}
    normed = []
    for token in tokens:
        centred = token - token.mean()
        spread = math.sqrt(float(centred.square().mean()) + 1e-5)
        normed.append(centred / spread * weights["norm.weight"] + weights["norm.bias"])
    parts = [x @ weights["project.weight"].T for x in normed]
    inner = len(parts[0]) // 3
    width = inner // made.heads
    seen = torch.zeros(m, inner, dtype=torch.float64)
    for h in range(made.heads):
        for i in range(m):
            query = parts[i][h * width : (h + 1) * width]
            keys = [x[inner + h * width : inner + (h + 1) * width] for x in parts]
            values = [x[2 * inner + h * width : 2 * inner + (h + 1) * width] for x in parts]
            shares = [math.exp(float(query @ key) / math.sqrt(width)) for key in keys]
            mixed = sum(s * v for s, v in zip(shares, values, strict=True)) / sum(shares)
            seen[i, h * width : (h + 1) * width] = mixed
    out = tokens + seen @ weights["out.weight"].T + weights["out.bias"]
    hidden = out @ weights["widen.weight"].T + weights["widen.bias"]
    hidden = hidden * (1 + torch.erf(hidden / math.sqrt(2))) / 2
    return out + hidden @ weights["narrow.weight"].T + weights["narrow.bias"]


@pytest.mark.parametrize(("m", "d"), [(1, 4), (5, 6), (9, 3)])
def test_agrees_with_one_token_at_a_time(m: int, d: int) -> None:
    made, tokens = block(d), drawn(2, 3, m, d)
    expected = torch.stack([torch.stack([slow(made, x) for x in some]) for some in tokens])
    torch.testing.assert_close(made(tokens), expected)
    torch.testing.assert_close(made(tokens[1, 2]), expected[1, 2])
    torch.testing.assert_close(made(tokens, first=m // 2), expected[:, :, m // 2 :])


def test_how_many_at_once_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    made, tokens = block(4), drawn(7, 5, 4)
    expected = made(tokens)
    for at_once in (1, 12):
        monkeypatch.setattr(module, "TOKENS_PER_CHUNK", at_once)
        torch.testing.assert_close(made(tokens), expected)


def test_dropout_acts_in_training_alone() -> None:
    made, tokens = block(16), drawn(1, 5, 16)
    assert torch.equal(made(tokens), made(tokens))
    made.train()
    assert not torch.equal(made(tokens), made(tokens))


def test_tokens_are_a_set() -> None:
    made, tokens = block(6), drawn(2, 5, 6)
    order = torch.tensor([3, 0, 4, 2, 1])
    torch.testing.assert_close(made(tokens[:, order]), made(tokens)[:, order])


def mixed(
    made: Transformer, shared: torch.Tensor, own: torch.Tensor, mixing: torch.Tensor
) -> torch.Tensor:
    """What ``Mixtures`` is to give, by the block itself."""
    q = own.shape[1]
    every = torch.cat([shared[:, None].expand(-1, q, -1, -1, -1), own[..., None, :]], -2)
    result: torch.Tensor = made(mixing[:, None, None] @ every)
    return result


def adding_up(mixing: torch.Tensor) -> torch.Tensor:
    """Coefficients (… m s) of tokens that add up to 1."""
    mixing[..., -1] += 1 - mixing.sum(-1)
    return mixing


def transform(
    made: Transformer,
    shared: torch.Tensor,
    own: torch.Tensor,
    mixing: torch.Tensor,
    *,
    fold: bool = False,
    many: bool = False,
) -> torch.Tensor:
    """The same by ``Mixtures``."""
    projector = Projector(made, fold=fold, premultiplied=fold and many)
    parts = projector.project(shared), projector.project(own.transpose(1, 2))
    return Mixtures(projector, *parts).transform(mixing).transpose(1, 2)


@settings(max_examples=25, deadline=None)
@given(
    st.booleans(),
    st.booleans(),
    st.tuples(*[st.integers(1, 4)] * 6),
    st.integers(0, 2**31),
)
def test_mixtures_are_what_the_block_makes_of_them(
    fold: bool, many: bool, sizes: tuple[int, ...], seed: int
) -> None:
    b, q, t, s, m, d = sizes
    made = block(d + 1, heads=2, head_width=2, seed=seed)
    shared, own = drawn(b, t, s, d + 1, seed=seed), drawn(b, q, t, d + 1, seed=seed + 1)
    mixing = adding_up(drawn(b, m, s + 1, seed=seed + 2))
    got = transform(made, shared, own, mixing, fold=fold, many=many)
    torch.testing.assert_close(got, mixed(made, shared, own, mixing), atol=1e-9, rtol=1e-9)


def test_gradients_run_through_mixtures() -> None:
    made = block(4, heads=2, head_width=2)
    given = [drawn(1, 2, 2, 4), drawn(1, 2, 2, 4, seed=1), adding_up(drawn(1, 3, 3, seed=2))]
    learns = [x.requires_grad_() for x in given]

    def run(shared: torch.Tensor, own: torch.Tensor, mixing: torch.Tensor) -> torch.Tensor:
        return transform(made, shared, own, mixing)

    assert torch.autograd.gradcheck(run, learns)
    weights = list(made.parameters())
    pairs = zip(
        torch.autograd.grad(run(*learns).square().sum(), weights),
        torch.autograd.grad(mixed(made, *learns).square().sum(), weights),
        strict=True,
    )
    for got, expected in pairs:
        torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("fold", [False, True])
def test_mixtures_in_float32_stay_near(fold: bool) -> None:
    made = block(64, heads=4, head_width=8)
    for weight in (made.project.weight, made.out.weight, made.widen.weight, made.narrow.weight):
        weight.data /= 8
    shared, own, mixing = (
        drawn(2, 3, 5, 64),
        drawn(2, 4, 3, 64, seed=1),
        adding_up(drawn(2, 6, 6, seed=2)),
    )
    expected = mixed(made, shared, own, mixing)
    made = made.float()
    got = transform(made, shared.float(), own.float(), mixing.float(), fold=fold)
    torch.testing.assert_close(got.double(), expected, atol=1e-4, rtol=1e-4)
