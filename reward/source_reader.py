"""Reading a Python function: what it would return, without running it.

Enough of the language for functions that put a chat message together. A text may hold stand-ins for
what is known only later, and everything that strings and lists do here is what Python's own do. A
value that cannot be told is an `UnknownValue`; a statement whose effect cannot be told is an error
that names its line.
"""

from __future__ import annotations

import ast
import operator
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias, cast

from rr_refine.errors import ConfigError
from rr_refine.plain_format import plain_pieces

__all__ = ["ImagePart", "SourceReader", "UnknownValue", "Value", "is_stand_in"]

_LONGEST: Final = 50_000
"""Characters of a text, or items of a list, so that no source can fill the memory."""
_IMAGE_TYPES: Final = ("image", "image_url", "input_image")
"""Types of the content parts that hold an image."""
_METHODS: Final = re.compile("[lr]?strip|remove(prefix|suffix)|replace|split|r?partition")
"""Methods of texts that build or split them, beside `format` and `join`."""

_SIGNS: Final[Mapping[type[ast.cmpop], Callable[..., object]]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_NEVER: Final = "would have to be run, and imported code never is"


@dataclass(frozen=True, slots=True)
class UnknownValue:
    """A value that only running the code could tell: harmless until somebody needs it."""

    line: int
    source: str


@dataclass(frozen=True, slots=True)
class ImagePart:
    """A content part that holds an image, however the code gets it there."""

    source: str


Value: TypeAlias = "str | int | list[Value] | dict[str, Value] | UnknownValue | ImagePart | None"
"""Truth values are numbers, tuples are lists."""

Scope = dict[str, Value]


class UnknownValueError(Exception):
    """Only running the code could tell; `cause` is the value that made it so, if it was one."""

    def __init__(self, cause: object = None) -> None:
        super().__init__()
        self.cause = cause


def is_stand_in(character: str) -> bool:
    """Whether a character stands for a parameter, or would: any lone surrogate.

    No text file can hold one, so nothing else is ever mistaken for it.
    """
    return "\ud800" <= character <= "\udfff"


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
        scope = {**self.names, **{a.arg: chr(0xDC00 + i) for i, a in enumerate(parameters)}}
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
                case ast.AugAssign(target=ast.Name(id=name) as target, op=ast.Add(), value=value):
                    before, added = scope.get(name), self._value(value, scope)
                    if isinstance(before, list) and isinstance(added, list):
                        self._extend(before, added, statement)
                    else:
                        both = ast.copy_location(ast.BinOp(target, ast.Add(), value), statement)
                        scope[name] = self._value(both, scope)
                case ast.Expr(value=value):
                    self._value(value, scope)
                case ast.If(test=test, body=yes, orelse=no):
                    try:
                        branch = yes if _truth(self._value(test, scope)) else no
                    except UnknownValueError:
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
        except UnknownValueError as error:
            if _touches(node, scope):
                raise self._fault(node, _NEVER) from None
            return error.cause if isinstance(error.cause, UnknownValue) else self._unknown(node)

    def _evaluate(self, node: ast.expr, scope: Scope) -> Value:
        match node:
            case ast.Constant(value=str(text)) if _is_closed(text):
                return _checked(text)
            case ast.Constant(value=int() | None as constant):
                return constant
            case ast.Name(id=name) if name in scope:
                return scope[name]
            case ast.JoinedStr(values=parts):
                return _join("", self._list(parts, scope))
            case ast.FormattedValue(value=value, conversion=-1, format_spec=None):
                found = self._value(value, scope)
                return _apply(str, found) if isinstance(found, int) else found
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return _apply(operator.add, self._value(left, scope), self._value(right, scope))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return _apply(operator.neg, self._value(operand, scope))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return not _truth(self._value(operand, scope))
            case ast.Compare(left=left, ops=[sign], comparators=[right]) if type(sign) in _SIGNS:
                pair = self._value(left, scope), self._value(right, scope)
                if all(isinstance(one, int) or _is_closed(one) for one in pair):
                    return _apply(_SIGNS[type(sign)], *pair)
                raise UnknownValueError(_unknown_of(pair))
            case ast.IfExp(test=test, body=yes, orelse=no):
                return self._value(yes if _truth(self._value(test, scope)) else no, scope)
            case ast.List(elts=parts) | ast.Tuple(elts=parts):
                return self._list(parts, scope)
            case ast.Dict(keys=keys, values=values):
                return self._dict(keys, values, scope, node)
            case ast.Subscript(value=holder, slice=key) if not isinstance(key, ast.Slice):
                held = self._value(holder, scope)
                if not isinstance(held, str):
                    return _apply(operator.getitem, held, self._value(key, scope))
            case ast.Call():
                return self._call(node, scope)
        raise UnknownValueError

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
                    return _call_method(owner, name, given, named)
        match _source(node.func), given:
            case "len", [list(values)]:
                return len(values)
            case "textwrap.dedent" | "dedent", [str(text)]:
                return textwrap.dedent(text)
        if any(isinstance(value, (list, dict)) for value in (*given, *named.values())):
            raise self._fault(node, _NEVER)
        raise UnknownValueError

    def _extend(self, values: list[Value], more: list[Value], node: ast.AST) -> None:
        if len(values) + len(more) > _LONGEST:
            raise self._fault(node, "makes too long a list")
        values.extend(more)

    def _list(self, parts: Sequence[ast.expr], scope: Scope) -> list[Value]:
        if any(isinstance(part, ast.Starred) for part in parts):
            raise UnknownValueError
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
                raise UnknownValueError
            pairs[name] = self._value(value, scope)
        return ImagePart(_source(node)) if pairs.get("type") in _IMAGE_TYPES else pairs

    def _unknown(self, node: ast.AST) -> UnknownValue:
        return UnknownValue(self._line(node), _excerpt(node))

    def _fault(self, node: ast.AST, what: str) -> ConfigError:
        return ConfigError(f"{self.name!r}, line {self._line(node)}: {_excerpt(node)!r} {what}")

    def _line(self, node: ast.AST) -> int:
        line = getattr(node, "lineno", 0)
        return self.above + (line if isinstance(line, int) else 0)


def _apply(function: Callable[..., object], *operands: Value) -> Value:
    """`function(*operands)`, where all is known and Python itself does not refuse it."""
    if (unknown := _unknown_of(operands)) is not None:
        raise UnknownValueError(unknown)
    try:
        return _checked(function(*operands))
    except (TypeError, ValueError, LookupError, OverflowError):
        raise UnknownValueError from None


def _checked(made: object) -> Value:
    """A result, unless it is too long."""
    if isinstance(made, (str, list, tuple)) and len(made) > _LONGEST:
        raise UnknownValueError
    return cast("Value", list(made) if isinstance(made, tuple) else made)


def _unknown_of(values: Sequence[Value]) -> UnknownValue | ImagePart | None:
    return next((one for one in values if isinstance(one, (UnknownValue, ImagePart))), None)


def _is_closed(value: Value) -> bool:
    """Whether it is a text without stand-ins."""
    return isinstance(value, str) and not any(map(is_stand_in, value))


def _truth(value: Value) -> bool:
    """`bool(value)`."""
    if isinstance(value, (UnknownValue, ImagePart)) or (
        isinstance(value, str) and not _is_closed(value)
    ):
        raise UnknownValueError(value)
    return bool(value)


def _call_method(text: str, name: str, given: Sequence[Value], named: Mapping[str, Value]) -> Value:
    """`text.name(*given, **named)`, of the methods that build or split texts."""
    match name, given:
        case "format", _:
            return _format(text, given, named)
        case "join", [list(parts)]:
            return _join(text, parts)
        case "replace", [_, str(new), *_] if len(text) * len(new) > 100 * _LONGEST:
            raise UnknownValueError  # no other method makes texts longer
    if not _METHODS.fullmatch(name) or named:
        raise UnknownValueError(_unknown_of(given))
    return _apply(getattr(str, name), text, *given)


def _join(between: str, parts: Sequence[Value]) -> str:
    texts = [part for part in parts if isinstance(part, str)]
    if len(texts) < len(parts):
        raise UnknownValueError(_unknown_of(parts))
    if sum(map(len, texts)) + len(between) * len(texts) > _LONGEST:
        raise UnknownValueError
    return between.join(texts)


def _format(text: str, given: Sequence[Value], named: Mapping[str, Value]) -> str:
    if not _is_closed(text):  # what a user types there would be read as a format
        raise UnknownValueError
    parts: list[Value] = []
    automatic = iter(given)
    try:
        for literal, name in plain_pieces(text):
            parts.append(literal)
            if name == "":
                parts.append(next(automatic))
            elif name is not None:
                parts.append(given[int(name)] if name.isdigit() else named[name])
    except (ValueError, LookupError, StopIteration):
        raise UnknownValueError from None
    return _join("", parts)


def _touches(node: ast.expr, scope: Scope) -> bool:
    """Whether a call in it, read or not, gets hold of something that was built under a name."""
    for call in ast.walk(node):
        if isinstance(call, ast.Call):
            reached = [call.func.value] if isinstance(call.func, ast.Attribute) else call.args
            if _source(call.func) == "len":
                continue
            names = (part.id for part in reached if isinstance(part, ast.Name))
            if any(isinstance(scope.get(name), (list, dict)) for name in names):
                return True
    return False


def _source(node: ast.AST) -> str:
    """Its Python, or its kind where that cannot be written: too deep, or a number too long."""
    try:
        return ast.unparse(node)
    except (RecursionError, ValueError):
        return type(node).__name__


def _excerpt(node: ast.AST) -> str:
    text = " ".join(_source(node).split())
    return text if len(text) <= 60 else text[:60] + "…"
