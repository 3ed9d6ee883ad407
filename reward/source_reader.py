"""Reading a Python function: what it would return, without running it.

Enough of the language for functions that put a chat message together. A value that cannot be told
is `Unknown`; a statement whose effect cannot be told is an error that names its line.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from rr_refine.errors import ConfigError
from rr_refine.reward.symbols import (
    LONGEST,
    NotToldError,
    Picture,
    Unknown,
    Value,
    call_function,
    call_method,
    compare,
    is_stand_in,
    item,
    plus,
    stand_in,
    truth,
)

__all__ = ["SourceReader"]

_PICTURES: Final = ("image", "image_url", "input_image")
"""Types of the content parts that hold a picture."""

_SIGNS: Final[dict[type[ast.cmpop], str]] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}
_NEVER: Final = "would have to be run, and imported code never is"

Scope = dict[str, Value]


@dataclass(slots=True)
class SourceReader:
    """Reads one source file, or one code block of a document."""

    name: str
    """The file, for messages."""
    above: int = 0
    """Lines of the file above the block."""
    names: Scope = field(default_factory=dict)
    """What the names of the module stand for."""

    def read_module(self, module: ast.Module) -> None:
        """Learn the module's constants; all else at its level is passed over."""
        for statement in module.body:
            if isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
                try:
                    self._block([statement], self.names)
                except (ConfigError, RecursionError):
                    self._forget([statement], self.names)

    def read_function(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> Value:
        """What `function` returns, with stand-ins in the place of its parameters.

        Raises:
            ConfigError: it has a statement whose effect only running it could tell.
        """
        given = function.args
        parameters = [*given.posonlyargs, *given.args, *given.kwonlyargs]
        scope = {**self.names, **{a.arg: stand_in(i) for i, a in enumerate(parameters)}}
        try:
            returned = self._block(function.body, scope)
        except RecursionError:
            raise self._fault(function, "is nested too deeply to be read") from None
        return returned[0] if returned else None

    def _block(self, body: Sequence[ast.stmt], scope: Scope) -> tuple[Value] | None:
        """Go through statements; what they return, in a tuple, or None if they return nothing."""
        for statement in body:
            match statement:
                case ast.Return(value=value):
                    return (None if value is None else self._value(value, scope),)
                case ast.Assign(targets=targets, value=value):
                    found = self._value(value, scope)
                    for target in targets:
                        self._bind(target, found, scope)
                case ast.AnnAssign(target=target, value=value):
                    if value is not None:
                        self._bind(target, self._value(value, scope), scope)
                case ast.AugAssign(target=ast.Name(id=name), op=ast.Add(), value=value):
                    before, added = scope.get(name), self._value(value, scope)
                    if isinstance(before, list) and isinstance(added, list):
                        self._extend(before, added, statement)
                    else:
                        scope[name] = self._plus(before, added, statement)
                case ast.Expr(value=value):
                    self._value(value, scope)
                case ast.If(test=test, body=yes, orelse=no):
                    try:
                        branch = yes if truth(self._value(test, scope)) else no
                    except NotToldError:
                        self._forget([*yes, *no], scope)
                    else:
                        if returned := self._block(branch, scope):
                            return returned
                case ast.With(items=items, body=inner):
                    for entered in items:
                        if entered.optional_vars is not None:
                            unknown = self._unknown(entered.context_expr)
                            self._bind(entered.optional_vars, unknown, scope)
                    if returned := self._block(inner, scope):
                        return returned
                case ast.Raise():
                    return (self._unknown(statement),)
                case ast.Import() | ast.ImportFrom() | ast.FunctionDef() | ast.ClassDef():
                    self._forget([statement], scope)
                case ast.Pass() | ast.Assert():
                    pass
                case _:
                    raise self._fault(statement, _NEVER)
        return None

    def _forget(self, body: Sequence[ast.stmt], scope: Scope) -> None:
        """Statements that may or may not be reached: what they bind is unknown from here on."""
        for statement in body:
            names: set[str] = set()
            match statement:
                case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
                    stored = (n for n in ast.walk(statement) if isinstance(n, ast.Name))
                    names = {node.id for node in stored if isinstance(node.ctx, ast.Store)}
                case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                    names = {(a.asname or a.name).partition(".")[0] for a in aliases}
                case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                    names = {name}
                case ast.If(body=yes, orelse=no):
                    self._forget([*yes, *no], scope)
                case ast.Raise() | ast.Pass():
                    pass
                case _:
                    raise self._fault(statement, "hangs on a condition that " + _NEVER)
            scope.update(dict.fromkeys(names, self._unknown(statement)))

    def _bind(self, target: ast.expr, value: Value, scope: Scope) -> None:
        match target:
            case ast.Name(id=name):
                scope[name] = value
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                values = value if isinstance(value, list) else []
                if len(values) != len(parts):
                    values = [self._unknown(target) for _ in parts]
                for part, one in zip(parts, values, strict=True):
                    self._bind(part, one, scope)
            case _:
                raise self._fault(target, "is assigned to, which " + _NEVER)

    def _value(self, node: ast.expr, scope: Scope) -> Value:
        try:
            return self._evaluate(node, scope)
        except NotToldError as error:
            if _touches(node, scope):
                raise self._fault(node, _NEVER) from None
            return error.cause if isinstance(error.cause, Unknown) else self._unknown(node)

    def _evaluate(self, node: ast.expr, scope: Scope) -> Value:
        match node:
            case ast.Constant(value=str(text)) if not any(map(is_stand_in, text)):
                return call_method("", "join", [[text]], {})
            case ast.Constant(value=int() | None as constant):
                return constant
            case ast.Name(id=name) if name in scope:
                return scope[name]
            case ast.JoinedStr(values=parts):
                return call_method("", "join", [self._list(parts, scope)], {})
            case ast.FormattedValue(value=value, conversion=-1, format_spec=None):
                found = self._value(value, scope)
                return str(found) if isinstance(found, int) else found
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return plus(self._value(left, scope), self._value(right, scope))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                number = self._value(operand, scope)
                if isinstance(number, int):
                    return -number
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return not truth(self._value(operand, scope))
            case ast.Compare(left=left, ops=[sign], comparators=[right]):
                known = _SIGNS.get(type(sign), "")
                return compare(self._value(left, scope), known, self._value(right, scope))
            case ast.IfExp(test=test, body=yes, orelse=no):
                return self._value(yes if truth(self._value(test, scope)) else no, scope)
            case ast.List(elts=parts) | ast.Tuple(elts=parts):
                return self._list(parts, scope)
            case ast.Dict(keys=keys, values=values):
                return self._dict(keys, values, scope, node)
            case ast.Subscript(value=holder, slice=key):
                return item(self._value(holder, scope), self._value(key, scope))
            case ast.Call():
                return self._call(node, scope)
        raise NotToldError

    def _call(self, node: ast.Call, scope: Scope) -> Value:
        """Do what is known to be harmless; any other call must get hold of nothing built so far."""
        given = [self._value(argument, scope) for argument in node.args]
        named = {word.arg or "**": self._value(word.value, scope) for word in node.keywords}
        if isinstance(node.func, ast.Attribute):
            owner = self._value(node.func.value, scope)
            match owner, node.func.attr, given:
                case list(), "append", [value]:
                    self._extend(owner, [value], node)
                    return None
                case list(), "extend", [list(values)]:
                    self._extend(owner, values, node)
                    return None
                case list() | dict(), _, _:
                    raise self._fault(node, _NEVER)
                case str(), name, _:
                    return call_method(owner, name, given, named)
        try:
            return call_function(ast.unparse(node.func), given)
        except NotToldError:
            if any(isinstance(value, (list, dict)) for value in (*given, *named.values())):
                raise self._fault(node, _NEVER) from None
            raise

    def _extend(self, values: list[Value], more: list[Value], node: ast.AST) -> None:
        if len(values) + len(more) > LONGEST:
            raise self._fault(node, "makes too long a list")
        values.extend(list(more))

    def _plus(self, left: Value, right: Value, node: ast.AST) -> Value:
        try:
            return plus(left, right)
        except NotToldError as error:
            return error.cause if isinstance(error.cause, Unknown) else self._unknown(node)

    def _list(self, parts: Sequence[ast.expr], scope: Scope) -> list[Value]:
        if any(isinstance(part, ast.Starred) for part in parts):
            raise NotToldError
        return [self._value(part, scope) for part in parts]

    def _dict(
        self,
        keys: Sequence[ast.expr | None],
        values: Sequence[ast.expr],
        scope: Scope,
        node: ast.Dict,
    ) -> Value:
        pairs: dict[str, Value] = {}
        for key, value in zip(keys, values, strict=True):
            name = None if key is None else self._value(key, scope)
            if not isinstance(name, str):
                raise NotToldError
            pairs[name] = self._value(value, scope)
        return Picture(ast.unparse(node)) if pairs.get("type") in _PICTURES else pairs

    def _unknown(self, node: ast.AST) -> Unknown:
        return Unknown(self._line(node), _excerpt(node))

    def _fault(self, node: ast.AST, what: str) -> ConfigError:
        return ConfigError(f"{self.name!r}, line {self._line(node)}: {_excerpt(node)!r} {what}")

    def _line(self, node: ast.AST) -> int:
        line = getattr(node, "lineno", 0)
        return self.above + (line if isinstance(line, int) else 0)


def _touches(node: ast.expr, scope: Scope) -> bool:
    """Whether a call in it, read or not, gets hold of something that was built under a name."""
    for call in ast.walk(node):
        if isinstance(call, ast.Call):
            reached = [call.func.value] if isinstance(call.func, ast.Attribute) else call.args
            if ast.unparse(call.func) == "len":
                continue
            names = (part.id for part in reached if isinstance(part, ast.Name))
            if any(isinstance(scope.get(name), (list, dict)) for name in names):
                return True
    return False


def _excerpt(node: ast.AST) -> str:
    try:
        text = " ".join(ast.unparse(node).split())
    except RecursionError:
        text = type(node).__name__
    return text if len(text) <= 60 else text[:60] + "…"
