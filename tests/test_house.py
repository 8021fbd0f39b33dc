"""The house rules, proved on the syntax tree of every module."""

import ast
import importlib
from pathlib import Path

import pytest

import gossan

ROOT = Path(gossan.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

#: A room imports only from rooms in rows above its own.
ROWS = (
    ("errors", "hooks", "children", "abundance", "mapped", "shown"),
    ("grid",),
    ("survey",),
    ("metrics",),
    (
        "screen",
        "interpolate",
        "evidence",
        "windows",
        "split",
        "balance",
        "barren",
        "budget",
        "calibrate",
        "applicability",
        "sheet",
        "targets",
        "transform",
        "anomaly",
    ),
    ("recipe",),
    ("models",),
    ("evaluate", "predict", "explain", "dense"),
    ("io", "config", "plots", "synthetic"),
    ("runs", "report", "qgis"),
    ("pipeline", "view"),
    ("study",),
    ("cli",),
)
ROW = {room: number for number, row in enumerate(ROWS) for room in row}

#: Private modules that are part of a room.
PARTS = {
    "_nulls": "screen",
    "_sites": "interpolate",
    "_leaveout": "interpolate",
    "_blocks": "interpolate",
    "_far": "interpolate",
    "_direct": "interpolate",
    "_nearest": "interpolate",
    "_around": "windows",
    "_nest": "evidence",
}

#: The front door and the program; they belong to no room and nothing imports from them but the version.
DOORS = ("__init__.py", "__main__.py")


def label(file):
    return file.relative_to(ROOT).as_posix()


def room_of(module):
    """Name the room of a module's dotted name within the package."""
    first = module.split(".")[0]
    return PARTS.get(first, first)


def imported_rooms(tree):
    """Name every room that a syntax tree imports from, inside functions and for types too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            bare = node.module == "gossan"
            names = [f"gossan.{alias.name}" for alias in node.names] if bare else [node.module or ""]
        else:
            continue
        for name in names:
            if name.startswith("gossan.") and name != "gossan.__version__":
                yield node.lineno, room_of(name.removeprefix("gossan."))


def bodies(tree):
    """Every function with the lines of its body, its docstring left out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
            yield node, (body[-1].end_lineno - body[0].lineno + 1 if body else 0)


def is_command(node):
    """Tell whether a function is a command of the command line, which is called by its name there."""
    return any("app.command" in ast.unparse(decorator) for decorator in node.decorator_list)


def bound_names(tree):
    """Every name that a module binds at its top, and the public functions and classes among them."""
    bound, public = set(), set()
    outside = [node for node in tree.body if not isinstance(node, ast.FunctionDef | ast.ClassDef)]
    for node in (inner for statement in outside for inner in ast.walk(statement)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            bound.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            bound.add(node.name)
            public.update([] if node.name.startswith("_") or is_command(node) else [node.name])
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            bound.update(
                name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)
            )
    return bound, public


def declared(tree):
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            return ast.literal_eval(node.value)
    return None


TREES = {label(file): ast.parse(file.read_text(encoding="utf-8")) for file in FILES}


def offenders(find):
    """Where a rule is broken: file -> what `find` gives for its name and tree, where it gives anything."""
    found = {name: list(find(name, tree)) for name, tree in TREES.items()}
    return {name: wrong for name, wrong in found.items() if wrong}


def test_imports_go_one_way():
    def wrong(name, tree):
        if name in DOORS:
            return []
        own = room_of(name.split("/")[0].removesuffix(".py"))
        rooms = [(line, room) for line, room in imported_rooms(tree) if room != own]
        return [f"line {line}: {room}" for line, room in rooms if ROW.get(room, 99) >= ROW.get(own, -1)]

    assert offenders(wrong) == {}


def test_every_module_is_in_a_room():
    rooms = {room_of(name.split("/")[0].removesuffix(".py")) for name in TREES if name not in DOORS}
    assert rooms - set(ROW) == set()


def test_a_module_has_at_most_500_lines():
    lines = {label(file): len(file.read_text(encoding="utf-8").splitlines()) for file in FILES}
    assert {name: count for name, count in lines.items() if count > 500} == {}


def test_a_function_body_has_at_most_60_lines():
    assert offenders(lambda name, tree: [f"{node.name}: {n}" for node, n in bodies(tree) if n > 60]) == {}


def test_a_function_has_at_most_7_positional_arguments():
    def wrong(name, tree):
        for node, _ in bodies(tree):
            if len(node.args.args) + len(node.args.posonlyargs) > 7 and not is_command(node):
                yield node.name

    assert offenders(wrong) == {}


def test_no_exception_is_caught_broadly():
    broad = {"Exception", "BaseException"}

    def wrong(name, tree):
        for node in ast.walk(tree):
            if isinstance(node, ast.ExceptHandler):
                caught = {getattr(part, "id", "") for part in ast.walk(node.type)} if node.type else broad
                if caught & broad:
                    yield node.lineno

    assert offenders(wrong) == {}


def test_nothing_is_checked_by_assert_which_python_can_switch_off():
    def wrong(name, tree):
        return [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert)]

    assert offenders(wrong) == {}


def test_all_names_what_is_public_and_nothing_else():
    def wrong(name, tree):
        names = declared(tree)
        bound, public = bound_names(tree)
        given = names or ()
        return {
            *(set(given) - bound),
            *(public - set(given)),
            *(each for each in given if given.count(each) > 1),
        }

    assert offenders(wrong) == {}


def test_everything_public_has_a_docstring():
    def wrong(name, tree):
        if tree.body and not ast.get_docstring(tree):
            yield "the module"
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                yield from [] if ast.get_docstring(node) else [node.name]

    assert offenders(wrong) == {}


def test_the_median_function_is_short():
    lines = sorted(lines for tree in TREES.values() for _, lines in bodies(tree))
    assert lines[len(lines) // 2] <= 12
    assert lines[int(len(lines) * 0.9)] <= 40


CONTRACT = {
    "cut_windows": "windows",
    "fault_distance": "evidence",
    "gather": "windows",
    "idw": "interpolate",
    "load_project": "config",
    "run": "pipeline",
    "screen_elements": "screen",
    "spatial_folds": "split",
    "synthetic_survey": "synthetic",
    "z_auc": "metrics",
}


def test_the_front_door_is_exactly_the_contracts_names():
    assert set(gossan.__all__) == {*CONTRACT, "models"}
    assert set(gossan.__all__) <= set(dir(gossan))


@pytest.mark.parametrize(("name", "home"), CONTRACT.items())
def test_a_public_name_is_the_one_of_its_room(name, home):
    assert getattr(gossan, name) is getattr(importlib.import_module(f"gossan.{home}"), name)


def test_an_unknown_name_is_refused_as_by_any_module():
    with pytest.raises(AttributeError, match="has no attribute 'kriging'"):
        gossan.kriging  # noqa: B018
    assert gossan.models is importlib.import_module("gossan.models")
