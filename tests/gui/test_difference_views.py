"""Maps of differences of one view after another: what is known of the last one is not computed again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QPointF
from pytestqt.qtbot import QtBot

from fdegc.control import CancelToken
from fdegc.raster_info import Window
from fdegc.types import Samples
from fdegc_gui.jobs.base import Context
from fdegc_gui.jobs.difference import PaintDifference
from fdegc_gui.jobs.rasters import Rasters
from fdegc_gui.jobs.similarity import REACH, grown
from fdegc_gui.main_window import MainWindow
from fdegc_gui.models.difference import Difference, DifferenceMap, DifferenceStyle
from fdegc_gui.models.sample_store import SampleStore
from tests.gui.display_steps import write
from tests.gui.window_steps import compress, open_scene

WIDTH, HEIGHT = 203, 157


@st.composite
def nested(draw: st.DrawFn) -> tuple[Window, Window]:
    """A window, and one within it."""
    x, y, width, height = (draw(st.integers(0, 9)) for _ in range(4))
    outer = Window(x, y, width + 1, height + 1)
    left, top = draw(st.integers(0, width)), draw(st.integers(0, height))
    inner = Window(
        x + left, y + top, draw(st.integers(1, width + 1 - left)), draw(st.integers(1, height + 1 - top))
    )
    return outer, inner


@given(nested())
def test_what_lies_outside_of_a_part_is_all_the_rest_once(windows: tuple[Window, Window]) -> None:
    outer, inner = windows
    counts = np.zeros((20, 20), int)
    for part in (inner, *outer.outside(inner)):
        counts[part.rows, part.cols] += 1
    expected = np.zeros_like(counts)
    expected[outer.rows, outer.cols] = 1
    np.testing.assert_array_equal(counts, expected)


class Scene:
    """A scene and a noisy copy of it, and how many of its pixels were read."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        random = np.random.default_rng(2)
        pixels = random.integers(0, 256, (2, HEIGHT, WIDTH)).astype(np.uint8)
        self.path = write(folder / "one.tif", pixels)
        self.context: Context[Difference] = Context(
            cancel=CancelToken(),
            engine=None,
            rasters=Rasters(),
            on_progress=lambda _: None,
            on_part=lambda _: None,
        )
        self.store = SampleStore(folder / "other", self.context.rasters.get(self.path).source.info)
        self.store.folder.mkdir()
        (pixels // 7 * 7).tofile(self.store.folder / "pixels")
        self.read = 0
        read = SampleStore.read

        def counted(store: SampleStore, window: Window) -> Samples:
            self.read += window.pixels
            return read(store, window)

        monkeypatch.setattr(SampleStore, "read", counted)

    def map(
        self, window: Window, factor: int, style: DifferenceStyle, before: DifferenceMap | None
    ) -> DifferenceMap:
        self.read = 0
        job = PaintDifference(
            a=self.path, b=self.store, window=window, factor=factor, pair=(1,), style=style,
            span=255.0, black=0.0, seen=window, before=before,
        )  # fmt: skip
        return job.run(self.context).map


@pytest.mark.parametrize(
    "style", [DifferenceStyle(), DifferenceStyle(signed=True), DifferenceStyle(similar=True)]
)
@pytest.mark.parametrize("factor", [1, 4])
def test_a_map_takes_over_what_the_last_view_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, style: DifferenceStyle, factor: int
) -> None:
    scene = Scene(tmp_path, monkeypatch)
    first = scene.map(Window(0, 0, 160, 120), factor, style, None)
    window = Window(24, 16, WIDTH - 24, HEIGHT - 16)  # as far as the edges, in blocks that are smaller
    alone = scene.map(window, factor, style, None)
    everything = scene.read
    moved = scene.map(window, factor, style, first)
    assert scene.read < 0.75 * everything
    assert moved.window == alone.window
    np.testing.assert_allclose(moved.values, alone.values, rtol=0, atol=2e-6)
    # Nothing of another style, another scale or another pair.
    others = (
        scene.map(Window(0, 0, 160, 120), factor, DifferenceStyle(signed=not style.signed), None),
        scene.map(Window(0, 0, 160, 120), 2 * factor, style, None),
        scene.map(Window(0, 0, 8, 8), factor, style, None),
    )
    for other in others:
        np.testing.assert_allclose(scene.map(window, factor, style, other).values, alone.values, atol=2e-6)


def test_local_ssim_of_a_strip_reads_little_beyond_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(tmp_path, monkeypatch)
    info = scene.store.info
    scene.map(Window(0, 0, WIDTH, HEIGHT), 1, DifferenceStyle(similar=True), None)
    assert scene.read <= 1.3 * info.pixels
    assert grown(Window(10, 10, 5, 5), REACH, info) == Window(5, 5, 15, 15)


def test_a_view_that_moves_on_asks_for_what_is_new_only(
    qtbot: QtBot, window: MainWindow, noise: tuple[Path, np.ndarray]
) -> None:
    path, _ = noise
    open_scene(qtbot, window, path)
    compress(qtbot, window, 1)
    differ, viewport = window.controller.differ, window.compare.viewport
    asked: list[PaintDifference] = []
    submit = differ.lane.submit

    def noted(job: PaintDifference, **callbacks: object) -> object:
        asked.append(job)
        return submit(job, **callbacks)  # type: ignore[arg-type]

    differ.lane.submit = noted  # type: ignore[method-assign, assignment]
    viewport.restore(QPointF(200, 200), 6.0)  # before there is a map of all
    window.actions_["layout_difference"].trigger()

    def look(x: float, y: float, zoom: float) -> DifferenceMap:
        viewport.restore(QPointF(x, y), zoom)
        qtbot.waitUntil(lambda: differ.is_settled and window.session.difference is not None, timeout=20_000)
        shown = window.session.difference
        assert shown is not None and shown.complete
        return shown.map

    first = look(200, 200, 6.0)
    look(260, 230, 6.0)
    assert asked[-1].before is first and asked[-1].known is None
    window.actions_["signed"].trigger()
    qtbot.waitUntil(lambda: differ.is_settled, timeout=20_000)
    assert asked[-1].before is None  # of another style
