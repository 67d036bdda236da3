"""Names of files for partitions.

Belongs here: a key as a file name, without Dagster. Does not: where such files are, or what is in them.
"""

import hashlib
from urllib.parse import quote

_LONGEST_FILE_NAME = 150


def record_file_name(partition: str) -> str:
    """A file name for a partition: no two share one, also where names of files differ by more than case alone."""
    file_name = quote(partition, safe=" ")
    if len(file_name) > _LONGEST_FILE_NAME or any("A" <= letter <= "Z" for letter in partition):
        file_name = f"{file_name[:60]}+{hashlib.sha256(partition.encode()).hexdigest()}"  # a quoted name has no plus
    return f"{file_name}.json"
