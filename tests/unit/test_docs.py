"""The documents tell the truth: their commands run, their links lead somewhere."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import rasterio
from PIL import Image
from rasterio.transform import from_origin
from rasterio.windows import Window

from fdegc import __version__
from fdegc.cli import main

pytestmark = pytest.mark.usefixtures("few_tries_here")

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("weights/*.md")])


def shell_commands(document: Path) -> list[str]:
    """Lines of the document's ``sh`` blocks that call ``fdegc``."""
    blocks = re.findall(r"^```sh\n(.*?)^```", document.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [line.strip() for block in blocks for line in block.splitlines() if line.startswith("fdegc ")]


def python_blocks(document: Path) -> list[str]:
    """The document's ``python`` blocks."""
    return re.findall(
        r"^```python\n(.*?)^```", document.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )


def anchors(document: Path) -> set[str]:
    """What a document's headings are called in links."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def placed_scene(dtype: str) -> None:
    """Write a part of the sample scene as scene.tif, placed where the documents' boxes lie."""
    with rasterio.open(ROOT / "resources" / "sample_scene.tif") as sample:
        pixels = sample.read(window=Window(480, 200, 320, 256)).astype(dtype)
    place = {"crs": "EPSG:32633", "transform": from_origin(500_000, 5_400_000, 0.2, 0.2)}
    shape = {"count": 3, "height": 256, "width": 320}
    with rasterio.open("scene.tif", "w", driver="GTiff", dtype=dtype, **shape, **place) as scene:
        scene.write(pixels * 16 if dtype == "uint16" else pixels)


def test_the_commands_of_choosing_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fdegc.options.EFFORT_STEPS", (0, 2, 2, 2, 2))
    placed_scene("uint16")
    field = [[15.0001, 48.7529], [15.0007, 48.7529], [15.0004, 48.7526], [15.0001, 48.7529]]
    Path("field.geojson").write_text(
        json.dumps({"type": "Polygon", "coordinates": [field]}), encoding="utf-8"
    )
    assert main(["compress", "scene.tif", "scene.fdegc"]) == 0
    commands = shell_commands(ROOT / "docs" / "choosing.md")
    assert len(commands) == 17
    for command in commands:
        assert main(shlex.split(command, comments=True)[1:]) == 0, (command, capsys.readouterr().err)


def test_the_commands_of_the_readme_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    placed_scene("uint8")
    commands = shell_commands(ROOT / "README.md")
    assert len(commands) >= 7
    for command in commands:
        assert main(shlex.split(command, comments=True)[1:]) == 0, command
        assert capsys.readouterr().out, command


@pytest.mark.parametrize(("name", "count"), [("README.md", 1), ("docs/python.md", 2)])
def test_the_python_of_the_documents_runs(
    name: str, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    placed_scene("uint8")
    blocks = python_blocks(ROOT / name)
    assert len(blocks) == count
    for block in blocks:
        exec(compile(block, name, "exec"), {})
    assert Path("back.tif").is_file()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\(([^)#]*)(#[^)]*)?\)", text):
        if "://" not in target and not target.startswith("mailto:"):
            assert (document.parent / target).exists(), target
            if anchor:
                assert anchor[1:] in anchors(document.parent / target if target else document), anchor


def test_the_makefile_has_the_targets_that_are_told_of() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    told = {
        name
        for document in (ROOT / "README.md", ROOT / "CONTRIBUTING.md")
        for name in re.findall(r"^\s*make (\w+)", document.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert {"run", "test", "lint"} <= told
    for name in told:
        assert re.search(rf"^{name}:", makefile, re.MULTILINE), name


def test_the_changelog_knows_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## [Unreleased]" in text or f"## [{__version__}]" in text


def test_the_commands_for_many_files_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Image.open(ROOT / "resources" / "sample_scene.tif") as image:
        for number, name in enumerate(("scenes/a.tif", "scenes/sub/b.tif", "more.png")):
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            image.crop((480, 200 + number, 560, 264)).save(name)
    commands = shell_commands(ROOT / "docs" / "batch.md")
    assert len(commands) == 3
    for command in commands:
        assert main(shlex.split(command, comments=True)[1:]) == 0, command
