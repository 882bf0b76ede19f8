"""The comparison site: static pages from the sources of the apps and `comparison/results/`.

To add pages, add a module to `comparison/site/pages/`; see its docstring.
"""
