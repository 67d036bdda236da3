"""A use case begun from a CSV file: what `ml-platform new` writes, and how the file is landed.

Belongs here: guesses from a file, and the text of a first version. Does not: components, which check what was written.
"""
