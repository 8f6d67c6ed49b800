"""Going to a place: notations of coordinates, what they mean in a scene, and the flight there."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot
from rasterio.crs import CRS
from rasterio.transform import from_origin

from fdegc.raster import Geolocator
from fdegc.raster_info import RasterInfo
from fdegc_gui.main_window import MainWindow
from fdegc_gui.models.place import Place, PlaceKind, Unreadable, read_place
from tests.gui.display_steps import TIMEOUT, open_scene, write
from tests.gui.fakes import FakeEngine
from tests.gui.window_steps import finished

#: The Eiffel Tower, as it is found in many places.
EIFFEL = (
    "48.85837, 2.294481",
    "48.85837 2.294481",
    "48.85837N 2.294481E",
    "48.85837° N, 2.294481° E",
    "N48.85837 E2.294481",
    "n 48.85837, e 2.294481",
    "2.294481E 48.85837N",
    "lat: 48.85837, lon: 2.294481",
    "lon=2.294481 lat=48.85837",
    "Latitude 48.85837 Longitude 2.294481",
    "48°51'30.132\"N 2°17'40.1316\"E",
    "48° 51′ 30.132″ N, 2° 17′ 40.1316″ E",
    "48º51’30.132”N, 2º17’40.1316”E",
    "48 51 30.132 N 2 17 40.1316 E",
    "N 48 51 30.132 E 2 17 40.1316",
    "48 51 30.132, 2 17 40.1316",
    "48 51.5022 2 17.66886",
    "48°51.5022' 2°17.66886'",
    "48:51:30.132, 2:17:40.1316",
    "48:51:30.132N 2:17:40.1316E",
    "48,85837; 2,294481",
    "48,85837 2,294481",
    "48,85837° N 2,294481° E",
    "(48.85837, 2.294481)",
    "[48.85837,2.294481]",
    "+48.85837+002.294481/",
    "geo:48.85837,2.294481",
    "https://www.google.com/maps/@48.85837,2.294481,17z",
    "48.85837\u00a0N\t2.294481\u00a0E",
)


@pytest.mark.parametrize("text", EIFFEL)
def test_latitude_and_longitude_in_many_notations(text: str) -> None:
    found = [place for place in read_place(text) if place.kind is PlaceKind.DEGREES]
    assert (found[0].x, found[0].y) == pytest.approx((2.294481, 48.85837), abs=1e-9)


@pytest.mark.parametrize(
    ("text", "lon", "lat"),
    [
        ("33°51'24.5\"S 151°12'55\"E", 151.2152777778, -33.8568055556),
        ("-33.8568 -70.5", -70.5, -33.8568),
        ("−33.8568, −70.5", -70.5, -33.8568),
        ("34.6 S 58.4 W", -58.4, -34.6),
        ("151.2, -33.9", 151.2, -33.9),
        ("0.5°S 0.25°W", -0.25, -0.5),
        ("-0°30' 0°15'", 0.25, -0.5),
        ("-33.8568-070.5/", -70.5, -33.8568),
        ("12 N 200 E", -160.0, 12.0),
    ],
)
def test_signs_and_directions(text: str, lon: float, lat: float) -> None:
    found = [place for place in read_place(text) if place.kind is PlaceKind.DEGREES]
    assert (found[0].x, found[0].y) == pytest.approx((lon, lat), abs=1e-9)


@pytest.mark.parametrize(
    ("text", "x", "y"),
    [
        ("512, 300", 512, 300),
        ("512 300", 512, 300),
        ("512;300 px", 512, 300),
        ("col 512 row 300", 512, 300),
        ("row 300, col 512", 512, 300),
        ("x=512.5 y=300.25", 512.5, 300.25),
        ("col\t512\nrow\t300\nmap\t448256.2\t5410849.7", 512, 300),
        ("Column: 512, Row: 300", 512, 300),
    ],
)
def test_pixels(text: str, x: float, y: float) -> None:
    assert read_place(text)[0] == Place(PlaceKind.PIXEL, x, y)


def test_plain_numbers_can_be_several_things() -> None:
    kinds = [place.kind for place in read_place("48.5, 2.25")]
    assert kinds == [PlaceKind.PIXEL, PlaceKind.MAP, PlaceKind.DEGREES, PlaceKind.DEGREES]
    assert [place.kind for place in read_place("448250.5 5410800")] == [PlaceKind.PIXEL, PlaceKind.MAP]
    kinds = [place.kind for place in read_place("48.8451, 14.2934")]
    assert kinds[0] is PlaceKind.DEGREES and PlaceKind.PIXEL in kinds, "nobody writes so of pixels"
    assert len(read_place("48°30', 2°15'")) == 2, "latitude first, unless that is nowhere"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Paris", "cannot be read"),
        ("48.85", "two coordinates"),
        ("48.85 N", "two coordinates"),
        ("48 51 30 2 17", "where the first coordinate ends"),
        ("48°75'N 2°17'E", "Minutes and seconds"),
        ("48.5°30'N 2°E", "last part"),
        ("48N 2N", "north or south"),
        ("95 N 2 E", "from −90 to 90"),
        ("-48 S 2 E", "not clear"),
        ("col 5 col 7", "one column and one row"),
        ("1 2 3 4 5 6 7 8", "degrees, minutes and seconds"),
        ("48N 2E 5N", ""),
    ],
)
def test_what_cannot_be_read_says_why(text: str, why: str) -> None:
    with pytest.raises(Unreadable) as error:
        read_place(text)
    assert why in str(error.value)


@given(st.text(alphabet="0123456789.,;:+-°'\"NSEWnsewlatcoxyrw ()@/=−\t", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        places = read_place(text)
    except Unreadable:
        return
    assert places and all(np.isfinite((place.x, place.y)).all() for place in places)


def test_position_is_the_inverse_of_lonlat() -> None:
    wkt = CRS.from_epsg(32633).to_wkt(version="WKT2_2019")
    info = RasterInfo(
        "x", "GTiff", 100, 80, 1, "uint8", crs_wkt=wkt, transform=(0.4, 0.1, 448000.0, 0.1, -0.5, 5411000.0)
    )
    locator = Geolocator(info)
    place = locator.lonlat(12.5, 70.25)
    assert place is not None and locator.position(*place) == pytest.approx((12.5, 70.25), abs=1e-5)
    assert locator.position_on_map(448000.0, 5411000.0) == pytest.approx((0, 0))
    assert Geolocator(RasterInfo("x", "PNG", 9, 9, 1, "uint8")).position(1, 2) is None
    flat = RasterInfo("x", "GTiff", 9, 9, 1, "uint8", crs_wkt=wkt, transform=(1.0, 1.0, 0.0, 1.0, 1.0, 0.0))
    assert Geolocator(flat).position_on_map(1, 2) is None


@pytest.fixture
def placed(tmp_path: Path) -> Path:
    return write(
        tmp_path / "placed.tif",
        np.zeros((1, 400, 600), np.uint8),
        crs="EPSG:32633",
        transform=from_origin(448000.0, 5411000.0, 0.5, 0.5),
    )


def type_in(qtbot: QtBot, window: MainWindow, text: str) -> str:
    card = window.going.card
    card.field.setText(text)
    qtbot.waitUntil(lambda: window.going._asked is None, timeout=TIMEOUT)
    return card.words.text()


def test_flight_to_what_is_typed(qtbot: QtBot, window: MainWindow, placed: Path) -> None:
    assert not window.actions_["go_to"].isEnabled()
    open_scene(qtbot, window, placed)
    window.actions_["go_to"].trigger()
    card, viewport = window.going.card, window.compare.viewport
    assert card.isVisible() and "Column and row" in card.words.text()
    assert type_in(qtbot, window, "300, 100") == ""
    assert card.height() > card.field.height() + card.readings[0].height() + 30
    assert [b.text() for b in card.readings if not b.isHidden()] == ["Pixel:  col 300, row 100"]
    qtbot.keyClick(card.field, Qt.Key.Key_Return)
    assert card.geometry().right() < window.compare.width() // 2 - 20, "not over the place that is gone to"
    assert viewport.center.toTuple() == (300.5, 100.5) and viewport.zoom == 1.0
    assert card.field.selectedText() == "300, 100", "the next place takes its place"
    assert "pin" in window.compare.reconstruction._overlays
    type_in(qtbot, window, "448050 5410900")
    assert card.readings[0].text().startswith("Map:") and card.readings[0].text().endswith("col 100, row 200")
    viewport.set_zoom(8.0)
    card.readings[0].click()
    assert viewport.center.toTuple() == (100.0, 200.0) and viewport.zoom == 8.0
    lonlat = Geolocator(window.session.scene.info).lonlat(450, 350)  # type: ignore[union-attr]
    assert lonlat is not None
    # Enter at once: the answer is waited for.
    card.field.setText(f"{lonlat[1]:.9f} N {lonlat[0]:.9f} E")
    qtbot.keyClick(card.field, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: viewport.center.x() > 400, timeout=TIMEOUT)
    assert viewport.center.toTuple() == pytest.approx((450, 350), abs=0.01)
    qtbot.keyClick(card.field, Qt.Key.Key_Escape)
    assert not card.isVisible() and "pin" not in window.compare.reconstruction._overlays


def test_outside_or_unreadable_is_said(
    qtbot: QtBot, window: MainWindow, placed: Path, scene_path: Path
) -> None:
    open_scene(qtbot, window, placed)
    window.actions_["go_to"].trigger()
    card = window.going.card
    assert type_in(qtbot, window, "700, 100") == (
        "Outside of the scene: column 700, row 100 of 600 × 400 pixels."
    )
    assert "column 701, row 3 of" in type_in(qtbot, window, "701, 3"), "as it was typed"
    assert card.field.property("wrong") and card.readings[0].isHidden()
    words = type_in(qtbot, window, "448901 5410900")
    assert words == "Outside of the scene: column 1802, row 200 of 600 × 400 pixels."
    assert type_in(qtbot, window, "48.8584 N 2.2945 E").startswith("Outside of the scene: column −")
    assert type_in(qtbot, window, "5 somewhere").startswith("“somewhere” cannot be read")
    type_in(qtbot, window, "5, 5")
    assert not card.field.property("wrong")
    open_scene(qtbot, window, scene_path)
    assert not card.isVisible()
    window.actions_["go_to"].trigger()
    assert "no coordinate system" in type_in(qtbot, window, "48.8584 N 2.2945 E")
    assert type_in(qtbot, window, "5 5") == ""


def test_escape_closes_it_and_cancels_nothing(
    qtbot: QtBot, window: MainWindow, scene_path: Path, fake: FakeEngine
) -> None:
    open_scene(qtbot, window, scene_path)
    fake.gate = threading.Event()
    window.actions_["compress"].trigger()
    qtbot.waitUntil(lambda: 4 in window.session.results, timeout=TIMEOUT)
    window.activateWindow()
    window.actions_["go_to"].trigger()
    qtbot.keyClick(window.going.card.field, Qt.Key.Key_Escape)
    assert not window.going.card.isVisible() and window.actions_["cancel"].isEnabled()
    fake.gate.set()
    qtbot.waitUntil(lambda: finished(window, 4), timeout=TIMEOUT)
