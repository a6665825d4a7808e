"""Puts configs and deploy/web into the wheel, as ppdet/configs and ppdet/web/page; pyproject.toml has the rest."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithFiles(build_py):
    def run(self) -> None:
        super().run()
        if not self.editable_mode:  # an editable install reads the clone's
            for source, place in (("configs", "configs"), ("deploy/web", "web/page")):
                target = Path(self.build_lib) / "ppdet" / place
                shutil.rmtree(target, ignore_errors=True)  # of an earlier build, with files that are gone since
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("node_modules", "dist"))


setup(cmdclass={"build_py": BuildWithFiles})
