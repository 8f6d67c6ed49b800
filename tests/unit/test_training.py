"""Training: crops, Muon, a run that learns, stops, resumes and ships weights that code."""

from __future__ import annotations

import argparse
import json
import re
import shutil
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fdegc import weights
from fdegc.cli.train import add_arguments as add_train_options
from fdegc.codec import Codec
from fdegc.control import CancelToken
from fdegc.errors import InvalidOption, WeightsInvalid, WeightsMissing
from fdegc.model.fdegcnet import PROFILES, Profile
from fdegc.options import EncodeOptions
from fdegc.raster import ArraySource
from fdegc.training.data import CropSampler, image_paths, load_image
from fdegc.training.export import export_weights
from fdegc.training.loop import Trainer
from fdegc.training.muon import is_kernel, orthogonalise
from fdegc.training.recipes import schedule
from fdegc.training.run_options import TrainOptions, make_recipe

TINY = Profile("tiny", (16, 16, 16), 16, hidden=32, rate_points=6, centred=True)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Smooth random pictures of 160×160."""
    folder = tmp_path / "images" / "plots"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(9):
        coarse = rng.integers(0, 256, (10, 10, 3)).astype(np.uint8)
        Image.fromarray(coarse).resize((160, 160), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
    return folder.parent


@pytest.fixture
def options(tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch) -> TrainOptions:
    monkeypatch.setitem(PROFILES, "tiny", TINY)
    return TrainOptions(
        images, images, tmp_path / "run", profile="tiny", minutes=10.0, batch=4, crop=64, warmup_steps=5
    )


@pytest.mark.parametrize("batch", [4, 6, 8, 32])
def test_no_rate_point_is_preferred(options: TrainOptions, batch: int) -> None:
    recipe, rng = make_recipe(replace(options, batch=batch), 9), np.random.default_rng(0)
    total = np.zeros(6)
    for _ in range(300):
        counts = np.bincount(recipe.qualities(rng).long().numpy() - 1, minlength=6)
        assert counts.sum() == batch and counts.max() - counts.min() <= 1
        total += counts
    assert total.min() > 0.8 * total.max()


def test_crops_are_reproducible_and_in_range(images: Path) -> None:
    paths = image_paths(images)
    first, second = (CropSampler(paths, 64, seed=3).batch(5) for _ in range(2))
    assert np.array_equal(first, second)
    assert first.shape == (5, 3, 64, 64)
    assert first.dtype == np.float32
    assert 0.0 <= first.min() < first.max() <= 1.0
    assert not np.array_equal(first, CropSampler(paths, 64, seed=4).batch(5))


def test_plain_crops_are_pixels_of_an_image_or_its_mirrors(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = image_paths(images)[0]
    pixels = load_image(path)
    views = [pixels, pixels[::-1], pixels[:, ::-1], pixels[::-1, ::-1]]
    for kept in (10**6, 0):  # images beyond what is kept are read again
        monkeypatch.setattr("fdegc.training.data.KEPT_BYTES", kept)
        sampler = CropSampler([path], 160, seed=[1, 2], shrink_only=("plots",), augment=False)
        for crop in sampler.batch(6):
            found = np.rint(crop.transpose(1, 2, 0) * 255).astype(np.uint8)
            assert any(np.array_equal(found, view) for view in views)


def _wave(path: Path, side: int) -> Path:
    """An image with a period of 8 pixels, that of JPEG's blocks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    row = 128 + 100 * np.sin(2 * np.pi * np.arange(side) / 8)
    Image.fromarray(np.tile(row.astype(np.uint8)[None, :, None], (side, 1, 3))).save(path)
    return path


@pytest.mark.parametrize(("side", "smallest"), [(200, 0.64), (400, 0.5)])
def test_images_with_artefacts_are_seen_but_never_at_their_own_scale(
    tmp_path: Path, side: int, smallest: float
) -> None:
    path = _wave(tmp_path / "grass" / "a.png", side)
    sampler = CropSampler([path], 128, seed=5, shrink_only=("grass",))
    assert sampler.left_out == 0
    periods = []
    for crop in sampler.batch(24):
        spectrum = np.abs(np.fft.rfft2(crop[0] - crop[0].mean()))
        bin_y, bin_x = np.unravel_index(np.argmax(spectrum[:65, :]), (65, 65))
        periods.append(128 / max(bin_y, bin_x))
    assert 8 * smallest - 0.3 < min(periods) <= max(periods) < 8 * 2 / 3 + 0.3
    assert (min(periods) < 8 * 0.55) == (side == 400)


def test_images_that_are_too_small_are_left_out_and_counted(tmp_path: Path) -> None:
    paths = [_wave(tmp_path / name / "a.png", 160) for name in ("grass", "river")]
    sampler = CropSampler(paths, 128, seed=5, shrink_only=("grass",))
    assert sampler.paths == paths[1:]
    assert sampler.left_out == 1
    plain = CropSampler(paths, 128, seed=5, shrink_only=("grass",), augment=False)
    assert plain.paths == paths
    assert plain.left_out == 0


def test_useless_folders_are_named(tmp_path: Path, images: Path) -> None:
    with pytest.raises(InvalidOption, match="no images"):
        image_paths(tmp_path / "run")
    with pytest.raises(InvalidOption, match="smaller crop"):
        CropSampler(image_paths(images), 512, seed=1)


@pytest.mark.parametrize("shape", [(3, 8, 40), (2, 40, 8), (1, 16, 16)])
def test_orthogonalise_brings_singular_values_near_one(shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonalise(torch.randn(shape)).float())
    assert values.min() > 0.5
    assert values.max() < 1.4


def test_kernels_are_told_from_the_rest() -> None:
    conv, dynamic = torch.zeros(32, 32, 3, 3), torch.zeros(4, 16, 32, 1, 1)
    assert is_kernel("g_a.1.conv1.weight", conv)
    assert is_kernel("g_a.3.trunk.0.conv1.weight", dynamic)
    assert not is_kernel("mcam.dw_13.weight", torch.zeros(32, 1, 1, 3))
    assert not is_kernel("hyper_prior.matrices.0", torch.zeros(32, 3, 3, 3))
    assert not is_kernel("log_gain", torch.zeros(6, 32))


def test_schedule_falls_from_one_to_almost_nothing() -> None:
    rates = [schedule(f) for f in np.linspace(0, 1.2, 13)]
    assert rates[0] == pytest.approx(1.0)
    assert rates[-1] == pytest.approx(0.01)
    assert rates == sorted(rates, reverse=True)


def test_a_run_learns_stops_resumes_and_ships(
    options: TrainOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class StopAfter(CancelToken):
        def __init__(self, steps: int) -> None:
            super().__init__()
            self.left = steps

        @property
        def cancelled(self) -> bool:
            self.left -= 1
            return self.left < 0

    trainer = Trainer(options)
    trainer.train(StopAfter(40))
    rows = [json.loads(line) for line in (options.out / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [20, 40]
    assert rows[1]["loss"] < 0.95 * rows[0]["loss"]

    with (options.out / "log.jsonl").open("a") as log:  # a crash after the last checkpoint
        log.write(json.dumps(rows[1] | {"step": 60}) + '\n{"step": 40, "lo{"step": 40}\n{"step": 80, "lo')
    again = Trainer(options)
    assert again.step == trainer.step == 40
    resumed = again.net.state_dict()
    for name, tensor in trainer.net.state_dict().items():
        assert torch.equal(tensor, resumed[name]), name
    again.train(StopAfter(2))
    assert again.step == 42
    assert (options.out / "log.jsonl").read_text().splitlines() == [json.dumps(row) for row in rows]

    folder = export_weights(again)
    first = weights.read_manifest(folder)[0].path
    successor = Trainer(replace(options, pretrain=first, out=tmp_path / "next"))
    successor.train(StopAfter(1))
    (model,) = json.loads((export_weights(successor) / "manifest.json").read_text())["models"]
    seconds = model["training"]["before"][0].pop("seconds")
    assert model["training"]["before"] == [{"weights": first.stem, "latent": 16, "steps": 42}]
    assert seconds == round(again.seconds)

    monkeypatch.setenv("FDEGC_WEIGHTS", str(folder))
    codec = Codec(device="cpu", profile="tiny")
    pixels = np.random.default_rng(0).integers(0, 256, (3, 70, 50)).astype(np.uint8)
    result = codec.encode(ArraySource(pixels), tmp_path / "a.fdegc", EncodeOptions(3.5), reconstruct=True)
    assert result.psnr is not None
    assert codec.decode(tmp_path / "a.fdegc").damaged == ()

    entry = weights.find(profile="tiny")
    assert str(tmp_path) not in (entry.path.parent / "manifest.json").read_text()
    content = bytearray(entry.path.read_bytes())
    content[-1] ^= 1
    entry.path.write_bytes(content)
    with pytest.raises(WeightsInvalid, match="damaged"):
        weights.load(entry)
    entry.path.unlink()
    with pytest.raises(WeightsMissing, match="cannot be read"):
        weights.load(entry)


def test_the_log_says_what_is_left_out(options: TrainOptions) -> None:
    Image.new("RGB", (50, 50)).save(options.train / "small.png")
    stop, rows = CancelToken(), []
    stop.cancel()
    Trainer(options).train(stop, on_row=rows.append)
    notes = [row["note"] for row in rows if "note" in row]
    assert "1 of 10 training images are too small for crops of 64" in notes[-1]


def test_the_help_says_what_a_run_does_by_itself() -> None:
    parser = argparse.ArgumentParser()
    add_train_options(parser)
    helps = {action.dest: action.help or "" for action in parser._actions}
    defaults = {field.name: field.default for field in fields(TrainOptions)}
    numbers = ("minutes", "lr", "lambda_boost", "hold", "freeze_norm", "balance")
    names = ("profile", "precision", "images", "graph", "weigh", "qualities", "schedule", "objective")
    for name in (*numbers, *names):
        said, default = re.search(r"\(default: ([^),]+)", helps[name]), defaults[name]
        assert said and type(default)(said[1]) == default, name


def test_the_budget_counts_validation_and_checkpoints_too(options: TrainOptions) -> None:
    log, checkpoints = options.out / "log.jsonl", set()

    def clock() -> float:
        """One second a step, four a validation and two a checkpoint, by what they leave behind."""
        rows = map(json.loads, log.read_text(encoding="utf-8").splitlines() if log.exists() else ())
        validated = {row["step"] for row in rows if "kind" in row}
        if trainer.checkpoint.exists():
            state = trainer.checkpoint.stat()
            checkpoints.add((state.st_ino, state.st_mtime_ns))
        return trainer.step + 4.0 * len(validated) + 2.0 * len(checkpoints)

    (val := options.out.with_name("val")).mkdir()
    shutil.copy(image_paths(options.val)[0], val)
    trainer = Trainer(replace(options, val=val, minutes=0.5, val_steps=1), clock=clock)
    assert trainer.train(save_minutes=0.0)
    assert trainer.step == 30 // 7 + 2  # the last step's validation is not known before the next


def test_folders_are_shrunk_only_where_the_options_say_so(options: TrainOptions, images: Path) -> None:
    trainer = Trainer(replace(options, images="host"))
    assert isinstance(trainer.sampler, CropSampler) and not any(trainer.sampler.always_shrink)
    named = Trainer(replace(options, images="host", shrink_only=(image_paths(images)[0].parent.name,)))
    assert isinstance(named.sampler, CropSampler) and any(named.sampler.always_shrink)


def test_a_batch_without_finite_gradients_changes_nothing(options: TrainOptions) -> None:
    trainer = Trainer(replace(options, freeze_norm=0.0))
    before = {name: parameter.clone() for name, parameter in trainer.net.named_parameters()}
    x = torch.rand(4, 3, 64, 64)
    x[0, 0, 0, 0] = torch.nan
    trainer._step(x, torch.arange(1.0, 5.0), 0.5)
    assert trainer.step == 1
    for name, parameter in trainer.net.named_parameters():
        assert torch.equal(parameter, before[name]), name


def test_a_run_grows_holds_new_channels_and_remembers_them(
    options: TrainOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Trainer(options).save()
    monkeypatch.setitem(PROFILES, "tiny", replace(TINY, latent=24))
    pretrain = options.out / "checkpoint.pt"
    grown = replace(options, pretrain=pretrain, out=tmp_path / "grown", grow=True, hold=0.5, lambda_boost=4.0)
    trainer = Trainer(grown)
    assert trainer.restarted is not None
    assert trainer.restarted[16:].all()
    assert not trainer.restarted.all()
    x, quality = torch.rand(4, 3, 64, 64), torch.arange(1.0, 5.0)
    boosted = trainer._step(x, quality, 0.0)[0]
    assert trainer.net.held is trainer.restarted
    assert boosted > trainer._step(x, quality, 1.0)[0]
    assert trainer.net.held is None
    trainer.save()
    resumed = Trainer(grown).restarted
    assert resumed is not None
    assert torch.equal(resumed, trainer.restarted)


def test_an_unknown_precision_is_refused(options: TrainOptions) -> None:
    with pytest.raises(InvalidOption, match="auto, bf16, fp32"):
        Trainer(replace(options, precision="fp16"))


def test_a_checkpoint_with_other_groups_of_parameters_is_refused(options: TrainOptions) -> None:
    trainer = Trainer(options)
    groups = trainer.optimisers["adam"].param_groups
    trainer.optimisers["adam"] = torch.optim.Adam([p for g in groups for p in g["params"]])
    trainer.save()
    with pytest.raises(InvalidOption, match="as --pretrain"):
        Trainer(options)


def test_checkpoint_of_another_profile_is_refused(options: TrainOptions) -> None:
    options.out.mkdir()
    torch.save({"profile": "lite"}, options.out / "checkpoint.pt")
    with pytest.raises(InvalidOption, match="profile lite"):
        Trainer(options)
