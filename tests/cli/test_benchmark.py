"""`seqmodels benchmark`: contenders in turn, the figures, the tables, the flags, and a user's own cell."""

import json
import math

import pytest
import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook

from seqmodels.benchmark import report, run, targets
from seqmodels.benchmark.cases import TorchLoop, find, known
from seqmodels.benchmark.plan import CELLS, plan
from seqmodels.benchmark.probes import Figure, _Peak
from seqmodels.benchmark.run import Row, Settings, arithmetic, contenders
from seqmodels.benchmark.shapes import MODES, SHAPES, TIMED, Shape
from seqmodels.benchmark.targets import Target, judge
from seqmodels.benchmark.timing import Spread, in_turn
from seqmodels.cli.verbs import benchmark as verb
from seqmodels.scan import dispatch
from tests.cli.command import said

TINY = SHAPES["tiny"]
MINE = """\
import torch
from seqmodels.cells import GatedCell, HiddenState

class LeakyCell(GatedCell):
    def update(self, u, r, state):
        return HiddenState(0.5 * state.h + 0.5 * torch.tanh(u + r))

class NoCell:
    pass
"""


@pytest.fixture(autouse=True)
def _same_threads():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def row(cell="lstm", mode="train", shape=TINY, ratio=2.0, share: float | None = 0.5) -> Row:
    times = {name: Spread(time, time, time) for name, time in (("seqmodels", 1.0), ("torch", ratio), ("loop", 9.0))}
    return Row(cell, mode, shape, "LSTM", "reference", times, Spread(ratio, ratio, ratio), share)


def test_a_quick_run_makes_every_table_and_file(seqmodels, tmp_path):
    flags = "--quick --cells lstm,two_memories,mingru --targets --repeats 1 --json numbers.json --markdown table.md"
    result = seqmodels("benchmark", *flags.split())
    assert (result.code, result.err) == (0, "")
    outcome = json.loads((tmp_path / "numbers.json").read_text())
    assert [(one["cell"], one["mode"]) for one in outcome["rows"]] == [
        (cell, mode) for cell in ("lstm", "two_memories", "mingru") for mode in TIMED
    ]
    for one in outcome["rows"]:
        times = one["times"]
        assert set(times) == {"seqmodels", "torch", "loop"}
        assert all(spread["low"] <= spread["median"] <= spread["high"] for spread in (*times.values(), one["ratio"]))
        assert one["ratio"]["median"] == times["torch"]["median"] / times["seqmodels"]["median"]  # of the one round
        assert one["shape"] == (TINY._replace(steps=1, rows=1) if one["mode"] == "step" else TINY)._asdict()
    assert [one["ratio"] for one in outcome["means"]] == pytest.approx(
        [one["ratio"]["median"] for one in outcome["rows"]]
    )
    assert {one["target"]["cell"] for one in outcome["targets"]} == {"lstm", "two_memories"}
    assert {"processor", "cores", "threads", "torch", "compiler", "date", "peak_gflops"} <= set(outcome["machine"])
    markdown = (tmp_path / "table.md").read_text()
    assert outcome["machine"]["command"] == f"seqmodels benchmark {flags}"
    assert markdown.startswith(f"# Benchmark\n\nMade by `seqmodels benchmark {flags}`.\n")
    for title in ("lstm, train, against nn.LSTM", "mingru, step, against nn.GRUCell", "targets"):
        assert title in result.out
        assert f"## {title}\n\n| " in markdown


def test_the_loop_can_be_left_out_and_sizes_be_given(seqmodels, tmp_path):
    flags = "--shapes", "3x2x4x5,tiny", "--modes", "infer", "--repeats", "1", "--dtype", "float64", "--threads", "1"
    result = seqmodels("benchmark", "--cells", "gru", "--no-loop", "--json", "numbers.json", *flags)
    assert (result.code, result.err) == (0, "")
    outcome = json.loads((tmp_path / "numbers.json").read_text())
    assert [set(one["times"]) for one in outcome["rows"]] == [{"seqmodels", "torch"}] * 2
    assert outcome["rows"][0]["shape"] == Shape(3, 2, 4, 5)._asdict()
    assert (outcome["machine"]["dtype"], outcome["machine"]["threads"]) == ("float64", 1)
    mean = math.sqrt(math.prod(one["ratio"]["median"] for one in outcome["rows"]))
    assert outcome["means"] == [{"cell": "gru", "mode": "infer", "ratio": pytest.approx(mean)}]
    assert outcome["targets"] == []


def test_a_users_own_cell(seqmodels, tmp_path):
    (tmp_path / "bench_mine.py").write_text(MINE)
    result = seqmodels("benchmark", "--quick", "--cell", "bench_mine:LeakyCell", "--modes", "train")
    assert (result.code, result.err) == (0, "")
    assert "bench_mine:LeakyCell, train, against nn.LSTM" in result.out
    assert "against nn.GRU" not in result.out
    wrong = "--cell", "bench_mine:NoCell", "--cell", "bench_mine:Leeky", "--cell", "no_such:Cell", "--cells", "lsmt"
    result = seqmodels("benchmark", *wrong)
    assert result == (
        2,
        "",
        said(
            "benchmark",
            f"there is no cell 'lsmt' to compare; did you mean 'lstm'? Known: {', '.join(known())}",
            "bench_mine:NoCell: must be a class derived from seqmodels.cells.Cell",
            "bench_mine:Leeky: cannot be imported: module 'bench_mine' has no attribute 'Leeky'",
            "no_such:Cell: cannot be imported: No module named 'no_such'",
        ),
    )


WRONG = {
    "--modes trian": "--modes: there is no 'trian'; did you mean 'train'? choose from: " + ", ".join(MODES),
    "--shapes 1x2x3": f"--shapes: must be one of {', '.join(SHAPES)}, or TxBxFxH such as 100x32x64x128, got '1x2x3'",
    "--repeats 0": "--repeats: must be a whole number of at least 1, got 0",
    "--repeats x": "argument --repeats: invalid int value: 'x'",
    "--threads -1": "--threads: must be a whole number of at least 1, got -1",
    "--device gpu": "--device: must be cpu, cuda, or cuda:N, got gpu",
    "--device cuda:99": f"--device: there is no cuda:99 here; torch sees {torch.cuda.device_count()}",
    "--dtype int8": f"--dtype: must be one of {', '.join(verb.DTYPES)}, got int8",
    "--json no/x.json": "--json: there is no folder no: make it first",
    "--markdown no/x.md": "--markdown: there is no folder no: make it first",
    "lstm": "lstm: benchmark has flags only, such as --cells lstm",
    "--sells lstm": "--sells: there is no such flag; did you mean '--cells'?",
}


@pytest.mark.parametrize(("flags", "problem"), WRONG.items(), ids=list(WRONG))
def test_wrong_flags(seqmodels, flags, problem):
    assert seqmodels("benchmark", *flags.split()) == (2, "", said("benchmark", problem))


def test_contenders_take_turns():
    calls: list[str] = []
    times = in_turn({name: lambda name=name: calls.append(name) for name in "AB"}, 3, limits={"B": 2})
    assert {name: len(values) for name, values in times.items()} == {"A": 3, "B": 2}
    turns = [name for number, name in enumerate(calls) if number == 0 or calls[number - 1] != name]
    assert "".join(turns) == "ABABABA"[: len(turns)]
    assert len(turns) == 7


@pytest.mark.parametrize("name", ["lstm", "gru", "rnn"])
def test_the_loop_over_torchs_cell_is_torchs_layer(name):
    peer = find(name).peer
    loop, layer = TorchLoop(peer, 3, 5).double(), getattr(nn, peer)(3, 5, batch_first=True).double()
    layer.load_state_dict({f"{key}_l0": value for key, value in loop.cell.state_dict().items()})
    x = torch.randn(2, 7, 3, dtype=torch.float64)
    torch.testing.assert_close(loop(x)[0], layer(x)[0])


@pytest.mark.parametrize(("name", "gates"), [("lstm", 4), ("gru", 3), ("rnn", 1), ("two_memories", 4)])
def test_arithmetic(name, gates):
    assert arithmetic(find(name), Shape(11, 3, 5, 7)) == 2 * 11 * 3 * gates * 7 * (5 + 7)


@pytest.mark.parametrize("name", ["lstm", "peephole_lstm", "zoneout_lstm", "mingru"])
@pytest.mark.parametrize("mode", ["train", "infer"])
def test_the_engine_that_is_named_is_the_one_that_runs(monkeypatch, name, mode):
    ran = []
    for engine, parts in dispatch.ENGINES.items():
        run_it = lambda *arguments, engine=engine, parts=parts: ran.append(engine) or parts.run(*arguments)  # noqa: E731
        monkeypatch.setitem(dispatch.ENGINES, engine, parts._replace(run=run_it))
    row = run.compare(name, mode, TINY, Settings(repeats=1, loop=False), peak=1e9)
    assert set(ran) == {row.engine}


@pytest.mark.parametrize("name", ["lstm", "peephole_lstm", "mingru"])
def test_training_gives_every_gradient(name):
    seen = []

    class Seen(nn.Module):
        def __init__(self, layer):
            super().__init__()
            self.layer = layer

        def forward(self, inputs):
            seen.append(inputs)
            return self.layer(inputs)

    layer = Seen(find(name).layer(3, 4))
    call = run.train_call(layer, TINY, Settings())
    call()
    first = {key: weight.grad.clone() for key, weight in layer.named_parameters()}
    call()
    for key, weight in layer.named_parameters():
        torch.testing.assert_close(weight.grad, first[key])  # not added up
    assert seen[-1].grad.shape == (TINY.rows, TINY.steps, TINY.features)


def test_inference_and_steps_keep_no_graph():
    graphs = []
    hook = register_module_forward_hook(lambda *_: graphs.append(torch.is_grad_enabled()))
    try:
        for mode, expected in (("infer", False), ("step", False), ("train", True)):
            for call in contenders(find("lstm"), mode, TINY, Settings(loop=False)).values():
                graphs.clear()
                call()
                assert set(graphs) == {expected}, mode
    finally:
        hook.remove()


def test_the_peak_is_that_of_the_block():
    with _Peak("cpu") as before:
        large = torch.ones(2**25)  # 128 MiB
        del large
    with _Peak("cpu") as after:
        torch.ones(2**24)  # 64 MiB: above what malloc may keep for later
    assert before.mib == pytest.approx(128, abs=8)
    assert after.mib == pytest.approx(64, abs=8)


def test_targets_are_judged():
    rows = [row(ratio=1.0), row(ratio=4.0, shape=SHAPES["small"], share=0.7), row("gru", ratio=9.0)]
    figures = [Figure("lstm", "first", TINY, 2.0), Figure("lstm", "memory", TINY, 30.0, 20.0)]
    tried = {
        Target("lstm", "train", "mean", 1.5, 2.0): (2.0, "aim"),
        Target("lstm", "train", "mean", 1.5, 2.5): (2.0, "pass"),
        Target("lstm", "train", "mean", 2.1, 2.5): (2.0, "short"),
        Target("lstm", "train", "mean", None, 2.5): (2.0, "pass"),
        Target("lstm", "train", "least", 1.1): (1.0, "short"),
        Target("lstm", "train", "mean", 3.0, None, SHAPES["small"]): (4.0, "aim"),
        Target("lstm", "train", "share", 0.65, 0.85, SHAPES["small"]): (0.7, "pass"),
        Target("lstm", "first", "first", 5, 1): (2.0, "pass"),
        Target("lstm", "memory", "memory", 1.2, 1.0): (1.5, "short"),
        Target("lstm", "first", "cached", 0.05): None,
        Target("rnn", "train", "mean", 1.0): None,
        Target("lstm", "infer", "mean", 1.0): None,
    }
    found = {one.target: (pytest.approx(one.value), one.status) for one in judge(tried, rows, figures)}
    assert found == {target: expected for target, expected in tried.items() if expected}


def test_every_target_is_about_a_comparison_that_is_made():
    for device, known_targets in (("cpu", targets.ON_CPU), ("cuda", targets.ON_CUDA)):
        made = {(one.cell, one.mode): one.shapes for one in plan(CELLS, None, None, device)}
        for target in known_targets:
            shapes = made[target.cell, target.mode]
            if target.mode == "step":
                shapes = tuple(shape._replace(steps=1, rows=1) for shape in shapes)
            assert target.shape is None or target.shape in shapes


def test_sizes_beyond_the_usual_on_cuda():
    made = {(one.cell, one.mode): one.shapes for one in plan(["lstm", "mingru"], None, None, "cuda")}
    assert made["lstm", "train"][-1] == SHAPES["flash"] == Shape(1024, 16, 768, 768)
    assert made["mingru", "train"] == (SHAPES["long"],)


@pytest.mark.parametrize("width", [80, 120])
def test_the_widest_table_fits_the_screen(capsys, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    widest = row(shape=SHAPES["medium"], ratio=12.345, share=1.0)._replace(
        engine="reference", times={name: Spread(0.1234, 0, 1) for name in ("seqmodels", "torch", "loop")}
    )
    verb._print(report.table([widest, widest]))
    out = capsys.readouterr().out
    assert "…" not in out
    assert "100×64×256×256  reference     123 ms  123 ms  123 ms  12.35  12.35–12.35  100%" in out
    assert "geometric mean" in out
    assert max(map(len, out.splitlines())) <= width


@pytest.mark.slow
def test_fresh_processes(seqmodels, tmp_path, monkeypatch):
    """First use is measured with a cache of its own; the user's is left alone."""
    monkeypatch.delenv("SEQMODELS_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    flags = "--cells", "two_memories", "--modes", "first", "--json", "numbers.json", "--threads", "1", "--quick"
    result = seqmodels("benchmark", *flags)
    assert (result.code, result.err) == (0, "")
    figures = {one["name"]: one for one in json.loads((tmp_path / "numbers.json").read_text())["figures"]}
    assert figures["first"]["value"] > figures["cached"]["value"]
    assert "first use, cached" in result.out
    assert not (tmp_path / "user").exists()


@pytest.mark.slow
def test_memory_against_torch(seqmodels, tmp_path):
    flags = "--cells", "lstm", "--modes", "memory", "--shapes", "small", "--json", "numbers.json", "--threads", "1"
    result = seqmodels("benchmark", *flags)
    assert (result.code, result.err) == (0, "")
    figures = {one["name"]: one for one in json.loads((tmp_path / "numbers.json").read_text())["figures"]}
    # What nn.LSTM keeps of T*B*H numbers: about five for the gates and the memory, and the outputs and gradients.
    kept = 100 * 32 * 128 * 4 / 2**20
    assert 5 * kept < figures["memory"]["other"] < 40 * kept
    assert figures["tbptt"]["value"] < 1.5 * figures["tbptt"]["other"]
