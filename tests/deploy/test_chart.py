"""The Helm chart: what it renders fits Kubernetes, rerankd's own settings, and itself."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from support.deploy_tools import ROOT, run, tool

import rerankd
from rerankd.cli._app import app
from rerankd.config import Config, load
from rerankd.grpc_api.health import PROCESS, SERVICE

CHART = ROOT / "deploy" / "kubernetes" / "rerankd"
KUBERNETES = ("1.30", "1.34", "1.37")

# What is turned on beside the defaults, a name for each.
VARIANTS: dict[str, list[str]] = {
    "defaults": [],
    "gpu": ["-f", str(CHART / "values-gpu.yaml")],
    "everything": [
        "--set",
        "probes.command=true,extraVolumes[0].name=tls,extraVolumes[0].secret.secretName=tls,"
        "extraVolumeMounts[0].name=tls,extraVolumeMounts[0].mountPath=/tls,extraVolumeMounts[0].readOnly=true,"
        "autoscaling.enabled=true,autoscaling.cpuPercent=80,serviceMonitor.enabled=true,existingSecret=keys,"
        "shutdown.preStopSeconds=3,cache.type=pvc,service.type=LoadBalancer,imagePullSecrets[0].name=pull,"
        "extraEnv[0].name=HTTPS_PROXY,extraEnv[0].value=http://proxy,networkPolicy.from[0].podSelector.matchLabels.a=b,"
        "networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.name=monitoring,podAnnotations.a=b,podLabels.c=d,"
        "nodeSelector.disk=fast,priorityClassName=high,config.model=quality,config.warmup.models={fast}",
    ],
    "nothing": [
        "--set",
        "podDisruptionBudget.enabled=false,networkPolicy.enabled=false,topologySpread=false,serviceAccount.name=mine,"
        "networkPolicy.allowHttpsEgress=false,fullnameOverride=short,replicaCount=1",
    ],
}

PROBES = {"startup": SERVICE, "readiness": SERVICE, "liveness": PROCESS}

pytestmark = pytest.mark.timeout(300)


def render(*arguments: str, kubernetes: str = "1.34") -> str:
    done = run(tool("helm"), "template", "web", CHART, "--kube-version", f"{kubernetes}.0", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def objects(*arguments: str) -> dict[str, dict[str, Any]]:
    """Kind and name to object."""
    found = [each for each in yaml.safe_load_all(render(*arguments)) if each]
    named = {f"{each['kind']}/{each['metadata']['name']}": each for each in found}
    assert len(named) == len(found), "two objects have one name"
    return named


def of_kind(found: dict[str, dict[str, Any]], kind: str) -> dict[str, Any]:
    (one,) = (each for each in found.values() if each["kind"] == kind)
    return one


def config_of(found: dict[str, dict[str, Any]], tmp_path: Path) -> Config:
    """What rerankd makes of the rendered file; unknown keys and values out of bounds are errors there."""
    path = tmp_path / "rerankd.toml"
    path.write_text(of_kind(found, "ConfigMap")["data"]["rerankd.toml"])
    return load({}, path)


@pytest.mark.parametrize(("variant", "kubernetes"), list(itertools.product(VARIANTS, KUBERNETES)))
def test_every_object_fits_the_schema_of_kubernetes(variant: str, kubernetes: str, tmp_path: Path) -> None:
    path = tmp_path / "rendered.yaml"
    path.write_text(render(*VARIANTS[variant], kubernetes=kubernetes))
    done = run(tool("kubernetes-validate"), "--strict", "-k", kubernetes, path)
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    # Kinds of the Prometheus operator are none of Kubernetes's.
    unknown = [line for line in told.splitlines() if line.startswith("WARN") and "ServiceMonitor" not in line]
    assert not unknown, told


def test_the_linter_has_nothing_to_say() -> None:
    done = run(tool("helm"), "lint", CHART, "--strict")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("variant", VARIANTS)
def test_rerankd_takes_the_rendered_settings(variant: str, tmp_path: Path) -> None:
    found = objects(*VARIANTS[variant])
    config, pod = config_of(found, tmp_path), of_kind(found, "Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"grpc": config.grpc_port, "http": config.http_port}
    assert config.host == "0.0.0.0"
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert str(config.models.cache_dir) in mounts
    assert container["args"] == ["serve", "--config", "/etc/rerankd/rerankd.toml"]
    assert "/etc/rerankd" in mounts


def test_what_the_operator_sets_reaches_the_server(tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(
        yaml.safe_dump(
            {
                "config": {
                    "model": "quality",
                    "limits": {"max_documents": 512, "max_request_seconds": 2.5},
                    "models": {"allow": ["BAAI/*"], "aliases": {"best": "quality"}, "offline": True},
                    "warmup": {"mode": "lazy"},
                },
                "shutdown": {"drainDelaySeconds": 7, "graceSeconds": 90},
                "ports": {"grpc": 9000},
            }
        )
    )
    config = config_of(objects("-f", str(values)), tmp_path)
    assert config.model == "quality"
    assert config.limits.max_documents == 512
    assert config.limits.max_request_seconds == 2.5
    assert config.models.allow == ("BAAI/*",)
    assert config.models.aliases == {"best": "quality"}
    assert config.models.offline
    assert config.warmup.mode == "lazy"
    assert (config.server.drain_delay_seconds, config.server.grace_seconds) == (7, 90)
    assert config.grpc_port == 9000


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_pod_has_time_to_drain(variant: str, tmp_path: Path) -> None:
    found = objects(*VARIANTS[variant])
    server = config_of(found, tmp_path).server
    pod = of_kind(found, "Deployment")["spec"]["template"]["spec"]
    hook = pod["containers"][0].get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    spare = pod["terminationGracePeriodSeconds"] - hook - server.drain_delay_seconds - server.grace_seconds
    assert spare >= 5


@pytest.mark.parametrize("variant", ["defaults", "gpu", "nothing"])
def test_probes_ask_for_the_names_that_health_has(variant: str) -> None:
    pod = of_kind(objects(*VARIANTS[variant]), "Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert {kind: container[f"{kind}Probe"]["grpc"]["service"] for kind in PROBES} == PROBES


def test_where_the_kubelet_cannot_ask_a_command_does() -> None:
    found = objects("--set", "probes.command=true,ports.grpc=9000")
    (container,) = of_kind(found, "Deployment")["spec"]["template"]["spec"]["containers"]
    commands = {kind: container[f"{kind}Probe"]["exec"]["command"] for kind in PROBES}
    asked = {kind: command[command.index("--service") + 1] for kind, command in commands.items()}
    assert asked == PROBES
    for program, *arguments in commands.values():
        assert program == "rerankd"
        assert "localhost:9000" in arguments
        # Every option of it exists.
        told = CliRunner().invoke(app, [*arguments, "--help"])
        assert told.exit_code == 0, told.output


@pytest.mark.parametrize("variant", VARIANTS)
def test_pods_run_without_rights(variant: str) -> None:
    pod = of_kind(objects(*VARIANTS[variant]), "Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    # With a root that cannot be written to, these are the places that can.
    writable = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
    assert writable == {"/var/cache/rerankd", "/tmp"}


@pytest.mark.parametrize("variant", VARIANTS)
def test_selectors_find_the_pods(variant: str) -> None:
    found = objects(*VARIANTS[variant])
    labels = of_kind(found, "Deployment")["spec"]["template"]["metadata"]["labels"]
    for each in found.values():
        spec = each.get("spec", {})
        selector = spec.get("selector") or spec.get("podSelector")
        if selector is None or each["kind"] == "ServiceMonitor":
            continue
        wanted = selector.get("matchLabels", selector)
        assert wanted.items() <= labels.items(), each["kind"]


def test_one_service_shows_every_pod_and_only_the_other_has_the_port_of_metrics() -> None:
    found = objects(*VARIANTS["everything"])
    headless, other = found["Service/web-rerankd-headless"], found["Service/web-rerankd"]
    assert headless["spec"]["clusterIP"] == "None"
    assert [port["name"] for port in headless["spec"]["ports"]] == ["grpc"]
    assert other["spec"]["type"] == "LoadBalancer"
    monitor = of_kind(found, "ServiceMonitor")
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["port"] in {port["name"] for port in other["spec"]["ports"]}
    assert endpoint["path"] == "/metrics"


def test_the_autoscaler_reads_a_metric_that_exists(server: Any) -> None:
    import urllib.request

    found = objects(*VARIANTS["everything"])
    scaler = of_kind(found, "HorizontalPodAutoscaler")["spec"]
    assert "replicas" not in of_kind(found, "Deployment")["spec"]
    metric = scaler["metrics"][0]["pods"]["metric"]["name"]
    with urllib.request.urlopen(f"{server.http_url}/metrics", timeout=30) as page:
        assert f"\n{metric} " in page.read().decode()
    assert scaler["scaleTargetRef"]["name"] == of_kind(found, "Deployment")["metadata"]["name"]


def test_other_settings_make_other_pods() -> None:
    def checksum(*arguments: str) -> str:
        template = of_kind(objects(*arguments), "Deployment")["spec"]["template"]
        found: str = template["metadata"]["annotations"]["checksum/config"]
        return found

    assert checksum() == checksum()
    assert checksum() != checksum("--set", "config.model=quality")


def test_a_gpu_is_asked_for() -> None:
    pod = of_kind(objects(*VARIANTS["gpu"]), "Deployment")["spec"]["template"]["spec"]
    assert pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert "nvidia.com/gpu" not in str(of_kind(objects(), "Deployment")["spec"]["template"]["spec"])


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ("replicas=3", "replicas"),
        ("probes.startup.periodSeconds=0", "startup"),
        ("cache.type=hostPath", "cache"),
        # What the chart itself has to say, and what is a secret.
        ("config.grpc_port=1", "grpc_port"),
        ("config.models.hub_token=hush", "models"),
        ("config.server.grace_seconds=1", "server"),
        ("shutdown.spareSeconds=0", "spareSeconds"),
    ],
)
def test_values_that_mean_nothing_are_refused(values: str, told: str) -> None:
    done = run(tool("helm"), "template", "web", CHART, "--kube-version", "1.34.0", "--set", values)
    assert done.returncode != 0
    assert told in done.stderr


def test_the_chart_has_the_version_of_the_server() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == rerankd.__version__


def test_a_rolling_update_never_takes_a_pod_before_its_successor_is_warm() -> None:
    strategy = of_kind(objects(), "Deployment")["spec"]["strategy"]
    assert strategy["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
