"""Times: dates in every writing, zones, and the frequency of a series."""
