"""The profiles of docker-compose.yml: Prometheus sees all services, traces arrive, a Redis Cluster replaces Redis."""

import json
import re
from pathlib import Path
from urllib.parse import quote

import engine
from load import Load, get
from told import check, until

ALL = ["--profile", "observability", "--profile", "redis-cluster"]
ALERTS = Path("deploy/dashboards/alerts.yml")
DASHBOARD = Path("deploy/dashboards/weir.json")
TRACED = ["weir-edge", "weir-wsgi-adapter"]


def observability(up, edges):
    """Without Grafana, for which there is no stand-in: its dashboard's queries are asked by hand."""
    traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://traces:4317"}
    engine.compose("up", "--detach", "prometheus", "traces", **traced)
    engine.compose(*up, **traced)
    engine.wait_for_health()
    prometheus = engine.port(engine.containers("prometheus")[0], 9090)

    def ask(what):
        return json.loads(get(prometheus, f"/api/v1/{what}")[2])["data"]

    def all_scraped():
        targets = [target for target in ask("targets")["activeTargets"] if target["health"] == "up"]
        return len(targets) == edges + 3

    until("Prometheus scrapes every service", all_scraped)
    rules = [rule for group in ask("rules")["groups"] for rule in group["rules"]]
    names = re.findall(r"- alert: (\w+)", ALERTS.read_text())
    check([rule["name"] for rule in rules] == names, "it has the alerts", ", ".join(names))
    down = next(rule["query"] for rule in rules if rule["name"] == "WeirDown")
    # Containers that were replaced have addresses that are looked up anew every five seconds.
    until("none says that a service is down", lambda: not ask(f"query?query={quote(down)}")["result"])
    ports = [engine.port(edge, 8080) for edge in engine.containers("edge")]
    # The page of the login is never kept, and says why.
    with Load(ports, ["/", "/counter/", "/login/"]):
        for panel in json.loads(DASHBOARD.read_text())["panels"]:
            for target in panel.get("targets", []):
                query = quote(target["expr"].replace("$__rate_interval", "1m"))
                # What has never failed has no failures to show.
                if not any(word in panel["title"] for word in ("ailures", "refused", "errors", "on their own")):
                    until(f"dashboard, {panel['title']}", lambda query=query: ask(f"query?query={query}")["result"])
        until("traces arrive", lambda: all(traced_by(service) for service in TRACED))


def traced_by(service):
    """Jaeger is asked; its stand-in, a collector, writes what it gets to its log."""
    container = engine.containers("traces")[0]
    try:
        status, _, found = get(engine.port(container, 16686), f"/api/traces?service={service}")
        return status == 200 and json.loads(found)["data"]
    except OSError:
        return service in engine.logs(container, 100_000)


def redis_cluster(up):
    cluster = {"WEIR_REDIS": '{ url = "redis://redis-cluster-1:6379", cluster = true }'}
    engine.compose("--profile", "redis-cluster", *up, **cluster)
    engine.wait_for_health()
    servers = [f"redis-cluster-{n}" for n in (1, 2, 3)]

    def asked(server, *words):
        return engine.run("docker", "exec", engine.containers(server)[0], "redis-cli", *words)

    until("a Redis Cluster", lambda: all("cluster_state:ok" in asked(server, "cluster", "info") for server in servers))
    ports = [engine.port(edge, 8080) for edge in engine.containers("edge")]
    pages = [f"/?page={n}" for n in range(100)]
    with Load(ports, pages) as load:
        until(
            "it keeps pages, each server its part", lambda: all(int(asked(server, "dbsize")) > 0 for server in servers)
        )
    told = f"{sum(load.replies.values())} requests, {len(load.failures)} failed {load.failures[:3] or ''}"
    check(not load.failures, "pages from a Redis Cluster", told)
