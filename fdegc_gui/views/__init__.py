"""Widgets: canvas, side bar, status bar.  Views show the session and emit wishes."""
