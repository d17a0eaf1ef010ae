"""Step of a cell as a graph, and its backward: what all engines that generate code start from."""
