"""Drive the real application and save what it looks like.

    python benchmarks/screenshots.py SCENE... [--rates 2,4] [--bands 4,1,2] [--layouts] [--dialogs]
        [--codecs A] [--out D]

compresses each scene with the real codec and saves it light and dark, at 1280 × 800 and
2560 × 1440, as NAME-THEME-WIDTH.png; the start page as start-THEME-WIDTH.png; and a pair at 200 %.  With
``--bands`` (numbers from 1: one as grey, or three as red, green, blue) NAME-display-THEME-WIDTH.png
as well, stretched from 2 to 98 %, with the display card open and the pointer's place marked.  With
``--dialogs`` menus, dialogs, the loupe, a palette that is announced, files that are damaged.  With
``--layouts`` every layout of the comparison as NAME-LAYOUT-THEME-WIDTH.png, pixels from close up, a region,
maps of the tiles, a place that was gone to, metadata, the menus.
With ``--webp`` the larger ones are WebP, as in the guide.
With ``--codecs jpeg-444,webp`` those at the size of every rate, as NAME-codecs-THEME-WIDTH.png.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import rasterio
from PIL import Image
from PySide6.QtCore import QEvent, QPoint, QPointF, QSettings, Qt
from PySide6.QtGui import QHelpEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QMenu, QScrollArea, QToolTip, QWidget

from benchmarks.window_pictures import FAILURES, SIZES, WEBP, save, save_asked, wait
from fdegc.errors import UnsupportedRaster
from fdegc.raster_info import Window
from fdegc_gui.app import make_application
from fdegc_gui.dialogs import files
from fdegc_gui.jobs import Failure
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


def shoot_menus(app: QApplication, window: MainWindow, name: str, out: Path) -> None:
    """Show the menus of the menu bar, one after the other, and save."""
    window.resize(*SIZES[0])
    for title, menu in window.menus.by_name.items():
        entry = menu.menuAction()
        at = window.menuBar().actionGeometry(entry).bottomLeft()
        menu.popup(window.menuBar().mapToGlobal(at))
        save(app, window, out, f"{name}-menu-{title.lower()}", None if title == "Compare" else 1280)
        menu.hide()


def shoot(app: QApplication, window: MainWindow, scene: Path, rates: list[int], out: Path) -> None:
    """Open, compress, save."""
    before, name = window.session.scene, scene.stem.split("_")[0]
    window.expect()
    window.controller.open(scene.absolute())
    save(app, window, out, f"{name}-opening", 1280)
    wait(app, lambda: window.session.scene is not before, f"opening {scene}")
    window.controller.keeper.load()
    opened = window.session.scene
    assert opened is not None
    session = window.session
    if opened.stream is not None:
        save(app, window, out, f"{name}-fdegc-decoding", 1280)
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
            save(app, window, out, f"{name}-queued", 1280)
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
    window.sidebar.reveal("metrics")
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
    window.showNormal()  # as large as is wanted: there is no screen of that size here
    save(app, window, out, f"{name}-full-screen")
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
        save(app, window, out, f"{name}-tiles-{figure.value}", section="tiles")
    tiles = window.tiles.tiles
    assert tiles is not None
    window.sidebar.tiles.place_wanted.emit(tiles.window(*tiles.worst(1)[0]))
    wait(app, lambda: controller.painter.is_settled, "worst place")
    save(app, window, out, f"{name}-tiles-worst", 1280, "tiles")
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


def shoot_details(app: QApplication, window: MainWindow, out: Path) -> None:
    """Show menus of the stage and the side bar, the loupe, local SSIM, and what is said of wrong words."""
    session, compare, controller = window.session, window.compare, window.controller
    scene = session.scene
    assert scene is not None
    name, rate = scene.path.stem.split("_")[0], session.rate
    window.resize(*SIZES[0])
    compare.set_layout(Layout.DIFFERENCE)
    session.set_style(DifferenceStyle(similar=True))
    wait(app, lambda: controller.differ.is_settled and session.difference is not None, "local SSIM")
    save(app, window, out, f"{name}-ssim")
    session.set_style(DifferenceStyle())
    compare.set_layout(Layout.SIDE_BY_SIDE)
    compare.viewport.fit()
    results, table = window.result_menus, window.sidebar.results.table
    chip = compare.chips[Side.A]
    chip.fill()
    codecs = window.guest_menu.menus[Side.A]
    window.guest_menu.fill(Side.A)
    wait(app, lambda: controller.guests.offers is not None, "other codecs")
    window.guest_menu.fill(Side.A)
    bar = window.sidebar.bar.compare
    for what, menu, anchor in (
        ("chip", chip.choices, chip),
        ("codecs", codecs, bar),
        ("canvas", window.comparing.menu, compare.original),
        ("row", results.menu_for_result(session.key), table.viewport()),
        ("plot", results.menu_for_plot(), window.sidebar.plot),
    ):
        save_menu(app, window, out, f"{name}-menu-of-{what}", menu, anchor)
    show_tooltip_of_plot(app, window)
    save(app, window, out, f"{name}-plot-hover", 1280)
    QToolTip.hideText()
    middle = QPointF(scene.info.width * 0.55, scene.info.height * 0.5)
    window.actions_["loupe"].trigger()
    compare.original.hovered.emit(middle)
    wait(app, lambda: controller.prober.reading is not None, "values")
    save(app, window, out, f"{name}-loupe", 1280)
    window.actions_["loupe"].trigger()
    compare.original.hovered.emit(None)
    window.actions_["go_to"].trigger()
    window.going.card.field.setText("somewhere")
    wait(app, lambda: bool(window.going.card.words.text()), "what cannot be read")
    save(app, window, out, f"{name}-place-wrong", 1280)
    window.going.close()
    window.actions_["display"].trigger()
    black = compare.display.channels[0].low
    black.setFocus()
    black.selectAll()
    QTest.keyClicks(black, "99999")
    save(app, window, out, f"{name}-display-wrong", 1280)
    window.actions_["display"].trigger()
    window.actions_["any_quality"].trigger()
    save(app, window, out, f"{name}-quality", 1280)
    window.actions_["rate_exact"].trigger()
    save(app, window, out, f"{name}-exact", 1280)
    session.set_rate(rate)
    compare.set_layout(Layout.AUTOMATIC)


def save_menu(
    app: QApplication, window: MainWindow, out: Path, name: str, menu: QMenu, anchor: QWidget
) -> None:
    """Save with a menu at something."""
    for area in window.sidebar.findChildren(QScrollArea):
        if area.widget().isAncestorOf(anchor):
            area.ensureWidgetVisible(anchor)
    app.processEvents()
    menu.popup(anchor.mapToGlobal(QPoint(24, 24)))
    save(app, window, out, name, 1280)
    menu.hide()


def show_tooltip_of_plot(app: QApplication, window: MainWindow) -> None:
    """Show what hovering over the last point of the plot says."""
    plot = window.sidebar.plot
    for area in window.sidebar.findChildren(QScrollArea):
        area.ensureWidgetVisible(plot)
    for _ in range(3):
        window.grab()
        app.processEvents()
    view = plot._canvas.widget
    x, y, _ = plot.points[-1]
    at = view.mapFromScene(view.getPlotItem().vb.mapViewToScene(QPointF(x, y)))
    words = next(mark.data().words for mark in plot._canvas.marks.points() if mark.pos().x() == x)
    view.getPlotItem().vb.setToolTip(words)
    canvas = view.viewport()
    app.sendEvent(canvas, QHelpEvent(QEvent.Type.ToolTip, at, canvas.mapToGlobal(at)))


def shoot_dialogs(app: QApplication, window: MainWindow, folder: Path, out: Path) -> None:
    """Show every dialog and question, Qt's own file dialogs in place of the system's."""
    folder.mkdir(exist_ok=True)
    for words, error in (
        ("error", UnsupportedRaster("It is no image that GDAL knows. Open a GeoTIFF, PNG or JPEG.")),
        ("defect", ZeroDivisionError("division by zero")),
    ):
        window.show_failure("“scene.tif” could not be opened.", Failure.of(error))
        dialog = app.activeModalWidget()
        assert dialog is not None
        if words == "defect":
            dialog.toggle.click()
        save(app, window, out, f"dialog-{words}")
        dialog.close()
    for words, show in (("shortcuts", window.show_shortcuts), ("about", window.show_about)):
        show()
        dialog = app.activeModalWidget()
        assert dialog is not None
        save(app, window, out, f"dialog-{words}")
        dialog.close()
    (folder / "a_scene_with_a_rather_long_name_2026-11.tif").write_bytes(bytes(3_700_000))
    (folder / "scene-rate4.fdegc").write_bytes(bytes(70_000))
    own, dialogs = files.file_dialog, files.FileDialogs()

    def qt_s(*arguments: object) -> QFileDialog:
        dialog = own(*arguments)
        dialog.setOption(QFileDialog.Option.DontUseNativeDialog)
        return dialog

    files.file_dialog = qt_s
    target, several = folder / "scene.tif", folder / "pages.tif"
    for words, ask in (
        ("open", lambda: dialogs.open_file(window, str(folder))),
        ("save", lambda: dialogs.save_image(window, str(target), "geotiff")),
        ("replace", lambda: dialogs.confirm_overwrite(window, target)),
        (
            "leave",
            lambda: dialogs.confirm_loss(
                window, "scene.tif", "What would be lost: results that are not saved (rate 4)."
            ),
        ),
    ):
        save_asked(app, window, out, f"dialog-{words}", ask)
    pages = [Image.new("L", (400 + 40 * i, 300), 60 * i) for i in range(3)]
    pages[0].save(several, save_all=True, append_images=pages[1:])
    save_asked(app, window, out, "dialog-pages", lambda: _until_asked(app, window, several))
    files.file_dialog = own


def _until_asked(app: QApplication, window: MainWindow, path: Path) -> None:
    asked: list[object] = []
    window.controller.part_wanted.connect(lambda *_: asked.append(path))
    window.open(path)
    wait(app, lambda: bool(asked), "the question which of several")


def shoot_kinds(app: QApplication, window: MainWindow, folder: Path, out: Path) -> None:
    """Show a scene with a palette, which is announced, and a compressed file that is damaged."""
    session = window.session
    stream = next((r.stream_path for r in session.results.values() if r.stream_path is not None), None)
    if stream is not None:
        data = bytearray(stream.read_bytes())
        data[len(data) // 3] ^= 1
        (folder / "damaged.fdegc").write_bytes(data)
    patches = np.random.default_rng(4).integers(0, 6, (40, 60)).repeat(16, 0).repeat(16, 1).astype(np.uint8)
    with rasterio.open(
        folder / "landcover.tif", "w", driver="GTiff", width=960, height=640, count=1, dtype="uint8"
    ) as target:
        target.write(patches, 1)
        colors = ((34, 139, 34), (210, 180, 140), (30, 90, 200), (200, 30, 30), (250, 230, 80), (90, 90, 90))
        target.write_colormap(1, {i: (*color, 255) for i, color in enumerate(colors)})
    window.controller.open(folder / "landcover.tif")
    wait(app, lambda: bool(session.unasked) and window.notice.isVisible(), "palette")
    wait(app, lambda: window.controller.painter.is_settled, "picture")
    save(app, window, out, "palette-announced")
    if stream is not None:
        window.controller.open(folder / "damaged.fdegc")
        wait(app, lambda: session.scene is not None and session.scene.stream is not None, "damaged file")
        wait(app, window.notice.isVisible, "what is lost")
        wait(app, lambda: window.controller.painter.is_settled, "picture")
        save(app, window, out, "damaged")


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
    parser.add_argument("--dialogs", action="store_true", help="show menus, dialogs, announcements as well")
    parser.add_argument("--webp", action="store_true", help="the larger ones as WebP, half as many bytes")
    arguments = parser.parse_args()
    WEBP.update({SIZES[1][0]} if arguments.webp else ())
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        app = make_application()
        settings = Settings(QSettings(str(Path(folder) / "s.ini"), QSettings.Format.IniFormat))
        theme = Theme("light")
        theme.apply()
        window = MainWindow(settings, theme, kept=KeptScenes(Path(folder) / "kept"))
        window.controller.failed.connect(lambda head, failure: FAILURES.append(f"{head} {failure.message}"))
        window.show()
        save(app, window, arguments.out, "start")
        try:
            for scene in arguments.scenes:
                shoot(app, window, scene, [int(rate) for rate in arguments.rates.split(",")], arguments.out)
                if arguments.codecs:
                    shoot_codecs(app, window, arguments.codecs.split(","), arguments.out)
                if arguments.layouts:
                    shoot_layouts(app, window, arguments.out)
                    shoot_places(app, window, arguments.out)
                    shoot_menus(app, window, scene.stem.split("_")[0], arguments.out)
                if arguments.dialogs:
                    shoot_details(app, window, arguments.out)
                if arguments.bands:
                    bands = tuple(int(band) - 1 for band in arguments.bands.split(","))
                    shoot_display(app, window, bands, arguments.out)
            if arguments.dialogs:
                shoot_dialogs(app, window, Path(folder) / "files", arguments.out)
                shoot_kinds(app, window, Path(folder) / "files", arguments.out)
        finally:
            window.close()
            wait(app, lambda: not window.controller.is_running, "closing")
    for failure in FAILURES:
        print(failure, file=sys.stderr)
    return 1 if FAILURES else 0


if __name__ == "__main__":
    sys.exit(main())
