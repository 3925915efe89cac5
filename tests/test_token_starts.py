"""Starts of new rows: near places alike, far ones not, and all of them like the rows that are there."""

import torch

from grounding.model.token_starts import MOST_ROWS, place_features, sample_rows, start_rows


def table(rows=2000, width=64, seed=0):
    """Rows around a mean that is not zero, as in trained models."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, width, generator=generator) + 2 * torch.randn(width, generator=generator)


def test_rows_have_the_norm_of_the_known_rows():
    words = table()
    places = torch.linspace(0, 1, 1024, dtype=torch.float64)[:, None]
    rows = start_rows(words, torch.arange(1500), places, "fourier", 0)
    assert torch.allclose(rows.norm(dim=1).mean(), words[:1500].norm(dim=1).mean())
    assert rows.norm(dim=1).std() < 0.3 * rows.norm(dim=1).mean()
    assert rows.mean(0).abs().max() < 1e-4


def test_likeness_falls_with_distance():
    places = torch.linspace(0, 1, 1024, dtype=torch.float64)[:, None]
    rows = start_rows(table(), torch.arange(2000), places, "fourier", 0)
    cosines = [torch.cosine_similarity(rows[:-step], rows[step:]).mean().item() for step in (1, 4, 16, 64, 256)]
    assert cosines == sorted(cosines, reverse=True)
    assert cosines[0] > 0.9
    assert abs(cosines[-1]) < 0.3


def test_the_row_most_like_a_place_is_beside_it():
    places = torch.linspace(0, 1, 1024, dtype=torch.float64)[:, None]
    rows = start_rows(table(), torch.arange(2000), places, "fourier", 0)
    distances = torch.cdist(rows, rows).fill_diagonal_(float("inf"))
    assert (distances.argmin(1) - torch.arange(1024)).abs().max() <= 3
    assert distances.min() > 0.1


def test_axes_have_columns_of_their_own():
    one = place_features(torch.tensor([[0.0, 0.5], [1.0, 0.5]], dtype=torch.float64))
    half = one.shape[1] // 2
    assert one[0, :half].abs().max() > 0.1
    assert torch.equal(one[0, half:], torch.zeros(half))


def test_large_tables_are_sampled():
    words = torch.arange(3 * MOST_ROWS, dtype=torch.float32)[:, None]
    taken = sample_rows(words, torch.arange(len(words)))
    assert len(taken) == MOST_ROWS
    assert (taken[0].item(), taken[-1].item()) == (0, len(words) - 1)
    assert abs(taken.mean() / words.mean() - 1) < 0.001
