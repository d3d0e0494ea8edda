"""What is typed as YAML is read, or refused in words."""

import pytest
from django.core.exceptions import ValidationError

from rpt_web.pages.configure.fields import YamlField


def test_yaml_that_is_nested_very_deep_is_refused_in_words():
    with pytest.raises(ValidationError, match="are nested in each other, which no config needs"):
        YamlField().to_python("[" * 5000 + "]" * 5000)


@pytest.mark.parametrize("text", ["a: 2020-13-45", "a: !!float x", "a: [1, !!int '']"])
def test_a_value_that_is_none_of_its_kind_is_refused_with_its_place(text):
    with pytest.raises(ValidationError, match=r"line 1, column \d+: this is no value of the kind"):
        YamlField().to_python(text)
