"""The published laws: any learner or engine, ours or not, proves itself with one line.

@pytest.mark.parametrize("law", nacre.laws.LEARNER_LAWS.values())
def test_learner(law): law(MY_CASE, seed=0)
"""

from nacre.laws.case import Case
from nacre.laws.chaos import Chaos
from nacre.laws.compare import LawBroken
from nacre.laws.engine import ENGINE_LAWS
from nacre.laws.learner import LEARNER_LAWS
from nacre.laws.life import TIME_LAWS

__all__ = ["ENGINE_LAWS", "LEARNER_LAWS", "TIME_LAWS", "Case", "Chaos", "LawBroken"]
