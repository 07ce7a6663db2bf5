"""What each router makes of its users' objects, split by split, as golden files have it."""

from collections.abc import Callable

import pytest
import yaml

from tests.traffic.golden import FILES, path, told
from tests.traffic.users import ALL, Users


@pytest.mark.parametrize("make", ALL)
def test_a_router_says_what_its_golden_file_says(make: Callable[[], Users]) -> None:
    assert told(make()) == yaml.safe_load(path(make).read_text())


def test_every_golden_file_belongs_to_a_router() -> None:
    assert set(FILES.iterdir()) == {path(make) for make in ALL}
