"""The site of the documentation: ``python -m tools.site`` builds it, and fails on a broken link or reference.

The pages of docs/ are plain Markdown that GitHub shows as well. The pages on single models, functions and commands are
made here, from the cards and records, the docstrings and the commands' own help.
"""
