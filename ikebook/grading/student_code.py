"""What a student's code says when it is read, and not run: which checks it calls, and whether it takes hold of checks or of solutions."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable, Iterator

NAME = "check_answers"
"""Of the function that checks answers, and of the module that it is in."""

HOME, COURSE = "ikebook.check_answers", "ikebook.course"
"""Where notebooks import it from."""

USUAL = frozenset({"WrongAnswer", NAME})
"""What notebooks import of the checks."""

MOST_LETTERS = 50_000
"""Of a cell that is parsed, which takes a hundred times its memory. Of longer ones the lines are read."""

CALL = re.compile(r"^check_answers\(\s*[\"'](\d\d\.\d)[\"']", re.MULTILINE)
"""A call of a check, as the course's cells have it."""

SOLUTIONS = re.compile(r"(^|[/\\]|--)solutions($|[/\\\s])")
"""The folder of the course's solutions in a path, or the option that copies it. "Two solutions" is neither."""

SHOWN_BY = frozenset({"help", "print", "type"})
"""Functions that do nothing to what they are given."""


def statements(source: str) -> list[ast.stmt] | None:
    """The statements of a cell, without what is IPython's alone; None where it is no Python, or too long."""
    if len(source) > MOST_LETTERS:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an odd escape in a student's text is nothing to tell a lecturer
        for text in (source, _without_magics(source)):
            try:
                return ast.parse(text).body
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                continue
    return None


def _without_magics(source: str) -> str:
    """A cell's Python: what `%time` times stays, and other magics, `!commands` and `questions?` become `pass`."""
    lines = []
    for line in source.splitlines():
        text = line.lstrip()
        indent = line[: len(line) - len(text)]
        timed = re.match(r"%time(it)?\s+(?=\w)", text)
        if timed:
            lines.append(indent + text[timed.end() :])
        elif text.startswith(("%", "!", "?")) or text.rstrip().endswith("?"):
            lines.append(f"{indent}pass")
        else:
            lines.append(re.sub(r"^(\s*[\w, .]+=\s*)[%!].*", r"\1None", line))
    return "\n".join(lines)


def checks_called(source: str) -> tuple[str, ...]:
    """The exercises whose checks a cell calls, each once.

    >>> checks_called('node = 5; check_answers("02.1", node)')
    ('02.1',)
    """
    body = statements(source) if NAME in source else []
    numbers = CALL.findall(source) if body is None else [_exercise(each) for each in body]
    return tuple(dict.fromkeys(number for number in numbers if number))


def has_call(source: str, own: str) -> bool:
    """Whether a cell calls a check as the course's own cell does, whatever else it holds."""
    body = statements(source) or []
    return ast.dump(ast.parse(own).body[0]) in map(ast.dump, body) or own.strip() in source.splitlines()


def holds_more(source: str) -> bool:
    """Whether a cell holds anything but calls of checks."""
    return any(not _exercise(each) for each in statements(source) or [ast.Pass()])


def _exercise(statement: ast.stmt) -> str:
    """The exercise that a statement checks; "" if it is no call of a check."""
    match statement:
        case ast.Expr(ast.Call(ast.Name("check_answers"), [ast.Constant(str(number)), *_])):
            return number
    return ""


def suspicions(sources: Iterable[str]) -> list[str]:
    """Words on code that looks for the solutions, or does more with the checks than to import and call them."""
    found = {word for source in sources if NAME in source or "solutions" in source for word in _sights(source)}
    return sorted(found)


SEEN_SOLUTIONS, SEEN_CHECKS = "code mentions `solutions`", "code takes hold of `check_answers`"


def _sights(source: str) -> Iterator[str]:
    body = statements(source)
    lines = [line.strip() for line in source.splitlines()]
    if body is None:  # it does not run, or is long, or of another language
        lines = [line for line in lines if not line.startswith("#")]
        if any(NAME in line and not _is_usual(line) for line in lines):
            yield SEEN_CHECKS
    else:
        lines = [line for line in lines if line.startswith(("%", "!"))]
        harmless = {id(node) for each in body for part in ast.walk(each) for node in _harmless(part)}
        nodes = [node for each in body for node in ast.walk(each) if id(node) not in harmless]
        if any(_takes_hold(node) for node in nodes):
            yield SEEN_CHECKS
        texts = (node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))
        if any(SOLUTIONS.search(text) for text in texts):
            yield SEEN_SOLUTIONS
    if any("solutions" in line for line in lines):
        yield SEEN_SOLUTIONS


def _is_usual(line: str) -> bool:
    """Whether a line that names the checks is one of those that notebooks have."""
    if line.startswith((f"{NAME}(", f"from {COURSE} import")):
        return True
    begin = f"from {HOME} import"
    return line.startswith(begin) and set(line[len(begin) :].replace(",", " ").split()) <= USUAL


def _harmless(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of a piece of code that may name the checks: what is called, what is shown, and texts that stand for themselves."""
    match node:
        case ast.Call(function, arguments):
            yield function
            if isinstance(function, ast.Name) and function.id in SHOWN_BY:
                for each in arguments:
                    yield from each.values if isinstance(each, ast.JoinedStr) else (each,)
        case ast.Expr(value):
            yield value


def _takes_hold(node: ast.AST) -> bool:
    """Whether a piece of code gives the checks another meaning, another name, or looks into them."""
    match node:
        case (
            ast.Name(name)
            | ast.Attribute(attr=name)
            | ast.FunctionDef(name)
            | ast.AsyncFunctionDef(name)
            | ast.ClassDef(name)
        ):
            return bool(name == NAME)
        case ast.Constant(str(text)):
            return NAME in text
        case ast.Import(names):
            return any(NAME in (*each.name.split("."), each.asname) for each in names)
        case ast.ImportFrom(module, names):
            return any(_is_odd_import(module or "", each) for each in names)
    return False


def _is_odd_import(module: str, name: ast.alias) -> bool:
    if module == HOME:
        return name.name not in USUAL or name.asname not in (None, name.name)
    if NAME in module.split("."):
        return True
    same = name.asname in (None, name.name)
    return NAME in (name.name, name.asname) and not (same and module == COURSE)
