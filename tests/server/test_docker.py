"""deploy/docker: what it installs."""

from __future__ import annotations

import re
import subprocess
import sys

from tests.support.workspaces import ROOT

DOCKERFILE = (ROOT / "deploy" / "docker" / "Dockerfile").read_text(encoding="utf-8")


def test_it_installs_the_extra():
    extra = re.search(r"^server = \[(.*)\]$", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)[1]
    wanted = {re.split(r"[<>=\[]", requirement)[0] for requirement in re.findall(r'"([^"]+)"', extra)}
    assert len(wanted) == 6
    assert wanted <= set(DOCKERFILE.split())


def test_it_runs_as_a_user_without_rights_and_has_a_health_check():
    user = re.search(r"^USER (\d+)$", DOCKERFILE, re.MULTILINE)[1]
    assert int(user) > 0
    assert DOCKERFILE.index(f"\nUSER {user}\n") < DOCKERFILE.index("\nENTRYPOINT")
    assert re.search(r"^HEALTHCHECK .*\\\n.*/readyz", DOCKERFILE, re.MULTILINE)


def test_the_server_needs_no_package_that_it_does_not_install():
    """Those of training are taken away; the import of anything else fails in the image as here."""
    requirements = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    names = set(re.findall(r"^[\w-]+", requirements, re.MULTILINE)) - set(DOCKERFILE.split())
    assert {"paddlepaddle", "numba", "pycocotools"} <= names
    modules = {"paddlepaddle": "paddle", "protobuf": "google", "ultrafast-pycocotools": "ultrafast_pycocotools"}
    absent = [modules.get(name, name) for name in names]
    code = f"""import sys
sys.modules |= dict.fromkeys({absent}, None)
import ppdet.cli, ppdet.commands.serve, ppdet.server.start, ppdet.deploy.detector
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
