"""Cores by affinity and by the quotas of control groups, as containers of both versions lay them out."""

from __future__ import annotations

import pytest

from ppdet.deploy.cpus import allowed_cores

V1 = "3:cpuset:/\n2:cpu,cpuacct:/job/step\n"


@pytest.mark.parametrize(
    ("groups", "files", "cores"),
    [
        ("0::/\n", {"cpu.max": "max 100000\n"}, 8),
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 1.5),
        ("0::/job/step\n", {"job/cpu.max": "300000 100000\n", "job/step/cpu.max": "max 100000\n"}, 3),
        ("0::/job/step\n", {"job/cpu.max": "50000 100000\n", "job/step/cpu.max": "400000 100000\n"}, 0.5),
        ("0::/of/the/host\n", {"cpu.max": "200000 100000\n"}, 2),  # a container that sees only its own group
        ("0::/\n", {"cpu.max": "1600000 100000\n"}, 8),  # more than the affinity
        ("0::/\n", {"cpu.max": "nonsense\n"}, 8),
        ("0::/\n", {}, 8),
        (V1, {"cpu/job/cpu.cfs_quota_us": "250000\n", "cpu/job/cpu.cfs_period_us": "100000\n"}, 2.5),
        (V1, {"cpu,cpuacct/cpu.cfs_quota_us": "100000\n", "cpu,cpuacct/cpu.cfs_period_us": "50000\n"}, 2),
        (V1, {"cpu/job/step/cpu.cfs_quota_us": "-1\n", "cpu/job/step/cpu.cfs_period_us": "100000\n"}, 8),
        (V1 + "0::/job\n", {"unified/job/cpu.max": "400000 100000\n"}, 4),
        ("", {"cpu.max": "100000 100000\n"}, 8),  # not Linux: there is no /proc
    ],
)
def test_allowed_cores(monkeypatch, tmp_path, groups, files, cores):
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(8)))
    for name, text in files.items():
        file = tmp_path / "sys/fs/cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    if groups:
        (tmp_path / "proc/self").mkdir(parents=True)
        (tmp_path / "proc/self/cgroup").write_text(groups)
    assert allowed_cores(tmp_path) == cores
