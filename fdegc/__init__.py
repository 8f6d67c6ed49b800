"""FDEGC: learned compression of satellite and aerial imagery.

The package imports nothing heavy; ``fdegc.codec`` is where torch comes in.
"""

__version__ = "0.1.0"
