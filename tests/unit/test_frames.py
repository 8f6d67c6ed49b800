"""Animations, and stacks of which a TIFF describes the first picture: each is named, and can be taken."""

from __future__ import annotations

import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
from PIL import Image

from fdegc.cli import main
from fdegc.errors import InvalidOption, SeveralRasters, UnsupportedRaster
from fdegc.raster import open_raster
from fdegc.raster_info import Window

pytestmark = [
    pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning"),
    pytest.mark.usefixtures("few_tries_here", "bands_as_they_are"),
]

WHOLE = Window(0, 0, 80, 60)


def run(capsys: pytest.CaptureFixture[str], *arguments: Any) -> Any:
    capsys.readouterr()
    assert main([*map(str, arguments), "--json"]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


def pictures(count: int = 3) -> list[npt.NDArray[np.uint8]]:
    """Pictures of colours, shape (height, width, 3), of which each differs from the others."""
    y, x = np.mgrid[0:60, 0:80]
    return [
        np.stack([(x * 3 + 20 * k) % 256, (y * 4) % 256, (x + y + 40 * k) % 256], -1).astype(np.uint8)
        for k in range(count)
    ]


def animation(path: Path, kind: str) -> list[npt.NDArray[np.uint8]]:
    """Write an animation; the pictures as Pillow shows them."""
    images = [Image.fromarray(picture) for picture in pictures()]
    more = {"lossless": True} if kind == "WEBP" else {}
    images[0].save(path, kind, save_all=True, append_images=images[1:], duration=100, **more)
    shown = []
    with Image.open(path) as image:
        for number in range(3):
            image.seek(number)
            shown.append(np.asarray(image.convert("RGB")).copy())
    return shown


def planes(picture: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    return np.moveaxis(picture, -1, 0)


@pytest.mark.parametrize(("kind", "name"), [("GIF", "a.gif"), ("PNG", "a.png"), ("WEBP", "a.webp")])
def test_animations_say_that_they_are_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: str, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = animation(tmp_path / name, kind)
    said = (
        f"“{name}” is an animation of 3 pictures, of which only the first is taken. --page 2 to 3 takes "
        f"another, as does its name (FRAME:2:{name})."
    )
    assert said in run(capsys, "info", name)["notices"]
    for number, picture in enumerate(shown, 1):
        for source in (open_raster(name, page=number), open_raster(f"frame:{number}:{name}")):
            with source:
                assert source.pictures == 1
                np.testing.assert_array_equal(source.read(WHOLE).pixels, planes(picture))
    report = run(capsys, "compress", name, "a.fdegc", "--rate", 6)
    assert said in report["notices"]
    report = run(capsys, "compress", name, "b.fdegc", "--page", 3, "--lossless")
    assert report["notices"] == []
    run(capsys, "decompress", "b.fdegc", "b.png")
    with Image.open("b.png") as image:
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), shown[2])
    assert run(capsys, "metrics", f"FRAME:3:{name}", "b.fdegc")["lossless"]
    with pytest.raises(InvalidOption, match="holds 3 rasters; there is no number 4"):
        open_raster(name, page=4)
    with pytest.raises(UnsupportedRaster, match="has no picture 4 of an animation"):
        open_raster(f"FRAME:4:{name}")


def test_animations_in_archives_are_refused(tmp_path: Path) -> None:
    animation(tmp_path / "a.gif", "GIF")
    Image.fromarray(pictures()[0]).save(tmp_path / "b.gif")
    for name in ("a", "b"):
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
            archive.write(tmp_path / f"{name}.gif", f"{name}.gif")
    with pytest.raises(UnsupportedRaster, match="is an animation, of which no picture can be read where it"):
        open_raster(tmp_path / "a.zip")
    with open_raster(tmp_path / "b.zip") as source:
        assert source.info.bands == 3


def test_folders_say_it_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for kind, name in (("GIF", "a.gif"), ("PNG", "b.png")):
        animation(folder / name, kind)
    Image.fromarray(pictures()[0]).save(folder / "c.png")
    report = run(capsys, "compress", folder, "--out-dir", tmp_path / "out", "--rate", 6)
    for row in report["files"]:
        animated = Path(row["input"]).name != "c.png"
        assert ("is an animation of 3 pictures, of which only the first" in row["message"]) == animated
    run(capsys, "compress", folder / "b.png", "--out-dir", tmp_path / "two", "--lossless", "--page", 2)
    run(capsys, "decompress", tmp_path / "two" / "b.fdegc", tmp_path / "b.tif")
    with rasterio.open(tmp_path / "b.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(), planes(pictures()[1]))


def test_pictures_of_one_palette_are_kept_as_indices(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every picture of a GIF is coded without loss, as the first is."""
    images = [Image.fromarray(picture[..., 0] // 64, "P") for picture in pictures()]
    for image in images:
        image.putpalette([9, 9, 9, 200, 0, 0, 0, 200, 0, 0, 0, 200])
    images[0].save(tmp_path / "a.gif", save_all=True, append_images=images[1:])
    run(capsys, "compress", tmp_path / "a.gif", tmp_path / "a.fdegc", "--page", 2)
    run(capsys, "decompress", tmp_path / "a.fdegc", tmp_path / "b.png")
    with Image.open(tmp_path / "b.png") as image:
        assert image.mode == "P"
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), np.asarray(images[1].convert("RGB")))


def test_the_app_says_it(tmp_path: Path) -> None:
    from fdegc_gui.jobs.scene import LookForNotices

    animation(tmp_path / "a.png", "PNG")
    context: Any = None
    said = LookForNotices(path=tmp_path / "a.png").run(context)
    assert (
        said.chosen
        == f"“{tmp_path / 'a.png'}” is an animation of 3 pictures, of which only the first is taken."
    )


# ------------------------------------------------------------------ stacks in one directory


def stack(path: Path, pages: npt.NDArray[Any], text: str, order: str = ">", compression: int = 1) -> None:
    """TIFF with one directory, of the first of several pages, which follow each other; by struct alone."""
    height, width = pages.shape[1:]
    description = text.encode() + b"\0"
    form = {"u": 1, "i": 2, "f": 3}[pages.dtype.kind]
    at = 8 + 2 + 12 * 12 + 4
    entries = [
        (254, 4, 1, 0), (256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8 * pages.itemsize),
        (259, 3, 1, compression), (262, 3, 1, 1), (270, 2, len(description), at),
        (273, 4, 1, at + len(description)), (277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, pages[0].nbytes),
        (339, 3, 1, form),
    ]  # fmt: skip
    data = struct.pack(f"{order}2sHIH", b"MM" if order == ">" else b"II", 42, 8, len(entries))
    for tag, kind, number, value in entries:
        data += struct.pack(f"{order}HHI", tag, kind, number)
        data += struct.pack(
            f"{order}HH" if kind == 3 else f"{order}I", *((value, 0) if kind == 3 else (value,))
        )
    samples = pages.astype(pages.dtype.newbyteorder(order)).tobytes()
    path.write_bytes(data + struct.pack(f"{order}I", 0) + description + samples)


IMAGEJ = "ImageJ=1.53k\nimages=5\nslices=5\nloop=false\n"
SHAPED = '{"shape": [5, 60, 80], "truncated": true}'


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize(("text", "order"), [(IMAGEJ, ">"), (IMAGEJ, "<"), (SHAPED, "<")])
def test_stacks_of_one_directory(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    dtype: str,
    text: str,
    order: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    pages = np.stack([np.mgrid[0:60, 0:80].sum(0) + k * 10 for k in range(5)]).astype(dtype)
    stack(tmp_path / "a & b.tif", pages, text, order)
    with pytest.raises(SeveralRasters) as caught:
        open_raster("a & b.tif")
    assert caught.value.parts == tuple(f"FRAME:{n}:a & b.tif" for n in range(1, 6))
    assert "'FRAME:2:a & b.tif' (80×60)" in str(caught.value)
    for number, page in enumerate(pages, 1):
        for source in (open_raster("a & b.tif", page=number), open_raster(f"FRAME:{number}:a & b.tif")):
            with source:
                np.testing.assert_array_equal(source.read(WHOLE).pixels[0], page)
                np.testing.assert_array_equal(source.read(Window(7, 50, 9, 10)).pixels[0], page[50:, 7:16])
    run(capsys, "compress", "a & b.tif", "a.fdegc", "--page", 4, "--lossless")
    run(capsys, "decompress", "a.fdegc", "b.tif")
    with rasterio.open("b.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(1), pages[3])
    with pytest.raises(InvalidOption, match="holds 5 rasters; there is no number 6"):
        open_raster("a & b.tif", page=6)
    with pytest.raises(UnsupportedRaster, match="has no picture 6"):
        open_raster("FRAME:6:a & b.tif")


@pytest.mark.parametrize("text", [IMAGEJ, SHAPED, '{"shape": [1, 60, 80]}', "ImageJ=1.5\nimages=x\n", "{}"])
def test_texts_that_survived_their_stack(tmp_path: Path, text: str) -> None:
    """A page that was cut out by a program that kept the description is a raster like any other."""
    page = np.mgrid[0:60, 0:80].sum(0).astype(np.uint16)
    stack(tmp_path / "a.tif", page[None], text)
    with open_raster(tmp_path / "a.tif") as source:
        np.testing.assert_array_equal(source.read(WHOLE).pixels[0], page)


def test_stacks_as_tifffile_writes_them(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile", reason="writes the TIFFs of this test")
    colours = np.stack(pictures(4))
    tifffile.imwrite(tmp_path / "a.tif", colours, photometric="rgb", truncate=True)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert len(file.pages) == 1
        np.testing.assert_array_equal(file.asarray(), colours)
    for number, picture in enumerate(colours, 1):
        with open_raster(tmp_path / "a.tif", page=number) as source:
            np.testing.assert_array_equal(source.read(WHOLE).pixels, planes(picture))
