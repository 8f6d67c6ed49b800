"""The research code's way: its configurations, one λ a network, real figures, weights to start from."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from fdegc.cli import main
from fdegc.control import CancelToken
from fdegc.errors import InvalidOption, WeightsInvalid, WeightsMissing
from fdegc.model.fdegcnet import PROFILES, Profile
from fdegc.training.config import lambda_quality, read_config
from fdegc.training.loop import Trainer
from fdegc.training.recipes import ResearchRecipe, research_profile
from fdegc.training.run_options import TrainOptions
from fdegc.training.starting import load_start

ROOT = Path(__file__).resolve().parents[2]
SMALL = {
    "tot_epoch": 1000,
    "tot_step": 3,
    "train_lambda": 1024,
    "lr": {"base": 1e-3, "decay": 0.1, "decay_interval": 2},
    "batch_size": 2,
    "print_freq": 1,
    "out_channel_N": 8,
    "out_channel_M": 8,
}


def picture(path: Path, side: int, seed: int) -> None:
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC).save(path)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``train`` with three pictures, ``val`` with one that has an MS-SSIM and one that has none."""
    root = tmp_path_factory.mktemp("research")
    for name, sides in (("train", (96, 96, 96)), ("val", (176, 64))):
        (root / name).mkdir()
        for number, side in enumerate(sides):
            picture(root / name / f"{number}.png", side, number)
    return root


def write_config(folder: Path, **changes: Any) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(SMALL | changes))
    return path


@pytest.fixture(scope="module")
def run(folders: Path) -> dict[str, Any]:
    """What ``fdegc train --config`` says of a run of three steps into ``run``."""
    config = write_config(folders)
    return command(folders, "train", "--config", config, "--train", folders / "train", "--crop", "64")


def command(folders: Path, name: str, *arguments: object) -> dict[str, Any]:
    """The JSON of ``fdegc train`` or ``fdegc test`` on the small images."""
    import contextlib
    import io

    out = ["--out", folders / "run"] if name == "train" else []
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        code = main([str(a) for a in (name, *arguments, "--val", folders / "val", *out, "--json")])
    assert code == 0
    return json.loads(text.getvalue())


@pytest.mark.parametrize("lmbda", [128, 256, 512, 1024, 2048, 4096])
def test_the_six_configurations_of_the_paper(lmbda: int) -> None:
    width = 192 if lmbda <= 512 else 256
    config = read_config(ROOT / "configs" / "paper" / f"config_{lmbda}_{width}.json")
    assert (config.lmbda, config.steps, config.decay_steps) == (lmbda, 200_000, 184_000)
    assert (config.lr, config.decay, config.batch) == (1e-4, 0.1, 4 if lmbda == 512 else 8)
    assert research_profile(config) == PROFILES[f"paper-{width}"]
    assert config.quality == 1 + np.log2(lmbda / 128)
    recipe = ResearchRecipe(research_profile(config), config.batch, 256, config, config.steps)
    net = torch.nn.Linear(2, 2)
    optimisers = recipe.optimisers(net)
    for step, rate in ((0, 1e-4), (183_999, 1e-4), (184_000, 1e-5), (199_999, 1e-5)):
        recipe.set_rates(optimisers, step, 0.0)
        assert optimisers["adam"].param_groups[0]["lr"] == pytest.approx(rate)
    net.weight.grad = torch.tensor([[7.0, -9.0], [3.0, 0.0]])
    recipe.clip(optimisers)
    assert net.weight.grad.tolist() == [[5.0, -5.0], [3.0, 0.0]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"warmup": 1}, "does not know warmup"),
        ({"tot_step": 0}, "tot_step must be a positive number"),
        ({"tot_step": 1.5}, "whole number"),
        ({"lr": {"base": 1e-4}}, "lacks decay, decay_interval"),
        ({"lr": 1e-4}, "Its lr must be an object"),
        ({"out_channel_N": 100}, "multiple of 8"),
        ({"batch_size": True}, "positive number"),
    ],
)
def test_a_wrong_configuration_is_refused(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidOption, match=said):
        read_config(write_config(tmp_path, **change))


def test_an_unreadable_configuration_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match="cannot be read"):
        read_config(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(InvalidOption, match="not JSON"):
        read_config(tmp_path / "bad.json")


def test_lambdas_lie_on_the_scale_of_qualities() -> None:
    assert [lambda_quality(lmbda) for lmbda in (1, 128, 4096, 1e9)] == [1.0, 1.0, 6.0, 6.0]
    assert 3.0 < lambda_quality(700) < 4.0


def test_a_run_trains_logs_and_measures_real_files(run: dict[str, Any], folders: Path) -> None:
    assert run["finished"] and run["steps"] == 3
    out = folders / "run"
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    train = [row for row in rows if "kind" not in row]
    assert [row["step"] for row in train] == [1, 2, 3]
    assert [row["lr"] for row in train] == pytest.approx([1e-3, 1e-3, 1e-4])
    assert rows[-1]["kind"] == "test"
    large, small = run["images"]
    assert (large["image"], large["quality"]) == ("0.png", 4.0)
    assert large["bpp"] == large["bytes"] * 8 / 176**2
    assert large["ms_ssim"] is not None and large["ms_ssim_db"] is not None
    assert large["vifp"] is not None
    assert small["ms_ssim"] is None and "161" in small["notes"]["ms_ssim"]
    (mean,) = run["averages"]
    assert mean["bpp"] == pytest.approx((large["bpp"] + small["bpp"]) / 2)
    assert mean["counts"]["ms_ssim"] == 1
    assert json.loads((out / "test.json").read_text())["averages"] == run["averages"]


def test_events_are_what_the_log_says(run: dict[str, Any], folders: Path) -> None:
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="tensorboard is not installed"
    )
    events = accumulator.EventAccumulator(str(folders / "run" / "events"))
    events.Reload()
    rows = [json.loads(line) for line in (folders / "run" / "log.jsonl").read_text().splitlines()]
    losses = [(event.step, event.value) for event in events.Scalars("train/loss")]
    assert losses[:3] == [(row["step"], pytest.approx(row["loss"])) for row in rows[:3]]
    assert events.Scalars("test/bpp")[0].value == pytest.approx(run["averages"][0]["bpp"])


@pytest.mark.parametrize("which", ["checkpoint", "weights"])
def test_weights_are_tested_by_real_files(run: dict[str, Any], folders: Path, which: str) -> None:
    (weights,) = (folders / "run" / "weights").glob("*.safetensors")
    path = weights if which == "weights" else folders / "run" / "checkpoint.pt"
    config = folders / "config.json"
    tables = [] if which == "weights" else ["--train", folders / "train"]
    result = command(folders, "test", "--config", config, "--pretrain", path, *tables)
    assert result["note"] is None
    assert [image["bytes"] for image in result["images"]] == [image["bytes"] for image in run["images"]]
    assert result["averages"] == run["averages"]


def test_training_goes_on_without_tensorboard(
    folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    options = research_options(folders, tmp_path)
    said: list[dict[str, Any]] = []
    assert Trainer(options).train(on_row=said.append)
    assert "fdegc[train]" in said[0]["note"]
    assert [row["step"] for row in said[1:]] == [1, 2, 3]
    assert not (options.out / "events").exists()


def research_options(folders: Path, tmp_path: Path, **changes: Any) -> TrainOptions:
    config = read_config(write_config(tmp_path, **changes))
    return TrainOptions(folders / "train", folders / "val", tmp_path / "run", config=config, crop=64)


def test_epochs_end_a_run_too(folders: Path, tmp_path: Path) -> None:
    trainer = Trainer(research_options(folders, tmp_path, tot_epoch=1, tot_step=100))
    assert trainer.recipe.fraction(2, 0.0) == 1.0  # three images are two batches


def test_a_stopped_run_goes_on_where_it_was(folders: Path, tmp_path: Path) -> None:
    class Stop(CancelToken):
        asked = 0

        @property
        def cancelled(self) -> bool:
            self.asked += 1
            return self.asked > 2

    options = research_options(folders, tmp_path)
    first = Trainer(options)
    assert not first.train(Stop())
    assert first.step == 2
    again = Trainer(options)
    assert again.step == 2
    moments = [s.optimisers["adam"].state_dict()["state"][0]["exp_avg"] for s in (first, again)]
    assert torch.equal(*moments)
    assert again.train()
    assert again.step == 3
    with pytest.raises(InvalidOption, match=r"λ=1024.*λ=256"):
        Trainer(research_options(folders, tmp_path, train_lambda=256))
    (options.out / "checkpoint.pt").write_bytes(b"damaged")
    with pytest.raises(WeightsInvalid, match="checkpoint"):
        Trainer(options)


def test_a_single_crop_cannot_train_batchnorm(folders: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match="BatchNorm"):
        Trainer(research_options(folders, tmp_path, batch_size=1))


def pretrained(folders: Path, tmp_path: Path, path: Path) -> Trainer:
    config = read_config(write_config(tmp_path))
    images = folders / "train", folders / "val"
    return Trainer(TrainOptions(*images, tmp_path / "new", config=config, crop=64, pretrain=path))


def test_a_run_starts_from_weights_of_another(run: dict[str, Any], folders: Path, tmp_path: Path) -> None:
    (weights,) = (folders / "run" / "weights").glob("*.safetensors")
    before = torch.load(folders / "run" / "checkpoint.pt", weights_only=True)["ema"]
    for path, tolerance in ((folders / "run" / "checkpoint.pt", 0.0), (weights, 1e-3)):
        trainer = pretrained(folders, tmp_path, path)
        assert trainer.step == 0
        for name, tensor in trainer.net.state_dict().items():
            assert torch.allclose(tensor, before[name], rtol=tolerance, atol=tolerance), name


def test_weights_that_do_not_fit_are_refused(
    run: dict[str, Any], folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folders / "run" / "checkpoint.pt"
    with pytest.raises(WeightsMissing, match="no weights file"):
        load_start(tmp_path / "none.pt")
    broken = tmp_path / "iter_1.pth.tar"
    broken.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(WeightsInvalid, match="not a checkpoint"):
        load_start(broken)
    torch.save({"Encoder.unknown.weight": torch.zeros(1)}, broken)
    with pytest.raises(WeightsInvalid, match=r"unknown parameter 'Encoder\.unknown\.weight'"):
        load_start(broken)
    state = torch.load(path, weights_only=True)
    del state["ema"]["g_s.9.bias"]
    torch.save(state, tmp_path / "partial.pt")
    with pytest.raises(WeightsInvalid, match=r"lacks g_s\.9\.bias"):
        pretrained(folders, tmp_path, tmp_path / "partial.pt")
    monkeypatch.setitem(PROFILES, "tiny", Profile("tiny", (8, 8, 8), 8, 32, 6, centred=True))
    options = TrainOptions(
        folders / "train", folders / "val", tmp_path / "new", profile="tiny", crop=64, pretrain=path
    )
    with pytest.raises(
        WeightsInvalid, match=r"one rate point, but .* 6 rate points, centred input is wanted"
    ):
        Trainer(options)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--config", "CONFIG", "--minutes", "1"], "leave out --minutes"),
        (["--profile", "paper-192"], "--config configs/paper"),
        (["--profile", "none"], "no profile 'none'"),
        (["--crop", "100"], "multiple of 64"),
        (["--config", "CONFIG", "--batch", "1"], "BatchNorm"),
        (["--config", "CONFIG", "--pretrain", "none.pt"], "no weights file “none.pt”"),
    ],
)
def test_wrong_options_are_told_in_words(
    folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    config = str(write_config(tmp_path))
    arguments = [config if a == "CONFIG" else a for a in arguments]
    places = ["--train", folders / "train", "--val", folders / "val", "--out", tmp_path / "out"]
    assert main(["train", *arguments, *map(str, places)]) == 1
    assert said in capsys.readouterr().err
