"""The mistakes of tests/mistakes.yml fit the code, and every one is noticed without `../shared`."""

from __future__ import annotations

import pytest

from tests import mutate


def test_mistakes_fit_the_code() -> None:
    problems = []
    for mistake in mutate.load_mistakes():
        try:
            mutate.planted((mutate.ROOT / "ppdet" / mistake.file).read_text(), mistake)
        except (OSError, ValueError) as error:
            problems.append(str(error))
        problems += [name for name in mistake.tests.split() if not (mutate.ROOT / "tests" / name).is_file()]
    assert not problems, "tests/mistakes.yml: correct the old texts\n" + "\n".join(problems)


@pytest.mark.slow
def test_every_mistake_is_noticed(capsys: pytest.CaptureFixture[str]) -> None:
    status = mutate.main()
    assert status == 0, capsys.readouterr().out
