"""make stack-test: builds the images, starts docker-compose.yml with three edges, breaks it part by part under load.

Prints a line for each thing tried. Ends with 1 at the first that does not hold; takes the stack down either way.
"""

import json
import math
import re
import subprocess
import sys
import time
from pathlib import Path

import engine
import profiles
from load import Load, get
from told import check, say, timed

EDGES = 3
PAGES = ["/", "/counter/", "/section/town/", "/section/river/"]
SECONDS_BROKEN = 2
TOKEN = Path("deploy/compose/admin-token").read_text().strip()


def main():
    if subprocess.run(["docker", "info"], capture_output=True).returncode != 0:
        sys.exit(
            "there is no Docker engine here, so the stack cannot be tested: start one (docker info says what is wrong)"
        )
    try:
        say("images built", timed(lambda: engine.compose("build")))
        sizes()
        up = ("up", "--detach", "--scale", f"edge={EDGES}")
        say("all healthy", timed(lambda: (engine.compose(*up), engine.wait_for_health())))
        confined()
        pages()
        calls_per_lifetime()
        purge()
        for service, network in [
            ("redis", "cache"),
            ("cache-node-1", "cache"),
            ("cache-node-2", "cache"),
            ("wsgi-adapter", "application"),
            ("site", None),
            ("edge", "cache"),
        ]:
            break_each_way(service, network)
        rolling_update(up)
        profiles.observability(up, EDGES)
        profiles.redis_cluster(up)
        purge()
    finally:
        engine.compose(*profiles.ALL, "down", "--volumes", "--remove-orphans")
    check(not engine.containers(), "nothing is left")


def edges():
    return [engine.port(edge, 8080) for edge in engine.containers("edge")]


def admins():
    return [engine.port(edge, 9900) for edge in engine.containers("edge")]


def sizes():
    """Each image is small, without a shell or a root user, and its binary says whether it is healthy."""
    weir = ["--file", "deploy/Dockerfile", "--target", "weir", "--tag", "weir/weir:0.1.0", "."]
    engine.run("docker", "build", "--quiet", *weir)
    # In megabytes. Most of it is the names of functions, for the trace of a panic; weir has all of the others.
    for name, most in {"edge": 40, "cache-node": 40, "wsgi-adapter": 40, "weir": 60}.items():
        image = json.loads(engine.run("docker", "image", "inspect", f"weir/{name}:0.1.0"))[0]
        config = image["Config"]
        check(image["Size"] < most * 1_000_000, f"image {name}", f"{image['Size'] / 1e6:.1f} MB")
        check(config["User"] == "10001:10001", f"{name} is not root")
        check("healthcheck" in config["Healthcheck"]["Test"], f"{name} checks its health by its own binary")
        shell = ["docker", "run", "--rm", "--entrypoint", "sh", f"weir/{name}:0.1.0", "-c", "true"]
        check(subprocess.run(shell, capture_output=True).returncode != 0, f"{name} has no shell")


def confined():
    """What runs may write nothing but what it has volumes for, and has no capability."""
    for container in engine.containers():
        host = engine.inspect(container)["HostConfig"]
        check(host["ReadonlyRootfs"], f"{container} has a read-only root")
        # Redis' own image begins as root and steps down.
        check("redis" in container or host["CapDrop"] == ["ALL"], f"{container} has no capabilities")


def pages():
    for port in edges():
        status, _, page = get(port, "/")
        check(status == 200 and "</html>" in page, f"page by port {port}")
        style = re.search(r"/static/[^\"]*\.css", page).group()
        check(get(port, style)[0] == 200, f"static file by port {port}")
        check(get(port, "/none/")[0] == 404, f"404 by port {port}")
        get(port, "/counter/")
        fields = get(port, "/counter/")[1]
        check("hit" in fields["Cache-Status"], f"hit by port {port}", fields["Cache-Status"])


def counted(port):
    return int(re.search(r"<output[^>]*>(\d+)", get(port, "/counter/")[2]).group(1))


def calls_per_lifetime():
    ports = edges()
    before, begun = counted(ports[0]), time.monotonic()
    with Load(ports, ["/counter/"]) as load:
        time.sleep(10)
    calls, seconds = counted(ports[0]) - before, time.monotonic() - begun
    told = f"{calls} calls in {seconds:.1f} s for {load.replies[200]} requests by {len(ports)} edges"
    check(not load.failures and 1 <= calls <= math.ceil(seconds) + 1, "one call per page and second", told)


def purge():
    order = json.dumps({"urls": ["http://localhost/counter/"], "prefixes": [], "tags": [], "all": False, "soft": False})
    check(get(admins()[0], "/api/v1/purge", "POST", order)[0] == 401, "no purge without the token")
    took = []
    for _ in range(11):
        old = max(counted(port) for port in edges())
        status, _, answer = get(admins()[0], "/api/v1/purge", "POST", order, Authorization=f"Bearer {TOKEN}")
        if status != 200 or not json.loads(answer)["complete"]:
            sys.exit(f"NOT: purged everywhere: {status} {answer.strip()}")
        took.append(json.loads(answer)["milliseconds"])
        new = [counted(port) for port in edges()]
        if min(new) <= old:
            sys.exit(f"NOT: no edge serves the old page after a purge: {new} after {old}")
    check(
        len(json.loads(answer)["acknowledged"]) >= EDGES,
        "purge by three edges",
        f"{sorted(took)[5]:.1f} ms at the median",
    )


def break_each_way(service, network):
    """Kill, pause, cut off and restart one container of the service, each under load: nobody may notice."""
    container = engine.containers(service)[0]
    ways = [("killed", ["docker", "kill", container], ["docker", "start", container])]
    ways += [("paused", ["docker", "pause", container], ["docker", "unpause", container])]
    if network:
        network = f"{engine.PROJECT}_{network}"
        back = ["docker", "network", "connect", *aliases(container, network), network, container]
        ways += [("cut off", ["docker", "network", "disconnect", network, container], back)]
    ways += [("restarted", ["docker", "restart", container], ["true"])]
    for way, wreck, mend in ways:
        ports = edges()
        # Those who are in the middle of a reply of the edge that is killed cannot but notice.
        ports = ports[1:] if service == "edge" and way == "killed" else ports
        with Load(ports, PAGES) as load:
            time.sleep(1)
            engine.run(*wreck)
            time.sleep(SECONDS_BROKEN)
            engine.run(*mend)
            engine.wait_for_health()
            time.sleep(1)
        told = f"{sum(load.replies.values())} requests, {len(load.failures)} failed {load.failures[:3] or ''}"
        check(not load.failures, f"{service} {way}", told)


def aliases(container, network):
    """Names by which the others know it: a network that it is put back into has forgotten them."""
    known = engine.inspect(container)["NetworkSettings"]["Networks"][network]["Aliases"] or []
    return [word for alias in known for word in ("--alias", alias)]


def rolling_update(up):
    """Each edge drained, removed and made anew in turn, as an update does it."""
    old = [engine.inspect(edge)["Id"] for edge in engine.containers("edge")]
    # A new one is published on whichever port of the range is free.
    with Load(list(engine.PORTS), PAGES) as load:
        for edge in engine.containers("edge"):
            engine.run("docker", "stop", "--time", "30", edge)
            engine.run("docker", "rm", edge)
            engine.compose(*up, "--no-recreate")
            engine.wait_for_health()
            time.sleep(1)
    told = f"{sum(load.replies.values())} requests, {len(load.failures)} failed {load.failures[:3] or ''}"
    new = [engine.inspect(edge)["Id"] for edge in engine.containers("edge")]
    check(not load.failures and len(new) == EDGES and not set(old) & set(new), "edges replaced one by one", told)


if __name__ == "__main__":
    main()
