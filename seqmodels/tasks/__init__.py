"""Tasks: loss, metrics, baselines and plots for a kind of data, one small file per task.

To add one: a file here with a class under ``@register("task", "name")``; its options are its
constructor's ("Adding something" in ``docs/design.md`` has the whole list).
"""

from seqmodels.tasks.base import Task
from seqmodels.tasks.classification import Classification
from seqmodels.tasks.comparison import compare
from seqmodels.tasks.decoding.sampling import sample, stream
from seqmodels.tasks.forecasting import Forecasting
from seqmodels.tasks.language_modelling import LanguageModelling
from seqmodels.tasks.multilabel import Multilabel
from seqmodels.tasks.regression import Regression
from seqmodels.tasks.sequence_generation import SequenceGeneration
from seqmodels.tasks.tagging import Tagging

__all__ = [
    "Classification",
    "Forecasting",
    "LanguageModelling",
    "Multilabel",
    "Regression",
    "SequenceGeneration",
    "Tagging",
    "Task",
    "compare",
    "sample",
    "stream",
]
