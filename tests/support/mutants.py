"""Small faults in a module, each made by one change of its syntax tree and put into the running process.

Not changed: what a raise says (that there is one is), texts of more than one word, annotations, decorators and assertions that
only the type checker needs. Written here because mutmut makes no mutants of tables, properties and decorated functions, and
cosmic-ray writes each into the source tree and starts an interpreter for it."""

from __future__ import annotations

import ast
import copy
import importlib
import inspect
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, cast

OTHER: dict[type[ast.AST], tuple[type[Any], ...]] = {
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Add,),
    ast.Div: (ast.Mult,),
    ast.BitOr: (ast.BitAnd,),
    ast.BitAnd: (ast.BitOr,),
    ast.RShift: (ast.LShift,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
}
LEFT_ALONE = {"annotation", "returns", "decorator_list", "type_comment", "exc", "cause"}
Path_ = tuple[tuple[str, int | None], ...]


@dataclass(frozen=True)
class Mutant:
    """`place` is the index of the statement in the module and the way to the node in it; `lines` those that run it, none where it
    is run at import; `name` says module, function and change, and stays the same while lines move."""

    module: str
    name: str
    place: tuple[int, Path_]
    new: ast.AST
    lines: range


def _without(node: ast.AST, field: str, at: int) -> ast.AST:
    left = copy.copy(node)
    setattr(left, field, [item for n, item in enumerate(getattr(node, field)) if n != at])
    return left


def _with(node: ast.AST, **fields: Any) -> ast.AST:
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def _others(node: ast.AST) -> Iterator[ast.AST]:
    """What else could stand in place of a node."""
    match node:
        case ast.Compare(ops=[op]):
            yield from (_with(node, ops=[new()]) for new in OTHER.get(type(op), ()))
        case ast.BoolOp(op=op, values=values):
            yield from (_with(node, op=new()) for new in OTHER[type(op)])
            for n in range(len(values)):
                yield values[1 - n] if len(values) == 2 else _without(node, "values", n)
        case ast.BinOp(op=op) | ast.AugAssign(op=op):
            yield from (_with(node, op=new()) for new in OTHER.get(type(op), ()))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield operand
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value)):
            yield ast.Constant(value + 1)
        case ast.Constant(value=str(value)) if re.fullmatch(r"[\w:.\[\]/-]+", value):
            yield ast.Constant(value + "x")
        case ast.Call(args=args, keywords=keywords):
            yield from (_without(node, "keywords", n) for n in range(len(keywords)))
            if len(args) > 1:
                yield _without(node, "args", len(args) - 1)
        case ast.Set(elts=elts) | ast.Tuple(elts=elts, ctx=ast.Load()) | ast.List(elts=elts, ctx=ast.Load()) if len(elts) > 1:
            yield from (_without(node, "elts", n) for n in range(len(elts)))
        case ast.Dict(keys=keys):
            yield from (_without(_without(node, "keys", n), "values", n) for n in range(len(keys)))
        case ast.comprehension(ifs=ifs):
            yield from (_without(node, "ifs", n) for n in range(len(ifs)))
    if isinstance(node, ast.If | ast.While | ast.IfExp) and not isinstance(node.test, ast.Compare | ast.BoolOp | ast.UnaryOp):
        yield _with(node, test=ast.UnaryOp(ast.Not(), node.test))
    if isinstance(node, ast.Raise | ast.AugAssign | ast.Continue) or (
        isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant) and "super()" not in ast.unparse(node)
    ):
        yield ast.Pass()
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
        yield ast.Pass()
    if isinstance(node, ast.Return) and node.value is not None and ast.unparse(node.value) != "None":
        yield ast.Return(ast.Constant(None))
    if isinstance(node, ast.ExceptHandler):
        yield _with(node, body=[ast.Raise()])


def _walk(node: ast.AST, way: Path_, lines: range, owner: str) -> Iterator[tuple[Path_, ast.AST, range, str]]:
    """Each node that may be changed: the way to it, the lines of its statement (or of a compound one's head), what it is in."""
    if isinstance(node, ast.Assert | ast.JoinedStr | ast.alias):
        return
    inside = owner
    if isinstance(node, ast.FunctionDef):
        inside = f"{owner}.{node.name}".lstrip(".")
    if isinstance(node, ast.stmt) and owner:
        body = getattr(node, "body", None)
        lines = range(node.lineno, body[0].lineno if body else cast("int", node.end_lineno) + 1)
    yield way, node, lines, inside
    for field, value in ast.iter_fields(node):
        if field in LEFT_ALONE:
            continue
        items = list(enumerate(value)) if isinstance(value, list) else [(None, value)]
        for at, item in items:
            if isinstance(item, ast.AST) and not (isinstance(node, ast.ClassDef) and not isinstance(item, ast.FunctionDef)):
                within = f"{owner}.{node.name}" if isinstance(node, ast.ClassDef) else inside
                yield from _walk(item, (*way, (field, at)), lines, within)


def _named(before: ast.AST, after: ast.AST) -> str:
    """The change in one line, without what both have in common."""
    if isinstance(before, ast.comprehension):
        return f"comprehension over {ast.unparse(before.iter)} without its condition"
    old, new = (" ".join(ast.unparse(node).split()) for node in (before, after))
    if isinstance(before, ast.If | ast.While | ast.ExceptHandler | ast.Raise):
        old = " ".join(ast.unparse(before).splitlines()[0].split())
        new = " ".join(ast.unparse(after).splitlines()[0].split()) if isinstance(before, ast.If | ast.While) else new[-5:]
    return f"{old} → {new}"


@cache
def _text(module: str) -> str:
    """Read once: somebody may work on it meanwhile."""
    return Path(cast("str", importlib.import_module(module).__file__)).read_text()


def mutants(module: str) -> list[Mutant]:
    """All of a module, in its order."""
    made: list[Mutant] = []
    seen: Counter[str] = Counter()
    for index, statement in enumerate(ast.parse(_text(module)).body):
        if isinstance(statement, ast.Import | ast.ImportFrom | ast.Expr):
            continue
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Subscript):
            continue  # a name for a type
        for way, node, lines, owner in _walk(statement, (), range(0), ""):
            for new in _others(node):
                name = f"{module.removeprefix('penstock.')} {owner or 'table'}: {_named(node, new)}"
                seen[name] += 1
                name += f" ({seen[name]})" if seen[name] > 1 else ""
                made.append(Mutant(module, name, (index, way), new, lines))
    return made


def put_in(mutant: Mutant) -> None:
    """Change the running process: functions get new code, tables are exchanged wherever they were imported."""
    live = importlib.import_module(mutant.module)
    index, way = mutant.place
    body: list[Any] = ast.parse(_text(mutant.module)).body
    parent, (field, at) = body[index], way[-1]
    for name, n in way[:-1]:
        parent = getattr(parent, name) if n is None else getattr(parent, name)[n]
    if at is None:
        setattr(parent, field, mutant.new)
    else:
        getattr(parent, field)[at] = mutant.new
    statement = body[index]
    if isinstance(statement, ast.FunctionDef):
        _graft(getattr(live, statement.name), _run(live, statement)[statement.name])
    elif isinstance(statement, ast.ClassDef):
        changed = _run(live, statement)[statement.name]
        for name in (item.name for item in statement.body if isinstance(item, ast.FunctionDef)):
            _graft(vars(getattr(live, statement.name))[name], vars(changed)[name])
    else:
        touched: set[str] = set()
        for table in (s for s in body[index:] if isinstance(s, ast.Assign | ast.AnnAssign)):
            if table is statement or touched & {n.id for n in ast.walk(table) if isinstance(n, ast.Name)}:
                name = ast.unparse(table.targets[0] if isinstance(table, ast.Assign) else table.target)
                _exchange(name, getattr(live, name), _run(live, table)[name])
                touched.add(name)


def _run(live: ModuleType, statement: ast.stmt) -> dict[str, Any]:
    """What a statement gives, run among a module's names."""
    tree = ast.fix_missing_locations(ast.Module([statement], []))
    names = dict(vars(live))
    exec(compile(tree, str(live.__file__), "exec", flags=annotations.compiler_flag, dont_inherit=True), names)
    return names


def _graft(live: Any, changed: Any) -> None:
    getattr(live, "cache_clear", lambda: None)()
    old, new = (cast("Callable[..., Any]", getattr(f, "fget", None) or inspect.unwrap(f)) for f in (live, changed))
    for part in ("__code__", "__defaults__", "__kwdefaults__"):
        setattr(old, part, getattr(new, part))


def _exchange(name: str, old: Any, new: Any) -> None:
    for module in list(sys.modules.values()):
        if vars(module).get(name) is old:
            setattr(module, name, new)
