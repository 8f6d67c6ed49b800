"""Search for the parameter of another codec that gives a size or a quality, and the process that does it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fdegc.control import CancelToken
from fdegc.errors import Cancelled, InvalidOption
from fdegc.evaluation.coder import Coder, CoderFailed
from fdegc.evaluation.matching import _nearest, code_to_match
from fdegc.evaluation.peers import find_peers
from fdegc.evaluation.worker import DECODED, PIXELS, read_answer, write_request


@pytest.fixture
def picture() -> np.ndarray:
    """A smooth picture with noise that is large enough for a sample to go first."""
    y, x = np.mgrid[0:660, 0:640]
    rgb = np.stack([x / 3, y / 3, (x + y) / 6], axis=-1) + np.random.default_rng(1).normal(
        0, 6, (660, 640, 3)
    )
    return rgb.clip(0, 255).astype(np.uint8)


def coder(name: str) -> Coder:
    return find_peers([name])[0][0]


@pytest.mark.parametrize("name", ["jpeg-444", "jpeg2000", "webp"])
def test_size_is_met_as_nearly_as_the_parameter_allows(picture: np.ndarray, name: str) -> None:
    codec, size = coder(name), 40_000
    told: list[tuple[float, float, float]] = []
    match = code_to_match(codec, picture, size=size, on_try=lambda *step: told.append(step))
    assert np.array_equal(codec.decode(match.data), match.decoded)
    tolerance = 0.01 if name == "jpeg2000" else 0.1
    assert abs(len(match.data) / size - 1) < tolerance
    if name != "jpeg2000":  # neither neighbour is nearer
        for near in (match.parameter - 1, match.parameter + 1):
            other = len(codec.encode(picture, near))
            assert abs(np.log(other / size)) >= abs(np.log(len(match.data) / size))
    assert match.tries <= 8
    starts = [first for first, _, _ in told]
    assert starts == sorted(starts) and all(first < then <= 1 for first, then, _ in told)


def test_psnr_is_met(picture: np.ndarray) -> None:
    match = code_to_match(coder("jpeg2000"), picture, psnr=33.0)
    apart = match.decoded.astype(float) - picture
    assert 10 * np.log10(255**2 / np.square(apart).mean()) == pytest.approx(33.0, abs=0.15)


def test_what_a_codec_cannot_do_gives_its_end(picture: np.ndarray) -> None:
    small = code_to_match(coder("jpeg-444"), picture, size=10)
    assert small.parameter == 1
    best = code_to_match(coder("jpeg-444"), picture, size=10**9)
    assert best.parameter == 100


def test_search_ends_on_values_that_jump_and_fall() -> None:
    rough = [0.0, 1.0, 0.9, 3.0, 2.9, 7.0, 6.9, 7.1, 20.0, 21.0]
    for target in (-5.0, 0.95, 2.0, 6.95, 15.0, 99.0):
        for guess in range(10):
            index = _nearest(rough.__getitem__, 10, target, 0.0, guess, 1.0)
            best = min(abs(value - target) for value in rough)
            assert abs(rough[index] - target) <= best + 1.2


def test_one_of_size_and_psnr(picture: np.ndarray) -> None:
    for given in ({}, {"size": 3, "psnr": 4.0}):
        with pytest.raises(InvalidOption):
            code_to_match(coder("jpeg-444"), picture, **given)


def test_cancelled_between_two_tries(picture: np.ndarray) -> None:
    token = CancelToken()
    tries = []

    def on_try(*step: float) -> None:
        tries.append(step)
        token.cancel()

    with pytest.raises(Cancelled):
        code_to_match(coder("webp"), picture, size=30_000, on_try=on_try, cancel=token)
    assert len(tries) == 1


def test_codec_that_fails_is_named() -> None:
    def fail(*_: object) -> bytes:
        raise ValueError("no")

    broken = Coder(
        "x", "Broken codec", "quality", (1,), "", "", 1.0, fail, lambda data: np.zeros((1, 1, 3), np.uint8)
    )
    with pytest.raises(CoderFailed, match="Broken codec cannot code this picture"):
        code_to_match(broken, np.zeros((8, 8, 3), np.uint8), size=10)
    other = Coder(
        "x",
        "Odd codec",
        "quality",
        (1,),
        "",
        "",
        1.0,
        lambda *_: b"1",
        lambda data: np.zeros((1, 1, 3), np.uint8),
    )
    with pytest.raises(CoderFailed, match="another size"):
        code_to_match(other, np.zeros((8, 8, 3), np.uint8), size=10)


def test_process_codes_and_tells(tmp_path: Path, picture: np.ndarray) -> None:
    np.save(tmp_path / PIXELS, picture)
    write_request(tmp_path, "webp", 30_000, None)
    done = subprocess.run(
        [sys.executable, "-m", "fdegc.evaluation.worker", str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines and all(line.keys() == {"from", "to", "seconds"} for line in lines)
    answer = read_answer(tmp_path)
    assert answer is not None and not answer.error and abs(answer.bytes / 30_000 - 1) < 0.08
    assert np.load(tmp_path / DECODED).shape == picture.shape


def test_process_says_what_is_wrong(tmp_path: Path) -> None:
    np.save(tmp_path / PIXELS, np.zeros((4, 4, 3), np.uint8))
    write_request(tmp_path, "nothing", 10, None)
    done = subprocess.run(
        [sys.executable, "-m", "fdegc.evaluation.worker", str(tmp_path)], capture_output=True
    )
    answer = read_answer(tmp_path)
    assert done.returncode == 1 and answer is not None and "no codec named" in answer.error
    assert read_answer(tmp_path / "elsewhere") is None
