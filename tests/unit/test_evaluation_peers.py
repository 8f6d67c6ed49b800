"""The other codecs: files that are what they claim to be, pixels that come back, quality that changes."""

from __future__ import annotations

import io
import math
import sys

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin

from fdegc.errors import InvalidOption
from fdegc.evaluation.coder import Coder, Rgb8Pixels
from fdegc.evaluation.peers import find_peers, peer_names
from fdegc.metrics import psnr

HEIGHT, WIDTH = 90, 131  # odd and uneven: chroma, blocks and wavelet all have a remainder

SIGNATURES = {
    "jpeg-444": (0, b"\xff\xd8\xff"),
    "jpeg-420": (0, b"\xff\xd8\xff"),
    "jpeg2000": (0, b"\x00\x00\x00\x0cjP  "),
    "webp": (8, b"WEBPVP8 "),
    "jpegxl": (0, b"\xff\x0a"),
    "hevc": (4, b"ftyphe"),
    "hevc-ssim": (4, b"ftyphe"),
    "avif": (4, b"ftypavif"),
    "avif-default": (4, b"ftypavif"),
}


@pytest.fixture(scope="module")
def scene() -> Rgb8Pixels:
    """Texture of several scales in three bands that differ."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    rng = np.random.default_rng(2)
    base = 120 + 50 * np.sin(x / 7.0) * np.cos(y / 11.0) + 30 * (x > y)
    bands = np.stack([base, base[::-1] * 0.8, 255 - base * 0.7], -1) + rng.normal(0, 6, (HEIGHT, WIDTH, 3))
    return np.clip(bands, 0, 255).astype(np.uint8)


def level(pixels: Rgb8Pixels, decoded: Rgb8Pixels) -> float:
    return psnr(pixels.transpose(2, 0, 1), decoded.transpose(2, 0, 1), 255.0)


def coder(name: str) -> Coder:
    """The codec of a name; skips where its library is not installed."""
    coders, missing = find_peers([name])
    if not coders:
        pytest.skip(missing[0])
    return coders[0]


def test_pillow_brings_four_of_the_formats() -> None:
    coders, missing = find_peers(["jpeg-444", "jpeg-420", "jpeg2000", "webp", "avif"])
    assert [c.name for c in coders] == ["jpeg-444", "jpeg-420", "jpeg2000", "webp", "avif"]
    assert missing == []


@pytest.mark.parametrize("name", peer_names())
def test_every_step_of_the_ladder_costs_more_and_is_better(name: str, scene: Rgb8Pixels) -> None:
    peer = coder(name)
    sizes, levels = [], []
    for parameter in peer.ladder:
        data = peer.encode(scene, parameter)
        start, signature = SIGNATURES[name]
        assert data[start:].startswith(signature)
        decoded = peer.decode(data)
        assert decoded.shape == scene.shape and decoded.dtype == np.uint8
        sizes.append(len(data))
        levels.append(level(scene, decoded))
    assert sizes == sorted(set(sizes))
    assert levels == sorted(set(levels))
    assert levels[-1] - levels[0] > 2 and sizes[-1] > 2 * sizes[0]
    assert math.isfinite(levels[-1])


@pytest.mark.parametrize("name", peer_names())
def test_bands_come_back_in_their_order_and_place(name: str) -> None:
    peer = coder(name)
    pixels = np.full((64, 96, 3), (200, 90, 30), np.uint8)
    pixels[:32, 48:] = (20, 60, 210)
    decoded = peer.decode(peer.encode(pixels, peer.ladder[-1])).astype(int)
    for rows, columns in ((slice(4, 28), slice(52, 92)), (slice(36, 60), slice(4, 92))):
        error = np.abs(decoded[rows, columns] - pixels[rows, columns])
        assert error.max() < 12, name


def test_chroma_is_kept_where_it_is_said_to_be() -> None:
    # Stripes of one pixel whose luma is the same: without full chroma they melt into one colour.
    pixels = np.empty((64, 64, 3), np.uint8)
    pixels[:, ::2], pixels[:, 1::2] = (190, 80, 100), (70, 139, 110)
    found, _ = find_peers()
    levels = {c.name: level(pixels, c.decode(c.encode(pixels, c.ladder[-1]))) for c in found}
    for name, value in levels.items():
        assert (value < 18) == (name in ("jpeg-420", "webp")), (name, value)


def test_jpeg_files_are_progressive_and_sampled_as_named(scene: Rgb8Pixels) -> None:
    for name, sampling in (("jpeg-444", 0), ("jpeg-420", 2)):
        with Image.open(io.BytesIO(coder(name).encode(scene, 50))) as image:
            assert isinstance(image, JpegImagePlugin.JpegImageFile)
            assert JpegImagePlugin.get_sampling(image) == sampling
            assert image.info.get("progressive")


def test_jpeg2000_takes_the_rate_it_is_given(scene: Rgb8Pixels) -> None:
    peer = coder("jpeg2000")
    for bpp in (0.5, 1.5):
        size = len(peer.encode(scene, bpp))
        assert size * 8 / (HEIGHT * WIDTH) == pytest.approx(bpp, rel=0.15)


def test_the_two_tunings_of_a_codec_differ(scene: Rgb8Pixels) -> None:
    for first, second in (("hevc", "hevc-ssim"), ("avif", "avif-default")):
        one, other = coder(first), coder(second)
        assert one.encode(scene, 20) != other.encode(scene, 20)
        assert one.key != other.key


@pytest.mark.parametrize("name", ["jpegxl", "hevc", "avif"])
def test_the_same_picture_makes_the_same_file(name: str, scene: Rgb8Pixels) -> None:
    peer = coder(name)
    assert peer.encode(scene, peer.ladder[4]) == peer.encode(scene, peer.ladder[4])


def test_a_missing_library_takes_its_codec_out_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    coders, missing = find_peers(["jpegxl", "hevc", "webp"])
    assert [c.name for c in coders] == ["webp"]
    assert len(missing) == 2
    for sentence, library in zip(missing, ("imagecodecs", "pillow-heif"), strict=True):
        assert "is left out" in sentence and library in sentence and "fdegc[evaluate]" in sentence


def test_names_of_codecs_are_checked() -> None:
    assert find_peers(["none"]) == ([], [])
    with pytest.raises(InvalidOption, match="no codec named “gif”"):
        find_peers(["webp", "gif"])
