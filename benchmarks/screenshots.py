"""Drive the real application and save what it looks like.

    python benchmarks/screenshots.py SCENE... [--rates 2,4] [--bands 4,1,2] [--layouts] [--codecs A] [--out D]

compresses each scene with the real codec and saves it light and dark, at 1280 × 800 and
2560 × 1440, as NAME-THEME-WIDTH.png; the start page as start-THEME-1280.png; and a pair at 200 %.  With
``--bands`` (numbers from 1: one as grey, or three as red, green, blue) NAME-display-THEME-WIDTH.png
as well, stretched from 2 to 98 %, with the display card open and the pointer's place marked.  With
``--layouts`` every layout of the comparison as NAME-LAYOUT-THEME-WIDTH.png, pixels from close up, a region,
maps of the tiles, a place that was gone to, metadata, the menus.
With ``--codecs jpeg-444,webp`` those at the size of every rate, as NAME-codecs-THEME-WIDTH.png.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from PIL import Image
from PySide6.QtCore import QPointF, QSettings, Qt
from PySide6.QtGui import QImage, QPainter
from PySide6.QtWidgets import QApplication, QMenu, QScrollArea

from fdegc.raster_info import Window
from fdegc_gui.app import make_application
from fdegc_gui.jobs.kept import KeptScenes
from fdegc_gui.main_window import MainWindow
from fdegc_gui.models.comparison import Layout, Side
from fdegc_gui.models.difference import DifferenceStyle
from fdegc_gui.models.display import Display, Stretch
from fdegc_gui.models.result import MetricState, State
from fdegc_gui.models.scene import STREAM
from fdegc_gui.models.tile_map import TileFigure
from fdegc_gui.settings import Settings
from fdegc_gui.style.theme import Theme

SIZES = ((1280, 800), (2560, 1440))
THEMES = ("light", "dark")
_TIMEOUT_SECONDS = 1800.0
#: Colours of a picture, and rounds in which they are chosen.
_COLORS, _ROUNDS = 200, 8
#: Share of a picture from which on a colour is that of a surface.
_SURFACE = 0.002
#: What the application reported.
FAILURES: list[str] = []


def wait(app: QApplication, condition: Callable[[], bool], what: str) -> None:
    """Process events until something holds; give up at once when the application says what failed."""
    end = time.perf_counter() + _TIMEOUT_SECONDS
    while not condition():
        if FAILURES and what != "closing":
            raise RuntimeError(FAILURES[0])
        if time.perf_counter() > end:
            raise TimeoutError(what)
        app.processEvents()
        time.sleep(0.005)


def save(app: QApplication, window: MainWindow, out: Path, name: str, only: int | None = None) -> None:
    """Save the window at every size in both themes."""
    for theme in THEMES:
        window.set_theme(theme)
        for width, height in SIZES:
            if only is not None and width != only:
                continue
            window.resize(width, height)
            if window.compare.viewport.fitted:
                window.compare.viewport.fit()
            for _ in range(5):
                app.processEvents()
            target = out / f"{name}-{theme}-{width}.png"
            picture(window, app).save(target, optimize=True)
            print(target)


def picture(window: MainWindow, app: QApplication) -> Image.Image:
    """Window with what has popped up over it, in few colours, so that files stay small."""
    shot = window.grab()
    painter = QPainter(shot)
    for other in app.topLevelWidgets():
        if isinstance(other, QMenu) and other.isVisible():
            painter.drawPixmap(other.pos() - window.pos(), other.grab())
    painter.end()
    image = shot.toImage().convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    pixels = rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3)
    return few_colours(Image.fromarray(pixels), _COLORS)


def few_colours(image: Image.Image, count: int) -> Image.Image:
    """Picture in so many colours: the commonest, of surfaces, as they are, and means of others.

    k-means of all colours by how often they are there, to a power that keeps rare ones, as of a thin line.
    """
    pixels = np.asarray(image).reshape(-1, 3)
    found, places, numbers = np.unique(pixels >> 2, axis=0, return_inverse=True, return_counts=True)
    sums = np.stack([np.bincount(places.ravel(), pixels[:, i], len(found)) for i in range(3)], axis=1)
    colors = (sums / numbers[:, None]).astype(np.float32)
    weights = numbers.astype(np.float32) ** 0.4
    common = np.argsort(-numbers, kind="stable")[
        : max(1, min(count // 8, (numbers > _SURFACE * len(pixels)).sum()))
    ]
    # After those always the one that is worst served.
    centres = np.empty((min(count, len(found)), 3), np.float32)
    away = np.full(len(found), np.inf, np.float32)
    for i in range(len(centres)):
        nearest = common[i] if i < len(common) else int((away * weights).argmax())
        centres[i] = colors[nearest]
        away = np.minimum(away, np.square(colors - centres[i]).sum(axis=1))
    kept = centres[: len(common)].copy()
    for _ in range(_ROUNDS):
        own = _nearest(colors, centres)
        total = np.bincount(own, weights, len(centres))
        for channel in range(3):
            mean = np.bincount(own, weights * colors[:, channel], len(centres)) / np.maximum(total, 1e-9)
            centres[:, channel] = np.where(total > 0, mean, centres[:, channel])
        centres[: len(common)] = kept
    indices = _nearest(colors, centres).astype(np.uint8)[places.ravel()]
    out = Image.fromarray(indices.reshape(image.height, image.width), "P")
    out.putpalette(centres.round().clip(0, 255).astype(np.uint8).tobytes())
    return out


def _nearest(colors: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Number of the centre that is nearest to each colour."""
    half = np.square(centres).sum(axis=1) / 2
    return np.concatenate([(half - part @ centres.T).argmin(axis=1) for part in np.array_split(colors, 64)])


def shoot_menus(app: QApplication, window: MainWindow, name: str, out: Path) -> None:
    """Show the menus of the menu bar, one after the other, and save."""
    window.resize(*SIZES[0])
    for title, menu in window.menus.by_name.items():
        entry = menu.menuAction()
        at = window.menuBar().actionGeometry(entry).bottomLeft()
        menu.popup(window.menuBar().mapToGlobal(at))
        save(app, window, out, f"{name}-menu-{title.lower()}", 1280)
        menu.hide()


def shoot(app: QApplication, window: MainWindow, scene: Path, rates: list[int], out: Path) -> None:
    """Open, compress, save."""
    before = window.session.scene
    window.controller.open(scene.absolute())
    wait(app, lambda: window.session.scene is not before, f"opening {scene}")
    window.controller.keeper.load()
    opened = window.session.scene
    assert opened is not None
    name = scene.stem.split("_")[0]
    session = window.session
    if opened.stream is not None:
        wait(
            app, lambda: STREAM in session.results and session.results[STREAM].state is State.DONE, "decoding"
        )
        save(app, window, out, f"{name}-fdegc")
        return
    wait(app, lambda: session.refined, "estimates")
    for rate in rates:
        session.set_rate(rate)
        window.start_compress()
        if rate == rates[0]:
            wait(app, lambda r=rate: r in session.results and session.results[r].tiles_done > 0, "tile")
            save(app, window, out, f"{name}-running", 1280)
        wait(
            app,
            lambda r=rate: r in session.results and session.results[r].metric_state is MetricState.DONE,
            f"rate {rate}",
        )
    save(app, window, out, name)
    window.compare.viewport.restore(QPointF(opened.info.width * 0.55, opened.info.height * 0.5), 2.0)
    save(app, window, out, f"{name}-zoomed", 1280)


def shoot_display(app: QApplication, window: MainWindow, bands: tuple[int, ...], out: Path) -> None:
    """Show other bands of the scene that is open, and save."""
    session, compare = window.session, window.compare
    scene = session.scene
    assert scene is not None
    session.set_display(Display(bands, Stretch.PERCENTILE))
    wait(app, lambda: window.controller.painter.is_settled, "another display")
    compare.viewport.fit()
    window.actions_["display"].trigger()
    pointer = QPointF(scene.info.width * 0.35, scene.info.height * 0.7)
    for pane in (compare.original, compare.reconstruction):
        pane.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
    compare.original.hovered.emit(pointer)
    wait(app, lambda: window.controller.prober.reading is not None, "values")
    wait(app, lambda: compare.display.histogram.spread is not None, "histogram")
    save(app, window, out, f"{scene.path.stem.split('_')[0]}-display")
    compare.original.hovered.emit(None)
    window.actions_["display"].trigger()


def shoot_layouts(app: QApplication, window: MainWindow, out: Path) -> None:
    """Show the scene that is open in every layout, and save."""
    session, compare, controller = window.session, window.compare, window.controller
    for pane in (compare.original, compare.reconstruction):
        pane.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
    scene = session.scene
    assert scene is not None
    name = scene.path.stem.split("_")[0]
    middle = QPointF(scene.info.width * 0.55, scene.info.height * 0.5)

    def settled() -> bool:
        return controller.painter.is_settled and controller.differ.is_settled

    for layout in Layout:
        if layout is Layout.AUTOMATIC:
            continue
        compare.set_layout(layout)
        compare.viewport.fit()
        wait(app, settled, layout.value)
        save(app, window, out, f"{name}-{layout.value}")
    session.set_style(DifferenceStyle(signed=True, gain=16))
    compare.viewport.restore(middle, 2.0)
    wait(app, settled, "signed")
    save(app, window, out, f"{name}-signed", 1280)
    compare.set_layout(Layout.SIDE_BY_SIDE)
    for zoom in (16.0, 32.0, 128.0):
        compare.viewport.restore(middle, zoom)
        compare.original.hovered.emit(middle)
        wait(app, lambda z=zoom: settled() and (z < 32 or controller.prober.block is not None), "values")
        save(app, window, out, f"{name}-close-{zoom:.0f}", 1280)
    compare.original.hovered.emit(None)
    compare.set_layout(Layout.DIFFERENCE)
    compare.viewport.restore(middle, 48.0)
    wait(app, settled, "differences from close up")
    save(app, window, out, f"{name}-close-difference", 1280)
    compare.set_layout(Layout.SIDE_BY_SIDE)
    compare.viewport.fit()
    side = min(scene.info.width, scene.info.height) // 2
    controller.regions.measure(Window(scene.info.width // 4, scene.info.height // 4, side, side))
    wait(app, lambda: controller.regions.figures is not None and controller.regions.note != "…", "region")
    save(app, window, out, f"{name}-region")
    window.comparing.close_region()
    compare.set_layout(Layout.SWIPE)
    window.actions_["full_screen"].trigger()
    save(app, window, out, f"{name}-full-screen", 2560)
    window.actions_["full_screen"].trigger()
    session.set_style(DifferenceStyle())
    compare.set_layout(Layout.AUTOMATIC)


def shoot_places(app: QApplication, window: MainWindow, out: Path) -> None:
    """Show the maps of the tiles, the worst one, and a place to go to, and save."""
    session, compare, controller = window.session, window.compare, window.controller
    scene = session.scene
    assert scene is not None
    name = scene.path.stem.split("_")[0]
    compare.viewport.fit()
    for figure in TileFigure:
        window.tiles.show(figure)
        wait(app, lambda f=figure: getattr(window.tiles.tiles, "figure", None) is f, "map of tiles")
        save(app, window, out, f"{name}-tiles-{figure.value}")
    tiles = window.tiles.tiles
    assert tiles is not None
    window.sidebar.tiles.place_wanted.emit(tiles.window(*tiles.worst(1)[0]))
    wait(app, lambda: controller.painter.is_settled, "worst place")
    save(app, window, out, f"{name}-tiles-worst", 1280)
    window.tiles.show(None)
    window.actions_["go_to"].trigger()
    window.going.card.field.setText(f"{scene.info.width // 3}, {scene.info.height // 2}")
    wait(app, lambda: bool(window.going.found), "place")
    window.going.card.chosen.emit(0)
    wait(app, lambda: controller.painter.is_settled, "place")
    save(app, window, out, f"{name}-place")
    window.going.close()
    window.actions_["metadata"].trigger()
    save(app, window, out, f"{name}-metadata", 1280)
    compare.viewport.fit()


def shoot_codecs(app: QApplication, window: MainWindow, names: list[str], out: Path) -> None:
    """Code the scene that is open with other codecs at the size of every finished rate, and save."""
    session, guests = window.session, window.controller.guests
    scene = session.scene
    assert scene is not None
    guests.look()
    wait(app, lambda: guests.offers is not None, "other codecs")
    assert guests.offers is not None
    offers = {offer.name: offer for offer in guests.offers.codecs}
    for rate in sorted(session.results):
        session.set_rate(rate)
        for name in names:
            before = len(session.results)
            guests.code(offers[name], Side.A)
            wait(app, lambda count=before: len(session.results) > count, name)
            last = max(session.results)
            wait(app, lambda key=last: session.results[key].metric_state is MetricState.DONE, "figures")
    wait(app, lambda: window.controller.painter.is_settled, "pictures")
    window.compare.viewport.fit()
    window.resize(*SIZES[0])
    app.processEvents()
    for area in window.sidebar.findChildren(QScrollArea):
        area.ensureWidgetVisible(window.sidebar.plot)
    save(app, window, out, f"{scene.path.stem.split('_')[0]}-codecs")


def main() -> int:
    """Run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scenes", nargs="*", type=Path)
    parser.add_argument("--rates", default="2,4", help="rate points to compress at, the last one is shown")
    parser.add_argument("--bands", default="", help="show these as well, for example 4,1,2")
    parser.add_argument("--codecs", default="", help="code with these as well, for example jpeg-444,webp")
    parser.add_argument("--layouts", action="store_true", help="show every layout of the comparison as well")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).resolve().parent.parent / "docs" / "images"
    )
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        app = make_application()
        settings = Settings(QSettings(str(Path(folder) / "s.ini"), QSettings.Format.IniFormat))
        theme = Theme("light")
        theme.apply()
        window = MainWindow(settings, theme, kept=KeptScenes(Path(folder) / "kept"))
        window.controller.failed.connect(lambda head, failure: FAILURES.append(f"{head} {failure.message}"))
        window.show()
        save(app, window, arguments.out, "start", 1280)
        try:
            for scene in arguments.scenes:
                shoot(app, window, scene, [int(rate) for rate in arguments.rates.split(",")], arguments.out)
                if arguments.codecs:
                    shoot_codecs(app, window, arguments.codecs.split(","), arguments.out)
                if arguments.layouts:
                    shoot_layouts(app, window, arguments.out)
                    shoot_places(app, window, arguments.out)
                    shoot_menus(app, window, scene.stem.split("_")[0], arguments.out)
                if arguments.bands:
                    bands = tuple(int(band) - 1 for band in arguments.bands.split(","))
                    shoot_display(app, window, bands, arguments.out)
        finally:
            window.close()
            wait(app, lambda: not window.controller.is_running, "closing")
    for failure in FAILURES:
        print(failure, file=sys.stderr)
    return 1 if FAILURES else 0


if __name__ == "__main__":
    sys.exit(main())
