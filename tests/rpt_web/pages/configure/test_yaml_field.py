"""What is typed as YAML is read, or refused in words."""

import pytest
from django.core.exceptions import ValidationError

from rpt_web.pages.configure.fields import YamlField


def test_yaml_that_is_nested_very_deep_is_refused_in_words():
    with pytest.raises(ValidationError, match="are nested in each other, which no config needs"):
        YamlField().to_python("[" * 5000 + "]" * 5000)
