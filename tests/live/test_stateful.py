"""A live model under whatever is done to it, beside a dictionary of rows: see machine.py.

`make test` lives 40 lives of 30 steps, `make faults` (NACRE_FAULTS=all, tests/faults) many more.
"""

from __future__ import annotations

import pytest

from tests.live.machine import Life, LifeOnDisk, lived


@pytest.mark.parametrize("machine", [Life, LifeOnDisk])
def test_a_life_says_what_a_dictionary_says(machine: type[Life]) -> None:
    """10 s each: 20 lives of 30 steps, each compared with a sum that is made anew."""
    lived(machine, 20, 30)
