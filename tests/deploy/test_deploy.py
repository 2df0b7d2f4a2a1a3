"""What is shipped to run a fleet with agrees with the server: names, ports, paths, flags and seconds."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from server.app import create_app
from server.cli import _parser, _split
from server.config import Config, load
from server.metrics import Metrics
from tests.processes import ROOT
from tests.scripted import ScriptedEngine

DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
KUBERNETES: list[dict[str, Any]] = [
    part
    for file in sorted((DEPLOY / "kubernetes").glob("*.yaml"))
    for part in yaml.safe_load_all(file.read_text())
]


def of(kind: str, name: str) -> dict[str, Any]:
    [found] = [p for p in KUBERNETES if (p["kind"], p["metadata"]["name"]) == (kind, name)]
    return found


def settings(arguments: list[str]) -> Config:
    """As `soundmind serve` reads them."""
    own, vllm = _split(["serve", *arguments])
    flags = vars(_parser().parse_args(own))
    known = {name: value for name, value in flags.items() if name in Config.__dataclass_fields__}
    return load(known | {"vllm_args": vllm or None}, {})


def paths() -> set[str]:
    app = create_app(ScriptedEngine(), None, model="nano")  # type: ignore[arg-type]
    return {getattr(route, "path", "") for route in app.routes}


def test_the_proxies_ask_for_paths_that_there_are_and_know_the_same_servers() -> None:
    haproxy, nginx = ((DEPLOY / name).read_text() for name in ("haproxy.cfg", "nginx.conf"))
    asked = re.search(r"option httpchk GET (\S+)", haproxy)
    assert asked and asked[1] in paths()
    servers = re.findall(r"^    server (\S+) ", haproxy, re.MULTILINE)
    for name in servers:
        for rule in (rf"-m beg {name}\.", rf"path_beg /v1/realtime/calls/rtc_{name}_"):
            assert re.search(rf"use-server {name} .*{rule}", haproxy), (name, rule)
        assert nginx.count(f"rtc_{name}_") == 1
    assert set(re.findall(r"^    upstream (\w+)", nginx, re.MULTILINE)) == {"everybody", *servers}


@pytest.mark.parametrize("service", ["s1", "s2", "r1-s1", "r1-s2"])
def test_the_services_of_compose_are_servers(service: str) -> None:
    found = COMPOSE["services"][service]
    config = settings(found["command"])
    assert config.name == service[-2:] and config.store == "redis://store:6379"
    assert config.name in (service, *found.get("networks", {}).get("default", {}).get("aliases", ()))
    assert found["expose"] == [str(config.port)]
    assert int(found["stop_grace_period"].rstrip("s")) > config.drain_s
    assert found["build"]["dockerfile"] == "deploy/Containerfile"


def test_the_image_has_what_it_copies_and_runs_what_there_is() -> None:
    file = (DEPLOY / "Containerfile").read_text()
    for line in re.findall(r"^COPY (.*)$", file, re.MULTILINE):
        assert all((ROOT / part).exists() for part in line.split()[:-1]), line
    entry, rest = (re.search(rf"^{word} (\[.*\])$", file, re.MULTILINE) for word in ("ENTRYPOINT", "CMD"))
    assert entry and rest
    command = [*yaml.safe_load(entry[1]), *yaml.safe_load(rest[1])]
    assert command[:2] == ["soundmind", "serve"]
    config = settings(command[2:])
    assert (config.model, config.host, config.port) == ("nano", "0.0.0.0", 8000)
    assert f"EXPOSE {config.port}" in file and "STOPSIGNAL SIGTERM" in file


def test_a_pod_is_asked_what_the_server_answers_and_has_the_time_to_drain() -> None:
    pod = of("StatefulSet", "soundmind")["spec"]["template"]["spec"]
    [container] = pod["containers"]
    config = settings(container["args"])
    assert {container[probe]["httpGet"]["path"] for probe in ("startupProbe", "readinessProbe")} <= paths()
    [port] = container["ports"]
    assert port["containerPort"] == config.port
    variables = {one["name"]: one.get("value", "soundmind-0") for one in container["env"]}
    drain = float(variables["SOUNDMIND_DRAIN_S"])
    pause = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] > drain + pause
    variables.pop("SOUNDMIND_API_KEYS_FILE")
    assert load({}, variables).name == "soundmind-0"
    assert config.store == f"redis://{of('Service', 'soundmind-store')['metadata']['name']}:6379"


def test_the_autoscaler_follows_a_metric_that_there_is() -> None:
    rules = yaml.safe_load(of("ConfigMap", "soundmind-adapter-rules")["data"]["config.yaml"])["rules"]
    [rule] = rules
    series = re.match(r"\w+", rule["seriesQuery"])
    assert series and f"\n{series[0]} " in Metrics(lambda: 0, lambda: 0).text().decode()
    [metric] = of("HorizontalPodAutoscaler", "soundmind")["spec"]["metrics"]
    assert metric["pods"]["metric"]["name"] == rule["name"]["as"]


def test_what_the_page_says_can_be_said() -> None:
    page = (ROOT / "docs" / "fleet.md").read_text()
    lines = re.findall(
        r"^    (?:\.venv/bin/)?soundmind (serve .*?)(?:\s+#.*)?$", page.replace("\\\n", " "), re.MULTILINE
    )
    assert len(lines) >= 5
    for line in lines:
        assert settings(shlex.split(line)[1:]).model
    for name in re.findall(r"\]\(\.\./(\S+?)\)", page):
        assert (ROOT / Path(name)).exists(), name
