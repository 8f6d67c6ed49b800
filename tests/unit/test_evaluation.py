"""``fdegc evaluate``: real files through real codecs, averages that can be checked, runs that go on."""

from __future__ import annotations

import csv
import json
import math
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import rasterio
from PIL import Image as PillowImage
from rasterio.transform import from_origin
from test_metrics_lpips import random_weights

from fdegc import metrics
from fdegc.cli import main
from fdegc.codec import Codec
from fdegc.control import CancelToken
from fdegc.errors import Cancelled, InvalidOption, OutputFailed
from fdegc.evaluation import plots, runner
from fdegc.evaluation.bjontegaard import bd_rate
from fdegc.evaluation.coder import Coder, CoderFailed, Rgb8Pixels
from fdegc.evaluation.images import Image, images_of_set, load, set_names
from fdegc.evaluation.measure import Point, measure_point
from fdegc.evaluation.ours import fdegc_coder
from fdegc.evaluation.peers import find_peers, peer_names
from fdegc.evaluation.points import COLUMNS, Results
from fdegc.evaluation.runner import EvaluationOptions, evaluate
from fdegc.evaluation.summary import summarise
from fdegc.metrics import perceptual
from fdegc.results import MetricSet
from fdegc.types import Progress

pytestmark = pytest.mark.usefixtures("few_tries_here", "bands_as_they_are")

ROOT = Path(__file__).resolve().parents[2]
PEERS = "jpeg-444,jpeg2000,webp"


def picture(seed: int, height: int = 72, width: int = 100) -> Rgb8Pixels:
    y, x = np.mgrid[:height, :width]
    rng = np.random.default_rng(seed)
    base = 115 + 45 * np.sin(x / (6.0 + seed)) * np.cos(y / 9.0) + 35 * (x + 2 * y > 120)
    bands = np.stack([base, base * 0.8 + 20, base * 0.6 + 40], -1) + rng.normal(0, 5, (height, width, 3))
    return np.clip(bands, 0, 255).astype(np.uint8)


def write_tiff(path: Path, bands: np.ndarray) -> None:
    count, height, width = bands.shape
    size: dict[str, Any] = {"count": count, "height": height, "width": width, "dtype": bands.dtype.name}
    size["transform"] = from_origin(500000, 5400000, 0.5, 0.5)
    with rasterio.open(path, "w", driver="GTiff", **size) as dataset:
        dataset.write(bands)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two sets: one with a subfolder and much that is no 8-bit colour image, one with a single image."""
    first, second = tmp_path_factory.mktemp("scenes") / "fields", tmp_path_factory.mktemp("scenes") / "towns"
    (first / "deeper").mkdir(parents=True)
    second.mkdir()
    PillowImage.fromarray(picture(1)).save(first / "a.png")
    PillowImage.fromarray(picture(2)).save(first / "deeper" / "b.webp", lossless=True)
    PillowImage.fromarray(picture(3)).save(second / "c & d.png")
    PillowImage.fromarray(picture(4)[..., 0]).save(first / "grey.png")
    (first / "fake.tif").write_text("not a picture")
    (first / "notes.txt").write_text("nothing about this")
    write_tiff(first / "deep.tif", np.ones((3, 8, 8), np.uint16))
    return first, second


@pytest.fixture(scope="module")
def finished(folders: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a finished evaluation of both sets."""
    out = tmp_path_factory.mktemp("evaluation") / "out"
    code = main(["evaluate", *map(str, folders), "--out", str(out), "--peers", PEERS, "--json"])
    assert code == 0
    return out


@pytest.fixture
def no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save the time that drawing takes."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)


@pytest.fixture
def measured(finished: Path, tmp_path: Path, no_plots: None) -> Path:
    """Folder with the points of the finished evaluation and nothing else."""
    out = tmp_path / "out"
    out.mkdir()
    shutil.copy(finished / "images.csv", out)
    return out


def answer(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["evaluate", *map(str, arguments), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# ------------------------------------------------------------------------------ a whole evaluation


def test_every_point_is_a_real_file_with_all_its_figures(finished: Path) -> None:
    found = rows(finished / "images.csv")
    assert len(found) == 3 * (6 + 8 * 3)
    assert {row["codec"] for row in found} == {"fdegc", "jpeg-444", "jpeg2000", "webp"}
    for row in found:
        assert float(row["bpp"]) == pytest.approx(int(row["bytes"]) * 8 / 7200, abs=1e-5)
        assert 15 < float(row["psnr"]) < 60
        assert 0 < float(row["vifp"]) < 1.2
        assert row["ms_ssim"] == ""  # these images are too small for it
        assert float(row["encode_seconds"]) > 0 and float(row["decode_seconds"]) > 0
    assert re.search(r"weights [0-9a-f]{16}, tiles of 512", found[0]["settings"])


def test_averages_and_differences_are_those_of_the_points(finished: Path) -> None:
    points = [row for row in rows(finished / "images.csv") if row["set"] == "fields"]
    averages = [row for row in rows(finished / "averages.csv") if row["set"] == "fields"]
    for row in averages:
        same = [p for p in points if (p["codec"], p["parameter"]) == (row["codec"], row["parameter"])]
        assert len(same) == 2
        for figure in ("bpp", "psnr", "vifp"):
            assert float(row[figure]) == pytest.approx(sum(float(p[figure]) for p in same) / 2, abs=1e-4)
        assert row["ms_ssim_db"] == ""

    def curve(codec: str, image: str) -> tuple[list[float], list[float]]:
        of = [p for p in points if (p["codec"], p["image"]) == (codec, image)]
        return [float(p["bpp"]) for p in of], [float(p["psnr"]) for p in of]

    each = [
        bd_rate(*curve("webp", image), *curve("fdegc", image)).value for image in ("a.png", "deeper/b.webp")
    ]
    (found,) = (
        row
        for row in rows(finished / "bd.csv")
        if (row["set"], row["metric"], row["peer"]) == ("fields", "psnr", "webp")
    )
    assert None not in each
    assert float(found["bd_rate_percent"]) == pytest.approx(np.mean(np.array(each, float)), abs=0.01)
    assert (found["images_counted"], found["images"]) == ("2", "2")
    for name, extreme in (("least", min), ("greatest", max)):
        assert float(found[f"bd_rate_{name}"]) == pytest.approx(extreme(np.array(each, float)), abs=0.01)


def test_a_second_run_measures_nothing_and_says_the_same(
    finished: Path, measured: Path, folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    data = answer(capsys, *folders, "--out", measured, "--peers", PEERS)
    assert (data["measured"], data["reused"]) == (0, 90)
    for name in ("images.csv", "bd.csv"):
        assert (measured / name).read_bytes() == (finished / name).read_bytes()
    assert data["command"] == "evaluate"
    assert [(s["name"], s["images"]) for s in data["sets"]] == [("fields", 2), ("towns", 1), ("all", 3)]
    assert set(data["sets"][-1]["bd"]["psnr"]) == {"jpeg-444", "jpeg2000", "webp"}
    assert len(data["skipped"]) == 3
    assert any("fake.tif" in text for text in data["skipped"])
    assert any("grey.png" in text and "1 band of uint8" in text for text in data["skipped"])
    assert any("deep.tif" in text and "3 bands of uint16" in text for text in data["skipped"])


def test_the_report_stands_alone_and_is_well_formed(finished: Path) -> None:
    text = (finished / "report.html").read_text(encoding="utf-8")
    outside = re.findall(r'(?:src|href)="(?!#)[^"]*"|url\((?!#)[^)]*\)|@import', text)
    assert [item for item in outside if "www.w3.org/1999/xlink" not in item] == []
    body = text[text.index("<body>") :]
    assert "c &amp; d.png" in body  # names are text, not markup
    assert "c & d.png" not in body
    for word in ("against JPEG 2000", "BD-PSNR", "VCEG-M33", "Sheikh", "Libraries", "prefers-color-scheme"):
        assert word in text, word
    drawings = re.findall(r"<svg.*?</svg>", body, re.DOTALL)
    assert len(drawings) == 3 * 3  # sets × metrics
    identifiers = re.findall(r'\bid="([^"]+)"', body)
    assert len(identifiers) == len(set(identifiers))
    for drawing in drawings:
        ElementTree.fromstring(drawing)
        assert "currentColor" in drawing and "#010203" not in drawing
    assert str(finished.parent) not in text  # no folder of this machine


def test_plots_are_written_as_png_and_svg(finished: Path) -> None:
    for name in ("fields-psnr", "towns-vifp", "all-psnr"):
        with PillowImage.open(finished / "plots" / f"{name}.png") as image:
            colours = image.convert("RGB").getcolors(1 << 20)
            assert min(image.size) > 600 and colours is not None and len(colours) > 50
        ElementTree.parse(finished / "plots" / f"{name}.svg")


@pytest.mark.usefixtures("no_plots")
def test_only_what_changed_is_measured_again(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    PillowImage.fromarray(picture(5, 40, 48)).save(folder / "one.png")
    PillowImage.fromarray(picture(6, 40, 48)).save(folder / "two.png")
    options = EvaluationOptions((folder,), tmp_path / "out", None, ("jpeg-420",), (1.0, 4.0), ("psnr",))
    assert evaluate(options).measured == 2 * (2 + 8)
    PillowImage.fromarray(picture(7, 40, 48)).save(folder / "two.png")
    assert evaluate(options).measured == 2 + 8  # other pixels under the same name
    assert evaluate(replace(options, qualities=(1.0, 2.0, 4.0))).measured == 2
    more = evaluate(replace(options, metrics=("psnr", "vifp"), limit=1))
    assert more.measured == 2 + 8
    assert [len(s.images) for s in more.summaries] == [1]


@pytest.mark.usefixtures("no_plots")
def test_an_effort_is_compared_with_none(tmp_path: Path) -> None:
    """FDEGC with an effort is what all others, and FDEGC without, are compared with."""
    folder = tmp_path / "crops"
    folder.mkdir()
    with PillowImage.open(ROOT / "resources" / "sample_scene.tif") as scene:
        scene.convert("RGB").crop((400, 300, 528, 428)).save(folder / "a.png")
    qualities = (2.0, 3.0, 4.0, 5.0)
    options = EvaluationOptions((folder,), tmp_path / "out", None, (), qualities, ("psnr",), effort=1)
    result = evaluate(options)
    assert [coder.name for coder in result.coders] == ["fdegc-effort1", "fdegc"]
    rate = result.summaries[-1].comparisons["psnr"]["fdegc"].rate
    assert rate is not None and rate < -5.0
    again = evaluate(replace(options, effort=0))
    assert again.measured == 0 and [coder.name for coder in again.coders] == ["fdegc"]


def test_an_interrupted_run_keeps_its_points_and_goes_on(tmp_path: Path, folders: tuple[Path, Path]) -> None:
    options = EvaluationOptions((folders[1],), tmp_path / "out", None, ("webp",), (2.0, 5.0), ("psnr",))
    token = CancelToken()
    seen: list[Progress] = []

    def stop_after_five(progress: Progress) -> None:
        seen.append(progress)
        if len(seen) == 6:
            token.cancel()

    with pytest.raises(Cancelled):
        evaluate(options, stop_after_five, token)
    assert len(Results(tmp_path / "out" / runner.POINTS)) == 5
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions) and seen[-1].remaining is not None
    result = evaluate(options)
    assert (result.measured, result.reused) == (5, 5)


def test_the_command_line_says_what_it_found(
    measured: Path, folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["evaluate", *map(str, folders), "--out", str(measured), "--peers", PEERS]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert re.search(r"^Bits against WebP +[-+][\d.]+ % \(PSNR\)", said.out, re.MULTILINE)
    assert re.search(r"^Measured +0 points, 90 were there$", said.out, re.MULTILINE)
    assert re.search(r"^Skipped .* \(2 more in the report\)$", said.out, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere"], "nowhere” is not a folder"),
        ([".", "--peers", "gif"], "no codec named “gif”"),
        ([".", "."], "--sets"),
        ([".", "--sets", "a,b"], "--sets"),
        (["."], "no 8-bit colour images"),
    ],
)
def test_mistakes_are_told_before_anything_is_measured(
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["evaluate", *arguments]) == 1
    said = capsys.readouterr()
    assert said.out == "" and sentence in said.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        [".", "--metrics", "ssim"],
        [".", "--qualities", "0.5"],
        [".", "--limit", "0"],
        [".", "--peers", ","],
    ],
)
def test_wrong_usage_exits_with_two(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["evaluate", *arguments])
    assert stopped.value.code == 2
    assert "usage: fdegc evaluate" in capsys.readouterr().err


def test_help_names_all_codecs_and_imports_nothing_heavy() -> None:
    probe = """
import sys
from fdegc.cli import main
try:
    main(["evaluate", "--help"])
except SystemExit:
    pass
heavy = {"torch", "numpy", "PIL", "rasterio", "matplotlib", "imagecodecs"} & set(sys.modules)
sys.exit(f"imported: {heavy}" if heavy else 0)
"""
    result = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    words = re.sub(r"-\s+", "-", result.stdout)
    for name in peer_names():
        assert name in words


@pytest.mark.usefixtures("no_plots")
def test_the_commands_of_the_document_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scenes").mkdir()
    PillowImage.fromarray(picture(8, 48, 64)).save(tmp_path / "scenes" / "one.png")
    text = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")
    commands = re.findall(r"^fdegc .*$", text, re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        assert main(shlex.split(command)[1:]) == 0, command
    assert '"measured": 0' in capsys.readouterr().out  # the second one finds all points of the first
    assert all(f"`--{name}" in text for name in ("out", "peers", "qualities", "metrics", "sets", "limit"))
    assert all(name in text for name in peer_names())


@pytest.mark.usefixtures("no_plots")
def test_perceptual_figures_are_those_of_the_decoded_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random_weights(tmp_path, monkeypatch)
    monkeypatch.setenv(perceptual.LPIPS_DIR_VARIABLE, str(tmp_path))
    folder = tmp_path / "set"
    folder.mkdir()
    pixels = picture(11, 176, 180)  # the least that MS-SSIM takes is 161
    PillowImage.fromarray(pixels).save(folder / "one.png")
    out = tmp_path / "out"
    result = evaluate(EvaluationOptions((folder,), out, None, ("webp",), (1.0, 3.0, 5.0)))
    assert result.metrics == ("psnr", "ms_ssim", "vifp", "lpips")
    assert result.left_out == ()
    coder = next(coder for coder in result.coders if coder.name == "webp")
    reference, found = pixels.transpose(2, 0, 1), rows(out / "images.csv")
    for row in found:
        if row["codec"] == "webp":
            other = coder.decode(coder.encode(pixels, float(row["parameter"]))).transpose(2, 0, 1)
            assert float(row["ms_ssim"]) == pytest.approx(metrics.ms_ssim(reference, other), abs=1e-5)
            assert float(row["lpips"]) == pytest.approx(metrics.lpips(reference, other), abs=1e-5)
        expected = -10 * math.log10(1 - float(row["ms_ssim"]))
        assert float(row["ms_ssim_db"]) == pytest.approx(expected, rel=1e-2)
    ours = [row for row in found if row["codec"] == "fdegc"]
    assert [float(r["ms_ssim"]) for r in ours] == sorted(float(r["ms_ssim"]) for r in ours)
    assert float(ours[0]["lpips"]) > float(ours[-1]["lpips"]) > 0
    bd = {(r["metric"], r["peer"]): r for r in rows(out / "bd.csv") if r["set"] == "set"}
    assert {metric for metric, _ in bd} == {"psnr", "ms_ssim", "vifp", "lpips"}
    assert "LPIPS (less is better)" in (out / "report.html").read_text(encoding="utf-8")


# ------------------------------------------------------------------------------ its parts


def test_our_files_come_back_as_the_library_decodes_them(tmp_path: Path) -> None:
    coder, stream = fdegc_coder(Codec(device="cpu"), tmp_path, (1.0, 6.0))
    pixels = picture(9)
    small, large = coder.encode(pixels, 1.0), coder.encode(pixels, 6.0)
    assert small[1:6] == b"FDEGC" and len(small) < len(large)
    path = tmp_path / "kept.fdegc"
    path.write_bytes(large)
    assert main(["decompress", str(path), str(tmp_path / "kept.png")]) == 0
    assert np.array_equal(coder.decode(large), load(tmp_path / "kept.png"))
    assert stream.weights_hash in coder.key


def fake(encode: Any, decode: Any) -> Coder:
    return Coder("fake", "Fake", "quality", (1, 2), "", "", 1.0, encode, decode)


def test_a_codec_that_fails_or_lies_is_found_out() -> None:
    pixels = picture(1)
    image = Image("set", "a.png", Path("a.png"), 100, 72, "0")

    def refuse(_pixels: Rgb8Pixels, _parameter: float) -> bytes:
        raise ValueError("too large")

    def accept(_pixels: Rgb8Pixels, _parameter: float) -> bytes:
        return b"file"

    with pytest.raises(CoderFailed, match=r"Fake cannot code “a.png” \(too large\)"):
        measure_point(fake(refuse, None), image, pixels, 1, ["psnr"])
    for wrong in (pixels[:-1], pixels.astype(np.float32), pixels[..., 0]):
        with pytest.raises(CoderFailed, match="another size or type"):
            measure_point(fake(accept, lambda _data, wrong=wrong: wrong), image, pixels, 1, ["psnr"])
    point = measure_point(fake(accept, lambda _data: pixels), image, pixels, 1, ["psnr"])
    assert point.bytes == 4 and point.figures.psnr == math.inf


@pytest.mark.usefixtures("no_plots")
def test_a_failing_codec_costs_itself_not_the_run(tmp_path: Path, folders: tuple[Path, Path]) -> None:
    def refuse(_pixels: Rgb8Pixels, _parameter: float) -> bytes:
        raise RuntimeError("no")

    peers, _ = find_peers(["webp"])
    broken = replace(fake(refuse, None), name="jpegxl", label="JPEG XL")
    options = EvaluationOptions((folders[1],), tmp_path, None, None, (1.0, 6.0), ("psnr",))
    result = evaluate(options, finder=lambda _names: ([broken, *peers], []))
    assert list(result.summaries[0].comparisons["psnr"]) == ["webp"]
    assert result.left_out == ("JPEG XL cannot code “c & d.png” (no).",)
    assert "JPEG XL cannot code" in result.report.read_text(encoding="utf-8")


def test_without_matplotlib_or_lpips_the_rest_is_done(
    tmp_path: Path, folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "no-weights"))
    monkeypatch.delenv("FDEGC_LPIPS_DIR", raising=False)
    options = EvaluationOptions((folders[1],), tmp_path / "out", None, ("none",), (1.0,), ("psnr", "lpips"))
    result = evaluate(options)
    assert result.metrics == ("psnr",)
    assert len(result.left_out) == 1 and result.left_out[0].startswith("LPIPS is left out.")
    text = result.report.read_text(encoding="utf-8")
    assert "matplotlib is not installed" in text and "<svg" not in text
    assert not (tmp_path / "out" / "plots").exists()


def synthetic(
    image: str, codec: str, bpp: list[float], psnr: list[float], set_name: str = "s"
) -> list[Point]:
    return [
        Point(
            *(set_name, image, "0", 1000, 1000, codec, "", float(step)),
            *(round(rate * 125_000), 1.0, 0.5),
            MetricSet(psnr=level),
            ("psnr",),
        )
        for step, (rate, level) in enumerate(zip(bpp, psnr, strict=True))
    ]


def test_the_headline_is_the_mean_of_each_images_difference() -> None:
    rates, levels = [0.2, 0.4, 0.8, 1.6], [26.0, 29.0, 32.0, 35.0]
    ours, peer = (replace(fake(None, None), name=name, ladder=(0, 1, 2, 3)) for name in ("fdegc", "webp"))
    points = []
    # 20 % and 40 % fewer bits; an image that is out of reach; one with a lossless point.
    for image, factor in (("a", 0.8), ("b", 0.6)):
        points += synthetic(image, "webp", rates, levels)
        points += synthetic(image, "fdegc", [factor * rate for rate in rates], levels)
    points += synthetic("far", "webp", rates, levels)
    points += synthetic("far", "fdegc", rates, [level + 30 for level in levels])
    points += synthetic("flat", "webp", rates, [*levels[:3], math.inf])
    points += synthetic("flat", "fdegc", [0.5 * rate for rate in rates], levels)
    (summary,) = summarise(points, [ours, peer], ["psnr"], "fdegc")
    found = summary.comparisons["psnr"]["webp"]
    assert found.rate == pytest.approx((-20 - 40 - 50) / 3, abs=1e-3)
    assert (found.counted, found.images) == (3, 4)
    assert "3 of 4 images" in found.note
    assert found.each["s", "far"].value is None
    # The averages are over the images whose figures are all finite.
    steps = summary.averages["webp"]
    assert [step.images["psnr"] for step in steps] == [3] * 4
    assert [step.figures["psnr"] for step in steps] == pytest.approx(levels)
    assert [step.encode_seconds for step in steps] == [1.0] * 4


def test_a_mean_of_few_images_is_not_given_and_incomplete_curves_do_not_count() -> None:
    rates, levels = [0.2, 0.4, 0.8, 1.6], [26.0, 29.0, 32.0, 35.0]
    ours, peer = (replace(fake(None, None), name=name, ladder=(0, 1, 2, 3)) for name in ("fdegc", "webp"))
    points = synthetic("near", "webp", rates, levels) + synthetic("near", "fdegc", rates, levels)
    for image in ("far", "further"):
        points += synthetic(image, "webp", rates, levels)
        points += synthetic(image, "fdegc", rates, [level + 30 for level in levels])
    points += synthetic("cut", "webp", rates, levels)[:2] + synthetic("cut", "fdegc", rates, levels)
    points += synthetic("else", "fdegc", rates, levels, "t")
    first, second, whole = summarise(points, [ours, peer], ["psnr"], "fdegc")
    assert first.comparisons["psnr"]["webp"].rate is None
    assert first.comparisons["psnr"]["webp"].images == 3
    assert second.comparisons["psnr"] == {}
    assert (first.name, second.name, whole.name) == ("s", "t", "all")
    assert len(whole.images) == 5


def test_a_table_that_was_cut_off_or_is_another_is_handled(tmp_path: Path) -> None:
    path = tmp_path / "images.csv"
    results = Results(path)
    for point in synthetic('odd, "name" of an image', "webp", [0.2, 0.4, 0.8], [26.0, math.inf, 32.0]):
        results.add(point)
    assert len(Results(path)) == 3
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    again = Results(path)
    assert len(again) == 2
    (*_, last) = synthetic('odd, "name" of an image', "webp", [0.2, 0.4, 0.8], [26.0, math.inf, 32.0])
    again.add(last)
    assert path.read_bytes() == whole
    path.write_text(",".join(COLUMNS)[:20], encoding="utf-8")
    assert len(Results(path)) == 0 and path.read_bytes() == b""
    for foreign in ("a,b,c\n1,2,3\n", "no table"):
        path.write_text(foreign, encoding="utf-8")
        with pytest.raises(OutputFailed, match="choose another folder"):
            Results(path)
        assert path.read_text(encoding="utf-8") == foreign


def test_images_are_found_in_order_with_their_first_three_bands(tmp_path: Path) -> None:
    pixels = picture(1, 20, 30)
    write_tiff(tmp_path / "four.tif", np.concatenate([pixels, pixels[..., :1]], -1).transpose(2, 0, 1))
    PillowImage.fromarray(pixels[::-1]).save(tmp_path / "b.png")
    PillowImage.fromarray(pixels[:, ::-1]).save(tmp_path / ".hidden.png")
    images, skipped = images_of_set(tmp_path, "set")
    assert [(image.name, image.width, image.height) for image in images] == [
        ("b.png", 30, 20),
        ("four.tif", 30, 20),
    ]
    assert skipped == [] and images[0].digest != images[1].digest
    assert np.array_equal(load(images[1].path), pixels)
    assert len(images_of_set(tmp_path, "set", limit=1)[0]) == 1
    # A few of many are spread over the names; a file that is no image gives its place to another.
    many = tmp_path / "many"
    many.mkdir()
    for name in "abcdefgh":
        PillowImage.fromarray(pixels).save(many / f"{name}.png")
    (many / "c.png").write_text("nothing")
    found, skipped = images_of_set(many, "set", limit=4)
    assert [image.name for image in found] == ["a.png", "b.png", "e.png", "g.png"]
    assert len(skipped) == 1
    assert len(images_of_set(many, "set", limit=99)[0]) == 7
    shutil.rmtree(many)
    # Plots inside the folder of images are not images of the set.
    (tmp_path / "results").mkdir()
    PillowImage.fromarray(pixels).save(tmp_path / "results" / "plot.png")
    assert len(images_of_set(tmp_path, "set")[0]) == 3
    assert len(images_of_set(tmp_path, "set", exclude=tmp_path / "results")[0]) == 2


def test_sets_have_names_of_their_own() -> None:
    folders = [Path("x/one"), Path("y/two")]
    assert set_names(folders, None) == ["one", "two"]
    assert set_names(folders, ["a", "b"]) == ["a", "b"]
    for names in (["a"], ["a", "a"], ["a", ""], ["all", "b"]):
        with pytest.raises(InvalidOption, match="--sets"):
            set_names(folders, names)
    assert plots.file_names(["a b", "a_b", "A/B", "…"]) == ["a_b", "a_b-2", "A_B-3", "set"]
