"""Calls that would read what is not there, each in turn: run as ``python -m tests.scan.refused KIND,... CELL ...``.

In a process of its own, for one that is not refused may kill it. Prints a line for each call that was
refused in words.
"""

import itertools
import sys
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from seqmodels.cells import Cell
from seqmodels.scan import engines_for, scan
from seqmodels.state import leaves, map_state
from tests.laws.catalogue import cells

H = 8
Make = Callable[[], Cell]


def freed(tensor: Tensor) -> None:
    tensor.untyped_storage().resize_(0)


def shrunk(tensor: Tensor) -> None:
    tensor.untyped_storage().resize_(tensor.itemsize)


def on_meta(tensor: Tensor) -> None:
    torch.utils.swap_tensors(tensor, nn.Parameter(tensor.detach().to("meta")))


def misshapen(tensor: Tensor) -> None:
    tensor.data = tensor.data[:-1] if len(tensor) > 1 else tensor.data.repeat(2, *[1] * (tensor.dim() - 1))


def of_another_dtype(tensor: Tensor) -> None:
    tensor.data = tensor.data.float() if tensor.dtype == torch.float64 else tensor.data.double()


KINDS: dict[str, Callable[[Tensor], None]] = {
    "freed": freed,
    "shrunk": shrunk,
    "meta": on_meta,
    "shape": misshapen,
    "dtype": of_another_dtype,
}


def paths(cell: Cell, x: Tensor, state: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Every way of running a cell."""
    for engine in ("auto", *engines_for(cell)):
        yield f"sequence by {engine}", lambda engine=engine: scan(cell, x, state, engine=engine)
    yield "ragged sequence", lambda: scan(cell, x, state, torch.tensor([4, 2]))
    for rows in (1, 2):
        before = map_state(lambda leaf, rows=rows: leaf[:rows], state)
        one, part = x[:rows, 0], x[:rows, :1]
        yield f"step of {rows}", lambda one=one, before=before: cell(one, before)
        yield f"sequence of one step, {rows}", lambda part=part, before=before: scan(cell, part, before)


def refused(what: str, name: str, call: Callable[[], Any]) -> None:
    said = "nothing"
    try:
        call()
    except ValueError as error:
        said = str(error)
    assert name in said, f"{what}: said {said}"
    assert "must" in said, f"{what}: said {said}"
    print(what, flush=True)


def each_weight(make: Make, spoil: Callable[[Tensor], None], title: str) -> None:
    """A weight is spoilt before the call, or after a first one that went well."""
    names = [name for name, _ in make().named_parameters()]
    for name in names:
        # the dtype of the only weight is that of the weights, and the inputs have another one
        named = "weights" if len(names) == 1 and spoil is KINDS["dtype"] else name
        for mode in (torch.enable_grad, torch.no_grad):
            cell, x, state = ready(make)
            calls = list(paths(cell, x, state))
            with mode():
                for _, call in calls:
                    call()
                spoil(cell.get_parameter(name))
                for path, call in calls:
                    refused(f"{title}: {name}, {path}, {mode.__name__}", named, call)


def ready(make: Make) -> tuple[Cell, Tensor, Any]:
    torch.manual_seed(0)
    cell, x = make(), torch.randn(2, 4, 3)
    return cell, x, map_state(torch.randn_like, cell.initial_state(2, x))


def in_backward(make: Make, spoil: Callable[[Tensor], None], title: str) -> None:
    """A weight is spoilt between forward and backward."""
    for name in [name for name, _ in make().named_parameters()]:
        for index, (path, _) in enumerate(paths(*ready(make))):
            cell, x, state = ready(make)
            y, last = list(paths(cell, x, state))[index][1]()
            spoil(cell.get_parameter(name))
            total = y.sum() + sum(leaf.sin().sum() for leaf in leaves(last))
            refused(f"{title}: {name}, backward of {path}", name, lambda total=total: total.backward())


def each_argument(make: Make, title: str) -> None:
    """Inputs, states, lengths and resets are spoilt."""
    for mode in (torch.enable_grad, torch.no_grad):
        for spoil in (freed, shrunk):
            cell, x, state = ready(make)
            for number in range(len(list(leaves(state)))):
                before = map_state(torch.clone, state)
                calls = list(paths(cell, x, before))
                with mode():
                    for _, call in calls:
                        call()
                    spoil(list(leaves(before))[number])
                    for path, call in calls:
                        refused(f"{title}: state {number} {spoil.__name__}, {path}", "state", call)
            calls = list(paths(cell, x, state))
            spoil(x)
            with mode():
                for path, call in calls:
                    refused(f"{title}: inputs {spoil.__name__}, {path}", "inputs", call)
    cell, x, state = ready(make)
    elsewhere = map_state(lambda leaf: leaf.to("meta"), state)
    for path, call in paths(cell, x, elsewhere):
        if list(leaves(state)):
            refused(f"{title}: state on meta, {path}", "state", call)
    for spoil in (freed, shrunk, None):
        lengths, reset = torch.tensor([4, 2]), torch.tensor([[False, True, False, True]] * 2)
        for name, tensor in (("lengths", lengths), ("reset", reset)):
            if spoil is not None:
                spoil(tensor)
            given = {name: tensor if spoil is not None else tensor.to("meta")}
            refused(f"{title}: {name}, {spoil}", name, lambda given=given: scan(cell, x, state, **given))


def main(kinds: str, titles: list[str]) -> None:
    for kind, title in itertools.product(kinds.split(","), titles):
        make: Make = lambda title=title: cells()[title](3, H)  # noqa: E731
        if kind == "arguments":
            each_argument(make, title)
        elif kind == "backward":
            in_backward(make, freed, title)
            in_backward(make, shrunk, title)
        else:
            each_weight(make, KINDS[kind], title)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
