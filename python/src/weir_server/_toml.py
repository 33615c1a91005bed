"""Writes settings as TOML: tables, lists of tables, texts, numbers, booleans and lists."""

import json
from collections.abc import Mapping
from typing import Any


def dumps(tree: Mapping[str, Any], path: tuple[str, ...] = ()) -> str:
    plain = {name: value for name, value in tree.items() if not is_table(value) and not is_tables(value)}
    text = "".join(f"{key(name)} = {value_of(value)}\n" for name, value in plain.items())
    for name, value in tree.items():
        here = (*path, name)
        title = ".".join(map(key, here))
        if is_table(value):
            text += f"\n[{title}]\n" + dumps(value, here)
        elif is_tables(value):
            text += "".join(f"\n[[{title}]]\n" + dumps(one, here) for one in value)
    return text if path else text.lstrip("\n")


def is_table(value: object) -> bool:
    return isinstance(value, Mapping)


def is_tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(is_table(one) for one in value)


def key(name: str) -> str:
    return name if name.isascii() and name.replace("_", "").replace("-", "").isalnum() else json.dumps(name)


def value_of(value: object) -> str:
    if isinstance(value, list | tuple):
        return "[" + ", ".join(value_of(one) for one in value) + "]"
    # Texts of JSON are texts of TOML, and so are numbers and booleans.
    return json.dumps(value, ensure_ascii=False)
