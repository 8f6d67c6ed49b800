"""Count the house: modules of the core, the floors they stand on, and the doors between its rooms.

    python scripts/count_house.py [CHECKOUT]

A room is what lies directly in ``fdegc/``: a package, or a module of its own.  Floors are counted along the
longest chain of imports that importing a module sets off; imports inside of functions come later and make
no floor, those for type checking none at all.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

Edges = dict[str, set[str]]


def modules_of(root: Path) -> dict[str, Path]:
    """Dotted name → file of every module of the core."""
    found = {}
    for path in sorted((root / "fdegc").rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports_of(tree: ast.AST, *, later: bool = False) -> Iterator[tuple[str, tuple[str, ...], bool]]:
    """Module, names taken of it, and whether inside of a function, of every import that is ever run."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, tuple(alias.name for alias in node.names), later
        elif isinstance(node, ast.Import):
            yield from ((alias.name, (), later) for alias in node.names)
        else:
            function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            # A module's __getattr__ runs when a name is taken of it.
            yield from imports_of(node, later=later or (function and node.name != "__getattr__"))


def edges_of(modules: dict[str, Path]) -> tuple[Edges, Edges]:
    """Who imports whom: at once, and at all."""
    at_once: Edges = {name: set() for name in modules}
    at_all: Edges = {name: set() for name in modules}
    for name, path in modules.items():
        for module, taken, later in imports_of(ast.parse(path.read_text(encoding="utf-8"))):
            inner = {f"{module}.{item}" for item in taken}
            targets = (inner & modules.keys()) or ({module} & modules.keys())
            if inner - modules.keys():  # something that the module itself has
                targets |= {module} & modules.keys()
            for target in targets - {name}:
                at_all[name].add(target)
                if not later:
                    at_once[name].add(target)
    return at_once, at_all


def longest_chain(edges: Edges) -> list[str]:
    """Modules from the roof to the ground; a circle is cut where it closes."""
    best: dict[str, list[str]] = {}

    def chain(name: str, above: tuple[str, ...]) -> list[str]:
        if name not in best:
            below = [chain(n, (*above, name)) for n in sorted(edges[name]) if n not in (*above, name)]
            best[name] = [name, *max(below, key=len, default=[])]
        return best[name]

    return max((chain(name, ()) for name in sorted(edges)), key=len)


def room(name: str) -> str:
    """The room of a module."""
    return name.split(".")[1] if "." in name else name


def main() -> int:
    """Print the counts."""
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent
    modules = modules_of(root)
    at_once, at_all = edges_of(modules)
    lines = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in modules.items()}
    pairs = [(a, b) for a, targets in at_all.items() for b in targets]
    between = [(a, b) for a, b in pairs if room(a) != room(b)]
    largest = max(lines, key=lambda name: lines[name])
    flat = sum("." in name and path.parent == root / "fdegc" for name, path in modules.items())
    packages = len({room(name) for name in modules if "." in name}) - flat
    chain = longest_chain(at_once)
    print(
        f"modules              {len(modules)}, {sum(lines.values())} lines; the longest is {largest}: {lines[largest]}"
    )
    print(f"directly in fdegc/   {flat} modules, {packages} packages")
    print(f"imports              {len(pairs)} from module to module")
    print(f"  between rooms      {len(between)}, over {len({(room(a), room(b)) for a, b in between})} doors")
    print(f"floors               {len(chain)}: {' → '.join(name.removeprefix('fdegc.') for name in chain)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
