"""Gated cells: an input product, a recurrent product and a pointwise update."""
