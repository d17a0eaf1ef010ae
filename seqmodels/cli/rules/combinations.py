"""Rules across settings: combinations that cannot work, each with its reason and a cure.

What a part says of itself in class attributes (`target_shape` of a head, `keep_gate` of a cell) is read from its
source. A rule is a generator of messages ``setting: what is wrong: cure``, and is named below.
"""

from collections.abc import Iterator

from seqmodels.cli.config.settings import Plain
from seqmodels.cli.rules.cells import cell, own_cell, regularisers
from seqmodels.cli.rules.fit import sees_future, shapes
from seqmodels.cli.rules.heads import beam, chain, skip, teacher, window_of_head
from seqmodels.cli.rules.training import fractions, optimizer, schedule, trainer, windows

__all__ = ["combinations"]

ALWAYS = (windows, fractions, cell, regularisers, optimizer, schedule, trainer)
# Those about the task and the head, which the data may still have to suggest.
OF_PARTS = (sees_future, shapes, skip, window_of_head, chain, own_cell, teacher, beam)


def combinations(config: Plain, decided: bool = True) -> Iterator[str]:
    """Every combination in a config that cannot work.

    Args:
        config: a config whose single values are good.
        decided: whether task and head are known yet.
    """
    for rule in (*ALWAYS, *(OF_PARTS if decided else ())):
        yield from rule(config)
