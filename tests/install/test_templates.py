"""The generated CloudFormation templates are right for cfn-lint for hundreds and for thousands of secrets, too."""

import pytest

from tests.unit.test_templates import SECRETS, check, render


@pytest.mark.parametrize("secrets", SECRETS[1:])
def test_cfn_lint_finds_nothing(secrets: int) -> None:
    assert check(render(secrets)) == {}
