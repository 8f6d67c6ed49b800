"""Refinement of latents: it never costs more than rounding, and what it writes is an ordinary file."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from fdegc.cli import main
from fdegc.codec import Codec, encoding, workers
from fdegc.codec.refinement import Refinement, TileView
from fdegc.control import CancelToken, ProgressMeter, never
from fdegc.errors import Cancelled, InvalidOption
from fdegc.format.info import header_for
from fdegc.options import EncodeOptions, Target, TargetKind
from fdegc.raster import ArraySource
from fdegc.raster_info import Window
from fdegc.types import Progress
from fdegc.weights import quick_estimate

Pixels = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec(device="cpu", threads=1)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Operations of tiny tensors do not wait for threads that other programs keep from a core."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def scene(height: int = 64, width: int = 128) -> Pixels:
    """Edges and grain: something to lose, and something to save."""
    rng = np.random.default_rng(5)
    rows, columns = np.mgrid[:height, :width]
    waves = 50 * np.sign(np.sin(columns / 7.0 + rows / 11.0))
    return (120 + waves + rng.normal(0, 12, (3, height, width))).clip(0, 255).astype(np.uint8)


def test_the_same_rate_costs_less_and_decodes_as_ever(codec: Codec, tmp_path: Path) -> None:
    pixels, costs = scene(), []
    for effort in (0, 1):
        path = tmp_path / f"{effort}.fdegc"
        options = EncodeOptions(3.0, check=False, effort=effort)
        result = codec.encode(ArraySource(pixels), path, options, reconstruct=True)
        found = codec.decode_window(path, Window(0, 0, 128, 64)).pixels.astype(float)
        mse = float(np.mean(((found - pixels) / 255) ** 2))
        assert result.psnr == pytest.approx(-10 * np.log10(mse), abs=1e-3)
        assert not codec.verify(path).problems
        costs.append(512 * mse + result.bpp)
    assert costs[1] < 0.99 * costs[0]


def test_latents_beside_other_tiles_are_rounded(codec: Codec) -> None:
    """A tile's neighbour was told so; and where no pixel counts, fewer bits are spent."""
    network = codec.networks[0]
    unit = scene(96, 96).astype(np.float32) / 255
    (latent,) = network.analyse([unit])
    header = header_for(ArraySource(scene(96, 96)).info, (), tile_size=64, halo=16, quality_steps=768,
                        weights_hash=bytes(8), profile="lite")  # fmt: skip
    inner = Window(1, 1, 4, 4)
    counts = np.ones((96, 96), bool)
    refined = Refinement(network, header, 8)
    found = refined.latents([TileView(unit, latent, inner, counts, 0)], 3.0, never)[0]
    plain = np.rint(latent * network.gain(3.0))
    changed = (found != plain[:, 1:5, 1:5]).any(axis=0)
    assert changed[1:3, 1:3].any() and not changed[[0, -1]].any() and not changed[:, [0, -1]].any()
    nothing = TileView(unit, latent, Window(0, 0, 6, 6), ~counts, 0)
    assert np.abs(refined.latents([nothing], 3.0, never)[0]).sum() < 0.85 * np.abs(plain).sum()


def test_a_gpu_refines_tiles_together(codec: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of one shape, with the layers and gradients that torch has for it."""
    network = codec.networks[0]
    units = [scene(64, 128)[:, :, part : part + 64].astype(np.float32) / 255 for part in (0, 64)]
    header = header_for(ArraySource(scene(64, 128)).info, (), tile_size=64, halo=0, quality_steps=768,
                        weights_hash=bytes(8), profile="lite")  # fmt: skip
    views = [
        TileView(unit, latent, Window(0, 0, 4, 4), np.ones((64, 64), bool), 0)
        for unit, latent in zip(units, network.analyse(units), strict=True)
    ]
    layers = network.net.g_s, torch.contiguous_format
    monkeypatch.setattr(type(network), "sloping", property(lambda _: layers))
    alone, together = (Refinement(network, header, 4, n).latents(views, 4.0, never) for n in (1, 2))
    for own, other, view in zip(alone, together, views, strict=True):
        changed = (own != np.rint(view.latent * network.gain(4.0))).sum()
        assert changed > 50 and (own != other).sum() < 0.05 * changed


def test_an_interrupted_run_goes_on_to_the_same_file(
    codec: Codec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fdegc.options.EFFORT_STEPS", (0, 2, 2, 2, 2))
    from rasterio import Affine
    from rasterio import open as create

    raster = tmp_path / "scene.tif"
    profile = {"driver": "GTiff", "width": 128, "height": 64, "count": 3, "dtype": "uint8"}
    profile["transform"] = Affine(1, 0, 500, 0, -1, 600)
    with create(raster, "w", **profile) as out:
        out.write(scene())
    from fdegc.raster import open_raster

    options = EncodeOptions(4.0, 64, effort=1)
    straight, stopped = tmp_path / "straight.fdegc", tmp_path / "stopped.fdegc"
    with open_raster(raster) as source:
        codec.encode(source, straight, options)
    cancel = CancelToken()
    write = encoding.Encoding._write

    def one(self: encoding.Encoding, tile: encoding.CodedTile) -> None:
        write(self, tile)
        cancel.cancel()

    with monkeypatch.context() as patch, open_raster(raster) as source, pytest.raises(Cancelled):
        patch.setattr(encoding.Encoding, "_write", one)
        codec.encode(source, stopped, options, resume=True, cancel=cancel)
    with open_raster(raster) as source:
        result = codec.encode(source, stopped, options, resume=True)
    assert result.resumed_tiles == 1
    assert stopped.read_bytes() == straight.read_bytes()


def test_cancelling_does_not_wait_for_the_end_of_a_tile(codec: Codec, tmp_path: Path) -> None:
    cancel, path = CancelToken(), tmp_path / "a.fdegc"
    calls = 0
    pixels = scene(128, 128)

    def stop(progress: Progress) -> None:
        nonlocal calls
        calls += 1
        cancel.cancel()

    with pytest.raises(Cancelled):
        codec.encode(ArraySource(pixels), path, EncodeOptions(effort=4), on_progress=stop, cancel=cancel)
    assert calls and not path.exists()


@pytest.mark.parametrize("bands", [3, 6])
def test_progress_counts_steps_and_ends_at_one(
    codec: Codec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bands: int
) -> None:
    monkeypatch.setattr(workers, "PATIENCE", 0.002)
    seen: list[float] = []
    pixels = np.concatenate([scene(64, 128)] * (bands // 3))
    options = EncodeOptions(3.0, 64, effort=1)
    codec.encode(
        ArraySource(pixels), tmp_path / "a.fdegc", options,
        on_progress=lambda progress: seen.append(progress.fraction),
    )  # fmt: skip
    assert seen == sorted(seen) and seen[-1] == 1
    # Both tiles in both stages would be four values; their steps are most of the work.
    first_tile = [fraction for fraction in seen if 0 < fraction < 0.4]
    assert len(first_tile) >= 3


@pytest.mark.parametrize("steps", [3, 8, 64])
def test_parts_of_steps_add_up_to_all_of_the_work(steps: int) -> None:
    """The app drops reports that come too often, but for that of the end."""
    seen: list[float] = []
    meter = ProgressMeter("compress", 12 * 1.3, lambda progress: seen.append(progress.fraction))
    for part in 12 * [1.0, *(0.3 / steps for _ in range(steps))]:
        meter.advance(part)
    assert seen[-1] == 1 and seen[-2] < 1


def test_efforts_cost_time_and_memory_and_nothing_with_a_target() -> None:
    with pytest.raises(InvalidOption, match="effort must lie between 0 and 4, not 5"):
        EncodeOptions(effort=5)
    assert EncodeOptions(effort=2).refinement == 16
    assert EncodeOptions(effort=2, max_error=0.0).refinement == 0
    assert EncodeOptions(effort=2, target=Target(TargetKind.BPP, 1.0)).refinement == 0
    info = ArraySource(scene()).info
    costs = [quick_estimate(info, 4.0, steps=steps) for steps in (0, 8, 64)]
    assert costs[0].seconds < costs[1].seconds < costs[2].seconds
    assert costs[0].memory_bytes < costs[1].memory_bytes == costs[2].memory_bytes


def test_the_command_line_refuses_what_excludes_an_effort(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compress", "a.png", "a.fdegc", "--effort", "1", "--target-bpp", "1"]) != 0
    assert "--effort goes with a rate or a quality" in capsys.readouterr().err


def test_the_program_refines_with_what_it_imports(tmp_path: Path) -> None:
    """It leaves out parts of torch that other programs have."""
    from PIL import Image

    Image.fromarray(scene(64, 64).transpose(1, 2, 0)).save(tmp_path / "a.png")
    command = [sys.executable, "-m", "fdegc", "compress", "a.png", "a.fdegc", "--effort", "1", "--no-check"]
    done = subprocess.run([*command, "--threads", "1"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.fdegc").exists()
