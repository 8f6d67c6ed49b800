"""Many files with one command: what is written, skipped, refused, reported, and how it goes on."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from terminals import watch

from fdegc.batch.listing import Job, judge_raster, list_jobs
from fdegc.batch.rows import COLUMNS, FileRow, check_report, write_report
from fdegc.batch.running import BatchMeter, run_here, split
from fdegc.batch.work import Work
from fdegc.cli import main
from fdegc.codec import Codec
from fdegc.control import CancelToken
from fdegc.errors import OutputExists, OutputFailed
from fdegc.format.info import ORIGIN, read_info
from fdegc.format.reader import ContainerReader
from fdegc.options import EncodeOptions
from fdegc.types import Progress

pytestmark = pytest.mark.usefixtures("few_tries_here", "bands_as_they_are")

WIDTH, HEIGHT = 130, 50


def picture(path: Path, seed: int = 0, width: int = WIDTH) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    y, x = np.mgrid[:HEIGHT, :width]
    # With noise, as no drawing has it: those are kept without loss.
    noise = np.random.default_rng(seed).normal(0, 9, (HEIGHT, width, 1))
    pixels = 90 + noise + np.stack([x + 20 * seed, y + x / 2, 2 * y], axis=2) / 2
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with pictures of two and three tiles in ``in``, one of one below it, and a text."""
    monkeypatch.chdir(tmp_path)
    for number, (name, width) in enumerate({"a.png": 100, "b.tif": WIDTH, "sub/c.png": 60}.items()):
        picture(Path("in", name), number, width)
    Path("in/notes.txt").write_text("no picture")
    return tmp_path


def run(*arguments: str, code: int = 0, check: bool = False) -> dict[str, dict[str, Any]]:
    """Compress ``in`` into ``out``; rows of the report by the names of the inputs."""
    command = ["compress", "in", "--recursive", "--out-dir", "out", "--tile-size", "64", "--threads", "1"]
    command += [] if check else ["--no-check"]  # whether tiles are checked is no matter to a batch
    assert main([*command, "--report", "report.json", *arguments]) == code
    return rows()


def rows() -> dict[str, dict[str, Any]]:
    files = json.loads(Path("report.json").read_text(encoding="utf-8"))["files"]
    return {Path(row["input"]).name: row for row in files}


def statuses(found: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {name: row["status"] for name, row in found.items()}


def outputs(folder: str = "out") -> dict[str, bytes]:
    paths = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


DONE = {"a.png": "done", "b.tif": "done", "c.png": "done", "notes.txt": "skipped"}
FINISHED = dict.fromkeys(DONE, "skipped")
PART_OF_B = r"b\.tif +[6-9]\d%"  # what a terminal shows when some of its tiles are done

# ------------------------------------------------------------------------------ what is written


def test_a_folder_is_compressed_once_and_then_skipped(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = run("--psnr", check=True)
    assert statuses(found) == DONE
    assert list(outputs()) == ["a.fdegc", "b.fdegc", "sub/c.fdegc"]
    for row in found.values():
        assert set(row) == set(COLUMNS)
        if row["status"] == "done":
            info = read_info(Path(row["output"]))
            assert (row["bytes"], row["bpp"], row["ratio"]) == (info.bytes, info.bpp, info.ratio)
            assert (row["quality"], info.tile_size) == (4.0, 64)
            assert row["psnr"] > 20 and row["seconds"] > 0 and row["device"]
    assert found["notes.txt"]["message"] == "It is none of the rasters that are known here."
    said = capsys.readouterr()
    assert "Left out     notes.txt" in said.out
    assert said.err.count(" → ") == 3

    before = outputs()
    os.utime("out/a.fdegc", ns=(1, 1))
    again = run(check=True)
    assert statuses(again) == FINISHED
    assert outputs() == before and Path("out/a.fdegc").stat().st_mtime_ns == 1
    assert again["a.png"]["bytes"] == found["a.png"]["bytes"]
    assert "Finished before" in capsys.readouterr().out


def test_the_pixels_are_those_of_single_runs(folder: Path) -> None:
    run()
    assert (
        main(["compress", "in/b.tif", "single.fdegc", "--tile-size", "64", "--threads", "1", "--no-check"])
        == 0
    )
    assert main(["decompress", "out/b.fdegc", "many.tif"]) == 0
    assert main(["decompress", "single.fdegc", "single.tif"]) == 0
    with Image.open("many.tif") as many, Image.open("single.tif") as single:
        assert np.array_equal(many, single)
    with ContainerReader(Path("single.fdegc")) as reader:
        assert ORIGIN not in reader.blocks


def run_with(work: Work) -> dict[str, FileRow]:
    """Do the work with all files of ``in`` that need it; rows by the names of the inputs."""
    found: list[FileRow] = []
    listing = list_jobs(["in"], Path("out"), ".fdegc", judge_raster, recursive=True)
    Path("out").mkdir(exist_ok=True)
    run_here(split(listing.jobs, work, found.append), work, on_row=found.append, cancel=CancelToken())
    return {Path(row.input).name: row for row in found}


def test_rows_say_what_a_single_run_would_say(folder: Path) -> None:
    """A bright sample is no other sample's fault, of one file of several."""
    scene = np.random.default_rng(1).integers(900, 2200, (HEIGHT, WIDTH)).astype(np.uint16)
    tifffile.imwrite("in/plain.tif", scene)
    scene[3, 4] = 60000
    tifffile.imwrite("in/outlier.tif", scene)
    found = run()
    assert "1 sample lies far outside of all others (60000, the others 9" in found["outlier.tif"]["message"]
    assert "outside" not in found["plain.tif"]["message"]


def test_the_network_is_loaded_once(folder: Path) -> None:
    made: list[Codec] = []

    class Counting(Work):
        def codec(self) -> Codec:
            made.append(super().codec())
            return made[-1]

    work = Counting(EncodeOptions(4.0, 64, check=False), threads=1)
    assert {row.status for row in run_with(work).values()} == {"done"}
    assert len(made) == 1
    assert {row.status for row in run_with(work).values()} == {"skipped"}
    assert len(made) == 1, "nothing was to be done"


def test_json_is_one_object_and_failures_are_still_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("in/bad.tif").write_text("no picture")
    run("--json", code=1)
    said = capsys.readouterr()
    answer = json.loads(said.out)
    counts = {name: answer[name] for name in ("done", "skipped", "failed", "pending")}
    assert counts == {"done": 3, "skipped": 1, "failed": 1, "pending": 0}
    assert answer["files"] == list(rows().values())
    first, last = said.err.strip().splitlines()
    assert "bad.tif" in first and "not an image of a known kind" in first
    assert last == f"fdegc: error: 1 of 5 files failed: {Path('in/bad.tif')}."


def test_options_may_stand_between_the_paths(folder: Path) -> None:
    assert main(["compress", "in/a.png", "--rate", "1", "one.fdegc", "--tile-size", "64"]) == 0
    assert main(["compress", "in/a.png", "--rate", "1", "in/b.tif", "--out-dir", "out"]) == 0
    assert list(outputs()) == ["a.fdegc", "b.fdegc"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["compress", "a", "b", "c"],
        ["compress", "a", "--out-dir"],
        ["compress", "a", "b.fdegc", "--recursive"],
        ["compress", "a", "b.fdegc", "--report", "r.csv"],
        ["compress", "a", "b.fdegc", "--scheduler", "tcp://a:1"],
        ["decompress", "a.fdegc", "--out-dir", "b", "--format", "gif"],
        ["compress", "a", "b.fdegc", "--explode", "c"],
    ],
)
def test_wrong_usage_exits_with_two(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(arguments)
    assert exit_info.value.code == 2
    assert "usage: fdegc" in capsys.readouterr().err


# ------------------------------------------------------------------------------ going on


def test_what_changed_is_told_and_redone_only_with_force(folder: Path) -> None:
    before = run()
    picture(Path("in/a.png"), 9)
    found = run(code=1)
    assert statuses(found) == {**FINISHED, "a.png": "failed"}
    assert "its source is another or has changed since" in found["a.png"]["message"]
    assert "--force" in found["a.png"]["message"]
    old = outputs()
    assert statuses(run("--force")) == {**FINISHED, "a.png": "done"}
    new = outputs()
    assert {name for name in new if new[name] != old[name]} == {"a.fdegc"}
    assert before["b.tif"]["bytes"] == len(new["b.fdegc"])


def test_other_options_are_told(folder: Path) -> None:
    run()
    found = run("--rate", "1", code=1)
    assert all("it was made with other options" in found[name]["message"] for name in ("a.png", "c.png"))
    assert statuses(run("--rate", "1", "--force")) == DONE
    assert statuses(run("--rate", "1", "--force")) == FINISHED
    assert statuses(run("--rate", "1", "--force", "--no-resume")) == DONE


def test_outputs_of_others_are_not_touched(folder: Path) -> None:
    Path("out/sub").mkdir(parents=True)
    Path("out/a.fdegc").write_bytes(b"precious")
    assert main(["compress", "in/b.tif", "out/b.fdegc", "--tile-size", "64", "--no-check"]) == 0
    Path("out/sub/c.fdegc").mkdir()
    before = Path("out/b.fdegc").read_bytes()
    found = run(code=1)
    assert statuses(found) == {**dict.fromkeys(DONE, "failed"), "notes.txt": "skipped"}
    assert "is not an FDEGC file" in found["a.png"]["message"]
    assert "it was not made from this file" in found["b.tif"]["message"]
    assert "is a folder" in found["c.png"]["message"]
    assert outputs() == {"a.fdegc": b"precious", "b.fdegc": before}


def test_a_damaged_output_is_not_taken_for_finished(folder: Path) -> None:
    run()
    data = bytearray(Path("out/a.fdegc").read_bytes())
    data[20] ^= 1
    Path("out/a.fdegc").write_bytes(data)
    Path("out/b.fdegc").write_bytes(outputs()["b.fdegc"][:-7])
    found = run(code=1)
    assert "it is damaged" in found["a.png"]["message"]
    assert statuses(found)["b.tif"] == "failed"
    assert statuses(run("--force")) == {**FINISHED, "a.png": "done", "b.tif": "done"}


def test_an_interrupted_batch_reports_and_goes_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    straight = run()
    shutil.move("out", "straight")
    with monkeypatch.context() as patch:
        terminal = watch(patch, {PART_OF_B: lambda: signal.raise_signal(signal.SIGTERM)})
        found = run(code=130)
    assert "2 of 4 files are finished; the same command goes on from there" in terminal.getvalue()
    assert statuses(found) == {**DONE, "b.tif": "pending", "c.png": "pending"}
    assert list(outputs()) == ["a.fdegc", "b.fdegc.part", "b.fdegc.part.journal"]
    found = run()
    assert statuses(found) == {**DONE, "a.png": "skipped"}
    assert found["b.tif"]["resumed_tiles"] > 0 and found["b.tif"]["bytes"] == straight["b.tif"]["bytes"]
    assert outputs() == outputs("straight")


def test_psnr_of_a_resumed_file_is_that_of_the_whole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run("--psnr")["b.tif"]["psnr"]
    shutil.rmtree("out")
    with monkeypatch.context() as patch:
        watch(patch, {PART_OF_B: lambda: signal.raise_signal(signal.SIGINT)})
        run("--psnr", code=130)
    row = run("--psnr")["b.tif"]
    assert row["resumed_tiles"] > 0
    assert row["psnr"] == pytest.approx(whole, abs=1e-6)


def test_fail_fast_stops_and_the_default_goes_on(folder: Path) -> None:
    Path("in/ab.png").write_text("no picture")
    found = run("--fail-fast", code=1)
    assert statuses(found) == {**DONE, "ab.png": "failed", "b.tif": "pending", "c.png": "pending"}
    assert statuses(run(code=1)) == {**DONE, "a.png": "skipped", "ab.png": "failed"}


def test_an_unexpected_fault_costs_one_file(folder: Path) -> None:
    faults = [MemoryError(), ZeroDivisionError("oops")]

    class Faulty(Work):
        def codec(self) -> Codec:
            if faults:
                raise faults.pop()
            return super().codec()

    found = run_with(Faulty(EncodeOptions(4.0, 64, check=False), threads=1))
    assert "ZeroDivisionError: oops" in found["a.png"].message
    assert "not enough memory" in found["b.tif"].message
    assert {name: row.status for name, row in found.items()} == {
        "a.png": "failed",
        "b.tif": "failed",
        "c.png": "done",
    }


def test_a_file_that_changes_while_it_is_read_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {
        PART_OF_B: lambda: os.utime("in/b.tif", ns=(5, 5)),
        r"a\.png +[3-9]\d%": Path("in/a.png").unlink,
    }
    watch(monkeypatch, changes)
    found = run(code=1)
    assert statuses(found) == {**DONE, "b.tif": "failed"}
    assert "changed while it was being read" in found["b.tif"]["message"]
    assert list(outputs()) == ["a.fdegc", "sub/c.fdegc"]


# ------------------------------------------------------------------------------ decompress


def test_decompressing_many_goes_on_too(folder: Path) -> None:
    run()
    command = ["decompress", "out", "--recursive", "--out-dir", "back", "--report", "report.json"]
    assert main(command) == 0
    assert statuses(rows()) == {"a.fdegc": "done", "b.fdegc": "done", "c.fdegc": "done"}
    before = outputs("back")
    assert list(before) == ["a.tif", "b.tif", "sub/c.tif"]
    assert {len(data) for data in before.values()} == {row["bytes"] for row in rows().values()}
    assert main(command) == 0
    assert set(statuses(rows()).values()) == {"skipped"}
    Path("out/a.fdegc").write_bytes(outputs()["b.fdegc"])
    assert main(command) == 1
    assert "it is older than its source" in rows()["a.fdegc"]["message"]
    assert outputs("back") == before
    assert main([*command, "--force"]) == 0
    assert outputs("back")["a.tif"] == before["b.tif"]
    assert main([*command[:-4], "--out-dir", "png", "--format", "png"]) == 0
    assert list(outputs("png")) == ["a.png", "b.png", "sub/c.png"]


def test_damage_is_told_every_time(folder: Path) -> None:
    run()
    data = bytearray(Path("out/a.fdegc").read_bytes())
    data[len(data) // 3] ^= 255
    Path("out/a.fdegc").write_bytes(data)
    command = ["decompress", "out/a.fdegc", "out/b.fdegc", "--out-dir", "back", "--report", "report.json"]
    for message in ("damaged and were filled", "its source is damaged"):
        assert main(command) == 1
        assert statuses(rows())["a.fdegc"] == "failed"
        assert message in rows()["a.fdegc"]["message"]


def test_a_raster_is_never_taken_for_its_own_output(folder: Path) -> None:
    Path("in/a.png").rename("in/photo.fdegc")
    before = outputs("in")
    assert main(["compress", "in/photo.fdegc", "--out-dir", "in", "--force"]) == 1
    assert outputs("in") == before


# ------------------------------------------------------------------------------ report, screen


def test_a_csv_report_says_the_same(folder: Path) -> None:
    run("--psnr")
    first = rows()
    shutil.rmtree("out")
    run("--report", "report.csv", "--psnr")
    with open("report.csv", encoding="utf-8", newline="") as file:
        table = {Path(row["input"]).name: row for row in csv.DictReader(file)}
    assert set(table) == set(first)
    for name, row in table.items():
        assert (row["status"], row["message"]) == (first[name]["status"], first[name]["message"])
        assert row["psnr"] == ("" if first[name]["psnr"] is None else str(first[name]["psnr"]))


def test_reports_replace_reports_and_nothing_else(tmp_path: Path) -> None:
    row = FileRow("a \udcff.tif", "b.fdegc", "done", psnr=float("inf"))
    for name in ("r.csv", "r.json"):
        path = tmp_path / name
        write_report(path, [row], {"done": 1})
        check_report(path, force=False)
        assert "a \\udcff.tif" in path.read_text(encoding="utf-8")
        path.write_text("precious")
        with pytest.raises(OutputExists, match="is no report"):
            check_report(path, force=False)
        check_report(path, force=True)
    (tmp_path / "d.csv").mkdir()
    for path, words in ((tmp_path / "d.csv", "is a folder"), (tmp_path / "no" / "r.csv", "no folder")):
        with pytest.raises(OutputFailed, match=words):
            check_report(path, force=False)
    with pytest.raises(OutputFailed, match="cannot be written"):
        write_report(tmp_path / "d.csv", [row], {})
    assert {path.name for path in tmp_path.iterdir()} == {"r.csv", "r.json", "d.csv"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--report", "report.txt"], r"\*\.csv or \*\.json"),
        (["--out-dir", "in/a.png"], "is a file, not a folder"),
        (["--out-dir", "no/out"], "There is no folder"),
        (["--scheduler", "tcp://a:1", "--no-resume"], "--no-resume does not go with --scheduler"),
    ],
)
def test_mistakes_are_told_before_anything_is_done(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    before = sorted(folder.rglob("*"))
    assert main(["compress", "in", "--out-dir", "out", *arguments]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert sorted(folder.rglob("*")) == before


def test_a_terminal_sees_the_file_and_the_whole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    run()
    shown = terminal.getvalue()
    assert "file 2 of 3" in shown and "c.png" in shown and "100%" in shown
    assert f"{Path('in/a.png')} → {Path('out/a.fdegc')}" in shown


def test_the_meter_counts_bytes_and_estimates() -> None:
    jobs = [Job(Path("a"), Path("b"), 1_000_000), Job(Path("c"), Path("d"), 3_000_000)]
    seen: list[Progress] = []
    meter = BatchMeter(jobs, seen.append)
    meter.within(jobs[0], 0.5)
    meter.finished(jobs[0])
    meter.finished(jobs[1])
    fractions = [progress.fraction for progress in seen]
    assert fractions[0] == pytest.approx(0.125, rel=0.1) and fractions[1] == pytest.approx(0.25, rel=0.1)
    assert fractions[2] == 1.0 and seen[2].remaining == 0.0
    assert seen[0].remaining is not None and seen[0].remaining > 0
