"""Puts a copy of the configs into the wheel, as ppdet/configs; pyproject.toml has the rest."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithConfigs(build_py):
    def run(self) -> None:
        super().run()
        if not self.editable_mode:  # an editable install reads the clone's
            target = Path(self.build_lib) / "ppdet" / "configs"
            shutil.rmtree(target, ignore_errors=True)  # of an earlier build, with configs that are gone since
            shutil.copytree("configs", target)


setup(cmdclass={"build_py": BuildWithConfigs})
