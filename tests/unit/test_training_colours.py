"""Random colours are what they are called; sources, qualities and losses weigh what is asked for."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from recorded import RecordedCapture, Recording
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from fdegc.errors import InvalidOption
from fdegc.model.fdegcnet import PROFILES, Profile
from fdegc.model.graphs import WARM_UP
from fdegc.training import colours
from fdegc.training.config import ResearchConfig
from fdegc.training.data import CropSampler, chances, image_paths, sources_of
from fdegc.training.loop import Trainer
from fdegc.training.pool import ImagePool, PoolSampler
from fdegc.training.recipes import LOSS_FLOOR, constant_schedule
from fdegc.training.run_options import TrainOptions, describe, make_recipe

TINY = Profile("tiny", (16, 16, 16), 16, hidden=32, rate_points=6, centred=True)
CONFIG = ResearchConfig(1000, 50, 512.0, 1e-4, 0.1, 4, 4, 2, 16, 16)
LUMA = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
BATCH = 40


@pytest.fixture
def x() -> Tensor:
    """Crops whose bands differ, in levels of 1/255 and far from 0 and 1."""
    coarse = torch.from_numpy(np.random.default_rng(0).uniform(0.3, 0.7, (BATCH, 3, 8, 8)).astype(np.float32))
    return (torch.nn.functional.interpolate(coarse, scale_factor=4, mode="bilinear") * 255).round() / 255


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two folders of one and nine images, one that is too small, and one image in no folder."""
    names = ["one/a", *(f"nine/below/{n}" for n in range(9)), "small/a", "none"]
    for number, name in enumerate(names):
        path = tmp_path / "images" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        side = 48 if name.startswith("small") else 64
        pixels = np.random.default_rng(number).integers(0, 10, (side, side, 3)) + 100 + 10 * number
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    return tmp_path / "images"


def numbers(*kinds: str, seed: int = 1) -> Tensor:
    """Numbers of crops of which all are of some kinds."""
    does = {name: np.full(BATCH, name in kinds) for name in colours.KINDS}
    drawn = colours._numbers(np.random.default_rng(seed), np.ones(BATCH, bool), does)
    return torch.from_numpy(drawn)


def part(parameters: Tensor, name: str) -> Tensor:
    parts = parameters.split(list(colours.LAYOUT.values()), 1)
    return parts[list(colours.LAYOUT).index(name)]


def recoloured(x: Tensor, *kinds: str) -> Tensor:
    torch.manual_seed(0)
    return colours.recolour(x, numbers(*kinds))


def test_crops_that_are_not_chosen_stay_as_they_are(x: Tensor) -> None:
    crops = x + 1e-4  # not in levels
    parameters = torch.from_numpy(colours.draw(np.random.default_rng(0), BATCH, 0.5))
    chosen = colours.is_chosen(parameters)
    out = colours.recolour(crops, parameters)
    assert 10 < int(chosen.sum()) < 30
    assert torch.equal(out[~chosen], crops[~chosen])
    assert all(not torch.equal(ours, own) for ours, own in zip(out[chosen], crops[chosen], strict=True))
    assert torch.equal(colours.recolour(crops, numbers() * 0.0 + (1 - numbers()[:, :1])), crops)


def test_the_mixture_is_that_of_the_table() -> None:
    assert sum(colours.KINDS.values()) == pytest.approx(1.0)
    parameters = torch.from_numpy(colours.draw(np.random.default_rng(0), 20000, 1 / 3))
    assert parameters.shape == (20000, colours.NUMBERS) and parameters.dtype == torch.float64
    assert float(parameters[:, 0].mean()) == pytest.approx(1 / 3, abs=0.02)
    second = colours.SECOND_CHANCE
    for name, found in (
        ("matrix", part(parameters, "rescaled") > 0),
        ("gamma", part(parameters, "gamma") != 1),
        ("noise", part(parameters, "noise") > 0),
        ("speckle", part(parameters, "speckle")[:, 1:] > 0),
    ):
        share = colours.KINDS[name]
        expected = share + second * share * (1 - share)
        assert float(found.double().mean()) == pytest.approx(expected, abs=0.01), name
    assert torch.isfinite(parameters).all()


def test_results_are_levels_of_eight_bits(x: Tensor) -> None:
    for seed in range(5):
        out = colours.recolour(x, torch.from_numpy(colours.draw(np.random.default_rng(seed), BATCH, 1.0)))
        assert out.dtype == torch.float32 and float(out.min()) >= 0.0 and float(out.max()) <= 1.0
        assert torch.equal(out, (out * 255).round() / 255.0)


def test_nothing_to_do_changes_nothing(x: Tensor) -> None:
    assert torch.equal(recoloured(x), x)


def test_saturation_keeps_luma_and_greys(x: Tensor) -> None:
    matrix = part(numbers("saturation"), "matrix").float().view(-1, 3, 3)
    out = (matrix @ x.flatten(2)).view_as(x)
    torch.testing.assert_close((out * LUMA).sum(1), (x * LUMA).sum(1), rtol=0, atol=1e-5)
    grey = x[:, :1].expand_as(x)
    assert torch.equal(recoloured(grey, "saturation"), grey)
    chroma = (out - (out * LUMA).sum(1, keepdim=True)).std((1, 2, 3)) / x.std((1, 2, 3))
    assert float(chroma.min()) < 0.5 and float(chroma.max()) > 2


def test_a_matrix_gives_the_mean_and_spread_that_were_drawn(x: Tensor) -> None:
    parameters = numbers("matrix")
    out = colours.recolour(x, parameters)
    inside = ((out > 0) & (out < 1)).flatten(2).all(2)
    assert int(inside.sum()) > BATCH
    mean, spread = part(parameters, "mean").float(), part(parameters, "spread").float()
    torch.testing.assert_close(out.mean((2, 3))[inside], mean[inside], rtol=0, atol=2e-3)
    found = out.std((2, 3), correction=0)
    assert bool((found[inside] < spread[inside] + 2e-3).all())
    reached = (found - spread).abs()[inside] < 2e-3
    assert float(reached.float().mean()) > 0.8  # the others are magnified as far as is allowed


def test_what_is_flat_stays_flat(x: Tensor) -> None:
    flat = torch.full_like(x, 100 / 255)
    assert float(recoloured(flat, "matrix").std((2, 3)).max()) < 1e-6


def test_bands_are_exchanged_or_inverted(x: Tensor) -> None:
    out, orders, inverted = recoloured(x, "exchange"), set(), 0
    for crop, own in zip(out, x, strict=True):
        order = []
        for band in crop:
            errors = [min(float((band - b).abs().max()), float((band - 1 + b).abs().max())) for b in own]
            order.append(int(np.argmin(errors)))
            assert min(errors) < 1e-6
            inverted += float((band - own[order[-1]]).abs().max()) > 1e-6
        assert sorted(order) == [0, 1, 2] and not torch.equal(crop, own)
        orders.add(tuple(order))
    assert len(orders) >= 5 and 20 < inverted < 80


def test_a_single_band_is_grey(x: Tensor) -> None:
    out = recoloured(x, "single")
    assert torch.equal(out[:, :1].expand_as(out), out)
    bands = [
        int(np.argmin([float((c[0] - b).abs().max()) for b in own])) for c, own in zip(out, x, strict=True)
    ]
    assert set(bands) == {0, 1, 2}
    assert all(torch.equal(c[0], own[b]) for c, own, b in zip(out, x, bands, strict=True))


def test_unrelated_bands_are_bands_of_the_batch(x: Tensor) -> None:
    bands = {band.numpy().tobytes(): (i, b) for i, crop in enumerate(x) for b, band in enumerate(crop)}
    found = [[bands[band.numpy().tobytes()] for band in crop] for crop in recoloured(x, "unrelated")]
    assert sum(len({crop for crop, _ in three}) > 1 for three in found) > 0.9 * BATCH


def test_gains_lower_contrast_and_stay_in_range(x: Tensor) -> None:
    contrast = recoloured(x, "gains").std((2, 3)) / x.std((2, 3))
    assert float(contrast.max()) < 1.1 and 0.02 < float(contrast.min()) < 0.15
    parameters = numbers("gains", "exchange")
    matrix, offset = part(parameters, "matrix").view(-1, 3, 3), part(parameters, "offset")
    for extreme in (matrix.clamp(max=0), matrix.clamp(min=0)):
        ends = extreme.sum(2) + offset
        assert float(ends.min()) >= -1e-9 and float(ends.max()) <= 1 + 1e-9


def test_gamma_keeps_order_and_speckle_keeps_the_mean(x: Tensor) -> None:
    out = recoloured(x, "gamma")
    low, high = out.flatten(1).min(1).values, out.flatten(1).max(1).values
    own = x.flatten(1)
    gamma = part(numbers("gamma"), "gamma")[:, 0].float()
    torch.testing.assert_close(low, own.min(1).values ** gamma, rtol=0, atol=0.5 / 255 + 1e-6)
    torch.testing.assert_close(high, own.max(1).values ** gamma, rtol=0, atol=0.5 / 255 + 1e-6)
    assert 0.4 <= float(gamma.min()) < 0.7 and 1.5 < float(gamma.max()) <= 2.5
    normal = torch.randn((BATCH, 3, 128, 128), generator=torch.Generator().manual_seed(0))
    parameters = numbers("speckle")
    looks = 1 / (3 * part(parameters, "speckle")[:, 1]) ** 2
    dark = torch.full_like(normal, 0.1)
    ratio = colours.coloured(dark, parameters, normal)[:, 0] / 0.1
    torch.testing.assert_close(ratio.mean((1, 2)), torch.ones(BATCH), rtol=0, atol=0.05)
    torch.testing.assert_close(ratio.var((1, 2)) * looks, torch.ones(BATCH).double(), rtol=0, atol=0.15)


def test_noise_is_grey_or_not(x: Tensor) -> None:
    parameters = numbers("noise")
    changed = colours.recolour(x, parameters) - x
    torch.testing.assert_close(
        changed.std((1, 2, 3)), part(parameters, "noise")[:, 0].float(), rtol=0.1, atol=2e-3
    )
    grey = (changed - changed[:, :1]).abs().flatten(1).max(1).values < 1e-6
    assert torch.equal(grey, part(parameters, "grey")[:, 0] > 0) and 10 < int(grey.sum()) < 30


def test_recolouring_never_waits_for_the_device(x: Tensor) -> None:
    parameters = torch.from_numpy(colours.draw(np.random.default_rng(0), BATCH, 0.5))
    with Recording() as recording:
        colours.recolour(x, parameters)
    assert len(recording.names) < 100
    with FakeTensorMode() as mode:
        fake = colours.recolour(mode.from_tensor(x), mode.from_tensor(parameters))
    assert fake.shape == x.shape


@pytest.mark.parametrize("device", [False, True], ids=["host", "pool"])
def test_samplers_recolour_a_share_of_the_same_crops(folder: Path, device: bool) -> None:
    paths = image_paths(folder)
    pool = ImagePool(paths, 64)

    def sampler(share: float) -> CropSampler | PoolSampler:
        if device:
            return PoolSampler(pool, 64, 3, colours=share)
        return CropSampler(paths, 64, 3, colours=share)

    own, changed, again = sampler(0.0), sampler(1 / 3), sampler(1 / 3)
    torch.manual_seed(0)
    plain, drawn = own.crops(own.draw(200)), changed.draw(200)
    crops = changed.crops(drawn)
    torch.manual_seed(1 - device)  # the host does not draw from it, as a step beside it does
    assert torch.equal(again.crops(again.draw(200)), crops)
    kept = (crops == plain).flatten(1).all(1)
    assert 110 < int(kept.sum()) < 160
    if device:
        assert drawn.dtype == torch.float64 and drawn.shape == (200, 3 + colours.NUMBERS)
    rare = sampler(1e-9)
    assert rare.crops(rare.draw(4)).shape == (4, 3, 64, 64)


def test_a_captured_step_recolours_too(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROFILES, "tiny", TINY)
    options = TrainOptions(
        folder, folder, tmp_path / "run", profile="tiny", batch=4, crop=64, images="device", colours=1.0
    )
    capture = RecordedCapture()
    trainer = Trainer(options, capture=capture)
    source = trainer.sampler
    assert isinstance(source, PoolSampler) and source.colours == 1.0
    for _ in range(WARM_UP + 2):
        trainer._step(source.draw(4), trainer.recipe.qualities(trainer.rng), 0.1, source)
    assert (capture.captured, capture.replayed) == (1, 2)
    assert torch.isfinite(torch.from_numpy(trainer._stepper.take_sums(lambda sums: sums))).all()


def test_a_source_is_the_first_folder(folder: Path) -> None:
    paths = image_paths(folder)
    names = sources_of(paths, folder)
    assert Counter(names) == {"one": 1, "nine": 9, "small": 1, "": 1}
    np.testing.assert_allclose(chances("abbbb"), np.cumsum([1, 0.5, 0.5, 0.5, 0.5]) / 3)
    np.testing.assert_allclose(chances(range(4)), [0.25, 0.5, 0.75, 1.0])


@pytest.mark.parametrize("device", [False, True], ids=["host", "pool"])
def test_sources_are_drawn_by_the_root_of_their_size(folder: Path, device: bool) -> None:
    paths = image_paths(folder)
    names = sources_of(paths, folder)
    if device:
        source: CropSampler | PoolSampler = PoolSampler(ImagePool(paths, 64), 64, 3, sources=names)
    else:
        source = CropSampler(paths, 64, 3, augment=False, sources=names)
    crops = source.crops(source.draw(2000))
    means = np.array([np.asarray(Image.open(path)).mean() / 255 for path in paths])
    found = Counter(paths[int(np.abs(means - float(crop.mean())).argmin())] for crop in crops)
    by_source = Counter(names[paths.index(path)] for path in found.elements())
    assert source.left_out == 1 and set(by_source) == {"one", "nine", ""}
    for name, share in (("one", 0.2), ("nine", 0.6), ("", 0.2)):  # √1, √9 and √1 of 5
        assert by_source[name] / 2000 == pytest.approx(share, abs=0.04)
    nine = [count for path, count in found.items() if "nine" in path.parts]
    assert len(nine) == 9 and min(nine) > 0.6 * max(nine)


def test_uniform_qualities_are_stratified(tmp_path: Path) -> None:
    recipe = make_recipe(TrainOptions(tmp_path, tmp_path, tmp_path, qualities="uniform", batch=10), 9)
    rng, seen = np.random.default_rng(0), []
    for _ in range(200):
        quality = recipe.qualities(rng)
        seen.append(quality.tolist())
        assert float(quality.min()) >= 1 and float(quality.max()) <= 6 and quality.dtype == torch.float32
        assert sorted(np.floor((quality.numpy() - 1) * 2)) == list(range(10))
    assert len({float(np.argmin(row)) for row in seen}) == 10  # in any order


def test_the_relative_gradient_is_that_of_the_logarithm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_recipe(TrainOptions(tmp_path, tmp_path, tmp_path, objective="relative"), 9)
    weights = torch.tensor([0.3, 1.0, 20.0], requires_grad=True)
    lmbda = torch.tensor([128.0, 512.0, 4096.0])
    for floor in (LOSS_FLOOR, 0.0):
        monkeypatch.setattr("fdegc.training.recipes.LOSS_FLOOR", floor)
        (ours,) = torch.autograd.grad(recipe.objective(weights.square(), lmbda), weights)
        (reference,) = torch.autograd.grad((weights.square() + floor).log().mean(), weights)
        torch.testing.assert_close(ours, reference)


def test_a_constant_rate_falls_at_the_end(tmp_path: Path) -> None:
    rates = [constant_schedule(fraction) for fraction in (0.0, 0.7, 0.85, 1.0, 1.1)]
    assert rates == pytest.approx([1.0, 1.0, 0.51, 0.02, 0.02])
    recipe = make_recipe(TrainOptions(tmp_path, tmp_path, tmp_path, schedule="constant", warmup_steps=1), 9)
    optimisers = recipe.optimisers(torch.nn.Sequential(torch.nn.Conv2d(32, 32, 3)))
    recipe.set_rates(optimisers, 5, 0.85)
    assert optimisers["adam"].param_groups[0]["lr"] == pytest.approx(0.51 * 3e-3)


def test_the_research_recipe_has_none_of_it(folder: Path) -> None:
    options = TrainOptions(folder, folder, folder, crop=64, objective="relative", qualities="uniform")
    ours, research = make_recipe(options, 9), make_recipe(replace(options, config=CONFIG), 9)
    assert (ours.colours, ours.by_source) == (1 / 3, True)
    assert (research.colours, research.by_source) == (0.0, False)
    assert math.isclose(float(research.objective(torch.tensor([1.0, 3.0]), torch.ones(2))), 2.0)
    described = describe(options)
    assert described["colours"] == 1 / 3 and described["weigh"] == "sources"
    assert (described["objective"], described["schedule"]) == ("relative", "cosine")
    wrong = ({"colours": 1.5}, {"weigh": "x"}, {"qualities": "x"}, {"schedule": "x"}, {"objective": "x"})
    for choice in wrong:
        with pytest.raises(InvalidOption):
            Trainer(replace(options, **choice))
