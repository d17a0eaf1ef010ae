"""Speed and memory against torch's own layers, side by side in one run: ``seqmodels benchmark``.

`shapes` what sizes and modes there are; `cases` what is compared with what; `timing` how; `run` one
comparison; `probes` what needs a fresh process; `targets` what is hoped for; `report` how it is shown.
"""
