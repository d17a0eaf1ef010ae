"""Metrics that torchmetrics lacks, and the scores behind them.

Classes of torchmetrics are imported by the tasks on first use, because importing it takes seconds.
"""
