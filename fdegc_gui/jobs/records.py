"""Records as JSON: frozen dataclasses to plain values and back, with every type checked on the way."""

from __future__ import annotations

import collections.abc
import dataclasses
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

Record = TypeVar("Record")


def to_plain(value: Any) -> Any:
    """Value as JSON has it: dataclasses and mappings as objects, tuples as lists, paths as text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: to_plain(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, collections.abc.Mapping):
        return {key: to_plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(one) for one in value]
    return str(value) if isinstance(value, Path) else value


def from_plain(kind: type[Record], plain: Any) -> Record:
    """Dataclass from what :func:`to_plain` has made of it.

    Parameters
    ----------
    kind : type
        A dataclass of numbers, text, paths, dataclasses, ``None``, or tuples and mappings of those.
    plain : object
        From anywhere: a file may be damaged, or of another program.

    Raises
    ------
    ValueError
        If it is anything else.
    """
    built: Record = _built(kind, plain)
    return built


def _built(kind: Any, plain: Any) -> Any:
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _dataclass(kind, plain)
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        if plain is None and type(None) in inner:
            return None
        return _built(next(one for one in inner if one is not type(None)), plain)
    if origin is tuple and isinstance(plain, list):
        return tuple(_built(inner[0], one) for one in plain)
    if origin is collections.abc.Mapping and isinstance(plain, dict):
        return {str(key): _built(inner[1], one) for key, one in plain.items()}
    if kind is float and type(plain) in (int, float):
        return float(plain)
    if kind is Path and isinstance(plain, str):
        return Path(plain)
    if kind in (int, str, bool) and type(plain) is kind:
        return plain
    raise ValueError(f"{plain!r} is no {kind}")


def _dataclass(kind: type[Any], plain: Any) -> Any:
    names = {one.name for one in dataclasses.fields(kind)}
    if not isinstance(plain, dict) or set(plain) != names:
        raise ValueError(f"{plain!r} is no {kind}")
    hints = typing.get_type_hints(kind)
    return kind(**{name: _built(hints[name], plain[name]) for name in names})
