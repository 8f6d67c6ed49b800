"""Which files a batch takes, and what it calls their outputs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from fdegc.batch.listing import Listing, judge_raster, judge_stream, list_jobs
from fdegc.errors import InvalidOption


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with rasters, things that are none, and subfolders; the working folder is above it."""
    monkeypatch.chdir(tmp_path)
    for name in ("in/a.png", "in/b.tif", "in/sub/a.png", "in/sub/deep/c.jpg", "in/.hidden.png", "in/odd.dat"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (2, 2)).save(path, format="TIFF" if name.endswith("tif") else "PNG")
    (tmp_path / "in" / "notes.txt").write_text("no picture")
    (tmp_path / "in" / "empty.tif").touch()
    (tmp_path / "in" / "old.fdegc").write_bytes(b"\x89FDEGC")
    (tmp_path / "in" / "b.tif.ovr").write_bytes((tmp_path / "in" / "b.tif").read_bytes())
    return tmp_path / "in"


def listed(*inputs: str, out: str = "out", suffix: str = ".fdegc", **options: bool) -> Listing:
    judge = judge_raster if suffix == ".fdegc" else judge_stream
    return list_jobs(inputs, Path(out), suffix, judge, **options)


def pairs(listing: Listing) -> dict[str, str]:
    return {job.source.as_posix(): job.output.as_posix() for job in listing.jobs}


FLAT = {
    "in/a.png": "out/a.fdegc",
    "in/b.tif": "out/b.fdegc",
    "in/empty.tif": "out/empty.fdegc",
    "in/odd.dat": "out/odd.fdegc",
}


def test_a_folder_gives_its_rasters_and_says_what_else_it_holds(tree: Path) -> None:
    listing = listed("in")
    assert pairs(listing) == FLAT
    assert {Path(row.input).name: row.message for row in listing.rows} == {
        "b.tif.ovr": "It belongs to “b.tif”.",
        "notes.txt": "It is none of the rasters that are known here.",
        "old.fdegc": "It is compressed already.",
    }
    assert {row.status for row in listing.rows} == {"skipped"}
    assert [job.size for job in listing.jobs] == [job.source.stat().st_size for job in listing.jobs]


def test_recursive_mirrors_the_tree(tree: Path) -> None:
    deep = {"in/sub/a.png": "out/sub/a.fdegc", "in/sub/deep/c.jpg": "out/sub/deep/c.fdegc"}
    assert pairs(listed("in", recursive=True)) == {**FLAT, **deep}


def test_the_output_folder_is_not_searched(tree: Path) -> None:
    (tree / "out").mkdir()
    Image.new("L", (2, 2)).save(tree / "out" / "z.png")
    assert "in/out/z.png" not in pairs(listed("in", out="in/out", recursive=True))
    assert "in/a.png" in pairs(listed("in", out="in", recursive=True))


def test_patterns_mirror_what_is_below_their_first_wildcard(tree: Path) -> None:
    assert pairs(listed("in/*.png")) == {"in/a.png": "out/a.fdegc"}
    assert pairs(listed("in/**/*.png")) == {"in/a.png": "out/a.fdegc", "in/sub/a.png": "out/sub/a.fdegc"}
    assert pairs(listed("in/s?b/*")) == {"in/sub/a.png": "out/sub/a.fdegc"}
    with pytest.raises(InvalidOption, match=r"No file matches in/\*\.gif"):
        listed("in/*.gif")


def test_a_name_with_brackets_is_no_pattern(tree: Path) -> None:
    (tree / "a.png").rename(tree / "a[1].png")
    assert pairs(listed("in/a[1].png")) == {"in/a[1].png": "out/a[1].fdegc"}


def test_named_files_are_taken_whatever_they_are(tree: Path) -> None:
    assert pairs(listed("in/notes.txt", "nowhere.tif")) == {
        "in/notes.txt": "out/notes.fdegc",
        "nowhere.tif": "out/nowhere.fdegc",
    }


def test_the_same_file_twice_is_one_job(tree: Path) -> None:
    assert len(listed("in/a.png", "in", "./in/../in/a.png").jobs) == len(FLAT)


@pytest.mark.parametrize("inputs", [("in/a.png", "in/sub/a.png"), ("in/sub", "in")])
def test_two_inputs_with_one_output_are_refused(tree: Path, inputs: tuple[str, ...]) -> None:
    with pytest.raises(InvalidOption, match=r"would both be written to “out/a\.fdegc”"):
        listed(*inputs)


def test_names_with_different_extensions_can_be_kept_apart(tree: Path) -> None:
    Image.new("L", (2, 2)).save(tree / "a.tif")
    with pytest.raises(InvalidOption, match="--keep-extension"):
        listed("in")
    outputs = pairs(listed("in", keep_extension=True))
    assert (outputs["in/a.png"], outputs["in/a.tif"]) == ("out/a.png.fdegc", "out/a.tif.fdegc")


def test_a_folder_without_files_is_refused(tree: Path) -> None:
    (tree / "none" / "below").mkdir(parents=True)
    with pytest.raises(InvalidOption, match="no files in “in/none”; --recursive"):
        listed("in/none")
    with pytest.raises(InvalidOption, match=r"no files in “in/none”\."):
        listed("in/none", recursive=True)


@pytest.mark.skipif(os.name == "nt", reason="needs symbolic links and FIFOs")
def test_links_and_special_files_lead_nowhere(tree: Path) -> None:
    (tree / "sub" / "up").symlink_to(tree, target_is_directory=True)
    (tree / "itself.tif").symlink_to("itself.tif")
    (tree / "dangling").symlink_to("nothing")
    os.mkfifo(tree / "pipe.png")
    listing = listed("in", recursive=True)
    assert "in/itself.tif" in pairs(listing)  # it is called a raster, so that it fails is told
    told = {Path(row.input).name: row.message for row in listing.rows}
    assert told["up"] == "It is a link to a folder; name it itself to include it."
    assert told["dangling"] == "It is none of the rasters that are known here."
    assert told["pipe.png"] == "It is not an ordinary file."


@pytest.mark.skipif(os.name == "nt", reason="needs symbolic links")
def test_a_linked_file_is_taken(tree: Path) -> None:
    (tree / "linked.png").symlink_to("a.png")
    assert pairs(listed("in"))["in/linked.png"] == "out/linked.fdegc"


def test_a_folder_that_cannot_be_listed_is_an_error_of_itself(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir

    def refuse(path: Path) -> object:
        if Path(path).name == "sub":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    listing = listed("in", recursive=True)
    assert pairs(listing) == FLAT
    assert [(row.input, row.status) for row in listing.rows if row.status == "failed"] == [
        (str(Path("in/sub")), "failed")
    ]


def test_streams_are_told_by_their_names(tree: Path) -> None:
    listing = listed("in", suffix=".tif")
    assert pairs(listing) == {"in/old.fdegc": "out/old.tif"}
    assert len(listing.rows) == 6
