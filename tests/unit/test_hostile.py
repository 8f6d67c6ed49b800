"""Hostile files on the command line: each works, or is one sentence and leaves everything as it was."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hostile
import numpy as np
import pytest
from PIL import Image

from fdegc.cli import main
from fdegc.codec import facade
from fdegc.raster import open_raster
from fdegc.raster_info import Window
from fdegc.types import Samples

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.usefixtures("few_tries_here", "bands_as_they_are"),
]
posix = pytest.mark.skipif(os.name == "nt", reason="needs pipes and symbolic links")


@pytest.fixture(autouse=True, scope="module")
def one_network() -> Iterator[None]:
    """Load the network once for all commands of this file."""
    shared = facade.Codec(device="cpu", threads=1)
    with pytest.MonkeyPatch.context() as patch:
        # A command makes its own codec, and loading one for each of hundreds would take most of the time.
        patch.setattr(facade, "Codec", lambda **_: shared)
        yield


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.png"
    path.write_bytes(hostile.sound_files()["a.png"])
    return path


def contents(folder: Path) -> dict[str, bytes | None]:
    return {path.name: path.read_bytes() if path.is_file() else None for path in folder.iterdir()}


def outcome(capsys: pytest.CaptureFixture[str], *arguments: object) -> str | None:
    """Run a command: None if it worked, else what it says; a failure changes nothing."""
    folder = Path(str(arguments[-1] if arguments[0] == "metrics" else arguments[1])).parent
    folder = folder if folder.is_dir() else folder.parent
    before = contents(folder)
    capsys.readouterr()
    code = main([*map(str, arguments)])
    said = capsys.readouterr()
    if code == 0:
        return None
    assert code == 1
    assert said.out == ""
    (line,) = said.err.strip().splitlines()
    assert line.startswith("fdegc: error: ") and line.endswith(".")
    assert contents(folder) == before
    return line


def refusals(capsys: pytest.CaptureFixture[str], path: Path, good: Path) -> list[str | None]:
    """What all commands say of a file that is no raster and no stream."""
    out = path.parent
    return [
        outcome(capsys, "compress", path, out / "o.fdegc", "--force"),
        outcome(capsys, "decompress", path, out / "o.tif", "--force"),
        outcome(capsys, "info", path),
        outcome(capsys, "verify", path),
        outcome(capsys, "metrics", path, good),
        outcome(capsys, "metrics", good, path),
    ]


# ------------------------------------------------------------------------------ files that are none


@pytest.mark.parametrize("name", hostile.junk())
def test_what_is_no_raster_is_a_sentence(
    name: str, tmp_path: Path, good: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    path.write_bytes(hostile.junk()[name])
    for line in refusals(capsys, path, good):
        assert line is not None and name in line


@posix
def test_what_is_no_file_is_a_sentence(
    tmp_path: Path, good: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder.tif").mkdir()
    (tmp_path / "folder.fdegc").mkdir()
    os.mkfifo(tmp_path / "pipe.tif")
    os.mkfifo(tmp_path / "pipe.fdegc")
    (tmp_path / "loop.tif").symlink_to("loop.tif")
    (tmp_path / "dangling.png").symlink_to("nothing.png")
    (tmp_path / "zero.tif").symlink_to("/dev/zero")
    (tmp_path / "null.fdegc").symlink_to("/dev/null")
    paths = sorted(tmp_path.iterdir())
    paths += [tmp_path / "nowhere.tif", good / "below.tif", tmp_path / ("x" * 300 + ".tif")]
    for path in paths:
        if path != good:
            assert all(refusals(capsys, path, good)), path


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_a_sentence(
    tmp_path: Path, good: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "secret.tif"
    path.write_bytes(hostile.sound_files()["striped.tif"])
    path.chmod(0)
    before = path.stat()
    for command in (("compress", path, tmp_path / "o.fdegc"), ("info", path), ("metrics", path, good)):
        assert main([*map(str, command)]) == 1
        assert "secret.tif" in capsys.readouterr().err
    assert path.stat() == before


@pytest.mark.parametrize("name", hostile.sound_files())
def test_a_file_that_was_cut_off_works_or_is_a_sentence(
    name: str, tmp_path: Path, good: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, data = tmp_path / name, hostile.sound_files()[name]
    for size in (1, 10, 40, len(data) // 3, 2 * len(data) // 3, len(data) * 19 // 20):
        path.write_bytes(data[:size])
        assert outcome(capsys, "compress", path, tmp_path / "o.fdegc"), size
        assert outcome(capsys, "metrics", path, good), size
        outcome(capsys, "info", path)
    # Of the last bytes, some kinds need none.
    path.write_bytes(data[:-1])
    outcome(capsys, "compress", path, tmp_path / "o.fdegc")


def test_a_stream_that_was_cut_off_is_told(
    tmp_path: Path, good: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, path = tmp_path / "whole.fdegc", tmp_path / "cut.fdegc"
    assert outcome(capsys, "compress", good, whole, "--tile-size", "64") is None
    data = whole.read_bytes()
    for size in (1, 8, 20, 60, 100, len(data) // 2, len(data) * 9 // 10, len(data) - 1):
        path.write_bytes(data[:size])
        assert main(["verify", str(path)]) == 1
        outcome(capsys, "info", path)
        out = tmp_path / "o.tif"
        code = main(["decompress", str(path), str(out)])
        said = capsys.readouterr().err
        assert "Traceback" not in said
        # What is lost is filled and told; nothing but whole files appears.
        assert code == int("fdegc: error: " in said)
        if out.exists():
            with Image.open(out) as image:
                image.load()
            out.unlink()
        assert sorted(item.name for item in tmp_path.iterdir()) == ["cut.fdegc", "good.png", "whole.fdegc"]


@pytest.mark.parametrize("name", hostile.bombs())
def test_claims_of_size_are_not_believed(
    name: str, tmp_path: Path, good: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    path.write_bytes(hostile.bombs()[name])
    assert outcome(capsys, "compress", path, tmp_path / "o.fdegc")
    assert outcome(capsys, "metrics", path, good)
    outcome(capsys, "info", path)


def test_the_extension_does_not_matter(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = hostile.sound_files()
    for number, (name, data) in enumerate(files.items()):
        path = tmp_path / f"{number}{('.png', '.jpg', '.tif')[number % 3]}"
        path.write_bytes(data)
        assert outcome(capsys, "info", path) is None, name


# ------------------------------------------------------------------------------ shapes and values


def there_and_back(
    capsys: pytest.CaptureFixture[str], path: Path, *options: object
) -> tuple[Samples, Samples]:
    """What is in a raster, and what comes back."""
    coded, back = path.with_suffix(".fdegc"), path.with_name("back.tif")
    assert outcome(capsys, "compress", path, coded, "--rate", "6", *options) is None
    assert outcome(capsys, "decompress", coded, back) is None
    found = []
    for name in (path, back):
        with open_raster(name) as source:
            found.append(source.read(Window(0, 0, source.info.width, source.info.height)))
    return found[0], found[1]


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 300), (300, 1), (2, 3), (65, 63)])
@pytest.mark.parametrize("kind", ["tif", "png"])
def test_slim_rasters_come_back(
    height: int, width: int, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"a.{kind}"
    Image.fromarray(np.moveaxis(hostile.pixels(3, height, width), 0, 2)).save(path)
    before, after = there_and_back(capsys, path, "--tile-size", "128")
    assert before.pixels.shape == after.pixels.shape == (3, height, width)


def test_a_column_of_pixels_is_analysed_from_its_pixels_alone() -> None:
    # bfloat16 in rows of two samples once took in what was left in memory.
    network = facade.Codec()._default
    x = np.repeat(np.random.default_rng(1).random((3, 160, 1), np.float32), 16, axis=2)
    found = []
    for left in (0.0, np.nan) * 5:
        junk = [np.full(count, left, np.float32) for count in (100, 1000, 5000, 20_000, 100_000)]
        del junk
        found += network.analyse([x])
    assert np.isfinite(found).all()
    assert all(np.array_equal(y, found[0]) for y in found)


@pytest.mark.slow
@pytest.mark.parametrize(("height", "width"), [(1, 70_000), (70_000, 1)])
def test_a_line_longer_than_16_bits_count_comes_back(
    height: int, width: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "line.png"
    Image.fromarray(hostile.pixels(1, height, width)[0]).save(path)
    before, after = there_and_back(capsys, path, "--tile-size", "2048", "--no-check")
    assert before.pixels.shape == after.pixels.shape == (1, height, width)


VALUES: dict[str, Any] = {
    "constant 8": np.full((3, 70, 70), 7, np.uint8),
    "constant 16": np.full((1, 70, 70), 65535, np.uint16),
    "constant float": np.full((1, 70, 70), -1e30, np.float32),
    "zeros": np.zeros((2, 70, 70), np.float64),
    "extremes": np.tile(np.array([[-(2**31), 2**31 - 1]], np.int32), (1, 70, 35)),
    "huge": np.tile(np.array([[-1e308, 1e308]]), (1, 70, 35)),
    "tiny": np.tile(np.array([[0, 5e-324]]), (1, 70, 35)),
    "nan": np.where(np.indices((1, 70, 70)).sum(0) % 5 == 0, np.nan, 3.5).astype(np.float32),
    "infinite": np.where(np.indices((1, 70, 70)).sum(0) % 7 == 0, -np.inf, 3.5).astype(np.float32),
    "nothing but nan": np.full((2, 70, 70), np.nan, np.float32),
    "nothing but infinity": np.full((1, 70, 70), np.inf, np.float64),
}


#: Their squared errors are no numbers any more.
BEYOND_METRICS = ("huge", "tiny")


@pytest.mark.parametrize("name", VALUES)
def test_odd_values_come_back_or_are_refused(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = VALUES[name]
    path = tmp_path / "a.tif"
    path.write_bytes(hostile.gdal_bytes("GTiff", values))
    _, after = there_and_back(capsys, path)
    if name not in BEYOND_METRICS:
        assert outcome(capsys, "metrics", path, tmp_path / "back.tif") is None
    valid = np.isfinite(values).all(axis=0) if values.dtype.kind == "f" else np.ones((70, 70), bool)
    assert np.array_equal(valid, np.ones((70, 70), bool) if after.valid is None else after.valid)
    shown = after.pixels[:, valid].astype(np.float64)
    assert np.isfinite(shown).all()
    if valid.any():
        low, high = values[:, valid].min(), values[:, valid].max()
        slack = 30 if values.dtype == np.uint8 else 0  # bytes are coded as they are, not between their limits
        assert low - slack <= shown.min() and shown.max() <= high + slack


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_nothing_but_nodata_comes_back_as_such(
    dtype: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(hostile.gdal_bytes("GTiff", np.full((3, 70, 70), 9, dtype), nodata=9))
    _, after = there_and_back(capsys, path)
    assert after.valid is not None and not after.valid.any()
    assert (after.pixels == 9).all()


# ------------------------------------------------------------------------------ names


@posix
@pytest.mark.parametrize("name", ["überprüfung 测试 spaces", "-dash", "a\nb", "%s{0}", "'\"$(x)`", "x" * 230])
def test_names_of_all_kinds_work(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / f"{name}.png"
    Image.new("RGB", (20, 20)).save(path)
    coded, back = path.with_suffix(".fdegc"), path.with_suffix(".tif")
    assert main(["compress", str(path), str(coded)]) == 0
    assert main(["decompress", str(coded), str(back)]) == 0
    assert main(["compress", str(path), "--out-dir", str(tmp_path / "out")]) == 0
    assert {item.suffix for item in tmp_path.iterdir()} == {".png", ".fdegc", ".tif", ""}


@posix
def test_a_name_that_leaves_no_room_is_a_sentence(
    tmp_path: Path, good: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = outcome(capsys, "compress", good, tmp_path / ("x" * 248 + ".fdegc"))
    assert line is not None and "File name too long" in line


@pytest.mark.skipif(sys.platform != "linux", reason="needs names that are any bytes")
def test_a_name_that_is_no_text_works_in_a_process(tmp_path: Path) -> None:
    import subprocess

    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.png"))
    Image.new("RGB", (20, 20)).save(path)
    for options in ([], ["--json"]):
        result = subprocess.run(
            [sys.executable, "-m", "fdegc", "info", path, *options],
            env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"},
            capture_output=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        assert b"\\udcff\\udcfe.png" in result.stdout


# ------------------------------------------------------------------------------ real ones


def test_the_folder_of_odd_files(data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    odd = data_dir / "odd"
    report = tmp_path / "report.csv"
    command = ["compress", str(odd), "--out-dir", str(tmp_path / "out"), "--keep-extension"]
    assert main([*command, "--report", str(report)]) == 1
    lines = report.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 + len(list(odd.iterdir()))
    failed = {Path(line.split(",")[0]).name for line in lines if ",failed," in line}
    assert failed == {"empty.png", "text_as.tif", "truncated.jpg"}
    capsys.readouterr()
    assert main(["decompress", str(tmp_path / "out"), "--out-dir", str(tmp_path / "back")]) == 0
    assert len(list((tmp_path / "back").iterdir())) == len(lines) - 1 - len(failed)
