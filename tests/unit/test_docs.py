"""The documents tell the truth: their commands run, their links lead somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from PIL import Image

from fdegc import __version__
from fdegc.cli import main

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "weights" / "LICENSE.md"])


def shell_commands(document: Path) -> list[str]:
    """Lines of the document's ``sh`` blocks that call ``fdegc``."""
    blocks = re.findall(r"^```sh\n(.*?)^```", document.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [line.strip() for block in blocks for line in block.splitlines() if line.startswith("fdegc ")]


def test_the_commands_of_the_readme_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    scene = ROOT / "resources" / "sample_scene.tif"
    with Image.open(scene) as image:
        image.crop((480, 200, 800, 456)).save("scene.tif")
    commands = shell_commands(ROOT / "README.md")
    assert len(commands) >= 7
    for command in commands:
        assert main(shlex.split(command, comments=True)[1:]) == 0, command
        assert capsys.readouterr().out, command


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if "://" not in target and not target.startswith("mailto:"):
            assert (document.parent / target).exists(), target


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
