"""Which files of the repository an app needs: the list that a bundle holds, and nothing but."""

import ast
import os
from collections.abc import Iterator
from pathlib import Path

from tooling.frameworks import Framework

LAYERS = "an app imports only its own folder and shared/"

RECORD = "rsconnect-python"
"""The folder where rsconnect keeps which content it deployed a bundle to; it never uploads it."""


class BundleError(Exception):
    """What keeps a bundle from leaving, in one sentence that names the file, the package or the line."""


def contents(framework: Framework, store: str | None = None) -> dict[str, Path]:
    """The files of a framework's bundle: path inside it, with `/`, to the file that it is copied from.

    `store` names the extra of the app's project whose packages the bundle's requirements list as well.

    They keep the paths that they have in the repository, but for the app's `pyproject.toml` and
    `requirements.txt`: rsconnect looks for those at the top. Raises `BundleError` where the app needs what a
    bundle must not hold, and where its folder holds what the app does not need: silence about either is
    how a file goes missing on the server, or a secret goes there.
    """
    root = framework.folder.parent
    locks = _locks(framework)
    if store is not None and store not in locks:
        known = ", ".join(locks) or "none"
        raise BundleError(
            f"{framework.name} has no requirements for STORE={store}; there are: {known}."
        )
    moved = ("pyproject.toml", "requirements.txt", *locks.values())
    files = {
        "pyproject.toml": framework.folder / "pyproject.toml",
        "requirements.txt": framework.folder / (locks[store] if store else "requirements.txt"),
    }
    for file in files.values():
        _refuse_symlink(root, file)
        if not file.is_file():
            raise BundleError(f"{framework.folder.name}/{file.name} is not there.")

    needed = needed_files(root, framework.entrypoint)
    readme = f"{framework.folder.name}/README.md"
    for path in _files_under(root, framework.folder):
        in_folder = path.partition("/")[2]
        if path == readme:
            needed.add(path)
        if path not in needed and in_folder not in moved and not in_folder.startswith("tests/"):
            raise BundleError(
                f"{path} is not on the list of what the bundle holds: nothing that"
                f" {framework.entrypoint} imports leads to it; use it there, or move it elsewhere."
            )
    return files | {path: root / path for path in needed}


def _locks(framework: Framework) -> dict[str, str]:
    """The names of the requirements files that `make lock` writes, by the extra that they include."""
    names = sorted(file.name for file in framework.folder.glob("requirements-*.txt"))
    return {name.removeprefix("requirements-").removesuffix(".txt"): name for name in names}


def needed_files(root: Path, entrypoint: str) -> set[str]:
    """The files that `entrypoint`, `module:attribute`, needs of those under `root`; paths with `/`.

    Those are the modules that can be reached from it by import statements, wherever these stand, and the
    data that these modules name by `Path(__file__).parent / "name"`: a file, or a folder with all that is
    in it. Raises `BundleError` for what leads out of the app's folder and `shared/`, and for what cannot be
    followed.
    """
    return _Needs(root, entrypoint.partition(":")[0]).files


class _Needs:
    """The walk from one module along imports and data."""

    def __init__(self, root: Path, module: str) -> None:
        self.root = root
        self.packages = (module.partition(".")[0], "shared")
        self.files: set[str] = set()
        if _module_file(root, module) is None:
            raise BundleError(f"The entry point's module {module} is not there.")
        self.add_module(module)

    def add_module(self, module: str) -> None:
        # Importing a.b.c runs a/__init__.py and a/b/__init__.py first.
        parent = module.rpartition(".")[0]
        if parent:
            self.add_module(parent)
        file = _module_file(self.root, module)
        if file is None:
            return
        _refuse_symlink(self.root, file)
        path = file.relative_to(self.root).as_posix()
        if path in self.files:
            return
        self.files.add(path)
        try:
            tree = ast.parse(file.read_bytes())
        except (SyntaxError, ValueError) as error:
            line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
            raise BundleError(f"{path}{line}: not Python: {error.args[0]}.") from None
        package = module if file.name == "__init__.py" else parent
        for statement in ast.walk(tree):
            if isinstance(statement, ast.Import | ast.ImportFrom):
                self.follow(statement, package, path)
        for data, number in _named_data(tree, file, path):
            self.add_data(data, f"{path}, line {number}")

    def follow(self, statement: ast.Import | ast.ImportFrom, package: str, path: str) -> None:
        place = f"{path}, line {statement.lineno}"
        for module, optional in _imported(statement, package):
            if module.partition(".")[0] in self.packages:
                if _module_file(self.root, module) or _is_folder(self.root, module):
                    self.add_module(module)
                elif not optional:
                    raise BundleError(f"{place}: {module} is imported, but is not there.")
            elif _module_file(self.root, module):
                raise BundleError(
                    f"{place}: {module} is imported, which is outside the bundle: {LAYERS}."
                )

    def add_data(self, data: Path, place: str) -> None:
        if not data.is_relative_to(self.root):
            raise BundleError(f"{place}: {data.name} is named, which is outside the bundle.")
        path = data.relative_to(self.root).as_posix()
        if path.partition("/")[0] not in self.packages:
            raise BundleError(f"{place}: {path} is named, which is outside the bundle: {LAYERS}.")
        _refuse_symlink(self.root, data)
        if data.is_dir():
            self.files.update(_files_under(self.root, data))
        elif data.is_file():
            self.files.add(path)
        else:
            raise BundleError(f"{place}: {path} is named, but is not there.")


def _module_file(root: Path, module: str) -> Path | None:
    base = root.joinpath(*module.split("."))
    candidates = (base / "__init__.py", base.with_name(f"{base.name}.py"))
    return next((file for file in candidates if file.is_file()), None)


def _is_folder(root: Path, module: str) -> bool:
    return root.joinpath(*module.split(".")).is_dir()


def _imported(statement: ast.Import | ast.ImportFrom, package: str) -> Iterator[tuple[str, bool]]:
    """The modules that a statement imports, and whether the name may as well be something in a module."""
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            yield alias.name, False
        return
    module = statement.module or ""
    if statement.level:
        above = package.split(".")[: len(package.split(".")) - statement.level + 1]
        module = ".".join([*above, module]).rstrip(".")
    yield module, False
    for alias in statement.names:
        yield f"{module}.{alias.name}", True


def _named_data(tree: ast.Module, file: Path, path: str) -> Iterator[tuple[Path, int]]:
    """Every place that the module names from `__file__` on, with its line."""
    known: dict[str, Path] = {}
    starts = set()
    for statement in tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                place = _place(value, file, known)
                if place is not None:
                    known[name] = place
                    starts.add(value)

    def visit(node: ast.AST) -> Iterator[tuple[Path, int]]:
        place = _place(node, file, known)
        if place is not None and not file.is_relative_to(place):
            assert isinstance(node, ast.expr)
            yield place, node.lineno
        elif place is not None and node in starts:
            pass  # The module itself or a folder above it, to name data from further down.
        elif place is not None or (isinstance(node, ast.Name) and node.id == "__file__"):
            assert isinstance(node, ast.expr)
            raise BundleError(
                f"{path}, line {node.lineno}: what lies beside a module must be named"
                ' by Path(__file__).parent / "name", for a bundle to take it along.'
            )
        else:
            for child in ast.iter_child_nodes(node):
                yield from visit(child)

    yield from visit(tree)


def _place(node: ast.AST, file: Path, known: dict[str, Path]) -> Path | None:
    """The path that an expression gives, as far as that can be read off it."""
    match node:
        case ast.Name(id=name, ctx=ast.Load()):
            return known.get(name)
        case ast.Call(
            func=ast.Name(id="Path") | ast.Attribute(attr="Path"), args=[ast.Name(id="__file__")]
        ):
            return file
        case ast.Call(func=ast.Attribute(value=inner, attr="resolve" | "absolute"), args=[]):
            return _place(inner, file, known)
        case ast.Attribute(value=inner, attr="parent"):
            place = _place(inner, file, known)
            return place and place.parent
        case ast.Call(
            func=ast.Attribute(value=inner, attr="with_name"), args=[ast.Constant(value=str(name))]
        ):
            place = _place(inner, file, known)
            return place and place.with_name(name)
        case ast.BinOp(left=inner, op=ast.Div(), right=ast.Constant(value=str(name))):
            place = _place(inner, file, known)
            return place and Path(os.path.normpath(place / name))
    return None


def _files_under(root: Path, folder: Path) -> Iterator[str]:
    """The files in a folder and below, but for hidden ones (`.env`, `.DS_Store`) and Python's caches."""
    for directory, folders, names in os.walk(folder):
        kept = [name for name in folders if not name.startswith(".") and name != "__pycache__"]
        folders[:] = sorted(kept)
        for name in sorted(names) + [name for name in kept if Path(directory, name).is_symlink()]:
            if name.startswith(".") or name.endswith(".pyc"):
                continue
            file = Path(directory, name)
            _refuse_symlink(root, file)
            path = file.relative_to(root).as_posix()
            if not file.is_file():
                raise BundleError(f"{path} is neither a file nor a folder.")
            yield path


def _refuse_symlink(root: Path, file: Path) -> None:
    """rsconnect leaves linked folders out without a word, and uploads linked files as dangling links."""
    path = file.relative_to(root)
    for part in (path, *path.parents[:-1]):
        if (root / part).is_symlink():
            raise BundleError(
                f"{part.as_posix()} is a symlink, which does not survive the upload: put the file itself there."
            )
