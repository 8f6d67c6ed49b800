"""``benchmarks/gpu.py`` on the CPU: what a GPU is asked runs, so that the one chance to ask is not lost."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def gpu():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        import gpu

        yield gpu


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    path = tmp_path_factory.mktemp("gpu") / "scene.png"
    rows, columns = np.mgrid[:64, :128]
    pixels = np.stack([rows * 3, columns * 2, rows + columns], axis=2).astype(np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def test_app(gpu, picture, capsys):
    gpu.app("cpu", picture)
    printed = capsys.readouterr().out
    assert ", 1 tiles shown" in printed
    assert "0 tiles damaged" in printed
    assert printed.count("bytes") == 7  # of the file, and of six rates


def test_exactness(gpu, picture, capsys):
    assert gpu.exactness("cpu", gpu.scene(picture, 96), [3])
    assert "DIFFERENT" not in capsys.readouterr().out


def test_effort(gpu, picture, capsys, monkeypatch):
    monkeypatch.setattr("fdegc.options.EFFORT_STEPS", (0, 1, 2, 3, 4))
    gpu.effort("cpu", gpu.scene(picture, 64))
    assert capsys.readouterr().out.count(" dB |") == 4
