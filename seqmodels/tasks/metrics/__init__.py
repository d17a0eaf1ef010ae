"""Metrics that torchmetrics lacks, imported by the tasks on first use.

The registry skips this package, because importing torchmetrics takes seconds.
"""
