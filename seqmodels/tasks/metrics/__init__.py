"""Metrics of our own, as torchmetrics has none: each is imported by the task that counts with it, when it does.

The registry leaves this package out, because torchmetrics takes seconds.
"""
