"""What the application is and which servers its environment has: `weir serve` runs this first.

Reads MODULE[:CALLABLE] from its arguments and prints one line of JSON. The traceback of an application that cannot be
imported goes to stderr.
"""

import contextlib
import importlib
import importlib.metadata
import importlib.util
import inspect
import json
import os
import re
import site
import sys
import sysconfig
import traceback
from pathlib import Path

USUAL = ("application", "app", "api", "asgi", "wsgi")


def main():
    # What the application prints is not ours.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.path.insert(0, str(Path.cwd()))
    try:
        found = look(sys.argv[1])
    except Wrong as wrong:
        found = {"error": str(wrong)}
    print(json.dumps(found), file=out, flush=True)
    sys.stderr.flush()
    # Threads that the application started do not hold us back.
    os._exit(0)


class Wrong(Exception):
    pass


def look(text):
    name, _, attribute = text.partition(":")
    module = load(name)
    attribute = attribute or usual(name, module)
    factory = attribute.endswith("()")
    called = module
    for part in attribute.removesuffix("()").split("."):
        if not hasattr(called, part):
            raise Wrong(f"the module {name} ({place(module)}) has no {part}; it has {names(module)}")
        called = getattr(called, part)
    if factory:
        called = called()
    if not callable(called):
        raise Wrong(f"{name}:{attribute} is no application: {type(called).__name__} cannot be called")
    servers = {server: version(server, package) for server, package in SERVERS.items()}
    return {
        "module": name,
        "callable": attribute,
        "asgi": is_asgi(called),
        "host": host(),
        "servers": {server: found for server, found in servers.items() if found},
        "uwsgi": uwsgi(),
        "cores": len(os.sched_getaffinity(0)),
        "sources": {"code": code(), "templates": templates(called)},
        "python": environment(),
    }


def load(name):
    if not re.fullmatch(r"\w+(\.\w+)*", name) or Path(name).is_file():
        hint = name.removesuffix(".py").strip("./").replace("/", ".")
        raise Wrong(f"{name} is not the name of a module; write it with dots, such as {hint or 'mysite.wsgi'}")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if name == missing or name.startswith(missing + "."):
            raise Wrong(f"there is no module {missing}: looked in {Path.cwd()} and in {environment()}") from None
        failure = error
    except BaseException as error:
        failure = error
    traceback.print_exception(type(failure), failure, ours_left_out(failure.__traceback__))
    raise Wrong(f"the module {name} cannot be imported: {type(failure).__name__}: {failure}")


def ours_left_out(trace):
    """The part of a traceback that begins in the application."""
    while trace and trace.tb_frame.f_code.co_filename.startswith(("<string>", "<frozen importlib", importlib.__file__)):
        trace = trace.tb_next
    return trace


def usual(name, module):
    for attribute in USUAL:
        if callable(getattr(module, attribute, None)):
            return attribute
    raise Wrong(
        f"the module {name} ({place(module)}) has no application or app; name its callable: {name}:CALLABLE; "
        f"it has {names(module)}"
    )


def names(module):
    found = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
    # What is no class and no function is likely the application; what the module has made itself comes before imports.
    found.sort(key=lambda name: rank(getattr(module, name), module))
    return ", ".join(found[:8]) or "nothing that can be called"


def rank(value, module):
    if not inspect.isclass(value) and not inspect.isroutine(value):
        return 0
    return 1 if getattr(value, "__module__", None) == module.__name__ else 2


def place(module):
    return getattr(module, "__file__", None) or "a namespace package"


def environment():
    return f"Python {sys.version_info.major}.{sys.version_info.minor} of {sys.prefix}"


def is_asgi(called):
    """As uvicorn and asgiref tell the two apart."""
    if inspect.isclass(called):
        return hasattr(called, "__await__")
    target = called if inspect.isfunction(called) else type(called).__call__.__get__(called)
    if inspect.iscoroutinefunction(target):
        return True
    try:
        needed = [p for p in inspect.signature(target).parameters.values() if p.default is p.empty]
    except (TypeError, ValueError):
        return False
    return len([p for p in needed if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]) == 3


def host():
    """A name under which a Django site answers."""
    django = sys.modules.get("django.conf")
    if not django or not django.settings.configured:
        return None
    for name in django.settings.ALLOWED_HOSTS:
        if name and "*" not in name:
            return name.removeprefix(".")
    return None


def code():
    """Where code of the application is, but for where packages are installed: what it has imported, and where it may
    find more, which Django imports with the first request.
    """
    found = {str(Path(one).absolute()) for one in sys.path if Path(one).is_dir()}
    for module in list(sys.modules.values()):
        spec = getattr(module, "__spec__", None)
        if spec is not None and "." not in spec.name:
            found.update(places_of(spec))
    django = sys.modules.get("django.conf")
    if django and django.settings.configured:
        for name in [*django.settings.INSTALLED_APPS, django.settings.ROOT_URLCONF]:
            with contextlib.suppress(Exception):
                found.update(places_of(importlib.util.find_spec(str(name).partition(".")[0])))
    paths = [sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    installed = {Path(one).resolve() for one in (*paths, *site.getsitepackages(), site.getusersitepackages())}
    return sorted(one for one in found if not any(Path(one).resolve().is_relative_to(place) for place in installed))


def places_of(spec):
    """The directories of a package, or the file of a module."""
    if spec is None:
        return []
    if spec.submodule_search_locations is not None:
        return [str(Path(one).absolute()) for one in spec.submodule_search_locations]
    return [str(Path(spec.origin).absolute())] if spec.has_location and spec.origin else []


def templates(called):
    """Directories that hold nothing but templates, or translations."""
    found = set()
    django = sys.modules.get("django.conf")
    if django and django.settings.configured:
        for engine in django.settings.TEMPLATES:
            found.update(map(str, engine.get("DIRS", ())))
        found.update(map(str, django.settings.LOCALE_PATHS))
    # Flask's own, and those of its blueprints.
    for one in (called, *getattr(called, "blueprints", {}).values()):
        with contextlib.suppress(Exception):
            found.update(map(str, one.jinja_loader.searchpath))
    return sorted(str(Path(one).absolute()) for one in found)


def version(module, package):
    if importlib.util.find_spec(module) is None:
        return None
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "of an unknown version"


def uwsgi():
    """The program, if it is in this environment: another one may be of another Python."""
    for directory in (Path(sys.prefix, "bin"), Path(sys.executable).parent):
        if os.access(directory / "uwsgi", os.X_OK):
            return str(directory / "uwsgi")
    return None


SERVERS = {"gunicorn": "gunicorn", "granian": "granian", "uvicorn": "uvicorn"}

main()
