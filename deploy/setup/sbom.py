"""sbom.py PROGRAM: prints what a program is made of, as CycloneDX 1.5: each crate with its version, licence, checksum
and dependencies, as Cargo.lock and the features of the build say. Tests and what only builds are left out.

The same source gives the same text: it holds no time and no random number.
"""

import json
import subprocess
import sys
import tomllib
import uuid
from pathlib import Path

TARGET = "x86_64-unknown-linux-gnu"


def main(program):
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", TARGET]
    found = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    packages = {package["id"]: package for package in found["packages"]}
    nodes = {node["id"]: node for node in found["resolve"]["nodes"]}
    members = set(found["workspace_members"])
    root = next(one for one in members if packages[one]["name"] == program)
    used = reached(root, nodes)
    sums = checksums(packages[root])
    order = sorted(used, key=lambda one: (packages[one]["name"], packages[one]["version"]))
    libraries = [{"type": "library", **component(packages[one], sums)} for one in order if one != root]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "application", **component(packages[root], sums)}},
        "components": libraries,
        "dependencies": [
            {"ref": ref(packages[one]), "dependsOn": sorted(ref(packages[dep]) for dep in needed(nodes[one]) & used)}
            for one in order
        ],
    }
    text = json.dumps(document, sort_keys=True)
    document["serialNumber"] = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, text)}"
    print(json.dumps(document, indent=1))


def reached(root, nodes):
    """The packages that stand in the program itself."""
    used, waiting = set(), [root]
    while waiting:
        one = waiting.pop()
        if one not in used:
            used.add(one)
            waiting.extend(needed(nodes[one]))
    return used


def needed(node):
    """What a package links: neither what its build script needs nor what its tests need."""
    return {dep["pkg"] for dep in node["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"])}


def component(package, sums):
    found = {"bom-ref": ref(package), "name": package["name"], "version": package["version"]}
    if package["license"]:
        found["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    if package["source"]:
        found["purl"] = f"pkg:cargo/{package['name']}@{package['version']}"
    checksum = sums.get((package["name"], package["version"]))
    if checksum:
        found["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    return found


def ref(package):
    return f"{package['name']}@{package['version']}"


def checksums(root):
    """Of each crate of the registry, as Cargo.lock has it."""
    lock = next(place for place in Path(root["manifest_path"]).parents if (place / "Cargo.lock").is_file())
    listed = tomllib.loads((lock / "Cargo.lock").read_text())["package"]
    return {(one["name"], one["version"]): one["checksum"] for one in listed if "checksum" in one}


if __name__ == "__main__":
    main(sys.argv[1])
