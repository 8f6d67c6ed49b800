"""The command line: what it writes, what it refuses, and how it says so."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import rasterio
from rasterio.transform import from_origin
from terminals import watch

from fdegc import __version__
from fdegc.cli import main
from fdegc.format.reader import ContainerReader

pytestmark = pytest.mark.usefixtures("few_tries_here", "bands_as_they_are")

WIDTH, HEIGHT, TILE = 150, 90, 64


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small georeferenced RGB scene with edges and texture."""
    path = tmp_path_factory.mktemp("scene") / "scene.tif"
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    rng = np.random.default_rng(5)
    base = 110 + 60 * np.sin(x / 9.0) * np.cos(y / 13.0) + 40 * (x + y > 120)
    pixels = np.stack([base, base * 0.9 + 10, base * 0.7 + 25]) + rng.normal(0, 3, (3, HEIGHT, WIDTH))
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "width": WIDTH,
        "height": HEIGHT,
        "count": 3,
        "dtype": "uint8",
    }
    place = {"crs": "EPSG:32633", "transform": from_origin(500000, 5400000, 0.5, 0.5)}
    with rasterio.open(path, "w", **profile, **place) as dataset:
        dataset.write(np.clip(pixels, 0, 255).astype(np.uint8))
    return path


@pytest.fixture(scope="module")
def coded(scene: Path) -> Path:
    """The scene compressed in 3 × 2 tiles."""
    path = scene.parent / "scene.fdegc"
    assert main(["compress", str(scene), str(path), "--rate", "3", "--tile-size", str(TILE)]) == 0
    return path


def run_json(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> dict[str, Any]:
    """Run a command in this process; stdout must be one JSON object and nothing else."""
    capsys.readouterr()
    assert main([*map(str, arguments), "--json"]) == code
    answer = json.loads(capsys.readouterr().out)
    assert isinstance(answer, dict)
    assert answer["command"] == arguments[0]
    return answer


def refusal(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Run a command that has to fail; return what it says."""
    capsys.readouterr()
    assert main([*map(str, arguments)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.strip().splitlines()
    assert line.startswith("fdegc: error: ")
    assert line.endswith(".")
    return line.removeprefix("fdegc: error: ")


def process(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command line as a process of its own."""
    command = [sys.executable, "-m", "fdegc", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, encoding="utf-8", check=False)


# ------------------------------------------------------------------------------ as a process


def test_help_and_version_import_nothing_heavy() -> None:
    probe = """
import sys
from fdegc.cli import main
for words in (["--help"], ["compress", "--help"], ["--version"], ["compress", "a", "b", "--rate", "9"]):
    try:
        main(words)
    except SystemExit:
        pass
heavy = {"torch", "numpy", "numba", "rasterio", "compressai", "tqdm"} & set(sys.modules)
sys.exit(f"imported: {heavy}" if heavy else 0)
"""
    result = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert f"fdegc {__version__}" in result.stdout


def test_a_process_answers_with_one_json_object_on_stdout(scene: Path, tmp_path: Path) -> None:
    result = process("compress", scene, "out.fdegc", "--rate", 1, "--json", "--threads", 1, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""  # and no progress bar where stderr is not a terminal
    assert json.loads(result.stdout)["bytes"] == (tmp_path / "out.fdegc").stat().st_size


def test_a_process_fails_with_one_sentence_and_exit_code_one(tmp_path: Path) -> None:
    result = process("info", "nowhere.tif", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("fdegc: error: ")
    assert "nowhere.tif" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["explode"],
        ["compress", "a.tif"],
        ["compress", "a.tif", "b.fdegc", "--rate", "0"],
        ["compress", "a.tif", "b.fdegc", "--rate", "7"],
        ["compress", "a.tif", "b.fdegc", "--quality", "6.01"],
        ["compress", "a.tif", "b.fdegc", "--quality", "nan"],
        ["compress", "a.tif", "b.fdegc", "--rate", "3", "--quality", "3"],
        ["compress", "a.tif", "b.fdegc", "--tile-size", "100"],
        ["compress", "a.tif", "b.fdegc", "--tile-size", "4096"],
        ["compress", "a.tif", "b.fdegc", "--threads", "0"],
        ["info", "a.tif", "--device", "tpu"],
        ["info", "a.tif", "--device", "cuda:"],
    ],
)
def test_wrong_usage_exits_with_two(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(arguments)
    assert exit_info.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "usage: fdegc" in captured.err


# ------------------------------------------------------------------------------ compress, decompress


def test_compress_reports_what_it_wrote(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "scene.fdegc"
    answer = run_json(capsys, "compress", scene, out, "--psnr", "--tile-size", TILE)
    size = out.stat().st_size
    assert answer["bytes"] == size
    assert answer["bpp"] == pytest.approx(size * 8 / (WIDTH * HEIGHT))
    assert answer["ratio"] == pytest.approx(WIDTH * HEIGHT * 3 / size)
    assert (answer["rate"], answer["quality"], answer["tiles"]) == (4, 4.0, 6)
    assert (answer["width"], answer["height"], answer["bands"], answer["dtype"]) == (
        WIDTH,
        HEIGHT,
        3,
        "uint8",
    )
    assert answer["psnr"] > 20
    assert answer["lossless"] is False
    assert answer["seconds"] > 0


def test_a_quality_between_rate_points(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = run_json(capsys, "compress", scene, tmp_path / "a.fdegc", "--quality", 2.5)
    assert (answer["rate"], answer["quality"]) == (None, 2.5)
    assert answer["psnr"] >= answer["worst_psnr"] > 25 and sum(answer["ways"].values()) == 1
    faster = run_json(capsys, "compress", scene, tmp_path / "b.fdegc", "--quality", 2.5, "--no-check")
    assert faster["psnr"] is None and faster["worst_psnr"] is None
    assert faster["ways"] == {"network": 1} and answer["bytes"] <= faster["bytes"] + 8
    assert run_json(capsys, "info", tmp_path / "a.fdegc")["quality"] == 2.5


def test_decompress_keeps_size_crs_and_transform(
    scene: Path, coded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "back.tif"
    answer = run_json(capsys, "decompress", coded, out)
    assert answer["damaged"] == []
    assert answer["bytes"] == out.stat().st_size
    with rasterio.open(scene) as before, rasterio.open(out) as after:
        assert (after.width, after.height, after.count) == (WIDTH, HEIGHT, 3)
        assert (after.dtypes, after.crs, after.transform) == (before.dtypes, before.crs, before.transform)
        error = before.read().astype(float) - after.read()
    assert np.sqrt(np.mean(error**2)) < 20


def test_people_get_aligned_lines(coded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decompress", str(coded), str(tmp_path / "back.png")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["Written", str(tmp_path / "back.png")]
    assert len({len(line) - len(line.split("  ", 1)[1].lstrip()) for line in lines}) == 1


def test_an_existing_output_is_refused_without_force(
    scene: Path, coded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command, source, name in (("compress", scene, "a.fdegc"), ("decompress", coded, "a.tif")):
        out = tmp_path / name
        out.write_bytes(b"precious")
        assert "--force" in refusal(capsys, command, source, out)
        assert out.read_bytes() == b"precious"
        assert main([command, str(source), str(out), "--force"]) == 0
        assert out.read_bytes() != b"precious"


def test_outputs_that_cannot_be_right_are_refused(
    scene: Path, coded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "*.fdegc" in refusal(capsys, "compress", scene, tmp_path / "a.tif")
    assert "folder" in refusal(capsys, "compress", scene, tmp_path / "no" / "a.fdegc")
    (tmp_path / "b.fdegc").mkdir()
    assert "folder" in refusal(capsys, "compress", scene, tmp_path / "b.fdegc", "--force")
    assert "input itself" in refusal(capsys, "decompress", coded, coded, "--force")
    refusal(capsys, "decompress", coded, tmp_path / "a.bmp")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.fdegc"]


def test_inputs_that_are_not_what_they_should_be(
    scene: Path, coded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "text.tif"
    text.write_text("not a picture\n")
    cut = tmp_path / "cut.fdegc"
    cut.write_bytes(coded.read_bytes()[:40])
    before = sorted(tmp_path.iterdir())
    assert "text.tif" in refusal(capsys, "compress", text, tmp_path / "a.fdegc")
    refusal(capsys, "compress", tmp_path / "nowhere.tif", tmp_path / "a.fdegc")
    refusal(capsys, "compress", coded, tmp_path / "a.fdegc")
    refusal(capsys, "decompress", scene, tmp_path / "a.tif")
    refusal(capsys, "decompress", cut, tmp_path / "a.tif")
    refusal(capsys, "decompress", tmp_path / "nowhere.fdegc", tmp_path / "a.tif")
    refusal(capsys, "info", cut)
    assert sorted(tmp_path.iterdir()) == before


def test_a_damaged_tile_costs_itself(coded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ContainerReader(coded) as reader:
        first, second = reader.payload(0), reader.payload(1)
    content = bytearray(coded.read_bytes())
    start = content.index(first + second)
    content[start + len(first) // 2] ^= 0xFF
    damaged = tmp_path / "damaged.fdegc"
    damaged.write_bytes(content)

    answer = run_json(capsys, "decompress", damaged, tmp_path / "a.tif", code=1)
    assert answer["damaged"] == [{"x": 0, "y": 0, "width": TILE, "height": TILE}]
    assert main(["decompress", str(damaged), str(tmp_path / "b.tif")]) == 1
    message = capsys.readouterr().err
    assert message.startswith("fdegc: error: ")
    assert "64×64 at column 0, row 0" in message
    with rasterio.open(tmp_path / "b.tif") as dataset:
        assert dataset.read()[:, :, TILE * 2 :].std() > 5
    assert "damaged" in refusal(capsys, "metrics", coded.with_name("scene.tif"), damaged)


def test_damaged_metadata_is_not_silent(
    coded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = bytearray(coded.read_bytes())
    content[content.index(b"aFFN") + 20] ^= 1
    damaged = tmp_path / "damaged.fdegc"
    damaged.write_bytes(content)
    assert run_json(capsys, "decompress", damaged, tmp_path / "a.tif", code=1)["lost_metadata"] == [
        "transform"
    ]
    assert main(["decompress", str(damaged), str(tmp_path / "b.tif")]) == 1
    assert "lacks: transform" in capsys.readouterr().err
    assert (tmp_path / "b.tif").is_file()


# ------------------------------------------------------------------------------ info, metrics


def test_info_of_a_raster(scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = run_json(capsys, "info", scene)
    assert (answer["width"], answer["height"], answer["format"]) == (WIDTH, HEIGHT, "GTiff")
    assert answer["transform"] == [0.5, 0.0, 500000.0, 0.0, -0.5, 5400000.0]
    assert "UTM zone 33N" in answer["crs_wkt"]
    assert answer["raw_bytes"] == WIDTH * HEIGHT * 3
    assert [estimate["rate"] for estimate in answer["estimates"]] == [1, 2, 3, 4, 5, 6]
    assert main(["info", str(scene)]) == 0
    assert "UTM zone 33N" in capsys.readouterr().out


def test_info_of_a_stream_says_the_same_of_the_raster(
    scene: Path, coded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raster, stream = run_json(capsys, "info", scene), run_json(capsys, "info", coded)
    for name in ("width", "height", "bands", "dtype", "transform", "nodata", "has_alpha", "raw_bytes"):
        assert stream[name] == raster[name], name
    assert (stream["quality"], stream["tile_size"], stream["tiles"]) == (3.0, TILE, 6)
    assert stream["bytes"] == coded.stat().st_size
    assert len(stream["weights_hash"]) == 16


def test_metrics_of_identical_rasters(scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = run_json(capsys, "metrics", scene, scene)
    assert (answer["psnr"], answer["lossless"]) == (None, True)
    assert answer["vifp"] == pytest.approx(1.0)
    assert answer["ms_ssim"] is None  # too small for five scales, and the notes say so
    assert answer["notes"]["ms_ssim"]
    assert main(["metrics", str(scene), str(scene)]) == 0
    assert "lossless" in capsys.readouterr().out


def test_metrics_of_a_stream_are_those_of_its_decoded_raster(
    scene: Path, coded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["decompress", str(coded), str(tmp_path / "back.tif")]) == 0
    direct = run_json(capsys, "metrics", scene, coded)
    detour = run_json(capsys, "metrics", scene, tmp_path / "back.tif")
    assert direct["psnr"] == detour["psnr"]
    with rasterio.open(scene) as before, rasterio.open(tmp_path / "back.tif") as after:
        mse = np.mean((before.read().astype(float) - after.read()) ** 2)
    assert direct["psnr"] == pytest.approx(10 * np.log10(255**2 / mse))
    assert direct["peak"] == 255


def test_metrics_refuse_what_cannot_be_compared(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with rasterio.open(scene) as dataset:
        pixels, profile = dataset.read(), dataset.profile
    variants = {
        "small.tif": (
            pixels[:, :50],
            {"height": 50, "transform": profile["transform"] @ rasterio.Affine.scale(2)},
        ),
        "grey.tif": (pixels[:1], {"count": 1}),
        "deep.tif": (pixels.astype(np.uint16), {"dtype": "uint16"}),
    }
    for name, (values, changes) in variants.items():
        with rasterio.open(tmp_path / name, "w", **{**profile, **changes}) as dataset:
            dataset.write(values)
    assert "150×90 and 150×50" in refusal(capsys, "metrics", scene, tmp_path / "small.tif")
    assert "3 and 1 bands" in refusal(capsys, "metrics", scene, tmp_path / "grey.tif")
    assert "uint8 and uint16" in refusal(capsys, "metrics", scene, tmp_path / "deep.tif")


# ------------------------------------------------------------------------------ running


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def test_interrupting_leaves_nothing_behind(
    scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = watch(monkeypatch, {"compress +0%": interrupt})
    handler = signal.getsignal(signal.SIGINT)
    out = tmp_path / "a.fdegc"
    assert main(["compress", str(scene), str(out), "--tile-size", str(TILE)]) == 130
    assert terminal.getvalue().rpartition("\r")[2] == "fdegc: interrupted\n"
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGINT) is handler


def test_interrupted_compression_goes_on_where_it_stopped(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, straight = tmp_path / "a.fdegc", tmp_path / "b.fdegc"
    assert main(["compress", str(scene), str(straight), "--tile-size", "64"]) == 0
    command = ["compress", str(scene), str(out), "--tile-size", "64"]
    with monkeypatch.context() as patch:
        # Tiles are written once those below are coded, too: of six the second is at two thirds.
        terminal = watch(patch, {r"compress +[6-9]\d%": interrupt})
        assert main(command) == 130
        assert "the same command goes on from there" in terminal.getvalue()
        assert not out.exists()
        terminal = watch(patch, {r"compress +[3-9]\d%": interrupt})
        assert main([*command, "--no-resume"]) == 130
        assert "kept" not in terminal.getvalue()
    report = run_json(capsys, *command)
    assert report["resumed_tiles"] == 2
    assert out.read_bytes() == straight.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"a.fdegc", "b.fdegc"}


def test_verify_tells_sound_from_damaged(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a.fdegc"
    run_json(capsys, "compress", scene, out, "--tile-size", "64", "--no-check")
    report = run_json(capsys, "verify", out)
    assert report["sound"] and report["problems"] == []
    assert main(["verify", str(out), "--digest"]) == 0
    assert capsys.readouterr().out.split()[-1] == report["digest"]
    data = bytearray(out.read_bytes())
    data[len(data) // 2] ^= 1
    out.write_bytes(data)
    assert main(["verify", str(out)]) == 1
    assert "damaged" in capsys.readouterr().err


def test_window_comes_out_in_its_place(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, whole, part = tmp_path / "a.fdegc", tmp_path / "a.tif", tmp_path / "w.tif"
    run_json(capsys, "compress", scene, out, "--tile-size", "64", "--no-check")
    run_json(capsys, "decompress", out, whole)
    report = run_json(capsys, "decompress", out, part, "--window", "70,10,60,50")
    assert (report["width"], report["height"]) == (60, 50)
    with rasterio.open(whole) as all_of_it, rasterio.open(part) as piece:
        assert np.array_equal(piece.read(), all_of_it.read()[:, 10:60, 70:130])
        assert piece.transform * (0, 0) == all_of_it.transform * (70, 10)
    assert "does not lie inside" in refusal(
        capsys, "decompress", out, tmp_path / "x.tif", "--window", "0,0,151,10"
    )


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (MemoryError(), 1, "not enough memory"),
        (OSError(28, "No space left on device", "a.tif"), 1, "“a.tif”: No space left on device"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_failures_of_the_system_are_sentences(
    error: BaseException,
    code: int,
    words: str,
    coded: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def failing() -> None:
        raise error

    monkeypatch.setattr(psutil, "virtual_memory", failing)
    assert main(["verify", str(coded)]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert words in captured.err


def test_what_a_library_prints_does_not_reach_stdout(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    look, printed = psutil.virtual_memory, []

    def chatty() -> Any:
        print("Setting up something")
        printed.append(True)
        return look()

    monkeypatch.setattr(psutil, "virtual_memory", chatty)
    assert run_json(capsys, "compress", scene, tmp_path / "a.fdegc")["tiles"] == 1
    assert printed


def test_a_terminal_gets_a_progress_bar(scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert main(["compress", str(scene), str(tmp_path / "a.fdegc"), "--tile-size", str(TILE)]) == 0
    assert "%" in terminal.getvalue()


def test_train_without_images_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    arguments = ["--train", empty, "--val", empty, "--out", tmp_path / "run", "--minutes", "0.01"]
    refusal(capsys, "train", *arguments)
