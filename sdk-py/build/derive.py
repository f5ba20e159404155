"""Read the operations and types of a world out of a Python connector's functions and type hints.

Reads one job as JSON from standard input and writes one answer as JSON to standard output: ``diagnostics`` for the
author's mistakes, else ``docs``, ``types`` and ``functions``. The source is read, never run.
"""

import ast
import inspect
import json
import pathlib
import re
import sys
from typing import Optional

NO_PORT = "FF-SDK-008"
NO_NAME = "FF-SDK-009"
NO_TYPE = "FF-SDK-010"

PLAIN = {"str": "string", "bool": "bool", "float": "f64", "int": "s64", "bytes": "bytes"}

#: Names of other modules, and the type of a port that each stands for.
KNOWN = {
    "flowforge.Artefact": "artefact",
    "flowforge.Json": "json",
    "typing.Any": "json",
}

LISTS = {"list", "typing.List", "typing.Sequence", "collections.abc.Sequence"}
TUPLES = {"tuple", "typing.Tuple"}

TABLE = "use a list of dataclasses with key and value, or Json"
INSTEAD = {
    "dict": TABLE,
    "typing.Dict": TABLE,
    "typing.Mapping": TABLE,
    "collections.abc.Mapping": TABLE,
    "set": "use a list",
    "frozenset": "use a list",
    "object": "say what it is, or use Json",
    "complex": "use two floats",
    "datetime.datetime": "use a str such as 2026-01-31T12:00:00Z, or a number of milliseconds",
    "datetime.date": "use a str such as 2026-01-31",
    "decimal.Decimal": "use a str, which keeps every digit",
    "pathlib.Path": "take an Artefact: connectors have no file system",
    "typing.Callable": "a port is data",
}

#: A type that stands in for one that is refused, so that reading goes on.
REFUSED = {"kind": "string"}


class Module:
    """One source file: what its top level binds."""

    def __init__(self, name: str, file: str, tree: ast.Module, lines: list[str]) -> None:
        self.name, self.file, self.tree, self.lines = name, file, tree, lines
        self.bound: dict[str, ast.stmt] = {}
        #: Name here → full name elsewhere.
        self.imported: dict[str, str] = {}
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                self.bound[node.name] = node
            elif isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                self.bound[node.targets[0].id] = node
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                self.bound[node.target.id] = node
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    self.imported[alias.asname or alias.name] = alias.name
            elif isinstance(node, ast.ImportFrom):
                package = "." * node.level + (node.module or "")
                for alias in node.names:
                    self.imported[alias.asname or alias.name] = f"{package.lstrip('.')}.{alias.name}"

    def full_name(self, node: ast.expr) -> str:
        """``List`` → ``typing.List``, if that is what the name stands for here."""
        text = ast.unparse(node)
        head, _, rest = text.partition(".")
        head = self.imported.get(head, head)
        return f"{head}.{rest}" if rest else head


class Reader:
    """Reads the operations of a connector and the types that they use."""

    def __init__(self, modules: dict[str, Module]) -> None:
        self.modules = modules
        self.found: list[dict] = []
        #: Finished types, each after those that it is made of.
        self.types: list[dict] = []
        #: Place of a declaration → its type, ``None`` while it is read.
        self.named: dict[tuple[str, str], Optional[dict]] = {}

    def place(self, module: Module, node: ast.AST) -> dict:
        return {"file": module.file, "line": getattr(node, "lineno", 1), "column": getattr(node, "col_offset", 0) + 1}

    def wrong(self, module: Module, node: ast.AST, code: str, message: str, mend: str) -> dict:
        self.found.append({**self.place(module, node), "code": code, "message": message, "mend": mend})
        return REFUSED

    def no_port(self, module: Module, node: ast.expr, mend: str) -> dict:
        return self.wrong(module, node, NO_PORT, f"{ast.unparse(node)} cannot be a port", mend)

    def functions(self) -> list[dict]:
        module = self.modules["connector"]
        listed = _texts_of(module.bound.get("__all__"))
        made = []
        for name, node in module.bound.items():
            is_operation = not name.startswith("_") if listed is None else name in listed
            if is_operation and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                made.append(self.function(module, node))
        if not made and not self.found:
            self.wrong(module, module.tree, "FF-BLD-004", "the connector has no operation", "write `def …`: every function without a leading _ is an operation")
        return made

    def function(self, module: Module, node: ast.FunctionDef) -> dict:
        name = self.kebab(module, node, node.name, "an operation")
        docs = inspect.cleandoc(ast.get_docstring(node) or "")
        arguments = node.args
        for other in [arguments.vararg, arguments.kwarg, *arguments.kwonlyargs]:
            if other is not None:
                self.wrong(module, other, NO_NAME, f"{other.arg} has no place of its own", "write every port as `name: type`")
        positional = [*arguments.posonlyargs, *arguments.args]
        defaults: list[Optional[ast.expr]] = [None] * (len(positional) - len(arguments.defaults))
        params = [self.parameter(module, one, given, name, docs) for one, given in zip(positional, defaults + list(arguments.defaults))]
        return {
            "name": name,
            "docs": _without_parameters(docs),
            "place": self.place(module, node),
            "params": params,
            "result": self.result(module, node, name),
        }

    def parameter(self, module: Module, node: ast.arg, given: Optional[ast.expr], operation: str, docs: str) -> dict:
        name = self.kebab(module, node, node.arg, "a port")
        if node.annotation is None:
            type_ = self.wrong(module, node, NO_TYPE, f"parameter {node.arg} has no type", f"write it, such as {node.arg}: str")
        else:
            type_ = self.type(module, node.annotation, f"{operation}-{name}")
        if given is not None and not (isinstance(given, ast.Constant) and given.value is None):
            mend = f"write {node.arg}: … | None = None, and `if {node.arg} is None` inside"
            self.wrong(module, given, NO_PORT, f"{node.arg} has a default, which a workflow cannot see", mend)
        elif given is not None:
            type_ = _option(type_)
        return {"name": name, "docs": _about(node.arg, docs), "place": self.place(module, node), "type": type_}

    def result(self, module: Module, node: ast.FunctionDef, operation: str) -> Optional[dict]:
        if node.returns is None:
            self.wrong(module, node, NO_TYPE, f"{node.name} does not say what it returns", "write `-> type` after the parameters, `-> None` if it is nothing")
            return None
        if isinstance(node.returns, ast.Constant) and node.returns.value is None:
            return None
        return self.type(module, node.returns, f"{operation}-result")

    def type(self, module: Module, node: ast.expr, hint: str) -> dict:
        """The port type of a type hint. ``hint`` names it if it has no name of its own."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                inner = ast.parse(node.value, mode="eval").body
            except SyntaxError:
                return self.no_port(module, node, "write a type")
            for part in ast.walk(inner):
                ast.copy_location(part, node)
            return self.type(module, inner, hint)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            return self.union(module, node, _members(node), hint)
        if isinstance(node, ast.Subscript):
            return self.subscript(module, node, hint)
        if not isinstance(node, (ast.Name, ast.Attribute)):
            return self.no_port(module, node, "say what it is, or use Json")
        name = module.full_name(node)
        if name in PLAIN:
            return {"kind": PLAIN[name]}
        if name in KNOWN:
            return {"kind": KNOWN[name]}
        if name in LISTS or name in TUPLES:
            return self.no_port(module, node, "say of what, such as list[str]")
        return self.declared(module, node, name)

    def subscript(self, module: Module, node: ast.Subscript, hint: str) -> dict:
        name = module.full_name(node.value)
        inside = list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]
        if name in LISTS and len(inside) == 1:
            return {"kind": "list", "of": self.type(module, inside[0], hint)}
        if name in TUPLES:
            if isinstance(inside[-1], ast.Constant) and inside[-1].value is Ellipsis:
                return self.no_port(module, node, "use list[…]")
            letters = "abcdefghijklmnop"
            return {"kind": "tuple", "of": [self.type(module, one, f"{hint}-{letters[at]}") for at, one in enumerate(inside[:16])]}
        if name == "typing.Optional" and len(inside) == 1:
            return _option(self.type(module, inside[0], hint))
        if name == "typing.Union":
            return self.union(module, node, inside, hint)
        if name == "typing.Literal":
            return self.literal(module, node, inside, hint)
        if name == "typing.Annotated":
            return self.type(module, inside[0], hint)
        return self.no_port(module, node, INSTEAD.get(name, "use a dataclass, a list, a str, a number, or Json"))

    def union(self, module: Module, node: ast.expr, members: list[ast.expr], hint: str) -> dict:
        rest = [one for one in members if not (isinstance(one, ast.Constant) and one.value is None)]
        if len(rest) == 1:
            return _option(self.type(module, rest[0], hint))
        classes = [self.dataclass_of(module, one) for one in rest]
        if None in classes:
            mend = "a union is a port if all its members are dataclasses; use one with optional fields, or Json"
            return self.no_port(module, node, mend)
        cases = [self.union_case(module, one, *found) for one, found in zip(rest, classes) if found is not None]
        type_ = self.finish(module, node, hint, "", {"kind": "variant", "members": cases})
        return _option(type_) if len(rest) < len(members) else type_

    def union_case(self, module: Module, node: ast.expr, where: Module, written: ast.ClassDef) -> dict:
        """One dataclass of a union; one without fields carries no value."""
        made = {"name": _type_name(written.name), "docs": "", "place": self.place(module, node)}
        return {**made, "type": self.type(module, node, made["name"])} if self.fields(where, written) else made

    def dataclass_of(self, module: Module, node: ast.expr) -> Optional[tuple[Module, ast.ClassDef]]:
        """The dataclass that a name stands for."""
        if not isinstance(node, (ast.Name, ast.Attribute)):
            return None
        home, _, own = module.full_name(node).rpartition(".")
        where = self.modules.get(home) if home else module
        written = where.bound.get(own) if where else None
        if where is None or not isinstance(written, ast.ClassDef):
            return None
        decorators = {where.full_name(one.func if isinstance(one, ast.Call) else one) for one in written.decorator_list}
        return (where, written) if "dataclasses.dataclass" in decorators else None

    def literal(self, module: Module, node: ast.expr, members: list[ast.expr], hint: str) -> dict:
        texts = [one.value if isinstance(one, ast.Constant) and isinstance(one.value, str) else None for one in members]
        if None in texts:
            return self.no_port(module, node, "a Literal is a port if all its values are texts")
        made = {"kind": "enum", "members": [self.case(module, one, str(text)) for one, text in zip(members, texts)]}
        return self.finish(module, node, hint, "", made)

    def case(self, module: Module, node: ast.AST, text: str) -> dict:
        if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z][a-z0-9]*)*", text):
            self.wrong(module, node, NO_NAME, f"{text!r} cannot be one of the values", "write it in snake_case, as workflows will: very_strong")
        return {"name": text.replace("_", "-"), "docs": "", "place": self.place(module, node)}

    def declared(self, module: Module, node: ast.expr, name: str) -> dict:
        """A class or alias of the connector's own modules."""
        home, _, own = name.rpartition(".")
        where = self.modules.get(home) if home else module
        written = where.bound.get(own) if where else None
        if where is None or written is None:
            return self.no_port(module, node, INSTEAD.get(name, "there is no such type in src/: declare or import it"))
        key = (where.file, own)
        if key in self.named:
            known = self.named[key]
            return known or self.no_port(module, node, "a port type cannot hold itself: use Json, or a list with the number of each one's parent")
        self.named[key] = None
        self.named[key] = self.declaration(where, written, node, module)
        return self.named[key] or REFUSED

    def declaration(self, module: Module, written: ast.stmt, used: ast.expr, user: Module) -> dict:
        if isinstance(written, ast.ClassDef):
            bases = {module.full_name(base) for base in written.bases}
            if bases & {"enum.Enum", "enum.StrEnum"}:
                return self.enumeration(module, written)
            decorators = {module.full_name(one.func if isinstance(one, ast.Call) else one) for one in written.decorator_list}
            if decorators & {"dataclasses.dataclass"}:
                return self.record(module, written)
            return self.no_port(user, used, f"put @dataclass before class {written.name}: a port is data")
        if isinstance(written, (ast.Assign, ast.AnnAssign)) and written.value is not None:
            target = written.targets[0] if isinstance(written, ast.Assign) else written.target
            return self.type(module, written.value, _type_name(ast.unparse(target)))
        return self.no_port(user, used, "use a dataclass, a list, a str, a number, or Json")

    def enumeration(self, module: Module, node: ast.ClassDef) -> dict:
        members = []
        for one in node.body:
            if isinstance(one, ast.Assign) and isinstance(one.value, ast.Constant) and isinstance(one.value.value, str):
                members.append(self.case(module, one.value, one.value.value))
            elif isinstance(one, ast.Assign):
                self.wrong(module, one, NO_PORT, f"{ast.unparse(one.targets[0])} is no text", 'give each member of the Enum a text, such as LIGHT = "light"')
        docs = inspect.cleandoc(ast.get_docstring(node) or "")
        return self.finish(module, node, _type_name(node.name), docs, {"kind": "enum", "members": members})

    def record(self, module: Module, node: ast.ClassDef) -> dict:
        name = _type_name(node.name)
        fields = [one for one in self.fields(module, node)]
        if not fields:
            self.wrong(module, node, NO_PORT, f"{node.name} has no field", "give it one, or use Json")
        members = [self.field(home, one, name) for home, one in fields]
        docs = inspect.cleandoc(ast.get_docstring(node) or "")
        return self.finish(module, node, name, docs, {"kind": "record", "members": members})

    def fields(self, module: Module, node: ast.ClassDef) -> list[tuple[Module, ast.AnnAssign]]:
        """The fields of a dataclass, those of the classes before it first."""
        found: list[tuple[Module, ast.AnnAssign]] = []
        for base in node.bases:
            home, _, own = module.full_name(base).rpartition(".")
            where = self.modules.get(home) if home else module
            written = where.bound.get(own) if where else None
            if where is not None and isinstance(written, ast.ClassDef) and written is not node:
                found += self.fields(where, written)
        own_fields = [one for one in node.body if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)]
        return found + [(module, one) for one in own_fields if not ast.unparse(one.annotation).startswith(("ClassVar", "typing.ClassVar"))]

    def field(self, module: Module, node: ast.AnnAssign, record: str) -> dict:
        text = ast.unparse(node.target)
        name = self.kebab(module, node, text, "a field")
        type_ = self.type(module, node.annotation, f"{record}-{name}")
        return {"name": name, "docs": _comment_above(module, node), "place": self.place(module, node), "type": type_}

    def finish(self, module: Module, node: ast.AST, name: str, docs: str, made: dict) -> dict:
        """Add a type; each has a name of its own."""
        other = next((one for one in self.types if one["name"] == name), None)
        if other is not None:
            place = other["place"]
            self.wrong(module, node, NO_NAME, f"there are two types {name}, the other one in {place['file']}:{place['line']}", "give one of them another name")
        self.types.append({"name": name, "docs": docs, "place": self.place(module, node), **made})
        return {"kind": "named", "name": name}

    def kebab(self, module: Module, node: ast.AST, name: str, what: str) -> str:
        if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z][a-z0-9]*)*", name):
            self.wrong(module, node, NO_NAME, f"{name} is no name of {what}", "write it in snake_case, each word beginning with a letter")
        return name.replace("_", "-")


def _option(type_: dict) -> dict:
    return type_ if type_["kind"] == "option" else {"kind": "option", "of": type_}


def _members(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _members(node.left) + _members(node.right)
    return [node]


def _texts_of(node: Optional[ast.stmt]) -> Optional[set[str]]:
    """The names in ``__all__``."""
    value = getattr(node, "value", None)
    if not isinstance(value, (ast.List, ast.Tuple)):
        return None
    return {one.value for one in value.elts if isinstance(one, ast.Constant) and isinstance(one.value, str)}


def _type_name(name: str) -> str:
    """``HTTPAnswer`` → ``http-answer``."""
    name = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1-\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1-\2", name).strip("_").replace("_", "-").lower()


def _comment_above(module: Module, node: ast.AnnAssign) -> str:
    """The lines ``#: …`` above a field."""
    found: list[str] = []
    at = node.lineno - 2
    while at >= 0 and module.lines[at].strip().startswith("#:"):
        found.insert(0, module.lines[at].strip()[2:].strip())
        at -= 1
    return "\n".join(found)


#: Where a docstring begins to speak of parameters, in the two usual styles.
_SECTION = re.compile(r"^(Args|Arguments|Parameters|Returns|Raises|Yields):\s*$|^:(param|returns?|raises|type)\b", re.MULTILINE)


def _without_parameters(docs: str) -> str:
    found = _SECTION.search(docs)
    return (docs if found is None else docs[: found.start()]).strip()


def _about(name: str, docs: str) -> str:
    """What a docstring says of one parameter: ``:param name: text``, or ``name: text`` under ``Args:``."""
    found = re.search(rf"^:param (?:[^:]*\s)?{re.escape(name)}:\s*(.+(?:\n[ \t]+\S.*)*)", docs, re.MULTILINE)
    if found is None:
        section = re.search(r"^(?:Args|Arguments|Parameters):\s*\n((?:[ \t]+.*\n?|\n)+)", docs, re.MULTILINE)
        block = inspect.cleandoc("\n" + section.group(1)) if section else ""
        found = re.search(rf"^{re.escape(name)}(?:\s*\([^)]*\))?:\s*(.+(?:\n[ \t]+\S.*)*)", block, re.MULTILINE)
    return "" if found is None else re.sub(r"\s*\n\s*", " ", found.group(1)).strip()


def main() -> None:
    job = json.load(sys.stdin)
    source = pathlib.Path(job["folder"]) / "src"
    modules: dict[str, Module] = {}
    broken: list[dict] = []
    for path in sorted(source.rglob("*.py")):
        inside = path.relative_to(source)
        file = "src/" + inside.as_posix()
        name = ".".join(inside.with_suffix("").parts).removesuffix(".__init__")
        text = path.read_text("utf-8")
        try:
            modules[name] = Module(name, file, ast.parse(text, file), text.splitlines())
        except SyntaxError as error:
            place = {"file": file, "line": error.lineno or 0, "column": error.offset or 0}
            broken.append({**place, "code": "FF-SDK-004", "message": error.msg})
    if broken:
        json.dump({"diagnostics": broken, "types": [], "functions": []}, sys.stdout)
        return
    reader = Reader(modules)
    functions = reader.functions()
    docs = inspect.cleandoc(ast.get_docstring(modules["connector"].tree) or "")
    json.dump({"diagnostics": reader.found, "docs": docs, "types": reader.types, "functions": functions}, sys.stdout)


main()
