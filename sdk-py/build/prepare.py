"""Check a Python connector and write the module that componentize-py builds.

Reads one job as JSON from standard input and writes one answer as JSON to standard output: ``diagnostics`` for the
author's mistakes, else the interfaces of ``flowforge:connector`` that the sources use.
"""

import ast
import json
import pathlib
import sys

VERSION = "0.1.0"

#: Modules of the SDK that are a capability each.
CAPABILITIES = {"artefacts", "context", "http", "log", "progress", "secrets"}

FILES = "connectors have no file system. Take an Artefact port for files, a secret slot for tokens"
NETWORK = "connectors reach the network through flowforge.http, which checks destinations and attaches secrets"
PROCESS = "connectors have no processes and no threads; run several steps side by side in the workflow"
WAIT = "a connector cannot wait. Raise Failure.throttled(message, retry_after_ms) to be called again later"

REFUSED_MODULES = {
    "aiohttp": NETWORK,
    "asyncio": "host calls return at once; write plain functions",
    "httpx": NETWORK,
    "multiprocessing": PROCESS,
    "requests": NETWORK,
    "shutil": FILES,
    "socket": NETWORK,
    "ssl": NETWORK,
    "subprocess": PROCESS,
    "tempfile": FILES,
    "threading": PROCESS,
    "urllib.request": NETWORK,
}

REFUSED_CALLS = {
    "open": FILES,
    "os.getenv": "connectors have no environment. Take a port or, for a token, a secret slot",
    "time.sleep": WAIT,
}

DRAWN = "draw it inside the operation; what a module draws while it is loaded is drawn once, when the connector is built"

#: Calls that are refused at the top of a module, because every step would get the same answer. The functions of ``random``
#: themselves may be called anywhere inside an operation: they are seeded anew for each call.
REFUSED_AT_TOP = {
    "random.Random": "make the generator inside the operation, or call the functions of random",
    "random.choice": DRAWN,
    "random.randint": DRAWN,
    "random.random": DRAWN,
    "random.randrange": DRAWN,
    "random.uniform": DRAWN,
    "secrets.token_bytes": DRAWN,
    "secrets.token_hex": DRAWN,
    "secrets.token_urlsafe": DRAWN,
    "uuid.uuid1": DRAWN,
    "uuid.uuid4": DRAWN,
}

REFUSED_NAMES = {"os.environ": REFUSED_CALLS["os.getenv"]}


NATIVE = {".so", ".pyd", ".dylib", ".dll"}


class Reader(ast.NodeVisitor):
    """Reads one module: what it uses, and what a connector cannot use."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.found: list[dict] = []
        self.capabilities: set[str] = set()
        self.depth = 0
        #: Name in this module of what stands in another one: ``Random`` of ``random.Random``.
        self.full_names: dict[str, str] = {}

    def wrong(self, node: ast.AST, code: str, message: str, mend: str) -> None:
        place = {"file": self.file, "line": node.lineno, "column": node.col_offset + 1}
        self.found.append({**place, "code": code, "message": message, "mend": mend})

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.depth += 1
        self.generic_visit(node)
        self.depth -= 1

    visit_AsyncFunctionDef = visit_FunctionDef
    visit_Lambda = visit_FunctionDef

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.imported(node, alias.name)
            self.full_names[alias.asname or alias.name] = alias.name
        self.inside(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        if node.level == 0:
            self.full_names |= {alias.asname or alias.name: f"{module}.{alias.name}" for alias in node.names}
            self.imported(node, module)
            if module == "flowforge":
                self.capabilities |= {alias.name for alias in node.names} & CAPABILITIES
            if module == "urllib" and any(alias.name == "request" for alias in node.names):
                self.imported(node, "urllib.request")
        self.inside(node)

    def imported(self, node: ast.AST, module: str) -> None:
        head, _, rest = module.partition(".")
        if head == "flowforge":
            self.capabilities |= {rest} & CAPABILITIES
        mend = REFUSED_MODULES.get(module) or REFUSED_MODULES.get(head)
        if mend is not None:
            self.wrong(node, "FF-SDK-001", f"{module} does not work in a connector", mend)

    def inside(self, node: ast.AST) -> None:
        if self.depth > 0:
            mend = "move it to the top of the file: modules are loaded when the connector is built"
            self.wrong(node, "FF-SDK-006", "an import inside a function fails when it runs", mend)

    def visit_Call(self, node: ast.Call) -> None:
        mend = REFUSED_CALLS.get(ast.unparse(node.func))
        if mend is not None:
            self.wrong(node, "FF-SDK-002", f"{ast.unparse(node.func)} does not work in a connector", mend)
        name = ast.unparse(node.func)
        head, _, rest = name.partition(".")
        head = self.full_names.get(head, head)
        name = f"{head}.{rest}" if rest else head
        mend = REFUSED_AT_TOP.get(name) if self.depth == 0 else None
        if mend is not None:
            self.wrong(node, "FF-SDK-007", f"{name} at the top of a module gives every step the same numbers", mend)
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        name = ast.unparse(node)
        if name in REFUSED_NAMES:
            self.wrong(node, "FF-SDK-002", f"{name} does not exist in a connector", REFUSED_NAMES[name])
        if name.startswith("flowforge."):
            self.capabilities |= {name.split(".")[1]} & CAPABILITIES
        self.generic_visit(node)


def main() -> None:
    job = json.load(sys.stdin)
    source = pathlib.Path(job["folder"]) / "src"
    diagnostics: list[dict] = []
    capabilities: set[str] = set()
    sources = {}
    for path in sorted(source.rglob("*.py")):
        inside = path.relative_to(source)
        file = "src/" + inside.as_posix()
        module = ".".join(inside.with_suffix("").parts).removesuffix(".__init__")
        sources[module] = file
        try:
            tree = ast.parse(path.read_text("utf-8"), file)
        except SyntaxError as error:
            place = {"file": file, "line": error.lineno or 0, "column": error.offset or 0}
            diagnostics.append({**place, "code": "FF-SDK-004", "message": error.msg})
            continue
        reader = Reader(file)
        reader.visit(tree)
        diagnostics += reader.found
        capabilities |= reader.capabilities
        if module == "connector":
            diagnostics += twice(tree)
            diagnostics += [wrong for operation in job["operations"] for wrong in unfit(operation, tree)]
    for path in sorted(path for path in source.rglob("*") if path.suffix in NATIVE):
        file = "src/" + path.relative_to(source).as_posix()
        message = "native code for one kind of machine cannot run in a connector"
        mend = "take a package that is written in Python only, or write the connector in Rust"
        diagnostics.append({"file": file, "line": 0, "column": 0, "code": "FF-SDK-011", "message": message, "mend": mend})
    if not diagnostics:
        pathlib.Path(job["entry"]).write_text(entry(job, sources), "utf-8")
    interfaces = sorted(f"flowforge:connector/{name}@{VERSION}" for name in capabilities)
    json.dump({"diagnostics": diagnostics, "interfaces": interfaces}, sys.stdout)


def author_name(operation: dict) -> str:
    """``stats.mean`` for a function of an interface is ``stats_mean`` in the author's module."""
    return operation["name"].replace(".", "_")


def twice(tree: ast.Module) -> list[dict]:
    """Functions of one name: Python would silently take the last."""
    first: dict[str, int] = {}
    found = []
    for node in tree.body:
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if node.name in first:
            place = {"file": "src/connector.py", "line": node.lineno, "column": node.col_offset + 1}
            message = f"{node.name} is written twice, first in line {first[node.name]}"
            found.append({**place, "code": "FF-SDK-012", "message": message, "mend": "give one of them another name"})
        first.setdefault(node.name, node.lineno)
    return found


def unfit(operation: dict, tree: ast.Module) -> list[dict]:
    """Whether the author's function exists and takes as many parameters as the world says."""
    name = author_name(operation)
    place = {"file": "src/connector.py", "code": "FF-SDK-003"}
    wanted = [param["name"] for param in operation["params"]]
    form = f"def {name}({', '.join(wanted)})"
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    for node in tree.body:
        if isinstance(node, functions) and node.name == name:
            most = len(node.args.posonlyargs) + len(node.args.args)
            least = most - len(node.args.defaults)
            if least <= len(wanted) <= most or (node.args.vararg and least <= len(wanted)):
                return []
            message = f"{name} takes {most} parameters, wit/ gives it {len(wanted)}"
            return [{**place, "line": node.lineno, "column": node.col_offset + 1, "message": message, "mend": form}]
        bound = getattr(node, "names", None) or []
        if isinstance(node, ast.ImportFrom) and any((alias.asname or alias.name) == name for alias in bound):
            return []
    message = f"wit/ exports {operation['export']['function']}, but there is no function {name} here"
    return [{**place, "line": 0, "column": 0, "message": message, "mend": form}]


def entry(job: dict, sources: dict[str, str]) -> str:
    """The module with the classes that the bindings ask for; each method is an operation of the author in its wrapper."""
    lines = [
        "import json",
        "import connector",
        "import wit_world",
        "from flowforge._runtime import Operation",
        f"SOURCES = json.loads({json.dumps(sources)!r})",
    ]
    classes: dict[str, list[str]] = {}
    for at, operation in enumerate(job["operations"]):
        interface = operation["export"].get("interface")
        short = None if interface is None else interface.rsplit("/", 1)[-1].split("@")[0]
        name = "WitWorld" if short is None else "".join(word.capitalize() for word in short.split("-"))
        module = "wit_world" if short is None else "wit_world.exports"
        definition = {
            "name": operation["name"],
            "params": [param["ty"] for param in operation["params"]],
            "result": operation.get("result"),
            "failure": operation.get("failure"),
            "standard": operation["standard_failure"],
        }
        method = operation["export"]["function"].replace("-", "_")
        world = f"{module}.{name}.{method}"
        if short is not None and "import wit_world.exports" not in lines:
            lines.append("import wit_world.exports")
        lines.append(
            f"OPERATION_{at} = Operation(json.loads({json.dumps(definition)!r}), connector.{author_name(operation)}, {world}, SOURCES)"
        )
        body = classes.setdefault(f"class {name}({module}.{name}):", [])
        body.append(f"    def {method}(self, *values):")
        body.append(f"        return OPERATION_{at}(*values)")
    for head, body in classes.items():
        lines += ["", "", head, *body]
    return "\n".join(lines) + "\n"


main()
