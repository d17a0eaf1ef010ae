"""Speed and memory benchmarks against torch's layers: ``seqmodels benchmark``.

`shapes`: sizes and modes; `cases`: the cells and their peers; `timing`: the clock; `run`: one comparison; `probes`:
measurements in fresh processes; `targets`: expected figures; `report`: tables and JSON.
"""
