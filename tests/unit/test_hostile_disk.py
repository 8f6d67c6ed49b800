"""Full disks, folders that nobody may write to, files that change under the hands: nothing is lost."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import hostile
import pytest
from hostile import files_up_to

from fdegc.cli import main
from fdegc.codec import Codec, facade

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX limits and links"),
]

#: Several tiles; whether they are checked is no matter to what becomes of files, and takes most of the time.
CODED = ("--tile-size", "64", "--no-check")


@pytest.fixture(autouse=True, scope="module")
def one_network() -> Iterator[Codec]:
    """Load the network once for all commands of this file."""
    shared = facade.Codec(device="cpu", threads=1)
    with pytest.MonkeyPatch.context() as patch:
        # A command makes its own codec, and loading one for each of hundreds would take most of the time.
        patch.setattr(facade, "Codec", lambda **_: shared)
        yield shared


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A TIFF and, beside it, ``scene.fdegc``."""
    path = tmp_path_factory.mktemp("scene") / "scene.tif"
    path.write_bytes(hostile.gdal_bytes("GTiff", hostile.pixels(3, 150, 150)))
    assert main(["compress", str(path), str(path.with_suffix(".fdegc")), *CODED]) == 0
    return path


@contextlib.contextmanager
def tmpfs(folder: Path, options: str) -> Iterator[Callable[[str], None]]:
    """A small file system of its own at ``folder``; gives a function that mounts it again, otherwise."""
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        pytest.skip("only root may mount a file system")
    command = [mount, "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("no file system can be mounted here")

    def remount(more: str) -> None:
        subprocess.run([mount, "-o", f"remount,{more}", str(folder)], check=True)

    try:
        yield remount
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def sentence(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    capsys.readouterr()
    assert main([*map(str, arguments)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.strip().splitlines()
    assert line.startswith("fdegc: error: ") and line.endswith(".")
    return line


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# ------------------------------------------------------------------------------ full


@pytest.mark.parametrize("options", [[], ["--psnr"], ["--no-resume"]])
def test_compressing_onto_a_full_disk_goes_on_when_there_is_room(
    scene: Path, tmp_path: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a.fdegc"
    command = ("compress", scene, out, *CODED, *options)
    assert main([*map(str, command)]) == 0
    expected = out.read_bytes()
    out.unlink()
    with files_up_to(scene.with_suffix(".fdegc").stat().st_size // 2):
        assert "make room" in sentence(capsys, *command)
    kept = [] if options == ["--no-resume"] else ["a.fdegc.part", "a.fdegc.part.journal"]
    assert names(tmp_path) == kept
    capsys.readouterr()
    assert main([*map(str, command), "--json"]) == 0
    assert bool(json.loads(capsys.readouterr().out)["resumed_tiles"]) == bool(kept)
    assert out.read_bytes() == expected
    assert names(tmp_path) == ["a.fdegc"]


@pytest.mark.parametrize("kind", ["tif", "png"])
def test_decompressing_onto_a_full_disk_leaves_nothing(
    scene: Path, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / f"a.{kind}"
    out.write_bytes(b"precious")
    with files_up_to(10_000):
        assert "free space" in sentence(capsys, "decompress", scene.with_suffix(".fdegc"), out, "--force")
    assert names(tmp_path) == [out.name] and out.read_bytes() == b"precious"


def test_a_batch_onto_a_full_disk_reports_and_goes_on(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "r.json"
    command = ["compress", str(scene), "--out-dir", str(tmp_path / "out"), *CODED]
    command += ["--report", str(report)]
    with files_up_to(scene.with_suffix(".fdegc").stat().st_size // 2):
        assert main(command) == 1
    (row,) = json.loads(report.read_text(encoding="utf-8"))["files"]
    assert row["status"] == "failed" and "make room" in row["message"]
    with files_up_to(10):
        assert main(command) == 1
    assert "cannot be written" in capsys.readouterr().err
    assert names(tmp_path) == ["out", "r.json"]
    (kept,) = json.loads(report.read_text(encoding="utf-8"))["files"]
    assert kept == row, "a report that cannot be written leaves the last one"
    assert main(command) == 0


def test_a_disk_that_really_is_full(scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stream = scene.with_suffix(".fdegc")
    with tmpfs(tmp_path, "size=64k"):
        with contextlib.suppress(OSError), (tmp_path / "filler").open("wb", buffering=0) as file:
            while file.write(bytes(1024)) == 1024:
                pass
        sentence(capsys, "compress", scene, tmp_path / "a.fdegc", *CODED, "--no-resume")
        for kind in ("tif", "png"):
            sentence(capsys, "decompress", stream, tmp_path / f"a.{kind}")
        assert names(tmp_path) == ["filler"]


# ------------------------------------------------------------------------------ read-only


def test_a_read_only_folder_is_a_sentence(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = scene.with_suffix(".fdegc")
    with tmpfs(tmp_path, "size=1m") as remount:
        shutil.copy(scene, tmp_path / "in.tif")
        (tmp_path / "out").mkdir()
        before = names(tmp_path)
        remount("ro")
        assert "Read-only" in sentence(capsys, "compress", scene, tmp_path / "a.fdegc")
        assert "permissions" in sentence(capsys, "decompress", stream, tmp_path / "a.tif")
        assert "permissions" in sentence(capsys, "decompress", stream, tmp_path / "a.png")
        assert "Read-only" in sentence(capsys, "compress", scene, "--out-dir", tmp_path / "new")
        assert main(["compress", str(scene), "--out-dir", str(tmp_path / "out")]) == 1
        assert "Read-only" in capsys.readouterr().err
        assert main(["info", str(tmp_path / "in.tif")]) == 0  # GDAL wants to leave nothing beside it
        assert main(["metrics", str(scene), str(tmp_path / "in.tif")]) == 0
        assert names(tmp_path) == before


# ------------------------------------------------------------------------------ the original


def test_the_input_is_never_overwritten_under_another_name(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    original = tmp_path / "photo.fdegc"  # a TIFF that is called so
    shutil.copy(scene, original)
    for name in ("hard.fdegc", "soft.fdegc"):
        link = tmp_path / name
        if name == "hard.fdegc":
            link.hardlink_to(original)
        else:
            link.symlink_to(original)
        assert "input itself" in sentence(capsys, "compress", original, link, "--force")
        assert original.read_bytes() == scene.read_bytes() == link.read_bytes()


def test_a_link_in_the_place_of_the_output_is_replaced_not_followed(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    for name, command in (
        ("a.fdegc", ("compress", scene, *CODED)),
        ("a.tif", ("decompress", scene.with_suffix(".fdegc"))),
    ):
        out = tmp_path / name
        out.symlink_to(precious)
        assert "--force" in sentence(capsys, *command, out)
        assert main([*map(str, command), str(out), "--force"]) == 0
        assert precious.read_bytes() == b"precious" and not out.is_symlink()


# ------------------------------------------------------------------------------ under the hands


def interfered(monkeypatch: pytest.MonkeyPatch, codec: Codec, act: Callable[[], object]) -> None:
    """Do something after a command opened its files and before the codec, made then, reads the pixels."""

    def first_act(**_: object) -> Codec:
        monkeypatch.undo()
        act()
        return codec

    monkeypatch.setattr(facade, "Codec", first_act)


@pytest.mark.parametrize("kind", ["striped.tif", "tiled.tif", "lossless.jp2", "a.png", "a.jpg"])
@pytest.mark.parametrize("change", ["cut", "gone", "other", "empty"])
def test_a_raster_that_changes_works_or_is_a_sentence(
    kind: str,
    change: str,
    one_network: Codec,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path, out = tmp_path / kind, tmp_path / "o.fdegc"
    data = hostile.sound_files()[kind]
    path.write_bytes(data)

    def act() -> None:
        if change == "gone":
            path.unlink()
        else:
            new = {"cut": data[: len(data) // 3], "other": bytes(len(data)), "empty": b""}[change]
            path.write_bytes(new)

    interfered(monkeypatch, one_network, act)
    code = main(["compress", str(path), str(out), *CODED])
    said = capsys.readouterr()
    if code == 0:
        assert main(["verify", str(out)]) == 0
    else:
        assert code == 1 and said.err.count("\n") == 1 and said.err.startswith("fdegc: error: ")
        assert not out.exists() and not [name for name in names(tmp_path) if name.endswith(".tmp")]
    assert code == 0 or change != "gone" or kind.endswith((".tif", ".jp2"))


@pytest.mark.parametrize("change", ["cut", "gone", "other"])
def test_a_stream_that_changes_is_told(
    change: str,
    one_network: Codec,
    scene: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path, out = tmp_path / "a.fdegc", tmp_path / "o.tif"
    data = scene.with_suffix(".fdegc").read_bytes()
    path.write_bytes(data)
    changes = {
        "cut": lambda: path.write_bytes(data[: len(data) // 2]),
        "other": lambda: path.write_bytes(bytes(len(data))),
        "gone": path.unlink,
    }
    interfered(monkeypatch, one_network, changes[change])
    assert main(["decompress", str(path), str(out)]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and said.startswith("fdegc: error: ") and "a.fdegc" in said
