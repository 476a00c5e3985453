"""Maps warped by the permissive estimate of the camera motion."""

import torch

from fewact.methods.fusion.permissive import warp_maps


def test_each_frame_is_warped_by_its_own_map_and_uncovered_cells_are_filled() -> None:
    maps = torch.rand(2, 4, 3, 6, 6, dtype=torch.float64)
    affine = torch.eye(2, 3, dtype=torch.float64).repeat(2, 4, 1, 1)
    affine[0, 1, :, 2] = torch.tensor([2 / 6, -4 / 6])  # a cell to the right, and two up
    affine[1, 2] = torch.tensor([[0, 1, 0], [-1, 0, 0.0]])  # a quarter turn
    warped = warp_maps(maps, affine)
    static = torch.tensor([0, 2, 3])
    assert torch.equal(warped[0, static], maps[0, static])
    torch.testing.assert_close(warped[0, 1, :, 2:, :5], maps[0, 1, :, :4, 1:])
    mean = maps[0, static].mean(0)
    torch.testing.assert_close(warped[0, 1, :, :2], mean[:, :2])
    torch.testing.assert_close(warped[0, 1, ..., 5], mean[..., 5])
    torch.testing.assert_close(warped[1, 2], maps[1, 2].rot90(-1, (1, 2)))


def test_interpolation_is_a_cubic_of_four_cells() -> None:
    def weight(away: float, sharp: float = -0.75) -> float:
        d = abs(away)
        if d <= 1:
            return (sharp + 2) * d**3 - (sharp + 3) * d**2 + 1
        return sharp * (d**3 - 5 * d**2 + 8 * d - 4)

    maps = torch.rand(2, 3, 5, 14, dtype=torch.float64)
    affine = torch.eye(2, 3, dtype=torch.float64).repeat(2, 1, 1)
    affine[1, 0, 2] = 0.3 * 2 / 14  # three tenths of a cell to the right
    expected = sum(weight(k - 0.3) * maps[1, ..., 1 + k : 12 + k] for k in (-1, 0, 1, 2))
    torch.testing.assert_close(warp_maps(maps, affine)[1, ..., 1:12], expected)


def test_the_identity_returns_the_same_maps_and_uncovered_videos_are_zero() -> None:
    maps = torch.rand(4, 3, 5, 6)
    assert warp_maps(maps, torch.eye(2, 3).expand(4, 2, 3)) is maps
    outside = torch.eye(2, 3).repeat(4, 1, 1)
    outside[..., 2] = 5
    assert torch.equal(warp_maps(maps, outside), torch.zeros(4, 3, 5, 6))
