"""docker-compose and the engine, as far as the test of the stack needs them."""

import json
import os
import subprocess
import time

PROJECT = "weir-stack-test"
# Apart from those of `make up` and `make demo`.
PORTS = range(18080, 18090)
ENVIRONMENT = {
    **os.environ,
    "WEIR_PORTS": f"{PORTS[0]}-{PORTS[-1]}",
    "WEIR_ADMIN_PORTS": "19900-19909",
    "WEIR_PROMETHEUS_PORT": "19090",
    "WEIR_TRACES_PORT": "26686",
    "DOCKER_BUILDKIT": "0",
}
SECONDS_TO_HEALTH = 180


def run(*command, **variables):
    """What the command prints. Shows its errors and ends the test if it fails."""
    environment = {**ENVIRONMENT, **variables}
    done = subprocess.run(command, env=environment, text=True, capture_output=True, timeout=3600)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def compose(*arguments, **variables):
    v2 = subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0
    tool = ["docker", "compose"] if v2 else ["docker-compose"]
    return run(*tool, "--project-name", PROJECT, *arguments, **variables)


def containers(service=None):
    """Their names, those that do not run included."""
    filters = [f"label=com.docker.compose.project={PROJECT}"]
    filters += [f"label=com.docker.compose.service={service}"] if service else []
    listed = run("docker", "ps", "--all", "--format", "{{.Names}}", *[f"--filter={one}" for one in filters])
    return sorted(listed.split())


def inspect(container):
    return json.loads(run("docker", "inspect", container))[0]


def port(container, inside):
    """Where a container's port is published on 127.0.0.1."""
    return int(inspect(container)["NetworkSettings"]["Ports"][f"{inside}/tcp"][0]["HostPort"])


def wait_for_health():
    """Until every container that checks its health says that it is healthy."""
    deadline = time.monotonic() + SECONDS_TO_HEALTH
    while True:
        states = {name: inspect(name)["State"].get("Health") for name in containers()}
        ill = [name for name, health in states.items() if health and health["Status"] != "healthy"]
        if not ill:
            return
        if time.monotonic() > deadline:
            raise SystemExit("not healthy: " + "".join(f"\n{name}\n{logs(name)}" for name in ill))
        time.sleep(0.5)


def logs(container, lines=20):
    done = subprocess.run(["docker", "logs", "--tail", str(lines), container], text=True, capture_output=True)
    return done.stdout + done.stderr
