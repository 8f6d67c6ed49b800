"""Images on the device: crops are pixels of an image or its scales, flipped and turned as numpy does it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

from fdegc.errors import InvalidOption
from fdegc.model.fdegcnet import PROFILES, Profile
from fdegc.training.data import image_paths, load_image
from fdegc.training.loop import Trainer
from fdegc.training.pool import FACTORS, ImagePool, Level, PoolSampler
from fdegc.training.run_options import TrainOptions

TINY = Profile("tiny", (16, 16, 16), 16, hidden=32, rate_points=6, centred=True)
SIZES = {"a": (150, 170), "b": (130, 97), "grass/c": (160, 160), "small": (50, 60)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Noise, so that no two places look alike."""
    for number, (name, size) in enumerate(SIZES.items()):
        path = tmp_path / "images" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (*size, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(path)
    return tmp_path / "images"


@pytest.fixture
def pool(folder: Path) -> ImagePool:
    return ImagePool(image_paths(folder), 64, shrink_only=("grass",))


def level_pixels(pool: ImagePool, level: Level) -> npt.NDArray[np.uint8]:
    flat = pool.pixels[level.offset : level.offset + level.bytes].numpy()
    return flat.reshape(level.height, level.width, 3)


def level_of(pool: ImagePool, first: int) -> Level:
    return next(level for level in pool.levels if level.offset <= first < level.offset + level.bytes)


def sliced(pool: ImagePool, drawn: torch.Tensor, crop: int) -> tuple[npt.NDArray[np.uint8], Level, str]:
    """A crop cut by numpy, its level, and what was done to it."""
    first, row, column = drawn.tolist()
    level = level_of(pool, first)
    y, x = divmod((first - level.offset) // 3, level.width)
    turned = abs(row) == 3
    down, right = (column > 0, row > 0) if turned else (row > 0, column > 0)
    top, left = y if down else y - crop + 1, x if right else x - crop + 1
    piece = level_pixels(pool, level)[top : top + crop, left : left + crop]
    assert piece.shape == (crop, crop, 3)
    piece = piece if down else piece[::-1]
    piece = piece if right else piece[:, ::-1]
    return (piece.transpose(1, 0, 2) if turned else piece), level, f"{turned:d}{down:d}{right:d}"


@pytest.mark.parametrize("crop", [64, 128])
def test_crops_are_those_that_numpy_cuts(pool: ImagePool, crop: int) -> None:
    sampler = PoolSampler(pool, crop, seed=3)
    drawn = sampler.draw(150)
    cut = sampler.crops(drawn)
    assert cut.shape == (150, 3, crop, crop) and cut.dtype == torch.float32 and cut.is_contiguous()
    seen = set()
    for which, ours in zip(drawn, cut, strict=True):
        reference, _, done = sliced(pool, which, crop)
        found = np.rint(ours.numpy().transpose(1, 2, 0) * 255).astype(np.uint8)
        assert np.array_equal(found, reference)
        seen.add(done)
    assert len(seen) == 8
    assert torch.equal(PoolSampler(pool, crop, seed=3).draw(150), drawn)
    assert not torch.equal(PoolSampler(pool, crop, seed=4).draw(150), drawn)


def test_levels_are_images_and_their_lanczos_scales(pool: ImagePool) -> None:
    for level in pool.levels:
        picture = Image.fromarray(load_image(pool.paths[level.image]))
        if level.factor != 1.0:
            picture = picture.resize((level.width, level.height), Image.Resampling.LANCZOS)
        assert np.array_equal(level_pixels(pool, level), np.asarray(picture))
        assert (level.factor > 2 / 3) <= (pool.paths[level.image].parent.name != "grass")
        assert min(level.height, level.width) >= 64
    factors = {level.factor for level in pool.levels}
    assert factors <= {1.0, *FACTORS} and len(factors) >= 6
    assert "3 of 4 training images with 6 smaller scales take" in pool.note


def test_scales_are_drawn_as_often_as_by_the_host(pool: ImagePool) -> None:
    sampler = PoolSampler(pool, 64, seed=5)
    assert (sampler.used, sampler.left_out) == (3, 1)
    levels = [level_of(pool, int(first)) for first in sampler.draw(3000)[:, 0]]
    for image, path in enumerate(pool.paths):
        own = [level for level in levels if level.image == image]
        if path.stem == "small":
            assert not own
            continue
        assert 900 < len(own) < 1100
        native = sum(level.factor == 1.0 for level in own) / len(own)
        assert native == 0.0 if path.parent.name == "grass" else 0.7 < native < 0.8
    counts = [sum(level.factor == factor and level.image == 0 for level in levels) for factor in FACTORS]
    assert min(counts[:5]) > 0.5 * max(counts)


def test_the_research_recipe_flips_and_does_nothing_else(folder: Path) -> None:
    pool = ImagePool(image_paths(folder), 64, shrink_only=("grass",), augment=False)
    sampler = PoolSampler(pool, 64, seed=5, augment=False)
    found = [sliced(pool, which, 64) for which in sampler.draw(200)]
    assert {level.factor for _, level, _ in found} == {1.0}
    assert {done for *_, done in found} == {"000", "001", "010", "011"}


def test_memory_that_is_short_takes_scales_then_images(folder: Path) -> None:
    paths = image_paths(folder)
    budgets = [10**6, 350_000, 220_000, 120_000]
    pools = [ImagePool(paths, 64, shrink_only=("grass",), budget=budget) for budget in budgets]
    for pool, budget in zip(pools, budgets, strict=True):
        assert pool.pixels.numel() <= budget
        PoolSampler(pool, 64, seed=1).crops(PoolSampler(pool, 64, seed=1).draw(20))
    scales = [len({level.factor for level in pool.levels}) for pool in pools]
    assert scales == sorted(scales, reverse=True) and scales[-1] < scales[0]
    assert len({level.image for level in pools[-1].levels}) < 3
    with pytest.raises(InvalidOption, match=r"do not fit into 1 kB of memory; use --images host"):
        ImagePool(paths, 64, budget=1000)
    with pytest.raises(InvalidOption, match="smaller crop"):
        ImagePool(paths, 192)
    with pytest.raises(InvalidOption, match="smaller crop"):
        PoolSampler(pools[0], 192, seed=1)


def test_a_run_on_the_pool_is_a_run(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROFILES, "tiny", TINY)
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += 1.0
        return now

    options = TrainOptions(
        folder, folder, tmp_path / "run", profile="tiny", batch=4, crop=64, minutes=0.2, images="device"
    )
    trainer, rows = Trainer(options, clock=clock), []
    assert isinstance(trainer.sampler, PoolSampler)
    assert trainer.train(on_row=rows.append)
    notes: list[Any] = [row["note"] for row in rows if "note" in row]
    assert any("3 of 4 training images with" in note for note in notes)
    assert any("1 of 4 training images are too small for crops of 64" in note for note in notes)
    for choice in ({"images": "disk"}, {"graph": "on"}, {"parts": 0.0}):
        with pytest.raises(InvalidOption):
            Trainer(replace(options, **choice))
