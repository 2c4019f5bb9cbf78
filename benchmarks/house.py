"""How the house is built: rooms (modules), floors, arrows (imports), circles, of this checkout or another.

    python benchmarks/house.py                     this checkout
    python benchmarks/house.py --repo ../older     another one beside it

A room stands one floor above the highest room that it imports. Needs import-linter (`make lint`), whose graph
of imports it reads. Prints a table and writes `benchmarks/results/house.json`.
"""

import argparse
import json
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
PACKAGES = ("genomes", "hardware_profiles", "proxies", "archsearch")
RESULT = ROOT / "benchmarks" / "results" / "house.json"


@dataclass(frozen=True)
class Folder:
    """One folder of a package, as its imports show it."""

    name: str
    rooms: int
    lines: int
    largest: int
    """Lines of the largest room."""
    arrows_in: int
    """Imports of its rooms by rooms outside."""
    arrows_out: int
    """Imports of outside rooms by its rooms."""


@dataclass(frozen=True)
class House:
    """A checkout, as its imports show it."""

    rooms: int
    lines: int
    arrows: int
    floors: int
    circles: tuple[tuple[str, ...], ...]
    """Groups of rooms that import each other in a loop."""
    folders: tuple[Folder, ...]


def survey(repo: Path) -> House:
    """Read the imports of a checkout."""
    sys.path.insert(0, str(repo))
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    paths = {module: _path(repo, module) for module in graph.modules}
    rooms = {module: len(path.read_text(encoding="utf-8").splitlines()) for module, path in paths.items()}
    arrows = {
        (module, imported)
        for module in graph.modules
        for imported in graph.find_modules_directly_imported_by(module)
    }
    circles = [tuple(sorted(group)) for group in _components(rooms, arrows) if len(group) > 1]
    folders = []
    for folder in sorted({_folder(repo, path) for path in paths.values()}):
        inside = {module for module, path in paths.items() if _folder(repo, path) == folder}
        folders.append(
            Folder(
                name=folder,
                rooms=len(inside),
                lines=sum(rooms[module] for module in inside),
                largest=max(rooms[module] for module in inside),
                arrows_in=sum(a not in inside and b in inside for a, b in arrows),
                arrows_out=sum(a in inside and b not in inside for a, b in arrows),
            )
        )
    return House(
        rooms=len(rooms),
        lines=sum(rooms.values()),
        arrows=len(arrows),
        floors=_floors(rooms, arrows),
        circles=tuple(sorted(circles)),
        folders=tuple(folders),
    )


def _path(repo: Path, module: str) -> Path:
    base = repo.joinpath(*module.split("."))
    package = base / "__init__.py"
    return package if package.exists() else base.with_suffix(".py")


def _folder(repo: Path, path: Path) -> str:
    return path.parent.relative_to(repo).as_posix()


def _components(rooms: Iterable[str], arrows: set[tuple[str, str]]) -> list[set[str]]:
    """Strongly connected groups of rooms, by reachability both ways."""
    reached = {room: _reachable(room, arrows) for room in rooms}
    groups: list[set[str]] = []
    left = set(reached)
    while left:
        room = left.pop()
        group = {room} | {other for other in reached[room] if room in reached[other]}
        left -= group
        groups.append(group)
    return groups


def _reachable(start: str, arrows: set[tuple[str, str]]) -> set[str]:
    onward: dict[str, list[str]] = {}
    for source, target in arrows:
        onward.setdefault(source, []).append(target)
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        for target in onward.get(waiting.pop(), ()):
            if target not in seen:
                seen.add(target)
                waiting.append(target)
    return seen


def _floors(rooms: Iterable[str], arrows: set[tuple[str, str]]) -> int:
    """Length of the longest chain of imports; a circle counts as one room."""
    group_of = {room: index for index, group in enumerate(_components(rooms, arrows)) for room in group}
    below: dict[int, set[int]] = {index: set() for index in group_of.values()}
    for source, target in arrows:
        if group_of[source] != group_of[target]:
            below[group_of[source]].add(group_of[target])
    height: dict[int, int] = {}

    def floor(group: int) -> int:
        if group not in height:
            height[group] = 1 + max((floor(other) for other in below[group]), default=0)
        return height[group]

    return max(floor(group) for group in below)


def main() -> None:
    """Print the table and keep it as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repo", type=Path, default=ROOT, help="checkout to read; default: this one")
    parser.add_argument(
        "--out", type=Path, default=None, help=f"JSON file; default for this checkout: {RESULT.name}"
    )
    options = parser.parse_args()
    house = survey(options.repo.resolve())
    print(f"{'folder':45} {'rooms':>5} {'lines':>6} {'largest':>7} {'in':>4} {'out':>4}")
    for f in house.folders:
        print(f"{f.name:45} {f.rooms:5} {f.lines:6} {f.largest:7} {f.arrows_in:4} {f.arrows_out:4}")
    print(
        f"{house.rooms} rooms, {house.lines} lines, {house.arrows} arrows, {house.floors} floors, "
        f"{len(house.circles)} circles"
    )
    for circle in house.circles:
        print(f"circle: {', '.join(circle)}")
    out = options.out or (RESULT if options.repo.resolve() == ROOT else None)
    if out is not None:
        out.write_text(json.dumps(asdict(house), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
