"""Checkpoints of the research code become weights that compress."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from fdegc import weights
from fdegc.cli import main
from fdegc.errors import WeightsInvalid
from fdegc.model.fdegcnet import FDEGCNet
from fdegc.model.research import translate
from fdegc.training.export import Z_RADIUS_LIMIT, fit_prior
from fdegc.training.loop import Trainer
from fdegc.training.recipes import paper_profile
from fdegc.training.run_options import TrainOptions
from fdegc.training.starting import load_start


@pytest.fixture(scope="module")
def checkpoint() -> Path:
    return Path(__file__).resolve().parents[1] / "parity" / "iter_200000.pth.tar"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for number in range(2):
        coarse = np.random.default_rng(number).integers(0, 256, (12, 12, 3)).astype(np.uint8)
        Image.fromarray(coarse).resize((72, 100), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def imported(checkpoint: Path, images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder into which the checkpoint was imported."""
    out = tmp_path_factory.mktemp("weights")
    assert main(["weights", "import", str(checkpoint), "--images", str(images), "--out", str(out)]) == 0
    return out


def answer(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    capsys.readouterr()
    code = main([*map(str, arguments), "--json"])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    return json.loads(captured.out)


def test_names_and_sizes_are_understood(checkpoint: Path) -> None:
    start = load_start(checkpoint)
    assert start.profile == paper_profile(16, 16)
    assert not start.has_prior and not start.has_tables
    net = start.network()
    ours = net.state_dict()
    translated = translate(torch.load(checkpoint, weights_only=True))
    for name, tensor in translated.items():
        assert torch.equal(ours[name], tensor), name
    assert {name.split(".")[0] for name in ours.keys() - translated.keys()} == {"hyper_prior"}


def test_a_whole_state_dict_with_a_hole_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    state = torch.load(checkpoint, weights_only=True)
    del state["Encoder.b3_layer0.bias"]
    torch.save(state, tmp_path / "iter_1.pth.tar")
    with pytest.raises(WeightsInvalid, match=r"lacks g_a\.6\.conv1\.bias"):
        load_start(tmp_path / "iter_1.pth.tar").network()
    torch.save({f"module.{name}": tensor for name, tensor in state.items()}, tmp_path / "parallel.pth.tar")
    assert load_start(tmp_path / "parallel.pth.tar").profile == paper_profile(16, 16)
    torch.save(state | {"entropy.extra": torch.zeros(1)}, tmp_path / "other.pth.tar")
    with pytest.raises(WeightsInvalid, match=r"unknown parameter 'entropy\.extra'"):
        load_start(tmp_path / "other.pth.tar")


def test_imported_weights_compress_decompress_and_verify(
    imported: Path,
    images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("FDEGC_WEIGHTS", str(imported))
    (entry,) = weights.read_manifest(imported)
    assert entry.profile == "paper-16"
    assert str(imported) not in (imported / "manifest.json").read_text()
    scene, file = images / "0.png", tmp_path / "a.fdegc"
    # Checked, all of it would be JPEG 2000: these weights know nothing yet.
    written = answer(capsys, "compress", scene, file, "--profile", "paper-16", "--psnr", "--no-check")
    assert written["quality"] == entry.rates[0].quality == 3.0
    assert written["bytes"] == file.stat().st_size
    answer(capsys, "decompress", file, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as back, Image.open(scene) as original:
        difference = np.asarray(back, float) - np.asarray(original.convert("RGB"), float)
    psnr = 10 * np.log10(255**2 / np.square(difference).mean())
    assert psnr == pytest.approx(written["psnr"], abs=1e-6)
    assert answer(capsys, "verify", file)["sound"]
    facts = answer(capsys, "info", file)
    assert (facts["profile"], facts["weights_hash"]) == ("paper-16", entry.sha256[:16])
    assert (
        main(["compress", str(scene), str(tmp_path / "b.fdegc"), "--profile", "paper-16", "--rate", "5"]) == 1
    )
    assert "one rate point, 3" in capsys.readouterr().err


def test_the_research_way_to_test(
    checkpoint: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = {"tot_epoch": 9, "tot_step": 9, "train_lambda": 256, "batch_size": 2, "print_freq": 1}
    config |= {
        "lr": {"base": 1e-4, "decay": 0.1, "decay_interval": 5},
        "out_channel_N": 16,
        "out_channel_M": 16,
    }
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    result = answer(capsys, "test", "--config", path, "--pretrain", checkpoint, "--val", images)
    assert [image["image"] for image in result["images"]] == ["0.png", "1.png"]
    assert {image["quality"] for image in result["images"]} == {2.0}
    assert "same images" in result["note"]
    path.write_text(json.dumps(config | {"out_channel_N": 24}))
    assert main(["test", "--config", str(path), "--pretrain", str(checkpoint), "--val", str(images)]) == 1
    assert "N = 16/16/16" in capsys.readouterr().err


def test_a_second_import_keeps_what_files_need(
    imported: Path, checkpoint: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "weights"
    shutil.copytree(imported, out)
    common = ("weights", "import", checkpoint, "--images", images, "--out", out)
    named = answer(capsys, *common, "--profile", "mine")
    assert [entry.profile for entry in weights.read_manifest(out)] == ["mine", "paper-16"]
    assert 0 <= named["clamped"] <= 1
    assert main([*map(str, common), "--profile", "no good"]) == 1
    assert "'no good'" in capsys.readouterr().err


def test_training_goes_on_from_a_research_checkpoint(checkpoint: Path, images: Path, tmp_path: Path) -> None:
    from fdegc.training.config import ResearchConfig

    config = ResearchConfig(9, 1, 256.0, 1e-4, 0.1, 5, 2, 1, 16, 16)
    options = TrainOptions(images, images, tmp_path / "run", config=config, crop=64, pretrain=checkpoint)
    trainer = Trainer(options)
    name = "context.masked.weight"
    assert torch.equal(trainer.net.state_dict()[name], load_start(checkpoint).state[name])
    assert trainer.train()


def test_the_fitted_prior_comes_close_to_the_best_code() -> None:
    """Bits of Laplace-like values under the fitted density, against their entropy."""
    torch.manual_seed(0)
    net = FDEGCNet((8, 8, 8), 8, hidden=32)
    values = np.arange(-Z_RADIUS_LIMIT, Z_RADIUS_LIMIT + 1)
    scales, means = np.linspace(0.3, 8.0, 8)[:, None], np.linspace(-5, 5, 8)[:, None]
    share = np.exp(-np.abs(values - means) / scales)
    share /= share.sum(1, keepdims=True)
    entropy = -(share * np.log2(share + 1e-300)).sum(1)
    fit_prior(net, 5000.0 * share[None])
    bits = -(share * np.log2(net.prior(Z_RADIUS_LIMIT).numpy())).sum(1)
    assert (bits - entropy).max() < 0.08
