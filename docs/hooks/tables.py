"""What pages say by themselves, from the code: tables and API references, so that they cannot rot.

A page asks for one by a comment, which a forge does not show: `<!-- site: facts KMeans -->`.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import nacre
from docs.hooks.links import ROOT
from docs.hooks.public import MODULES, commands, errors, learners, options, public
from nacre.cli.failing import EXIT_CODES
from nacre.cli.learners import LEARNERS
from nacre.errors import NacreError
from nacre.estimator import Incremental
from nacre.laws import ENGINE_LAWS, LEARNER_LAWS, TIME_LAWS

DIRECTIVE = re.compile(r"^<!-- site: ([a-z-]+) ?(.*?) -->$", re.MULTILINE)
AXES = {
    "space": "a cluster = one machine",
    "time": "absorbed = refit",
    "erasure": "erased = never seen",
}
ATTRIBUTES = "no row: what it finds stands in its attributes"
FORMS = {"nan": "NaN", "sparse": "sparse rows (CSR)", "records": "records: texts, bools, times"}
OTHERWISE: Mapping[str, Mapping[str, Any]] = {  # hyper-parameters that change what the table says
    "Chain": {},
    "Impute": {"strategy": "median"},
    "KMeans": {"metric": "manhattan"},
    "PCA": {"solver": "krylov"},
    "Sample": {"balanced": "y"},
}
HOLDERS: Mapping[str, Callable[[], Any]] = {  # learners that hold others
    "Chain": lambda: nacre.chain(nacre.Scale(), nacre.KMeans()),
    "Micro": lambda: nacre.Micro(nacre.KMeans()),
}
CONTRACT = (  # of a learner, for its author: its page speaks to who uses it
    "start",
    "observe",
    "observe_answering",
    "observe_shard",
    "advance",
    "answer",
    "carry",
    "place",
    "resume",
    "loss",
    "ended",
    "check_parameters",
    "check_start",
    "answers_on_the_way",
    "grade",
    "takes",
    "gives",
    "keeps",
    "answers",
)

_FOR_USERS = "    options:\n      filters:\n" + "".join(
    f'        - "!{pattern}"\n' for pattern in ("^_", *(f"^{name}$" for name in CONTRACT))
)


def expanded(text: str, **more: Callable[[str], str]) -> str:
    """A page with its comments replaced by what they ask for.

    >>> expanded("<!-- site: shout now -->", shout=str.upper)
    'NOW'

    Raises:
        ValueError: a comment asks for what there is not.
    """
    known = {**SAYS, **more}

    def said(match: re.Match[str]) -> str:
        if match[1] not in known:
            raise ValueError(f"got <!-- site: {match[1]} -->; wanted one of {sorted(known)}")
        return known[match[1]](match[2])

    return DIRECTIVE.sub(said, text)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of Markdown.

    >>> print(table(["a", "b"], [["1", "x | y"]]))
    | a | b |
    |---|---|
    | 1 | x \\| y |
    """
    titles = list(head)
    body = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines = [titles, ["---"] * len(titles), *body]
    return "\n".join(f"| {' | '.join(line)} |".replace("| --- ", "|---") for line in lines)


def facts(name: str) -> str:
    """What a learner answers, takes and promises."""
    cls = learners()[name]
    learner: Any = HOLDERS.get(name, cls)()
    other = OTHERWISE.get(name, {})
    others = [("; ".join(f"{k}={v!r}" for k, v in other.items()), cls(**other))] if other else []
    worst = "of the worst stage; here of `Scale` and `KMeans`: " if name == "Chain" else ""

    def of(ask: Callable[[Any], str]) -> str:
        mine = ask(learner)
        return mine + "".join(f"; `{k}`: {ask(o)}" for k, o in others if ask(o) != mine)

    rows = [
        ("answers", of(lambda one: _listed(f"`{a}`" for a in one.answers) or ATTRIBUTES)),
        (
            "takes, beside numbers",
            of(lambda one: _listed(FORMS[form] for form in one.takes) or "nothing"),
        ),
        *[(f"{axis}: {means}", worst + of(_grade(axis))) for axis, means in AXES.items()],
        ("streams", "yes: `partial_fit`" if issubclass(cls, Incremental) else "no"),
        ("command line", _verb(name)),
        ("source", f"[`{_file(cls)}`]({_way(cls)})"),
    ]
    return table(["", ""], rows)


def _grade(axis: str) -> Callable[[Any], str]:
    return lambda one: f"**{one.grade[axis]}**"


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words)


def _verb(name: str) -> str:
    for verb, known in LEARNERS.items():
        if known.cls == name:
            stages = [f"`--{stage}`" for stage in known.stages]
            return f"`nacre fit {verb}`" + (f", after {_listed(stages)}" if stages else "")
    return (
        "the stages `--impute`, `--scale` and `--pca` of `nacre fit`" if name == "Chain" else "no"
    )


def _file(cls: Any) -> str:
    module: str = cls.__module__
    return module.replace(".", "/") + ".py"


def _way(cls: Any) -> str:
    return f"../src/{_file(cls)}"


def api(names: str) -> str:
    """Parameters, attributes and methods of a class, or what a function takes."""
    bare = "      show_root_heading: false\n      show_root_toc_entry: false\n"
    parts = (
        f"::: {_home(name)}\n{_FOR_USERS}{bare}      heading_level: 3" for name in names.split()
    )
    return "\n\n".join(parts)


def faces(names: str) -> str:
    """What classes of `nacre.estimator` have for who uses a learner."""
    parts = (f"::: nacre.estimator.{n}\n{_FOR_USERS}      heading_level: 2" for n in names.split())
    return "\n\n".join(parts)


def _home(name: str) -> str:
    found = getattr(nacre, name)
    return f"{found.__module__}.{found.__qualname__}"


def modules(folder: str) -> str:
    """The modules of a folder of nacre, and what each is for."""
    place = ROOT / "src" / "nacre"
    if folder == ".":
        paths = sorted(p for p in place.glob("*.py") if p.name != "__init__.py")
    else:
        paths = sorted(p for p in (place / folder).rglob("*.py") if p.stat().st_size)
    rows = []
    for path in paths:
        doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        name = path.relative_to(place / folder).as_posix()
        link = f"../../{path.relative_to(ROOT).as_posix()}"
        rows.append((f"[`{name}`]({link})", " ".join(doc.partition("\n\n")[0].split())))
    return table(["module", "what it is for"], rows)


def errors_table(_: str = "") -> str:
    """Every error: its code, its exit code, what else it is, what it means."""
    rows = []
    for error in errors():
        also = [base.__name__ for base in error.__mro__ if base.__module__ == "builtins"][:1]
        means = " ".join((error.__doc__ or "").partition("\n\n")[0].split())
        code = (f"`{error.__name__}`", f"`{error.code}`", str(error.exit_code))
        also_is = "" if error is NacreError else f"`{also[0]}`"
        rows.append((*code, also_is, means))
    return table(["error", "code", "exit code", "is also a", "means"], rows)


def exit_codes(_: str = "") -> str:
    """What the exit codes of the command line mean."""
    return table(["exit code", "means"], [(str(c), says) for c, says in EXIT_CODES.items()])


def options_tables(_: str = "") -> str:
    """Every option of every command; those that all kinds of `nacre fit` have stand once."""
    fits = [[param.name for param, _ in options(c)] for name, c in commands() if "fit " in name]
    every = {name for name in fits[0] if all(name in names for names in fits)}
    parts: list[str] = []
    for name, command in commands():
        own = {param.name for param, _ in options(command)}
        if name.startswith("fit "):
            parts += [] if parts else [_options("nacre fit", command, every)]
            own -= every
        parts.append(_options(f"nacre {name}", command, own))
    return "\n\n".join(parts)


def _options(title: str, command: Any, wanted: set[str]) -> str:
    rows = [
        (
            " ".join(f"`{one}`" for one in [*long, *_short(param)]),
            _default(param),
            _plain(param.help or ""),
        )
        for param, long in options(command)
        if param.name in wanted
    ]
    return f"## {title}\n\n{table(['option', 'if not said', 'means'], rows)}"


def _short(param: Any) -> list[str]:
    return [name for name in param.opts if name[:2] != "--"]


def _default(param: Any) -> str:
    value = param.default
    if param.required:
        return "must be said"
    if value is None or callable(value) or value == [] or str(value) in ("", "()"):
        return ""
    if param.is_flag:
        return "yes" if value else "no"
    return f"`{value}`"


def _plain(text: str) -> str:
    """Help as prose: what Markdown would take for something else is not."""
    return " ".join(text.split()).replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")


def laws(which: str) -> str:
    """The laws, and what each says."""
    tables: dict[str, Mapping[str, Any]] = {"learner": LEARNER_LAWS, "engine": ENGINE_LAWS}
    found = {**tables, "time": TIME_LAWS}[which]
    rows = ((f"`{name}`", _plain((f.__doc__ or "").split("\n")[0])) for name, f in found.items())
    return table(["law", "what must hold"], rows)


def learners_table(_: str = "") -> str:
    """Every learner, what it is for, and its grades."""
    rows = []
    for name, cls in sorted(learners().items()):
        if name == "Chain":
            continue
        grades = cls().grade
        doc = " ".join((cls.__doc__ or "").partition("\n\n")[0].split())
        rows.append((f"[`{name}`]({name.lower()}.md)", doc, *(grades[axis] for axis in AXES)))
    return table(["learner", "what it does", *AXES], rows)


def reference(module: str) -> str:
    """The API of a public module: every public name that has no page of its own."""
    parts = []
    for name, value in public(module).items():
        if inspect.ismodule(value) or name in learners() or name == "__version__":
            continue
        home = f"{value.__module__}.{value.__qualname__}" if _is_code(value) else f"{module}.{name}"
        options = f"    options:\n      heading_level: 2\n      heading: {module}.{name}"
        parts.append(f"::: {home}\n{options}")
    return "\n\n".join(parts)


def classes(names: str) -> str:
    """The API of some names of a module: "nacre.kinds Kind Rows"."""
    module, *some = names.split()
    options = "    options:\n      heading_level: 2"
    return "\n\n".join(f"::: {module}.{name}\n{options}" for name in some)


def package(name: str) -> str:
    """The API of all modules of a package, each with its public classes and functions."""
    folder = ROOT / "src" / name.replace(".", "/")
    found = (path.stem for path in sorted(folder.glob("*.py")) if path.stem[0] != "_")
    options = "    options:\n      heading_level: 2\n      show_if_no_docstring: false"
    return "\n\n".join(f"::: {name}.{module}\n{options}" for module in found)


def _is_code(value: Any) -> bool:
    return inspect.isclass(value) or inspect.isfunction(value)


def public_modules() -> list[str]:
    """Those of `MODULES` that are there."""
    return [module for module in MODULES if public(module)]


SAYS: dict[str, Callable[[str], str]] = {
    "facts": facts,
    "api": api,
    "modules": modules,
    "errors": errors_table,
    "exit-codes": exit_codes,
    "options": options_tables,
    "laws": laws,
    "learners": learners_table,
    "reference": reference,
    "classes": classes,
    "faces": faces,
    "package": package,
}
