#!/usr/bin/env python3
"""lint_deploy.py PROMTOOL: checks, offline, what deploy/ holds for containers, Kubernetes, Prometheus. Exit 1: wrong.

Every image is pinned. Every kustomization is built and its resources are held against the schemas of Kubernetes, of
three versions. What images are built from holds the manifest of each crate, and each file that is compiled in. Alert
rules go through promtool; every query of the dashboard and the alerts must parse and name metrics that the services
have.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import kubernetes_validate
import promql_parser
import yaml

VERSIONS = ["1.35", "1.36", "1.37"]
# Resources that others define: there is no schema of them here.
FOREIGN = {"gateway.networking.k8s.io", "monitoring.coreos.com", "cert-manager.io"}
KUBECTL = Path(sys.executable).with_name("kubectl")
KUSTOMIZATIONS = [
    "kubernetes/overlays/dev",
    "kubernetes/overlays/prod",
    "kubernetes/overlays/adapter",
    "kubernetes/routes/gateway",
    "kubernetes/routes/ingress",
    "kubernetes/monitoring",
]
DEPLOY = Path("deploy")
COMPOSE = Path("docker-compose.yml")
ALERTS = DEPLOY / "dashboards/alerts.yml"
DASHBOARD = DEPLOY / "dashboards/weir.json"
SOURCES = {"weir_edge_": "edge/src", "weir_cache_node_": "cache-node/src", "weir_wsgi_adapter_": "wsgi-adapter/src"}
# What Prometheus makes of a name: units and the parts of a counter or histogram.
ENDINGS = r"(_seconds|_bytes)?(_total|_bucket|_sum|_count|_info)?$"

wrong = []


def main(promtool):
    for path in KUSTOMIZATIONS:
        kubernetes(DEPLOY / path)
    for place, image in [*compose_images(), *base_images()]:
        pinned(place, image)
    context()
    alerts(promtool)
    known = {prefix: words(Path(source)) for prefix, source in SOURCES.items()}
    for place, query in [*dashboard_queries(), *alert_queries()]:
        metrics(place, query, known)
    for one in wrong:
        print(one, file=sys.stderr)
    return 1 if wrong else 0


def kubernetes(path):
    built = subprocess.run([KUBECTL, "kustomize", path], capture_output=True, text=True)
    if built.returncode != 0:
        wrong.append(f"{path}: {built.stderr.strip()}")
        return
    for resource in yaml.safe_load_all(built.stdout):
        name = f"{path}: {resource['kind']} {resource['metadata']['name']}"
        images(name, resource)
        if resource["apiVersion"].split("/")[0] in FOREIGN:
            continue
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(resource, version, strict=True)
            except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
                wrong.append(f"{name}, Kubernetes {version}: {str(error).splitlines()[0]}")


def images(name, resource):
    for image in re.findall(r'"image": "([^"]+)"', json.dumps(resource)):
        pinned(name, image)


def context():
    """The engine is sent only what .dockerignore lets through: there, cargo must find the workspace whole."""
    kept = [line[1:] for line in Path(".dockerignore").read_text().splitlines() if line.startswith("!")]
    listed = subprocess.run(["git", "ls-files", "-z", *kept], capture_output=True, text=True, check=True)
    files = {Path(file) for file in listed.stdout.split("\0") if file}
    for file in sorted(files):
        if file.suffix == ".rs" and not {"fuzzed.rs", "tests.rs", "tests"} & set(file.parts):
            for included in re.findall(r'include_(?:str|bytes)!\(\s*"([^"]+)"', file.read_text()):
                path = (file.parent / included).resolve().relative_to(Path.cwd())
                if path not in files:
                    wrong.append(f".dockerignore: images are built without {path}, which {file} includes")
    with tempfile.TemporaryDirectory() as sent:
        for file in files:
            (Path(sent) / file).parent.mkdir(parents=True, exist_ok=True)
            (Path(sent) / file).write_bytes(file.read_bytes())
        command = ["cargo", "metadata", "--no-deps", "--offline", "--locked", "--format-version", "1"]
        read = subprocess.run(command, cwd=sent, capture_output=True, text=True)
    if read.returncode != 0:
        wrong.append(f".dockerignore: images are built without what cargo needs: {' '.join(read.stderr.split())}")


def compose_images():
    for name, service in yaml.safe_load(COMPOSE.read_text())["services"].items():
        yield f"{COMPOSE}: {name}", service["image"]


def base_images():
    """What Dockerfiles begin with, but for their own stages."""
    for file in DEPLOY.glob("**/Dockerfile"):
        text = file.read_text()
        stages = set(re.findall(r"^FROM \S+ AS (\S+)", text, re.M)) | {"scratch"}
        arguments = dict(re.findall(r"^ARG (\w+)=(\S+)", text, re.M))
        for image in re.findall(r"^FROM (\S+)", text, re.M):
            image = arguments.get(image.strip("${}"), image)
            if image not in stages:
                yield str(file), image


def pinned(name, image):
    """By a tag that names a version, or by a digest."""
    if not re.search(r":[^/]*\d[^/]*$|@sha256:", image) or image.endswith(":latest"):
        wrong.append(f"{name}: image {image} is not pinned")


def alerts(promtool):
    checked = subprocess.run([promtool, "check", "rules", ALERTS], capture_output=True, text=True)
    if checked.returncode != 0:
        wrong.append(f"{ALERTS}: {checked.stdout}{checked.stderr}")
    operator = yaml.safe_load((DEPLOY / "kubernetes/monitoring/alerts.yaml").read_text())
    if operator["spec"] != yaml.safe_load(ALERTS.read_text()):
        wrong.append(f"deploy/kubernetes/monitoring/alerts.yaml: its spec is not what {ALERTS} holds")


def alert_queries():
    for group in yaml.safe_load(ALERTS.read_text())["groups"]:
        for rule in group["rules"]:
            yield f"{ALERTS}: {rule['alert']}", rule["expr"]


def dashboard_queries():
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", []):
            yield f"{DASHBOARD}: {panel['title']}", target["expr"].replace("$__rate_interval", "1m")


def metrics(place, query, known):
    try:
        promql_parser.parse(query)
    except ValueError as error:
        wrong.append(f"{place}: {error}: {query}")
        return
    for name in re.findall(r"\bweir_[a-z0-9_]+", query):
        prefix = next((prefix for prefix in known if name.startswith(prefix)), None)
        stem = re.sub(ENDINGS, "", name.removeprefix(prefix or ""))
        if prefix is None or stem not in known[prefix]:
            wrong.append(f"{place}: there is no metric {name}")


def words(source):
    """The names that a service's sources give its metrics."""
    files = [*source.glob("metrics.rs"), *source.glob("metrics/**/*.rs")]
    return {word for file in files for word in re.findall(r'"([a-z0-9_]+)"', file.read_text())}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
