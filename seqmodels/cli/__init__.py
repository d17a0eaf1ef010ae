"""The command `seqmodels`: its verbs, the check of every config, and errors in plain words.

Nothing here imports torch or Lightning before the config is known to be good.
"""
