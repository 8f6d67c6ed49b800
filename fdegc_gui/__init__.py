"""The desktop application: a thin skin over :mod:`fdegc`."""
