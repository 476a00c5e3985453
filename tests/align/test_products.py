"""Products of nodes against einsum in float64, for each instruction set and without any."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from fewact import align
from fewact.align._emd import instruction_sets
from fewact.align.costs import products_library
from fewact.core.errors import ShapeError
from tests.both import both
from tests.native.fuzz import FLAGS
from tests.refused import refused

block_products = both(align.block_products)
ROOT = Path(__file__).parents[2]

# Nodes, numbers of a node, videos: less than a tile and a vector, full tiles, several panels and
# steps, each with a rest.
SHAPES = [
    (1, 1, 5, 1, 1),
    (3, 7, 37, 2, 9),
    (5, 5, 64, 3, 3),
    (14, 14, 2080, 5, 5),
    (14, 28, 1027, 3, 4),
    (14, 14, 8256, 5, 7),
]


def banks(m: int, u: int, width: int, q: int, p: int) -> tuple[torch.Tensor, ...]:
    draw = torch.Generator().manual_seed(m * width)
    first = torch.randn(11, m, width, generator=draw)
    second = torch.randn(9, u, width, generator=draw)
    rows = (torch.randint(11, (4, q), generator=draw), torch.randint(9, (4, p), generator=draw))
    return first, rows[0], second, rows[1]


def slow(
    first: torch.Tensor, x: torch.Tensor, second: torch.Tensor, y: torch.Tensor
) -> torch.Tensor:
    return torch.einsum("bqmd,bpud->bqpmu", first[x].double(), second[y].double())


@pytest.mark.usefixtures("solver")
@pytest.mark.parametrize("shape", SHAPES)
def test_products(shape: tuple[int, int, int, int, int]) -> None:
    inputs = banks(*shape)
    got = block_products(*inputs)
    assert got.dtype == torch.float32
    expected = slow(*inputs)
    assert got.shape == expected.shape
    assert (got - expected).abs().max() < 1e-5 * shape[2] ** 0.5


def compiled() -> None:
    try:
        products_library()
    except OSError as missing:
        pytest.skip(str(missing))


def test_a_product_does_not_depend_on_its_block(solver: str) -> None:
    compiled()
    if solver == "numpy":
        pytest.skip("a matrix library adds in another order for another size")
    first, x, second, y = banks(14, 14, 8256, 5, 7)
    together = block_products(first, x, second, y)
    for i in range(5):
        alone = block_products(first, x[:1, i : i + 1], second, y[:1, 3:4])
        assert torch.equal(alone[0, 0, 0], together[0, i, 3])


def test_other_numbers_and_gradients_are_copied() -> None:
    first, x, second, y = banks(3, 7, 37, 2, 9)
    doubled = block_products(first.double(), x, second.double(), y)
    torch.testing.assert_close(doubled, slow(first, x, second, y), rtol=1e-12, atol=1e-12)
    first.requires_grad_()
    block_products(first, x, second, y).sum().backward()
    assert first.grad is not None
    expected = torch.zeros_like(first)
    for block_x, block_y in zip(x, y, strict=True):
        expected.index_add_(0, block_x, second[block_y].sum((0, 1)).expand(2, 3, 37))
    torch.testing.assert_close(first.grad, expected, rtol=1e-4, atol=1e-4)


def test_copies_of_many_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    first, x, second, y = banks(3, 7, 37, 2, 9)
    monkeypatch.setattr("fewact.align.costs.COPIED_BYTES", 1)
    torch.testing.assert_close(
        block_products(first.double(), x, second.double(), y), slow(first, x, second, y)
    )


def test_banks_whose_memory_is_not_in_order() -> None:
    first, x, second, y = banks(3, 7, 37, 2, 9)
    strided = second.mT.contiguous().mT
    torch.testing.assert_close(
        block_products(first, x.T.contiguous().T, strided, y), block_products(first, x, second, y)
    )


@pytest.mark.parametrize("row", [-1, 9])
def test_rows_outside_of_the_bank_are_refused(row: int) -> None:
    first, x, second, y = banks(3, 7, 37, 2, 9)
    y[0, 0] = row
    with refused(ShapeError, where="second_rows", expected="0 to 8"):
        block_products(first, x, second, y)


def test_shapes_that_do_not_fit_are_refused() -> None:
    first, x, second, y = banks(3, 7, 37, 2, 9)
    with refused(ShapeError, got="37 and 36 numbers"):
        block_products(first, x, second[..., 1:], y)
    with refused(ShapeError, got="4 and 3 blocks"):
        block_products(first, x, second, y[1:])
    with refused(ShapeError, where="first_rows", got="int32"):
        block_products(first, x.int(), second, y)


@pytest.mark.slow
@pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("c++"), reason="needs Linux and a compiler"
)
def test_the_sanitizers_find_nothing(tmp_path: Path) -> None:
    here = {name: isa for name, isa in instruction_sets().items() if name in FLAGS}
    sources = ROOT / "src/fewact/align/_products/cpp"
    flags = ["-std=c++17", "-O1", "-g1", "-Wno-psabi", f"-I{sources}"]
    flags += ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    objects = []
    for name, more in FLAGS.items():
        if name in here:
            objects.append(tmp_path / f"{name}.o")
            isa = [f"-DISA={name}", *more, "-c", sources / "products.cpp", "-o", objects[-1]]
            subprocess.run(["c++", *flags, *isa], check=True)
    x86 = ["-DFEWACT_X86"] if len(here) == len(FLAGS) else []
    files = [Path(__file__).parent / "sanitized_products.cpp", sources / "library.cpp"]
    program = tmp_path / "products"
    subprocess.run(["c++", *flags, *x86, *files, *objects, "-o", program], check=True)
    for isa in here.values() if x86 else [0]:
        done = subprocess.run(
            [program, "60", str(isa)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
