"""Desktop application: a thin skin over :mod:`fdegc`."""
