"""Metric math of alarms, the part that alarms of a CDK app use: arithmetic, comparisons, IF, FILL, SUM, AVG, MIN, MAX.

An expression is read with Python's own parser, whose grammar for this part is the same, and only the nodes named here
are evaluated. Each period is computed alone, from one value a metric; None is a period without data.
"""

import ast
import operator
from collections.abc import Callable

Value = float | None
OPERATORS: dict[type, Callable] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Pow: operator.pow,
    ast.BitXor: operator.pow,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def evaluate_expression(name: str, metrics: dict[str, Value], expressions: dict[str, str]) -> Value:
    """Value of the metric or expression with this id in one period.

    ValueError names a function or an id that is not known.
    """
    if name in metrics:
        return metrics[name]
    if name not in expressions:
        known = ", ".join([*metrics, *expressions])
        raise ValueError(f"metric math names {name}, which is none of {known}")
    others = {other: text for other, text in expressions.items() if other != name}
    try:
        tree = ast.parse(expressions[name].strip(), mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"metric math {expressions[name]!r} is not readable: {error.msg}") from error
    return compute(tree, metrics, others)


def compute(node: ast.expr, metrics: dict[str, Value], expressions: dict[str, str]) -> Value:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name):
            return evaluate_expression(name, metrics, expressions)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            value = compute(operand, metrics, expressions)
            return None if value is None else -value
        case ast.BinOp(left=left, op=sign, right=right) | ast.Compare(left=left, ops=[sign], comparators=[right]):
            return apply(sign, compute(left, metrics, expressions), compute(right, metrics, expressions))
        case ast.Call(func=ast.Name(id=function), args=arguments):
            return call(function, arguments, metrics, expressions)
    raise ValueError(f"metric math {ast.unparse(node)!r} is not implemented")


def apply(sign: ast.operator | ast.cmpop, left: Value, right: Value) -> Value:
    if left is None or right is None:
        return None
    if isinstance(sign, ast.Div):
        return None if right == 0 else left / right
    if type(sign) not in OPERATORS:
        raise ValueError(f"the operator {type(sign).__name__} of metric math is not implemented")
    return float(OPERATORS[type(sign)](left, right))


def call(function: str, arguments: list[ast.expr], metrics: dict[str, Value], expressions: dict[str, str]) -> Value:
    if function in ("SUM", "AVG", "MIN", "MAX"):
        values = [value for value in operands(arguments, metrics, expressions) if value is not None]
        if not values:
            return None
        total = {"SUM": sum, "AVG": lambda items: sum(items) / len(items), "MIN": min, "MAX": max}[function](values)
        return float(total)
    if function == "FILL" and len(arguments) == 2:
        value = compute(arguments[0], metrics, expressions)
        return compute(arguments[1], metrics, expressions) if value is None else value
    if function == "IF" and len(arguments) in (2, 3):
        condition = compute(arguments[0], metrics, expressions)
        if condition is not None and condition != 0:
            return compute(arguments[1], metrics, expressions)
        return compute(arguments[2], metrics, expressions) if len(arguments) == 3 else None
    if function == "METRICS":
        raise ValueError("METRICS() is implemented inside SUM, AVG, MIN and MAX only")
    raise ValueError(f"the function {function} of metric math is not implemented")


def operands(arguments: list[ast.expr], metrics: dict[str, Value], expressions: dict[str, str]) -> list[Value]:
    values: list[Value] = []
    for argument in arguments:
        match argument:
            case ast.Call(func=ast.Name(id="METRICS"), args=[]):
                values += metrics.values()
            case ast.List(elts=items):
                values += [compute(item, metrics, expressions) for item in items]
            case _:
                values.append(compute(argument, metrics, expressions))
    return values
