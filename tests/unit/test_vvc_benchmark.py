"""``benchmarks/vvc.py``: colours on their way to 4:2:0 and back, and the table; VVenC itself where it is."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def vvc():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        import vvc

        yield vvc


@pytest.fixture
def pixels():
    rows, columns = np.mgrid[:176, :192]
    return np.stack([rows, 255 - columns, (rows + columns) // 2], axis=2).astype(np.uint8)


def test_colours_come_back(vvc, pixels):
    planes = vvc.to_planes(pixels)
    assert len(planes) == 176 * 192 * 3
    errors = vvc.to_pixels(planes, 176, 192).astype(int) - pixels
    assert np.abs(errors[4:-4, 4:-4]).max() <= 1
    for colour in ((255, 255, 255), (0, 0, 0), (255, 0, 0), (0, 0, 255)):
        flat = np.full((16, 16, 3), colour, np.uint8)
        assert np.abs(vvc.to_pixels(vvc.to_planes(flat), 16, 16).astype(int) - flat).max() <= 1


def test_codecs_are_compared_at_equal_quality(vvc, pixels, tmp_path, monkeypatch, capsys):
    """A codec that needs nine tenths of VVC's bytes for the same picture is 10 % ahead."""
    folder = tmp_path / "set"
    folder.mkdir()
    Image.fromarray(pixels).save(folder / "a.png")

    def coded(_program, picture, qp, _preset):
        noise = np.random.default_rng(1).normal(0, 2 ** (qp / 6 - 3), picture.shape)
        return 100_000 >> qp // 6, np.rint(picture + noise).clip(0, 255).astype(np.uint8)

    monkeypatch.setattr(vvc, "coded", coded)
    monkeypatch.setattr(vvc, "ffmpeg", lambda: "")
    lines = ["set,image,codec,bpp,psnr"]
    for qp in vvc.QPS:
        size, other = coded("", pixels, qp, "")
        bpp = 0.9 * size * 8 / (176 * 192)
        lines.append(f"set,a.png,ours,{bpp},{vvc.figure('psnr', pixels, other)}")
    (tmp_path / "images.csv").write_text("\n".join(lines))
    vvc.main([str(tmp_path / "images.csv"), str(folder)])
    assert "ours: -10.0 % of 1 images" in capsys.readouterr().out


def test_vvenc_codes_a_picture(vvc, pixels):
    try:
        program = vvc.ffmpeg()
    except SystemExit as error:
        pytest.skip(str(error))
    encoders = subprocess.run([program, "-hide_banner", "-encoders"], capture_output=True, text=True).stdout
    if "libvvenc" not in encoders:
        pytest.skip("the ffmpeg here has no libvvenc")
    size, other = vvc.coded(program, pixels[:64, :64], 27, "faster")
    assert 0 < size < 12_288
    assert vvc.figure("psnr", pixels[:64, :64], other) > 30
