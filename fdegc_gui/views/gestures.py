"""Keys that are held, and what the pointer does over the pictures, for the list of shortcuts."""

from __future__ import annotations

from PySide6.QtCore import Qt

#: Held down, picture B's pane shows picture A.
FLIP_KEY = Qt.Key.Key_Space
#: Held down, a loupe shows what is around the pointer in both pictures.
LOUPE_KEY = Qt.Key.Key_L

#: What the pointer and held keys do, for the list of shortcuts.
GESTURES = (
    ("Zoom about the pointer", "Wheel or pinch"),
    ("Move the scene", "Drag, or arrow keys"),
    ("Fit the scene", "Home"),
    ("Fit the scene, or 100 %", "Double-click"),
    ("Show picture A in place of picture B", "Hold Space"),
    ("Loupe", "Hold L"),
    ("Move the line between two pictures", "Drag it, or Shift + arrow keys"),
    ("Draw a region while measuring", "Drag"),
)
