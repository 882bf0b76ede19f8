"""The mutation operators: which small changes of a module's syntax tree are tried.

The tree is changed, not the text, so that comments and line breaks have no effect. Annotations,
docstrings, imports and protocols are not changed: they have no effect on a request.
"""

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_BOUNDARIES = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
# Methods that return a changed text, so that the object itself can stand for the call.
_METHODS = frozenset(
    ("lower", "strip", "rstrip", "removeprefix", "removesuffix", "encode", "decode", "resolve")
)
_MARK = "X"

_Functions = (ast.FunctionDef, ast.AsyncFunctionDef)
_Scopes = (*_Functions, ast.ClassDef)

Step = tuple[str, int | None]
"""A field of a node, and the position if the field is a list."""


@dataclass(frozen=True)
class Mutation:
    """One change of a tree.

    - `scope`: the qualified name of the function, class or variable to which the node belongs.
    - `path`: the steps from the module to the node.
    - `node`: what takes its place; None removes it from its list.
    """

    operator: str
    scope: str
    path: tuple[Step, ...]
    node: ast.AST | None

    def apply(self, tree: ast.Module) -> ast.Module:
        """Returns a changed copy of `tree`."""
        # Only the nodes on the path are copied: a deep copy takes longer than a compilation.
        changed = copy.copy(tree)
        parent: ast.AST = changed
        for step in self.path[:-1]:
            child = copy.copy(_at(parent, step))
            _put(parent, step, child)
            parent = child
        _put(parent, self.path[-1], self.node)
        return ast.fix_missing_locations(changed)

    def describe(self, tree: ast.Module) -> str:
        """The changed source and what takes its place, each on one line."""
        before: ast.AST = tree
        for step in self.path:
            before = _at(before, step)
        return f"{_text(before)} -> {'' if self.node is None else _text(self.node)}".rstrip()


def mutations(tree: ast.Module) -> Iterator[Mutation]:
    """Every mutation of a module, in the order of the source."""
    return _walk(tree, None, (), "")


def _at(node: ast.AST, step: Step) -> ast.AST:
    field, position = step
    value = getattr(node, field)
    found: ast.AST = value if position is None else value[position]
    return found


def _put(parent: ast.AST, step: Step, node: ast.AST | None) -> None:
    field, position = step
    if position is None:
        setattr(parent, field, node)
    else:
        changed = list(getattr(parent, field))
        changed[position : position + 1] = [] if node is None else [node]
        setattr(parent, field, changed)


def _text(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 70 else f"{text[:67]}..."


def _walk(
    node: ast.AST, parent: ast.AST | None, path: tuple[Step, ...], scope: str
) -> Iterator[Mutation]:
    if _is_fixed(node):
        return
    scope = _scope(node, scope)
    for operator, more, replacement in _changes(node, parent):
        yield Mutation(operator, scope or "<module>", path + more, replacement)
    for step, child in _children(node):
        yield from _walk(child, node, (*path, step), scope)


def _is_fixed(node: ast.AST) -> bool:
    """Whether the node and all in it have no effect on a request."""
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return True
    if isinstance(node, ast.ClassDef):
        return any(isinstance(base, ast.Name) and base.id == "Protocol" for base in node.bases)
    # A docstring, of a variable too.
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _changes(
    node: ast.AST, parent: ast.AST | None
) -> Iterator[tuple[str, tuple[Step, ...], ast.AST | None]]:
    """The operator, the steps below the node, and what takes the place there."""
    match node:
        case ast.Constant():
            for operator, value in _constants(node, parent):
                yield operator, (), ast.Constant(value)
        case ast.Compare(ops=[op]) if isinstance(op, _BOUNDARIES) or not _tests(parent, node):
            changed = ast.Compare(node.left, [_COMPARISONS[type(op)]()], node.comparators)
            yield "compare", (), changed
        case ast.BoolOp():
            other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            yield "boolean", (), ast.BoolOp(other, node.values)
        case ast.BinOp(op=op) if type(op) in _ARITHMETIC:
            yield "arithmetic", (), ast.BinOp(node.left, _ARITHMETIC[type(op)](), node.right)
        case ast.Call():
            yield from _calls(node, parent)
        case ast.Return(value=value) if value is not None and not _is_plain(value):
            yield "return", (), ast.Return(ast.Constant(None))
        case ast.Try():
            yield from _handlers(node)
        case ast.With(items=[item]) | ast.AsyncWith(items=[item]) if not item.optional_vars:
            yield "context", (), ast.If(ast.Constant(True), node.body, [])
    if isinstance(node, _Scopes):
        for position in range(len(node.decorator_list)):
            yield "decorator", (("decorator_list", position),), None
    if isinstance(node, (ast.Call, ast.ClassDef)):
        for position in range(len(node.keywords)):
            yield "keyword", (("keywords", position),), None
    for step, test in _conditions(node):
        if not isinstance(test, ast.Constant):
            yield "negate", (step,), ast.UnaryOp(ast.Not(), test)
    if _is_removable(node):
        yield "statement", (), ast.Pass()


def _scope(node: ast.AST, scope: str) -> str:
    """The scope inside the node. A variable of a module or class is a scope of its own."""
    name = None
    if isinstance(node, _Scopes):
        name = node.name
    elif isinstance(node, (ast.Assign, ast.AnnAssign)):
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        if isinstance(target, ast.Name) and (not scope or scope.rpartition(".")[2][0].isupper()):
            name = target.id
    if name is None:
        return scope
    return f"{scope}.{name}" if scope else name


def _children(node: ast.AST) -> Iterator[tuple[Step, ast.AST]]:
    if isinstance(node, ast.Subscript) and _is_type(node.value):
        # Of a type, only calls such as `Path(...)` in `Annotated` have an effect.
        yield from _calls_in(node)
        return
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "type_params", "bases", "ctx"):
            continue
        # The cause of an exception is for the log.
        if isinstance(node, ast.Raise) and field == "cause":
            continue
        if isinstance(value, ast.AST):
            yield (field, None), value
        elif isinstance(value, list):
            for position, each in enumerate(value):
                if isinstance(each, ast.AST):
                    yield (field, position), each


def _calls_in(node: ast.Subscript) -> Iterator[tuple[Step, ast.AST]]:
    if isinstance(node.slice, ast.Tuple) and any(isinstance(e, ast.Call) for e in node.slice.elts):
        elements: list[ast.expr] = [
            e if isinstance(e, ast.Call) else ast.Name("_") for e in node.slice.elts
        ]
        yield ("slice", None), ast.Tuple(elements)


def _is_type(node: ast.expr) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    return name in ("list", "dict", "tuple", "type") or (name[:1].isupper() and not name.isupper())


def _is_plain(value: ast.expr) -> bool:
    """Whether `value` is None, True or False, which other operators change."""
    return isinstance(value, ast.Constant) and (value.value is None or value.value in (True, False))


def _constants(
    node: ast.Constant, parent: ast.AST | None
) -> Iterator[tuple[str, str | bytes | float | None]]:
    match node.value:
        case True | False:
            yield "constant", not node.value
        case None if not isinstance(parent, ast.Compare):
            yield "constant", _MARK
        case int() | float():
            yield "number", node.value + 1
            yield "number", node.value - 1
        case str():
            yield "string", node.value + _MARK
        case bytes():
            yield "string", node.value + _MARK.encode()


def _conditions(node: ast.AST) -> Iterator[tuple[Step, ast.expr]]:
    match node:
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
            yield ("test", None), test
        case ast.Assert(test=test):
            yield ("test", None), test
        case ast.comprehension(ifs=ifs):
            for position, test in enumerate(ifs):
                yield ("ifs", position), test


def _tests(parent: ast.AST | None, node: ast.expr) -> bool:
    """Whether `node` is a condition, which `negate` changes in the same way as `compare`."""
    return parent is not None and any(test is node for _, test in _conditions(parent))


def _calls(
    node: ast.Call, parent: ast.AST | None
) -> Iterator[tuple[str, tuple[Step, ...], ast.AST]]:
    # A statement can be removed; the others would fail with a `TypeError` at once.
    if isinstance(parent, (ast.Expr, ast.Await, ast.Raise, *_Scopes)):
        return
    if isinstance(node.func, ast.Attribute) and node.func.attr in _METHODS:
        yield "method", (), node.func.value
    elif len(node.args) == 1 and not node.keywords and not isinstance(node.args[0], ast.Starred):
        yield "unwrap", (), node.args[0]


def _handlers(node: ast.Try) -> Iterator[tuple[str, tuple[Step, ...], ast.AST | None]]:
    for position in range(len(node.handlers)):
        if len(node.handlers) > 1 or node.finalbody:
            yield "handler", (("handlers", position),), None
        else:
            body = [*node.body, *node.orelse]
            yield "handler", (), ast.If(ast.Constant(True), body, [])
    if node.finalbody:
        if node.handlers:
            yield "handler", (), ast.Try(node.body, node.handlers, node.orelse, [])
        else:
            yield "handler", (), ast.If(ast.Constant(True), node.body, [])


def _is_removable(node: ast.AST) -> bool:
    match node:
        case ast.Expr() | ast.Raise() | ast.AugAssign() | ast.Delete():
            return True
        case ast.Break() | ast.Continue():
            return True
        case ast.Assign(targets=[target]) | ast.AnnAssign(target=target, value=ast.expr()):
            return isinstance(target, (ast.Attribute, ast.Subscript))
    return False
