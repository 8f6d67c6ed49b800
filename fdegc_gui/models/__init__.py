"""State of the application: QtCore and numpy only, no widgets."""
