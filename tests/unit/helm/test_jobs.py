"""Operators' Jobs, backups on a schedule, and workers that KEDA scales."""

from dataclasses import replace
from typing import Any

import pytest
import yaml

from devstack.toolbox import tools
from ops.cli import command_modules
from ops.provision import queue_names
from ops.service_names import SERVICES
from tests.unit.helm.renders import case_named, rendered
from verify.chart.manifests import ChartRelease
from verify.chart.rendering import CHART, HELM_RELEASES, parse_release, render_chart

CLUSTER = ["ic", "--cluster", "/etc/internshipconnect/config/cluster.yaml"]


def _with_values(*values: str) -> ChartRelease:
    case = replace(case_named("keda"), values=(*case_named("keda").values, *values))
    return parse_release(case, render_chart(case, tools.helm(HELM_RELEASES[0])))


def _cron_job(release: ChartRelease) -> dict[str, Any]:
    [found] = release.of_kind("CronJob")
    return found


def _pod(release: ChartRelease, kind: str, name: str) -> dict[str, Any]:
    [found] = [each for each in release.pod_templates() if each.kind == kind and each.name.startswith(name)]
    return dict(found.spec)


def test_a_backup_goes_to_a_volume_that_outlives_the_release() -> None:
    release = rendered("keda")
    [claim] = release.of_kind("PersistentVolumeClaim")
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    pod = _pod(release, "CronJob", "internshipconnect-backup")
    [container] = pod["containers"]
    assert container["command"] == [*CLUSTER, "backup", "create", "/backups", "--keep", "7"]
    mounted = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounted["data"] == "/backups"
    [volume] = [each for each in pod["volumes"] if each["name"] == "data"]
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert _cron_job(release)["spec"]["concurrencyPolicy"] == "Forbid"


def test_a_backup_may_go_to_a_claim_of_others_on_another_schedule() -> None:
    release = _with_values("backup.claim=archive", "backup.schedule=@weekly", "backup.keep=60")
    assert not list(release.of_kind("PersistentVolumeClaim"))
    spec = _cron_job(release)["spec"]
    assert spec["schedule"] == "@weekly"
    pod = _pod(release, "CronJob", "internshipconnect-backup")
    assert pod["containers"][0]["command"][-1] == "60"
    assert {"name": "data", "persistentVolumeClaim": {"claimName": "archive"}} in pod["volumes"]


def test_a_job_runs_its_command_once_for_each_content() -> None:
    release = rendered("keda")
    pod = _pod(release, "Job", "internshipconnect-job-grow-")
    assert pod["containers"][0]["command"] == [*CLUSTER, "shards", "rebalance"]
    assert pod["restartPolicy"] == "Never"
    assert {"name": "data", "mountPath": "/backups"} in pod["containers"][0]["volumeMounts"]
    first, again, changed = (
        next(name for name in each.names_of("Job") if "-job-grow-" in name)
        for each in (release, _with_values("backup.keep=9"), _with_values("jobs.grow={shards,verify}"))
    )
    assert first == again != changed


def test_a_job_needs_no_backups() -> None:
    pod = _pod(_with_values("backup.enabled=false"), "Job", "internshipconnect-job-grow-")
    assert "data" not in {each["name"] for each in pod["volumes"]}


def test_a_release_has_no_jobs_but_what_its_values_say() -> None:
    for case in ("trial", "production-us-east"):
        assert not list(rendered(case).of_kind("CronJob", "PersistentVolumeClaim"))
        assert not [each for each in rendered(case).names_of("Job") if "-job-" in each]


@pytest.mark.parametrize("command", ["shards", "outbox", "dlq", "replay", "restore", "backup", "provision"])
def test_a_command_for_jobs_is_in_the_image(command: str) -> None:
    assert command_modules()[command].parts[-3:-1] == ("ops", "commands")


def test_keda_and_the_autoscaler_never_scale_the_same() -> None:
    release = rendered("keda")
    by_keda, by_kubernetes = (
        {each["spec"]["scaleTargetRef"]["name"] for each in release.of_kind(kind)}
        for kind in ("ScaledObject", "HorizontalPodAutoscaler")
    )
    assert by_keda
    assert not by_keda & by_kubernetes


def test_keda_asks_for_exactly_the_queues_of_each_worker() -> None:
    release = rendered("keda")
    deployments = {each["metadata"]["name"]: each for each in release.of_kind("Deployment")}
    scaled = {
        each["spec"]["scaleTargetRef"]["name"]: each["spec"] for each in release.of_kind("ScaledObject")
    }
    for service in SERVICES:
        name, queues = f"internshipconnect-{service}-work", queue_names([service])
        if not queues:
            assert name not in scaled
            continue
        spec = scaled[name]
        assert [trigger["metadata"]["queueName"] for trigger in spec["triggers"]] == queues
        assert 1 <= spec["minReplicaCount"] <= spec["maxReplicaCount"]
        # The broker's address comes from the container that is scaled.
        [container] = [
            each
            for each in deployments[name]["spec"]["template"]["spec"]["containers"]
            if each["name"] == spec["scaleTargetRef"]["envSourceContainerName"]
        ]
        variables = {each["name"] for each in container["env"]}
        assert {trigger["metadata"]["hostFromEnv"] for trigger in spec["triggers"]} <= variables


def test_the_defaults_say_what_a_backup_costs_nobody_who_has_not_asked() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert (values["backup"]["enabled"], values["jobs"]) == (False, {})
