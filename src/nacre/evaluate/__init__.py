"""How good what was learned is: scores that are sums, and so run where fits run.

An evaluator is a learner. Its model holds what says the label of a row (`asked.py`), and its told
is the sums that the scores are made from; so every score is out of core and on every engine, and
owes the laws that learners owe.
"""

from nacre.evaluate.agreement import Agreement as Agreement
from nacre.evaluate.agreement import agreement as agreement
from nacre.evaluate.classes import ClassScores as ClassScores
from nacre.evaluate.classes import classes as classes
from nacre.evaluate.clusters import clusters as clusters
from nacre.evaluate.contingency import Contingency as Contingency
from nacre.evaluate.folds import CrossValidation as CrossValidation
from nacre.evaluate.folds import cross_validate as cross_validate
from nacre.evaluate.ranking import Ranking as Ranking
from nacre.evaluate.ranking import ranking as ranking
from nacre.evaluate.scored import ClusterScores as ClusterScores
from nacre.evaluate.stability import Stability as Stability
from nacre.evaluate.stability import stability as stability
