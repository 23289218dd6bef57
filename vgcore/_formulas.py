"""Formulas of activations: read as Python's grammar has them, never run by Python, made into programs.

What is read becomes nodes, each once: a constant expression is a constant, and what is written twice is
computed once. A program is the nodes in order, each in one of a few registers (src/simd/formula.h runs it).
"""

from __future__ import annotations

import ast
import math
import operator
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from vgcore import _validate
from vgcore._core.function import LIMITS, ActivationFunction, formula_function

_LONGEST = 1000  # characters
_DEEPEST = 60  # levels of the expression
_UNROLLED = 64  # integer powers up to here are products


def _sigmoid(x: float) -> float:
    tail = math.exp(-abs(x))
    return (1 if x >= 0 else tail) / (1 + tail)


def _softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


_UNARY: dict[str, Callable[[float], float]] = {
    "exp": math.exp,
    "log": math.log,
    "log1p": math.log1p,
    "sqrt": math.sqrt,
    "abs": abs,
    "sign": lambda x: float((x > 0) - (x < 0)),
    "sin": math.sin,
    "cos": math.cos,
    "tanh": math.tanh,
    "sigmoid": _sigmoid,
    "softplus": _softplus,
    "erf": math.erf,
}
_BINARY: dict[str, Callable[[float, float], float]] = {"minimum": min, "maximum": max}
_ARITHMETIC: dict[type[ast.operator], tuple[str, Callable[[Any, Any], Any]]] = {
    ast.Add: ("add", operator.add),
    ast.Sub: ("subtract", operator.sub),
    ast.Mult: ("multiply", operator.mul),
    ast.Div: ("divide", operator.truediv),
    ast.Pow: ("power", operator.pow),
}
# The name of the machine's comparison, and whether it takes the sides the other way round
_COMPARISONS: dict[type[ast.cmpop], tuple[str, bool]] = {
    ast.Lt: ("less", False),
    ast.LtE: ("less_equal", False),
    ast.Gt: ("less", True),
    ast.GtE: ("less_equal", True),
    ast.Eq: ("equal", False),
    ast.NotEq: ("not_equal", False),
}
_FOLDED: dict[str, Callable[..., float]] = {
    **_UNARY,
    **_BINARY,
    **dict(_ARITHMETIC.values()),
    "negate": operator.neg,
    "less": operator.lt,
    "less_equal": operator.le,
    "equal": operator.eq,
    "not_equal": operator.ne,
}
_CONSTANTS = {"pi": math.pi, "e": math.e}
_TAKEN = {"z", "where", *_CONSTANTS, *_UNARY, *_BINARY}
_THERE_IS = (
    "there are z, numbers, pi, e, parameters, + - * / **, comparisons, where(condition, a, b), "
    + ", ".join([*_UNARY, *_BINARY])
)

Slot = tuple[str, int]
"""("z", 0), or what and which: "register", "constant", "learned"."""
Node = tuple[Any, ...]
"""("z",), ("constant", value), ("learned", number), or an operator and the numbers of what it reads."""


class Program(NamedTuple):
    """What `formula_function` takes, but for the steepest slope."""

    instructions: list[tuple[str | int | Slot, ...]]
    constants: list[float]
    learned: int
    result: Slot

    def function(self, steepest: float) -> ActivationFunction:
        """The activation as the kernels get it."""
        return formula_function(*self, steepest)


def parameter(name: str, value: Any) -> float:
    """Where a parameter of a formula starts."""
    if not name.isidentifier() or name in _TAKEN:
        raise ValueError(f"parameters: expected another name than {name!r}; {_THERE_IS}")
    return _validate.real(name, value)


def compiled(text: str, learned: Sequence[str] = (), values: Sequence[float] = ()) -> Program:
    """The program of a formula with such parameters; with ``values`` they are constants.

    Raises
    ------
    ValueError
        If it is not in the grammar, names nothing in z, or does not fit the machine.
    """
    return _Reader(text, learned, values).program()


class _Reader:
    """Reads one formula into nodes."""

    def __init__(self, text: str, learned: Sequence[str], values: Sequence[float]) -> None:
        self.text, self.learned, self.values = text, learned, values
        self.nodes: dict[Node, int] = {}
        self.named: set[str] = set()
        if len(text) > _LONGEST:
            raise ValueError(f"text: expected at most {_LONGEST} characters, got {len(text)}")
        if len(learned) > LIMITS["learned"]:
            raise ValueError(
                f"text: expected at most {LIMITS['learned']} learned parameters, got {len(learned)}"
            )

    def program(self) -> Program:
        root = self.read(self.tree(), 0)
        nodes = list(self.nodes)
        unused = set(self.learned) - self.named
        if unused:
            raise ValueError(
                f"parameters: expected names that are in {self.text!r}, got {', '.join(sorted(unused))}"
            )
        needed = _needed(nodes, root)
        if self.nodes.get(("z",)) not in needed:
            raise ValueError(f"text: expected an expression in z, got {self.text!r}")
        return _assigned(nodes, sorted(needed), root, 0 if self.values else len(self.learned))

    def tree(self) -> ast.expr:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what Python thinks of it, said below
                return ast.parse(self.text, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            at = getattr(error, "offset", None)
            where = f" at column {at} of" if at else ""
            raise ValueError(
                f"text: expected an expression, got one that cannot be read{where} {self.text!r}; "
                f"{_THERE_IS}"
            ) from None

    def refuse(self, node: ast.AST, expected: str, got: str) -> ValueError:
        before = self.text.encode()[: getattr(node, "col_offset", 0)]
        column = len(before.decode(errors="ignore")) + 1
        return ValueError(
            f"text: expected {expected}, got {got} at column {column} of {self.text!r}; {_THERE_IS}"
        )

    def node(self, *node: Any) -> int:
        return self.nodes.setdefault(node, len(self.nodes))

    def constant(self, node: ast.AST, value: float) -> int:
        if isinstance(value, complex) or not math.isfinite(value):
            raise self.refuse(node, "finite numbers", ast.unparse(node))
        return self.node("constant", float(value))

    def apply(self, node: ast.AST, name: str, *read: int) -> int:
        """A node, or the constant that it is."""
        nodes = list(self.nodes)
        operands = [nodes[i] for i in read]
        if all(operand[0] == "constant" for operand in operands):
            try:
                return self.constant(node, _FOLDED[name](*(value for _, value in operands)))
            except (ZeroDivisionError, ValueError, OverflowError) as error:
                if str(error).startswith("text:"):
                    raise
                raise self.refuse(node, "finite numbers", ast.unparse(node)) from None
        if name == "power" and operands[1][0] == "constant":
            return self.power(node, read[0], operands[1][1], read[1])
        return self.node(name, *read)

    def power(self, node: ast.AST, base: int, exponent: float, number: int) -> int:
        if exponent == 0.5:
            return self.node("sqrt", base)
        if exponent < 0:
            over = self.power(node, base, -exponent, self.constant(node, -exponent))
            return self.apply(node, "divide", self.constant(node, 1), over)
        if exponent > _UNROLLED or exponent % 1:
            return self.node("power", base, number)
        if exponent == 0:
            return self.constant(node, 1)
        if exponent == 1:
            return base
        half = self.power(node, base, exponent // 2, number)
        square = self.node("multiply", half, half)
        return self.node("multiply", square, base) if exponent % 2 else square

    def read(self, node: ast.AST, depth: int) -> int:
        if depth > _DEEPEST:
            raise ValueError(
                f"text: expected at most {_DEEPEST} levels of expressions in each other, got more"
            )
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            try:
                return self.constant(node, float(node.value))  # type: ignore[arg-type]
            except OverflowError:
                raise self.refuse(node, "finite numbers", "one that is not") from None
        if isinstance(node, ast.Name):
            return self.name(node)
        if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
            name = _ARITHMETIC[type(node.op)][0]
            left, right = self.read(node.left, depth + 1), self.read(node.right, depth + 1)
            return self.apply(node, name, left, right)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            inner = self.read(node.operand, depth + 1)
            return inner if isinstance(node.op, ast.UAdd) else self.apply(node, "negate", inner)
        if isinstance(node, ast.Compare):
            return self.compare(node, depth)
        if isinstance(node, ast.Call):
            return self.call(node, depth)
        raise self.refuse(node, "what a formula has", _described(node))

    def name(self, node: ast.Name) -> int:
        if node.id == "z":
            return self.node("z")
        if node.id in _CONSTANTS:
            return self.constant(node, _CONSTANTS[node.id])
        if node.id in self.learned:
            self.named.add(node.id)
            number = list(self.learned).index(node.id)
            if self.values:
                return self.constant(node, self.values[number])
            return self.node("learned", number)
        hint = ", which takes arguments" if node.id in _TAKEN else ""
        raise self.refuse(
            node, "z or a parameter that is given a number", f"the name {node.id!r}{hint}"
        )

    def compare(self, node: ast.Compare, depth: int) -> int:
        sides = [self.read(side, depth + 1) for side in (node.left, *node.comparators)]
        found = None
        for op, left, right in zip(node.ops, sides, sides[1:], strict=False):
            if type(op) not in _COMPARISONS:
                raise self.refuse(node, "one of < <= > >= == !=", ast.unparse(node))
            name, turned = _COMPARISONS[type(op)]
            one = self.apply(node, name, *((right, left) if turned else (left, right)))
            found = one if found is None else self.apply(node, "multiply", found, one)
        assert found is not None  # there is no comparison of nothing
        return found

    def call(self, node: ast.Call, depth: int) -> int:
        name = node.func.id if isinstance(node.func, ast.Name) else None
        takes = 3 if name == "where" else 2 if name in _BINARY else 1 if name in _UNARY else None
        if name is None or takes is None:
            raise self.refuse(
                node, "a function that there is", f"a call of {ast.unparse(node.func)}"
            )
        if len(node.args) != takes or node.keywords:
            raise self.refuse(node, f"{takes} arguments of {name}", ast.unparse(node))
        read = [self.read(argument, depth + 1) for argument in node.args]
        if name == "where":
            kind, *value = list(self.nodes)[read[0]]
            if kind == "constant":
                return read[1 if value[0] else 2]
            if kind in ("less", "less_equal"):  # in one go
                return self.node(f"where_{kind}", *value, *read[1:])
            return self.node(name, *read)
        return self.apply(node, name, *read)


def _described(node: ast.AST) -> str:
    kind = type(node).__name__
    words = {
        "Attribute": "an attribute",
        "Subscript": "an index",
        "Lambda": "a lambda",
        "BoolOp": "and or or (multiply comparisons)",
        "IfExp": "if and else (take where)",
        "BinOp": "another operator",
        "UnaryOp": "another operator",
    }
    value = getattr(node, "value", None)
    return repr(value) if isinstance(node, ast.Constant) else words.get(kind, kind)


def _needed(nodes: list[Node], root: int) -> set[int]:
    needed, todo = set(), [root]
    while todo:
        number = todo.pop()
        if number not in needed:
            needed.add(number)
            todo.extend(_read(nodes[number]))
    return needed


def _read(node: Node) -> tuple[int, ...]:
    return () if node[0] in ("constant", "learned") else node[1:]


def _assigned(nodes: list[Node], order: list[int], root: int, learned: int) -> Program:
    """Every node its slot: registers are free again behind the last that reads them."""
    last = {read: number for number in order for read in _read(nodes[number])}
    last[root] = len(nodes)
    slots: dict[int, Slot] = {}
    constants: list[float] = []
    instructions: list[tuple[str | int | Slot, ...]] = []
    free = list(range(LIMITS["registers"]))
    for number in order:
        kind, *rest = nodes[number]
        if kind == "z":
            slots[number] = ("z", 0)
        elif kind == "learned":
            slots[number] = ("learned", rest[0])
        elif kind == "constant":
            slots[number] = ("constant", len(constants))
            constants.append(rest[0])
        else:
            for read in set(rest):
                if slots[read][0] == "register" and last[read] == number:
                    free.append(slots[read][1])
            if not free:
                raise ValueError(
                    f"text: expected at most {LIMITS['registers']} values at a time, got more"
                )
            slots[number] = ("register", min(free))
            free.remove(min(free))
            instructions.append((kind, slots[number][1], *(slots[read] for read in rest)))
    for name, used in (("instructions", instructions), ("constants", constants)):
        if len(used) > LIMITS[name]:
            raise ValueError(f"text: expected at most {LIMITS[name]} {name}, got {len(used)}")
    return Program(instructions, constants, learned, slots[root])
