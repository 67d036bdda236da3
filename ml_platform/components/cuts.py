"""How a table is cut into partitions.

day    one for each local day of the use case's calendar; a column of dates holds it
key    one for each key that landed, such as a car park; a column of texts holds it, and all of its time is in it
whole  none: the table is one object

Belongs here: the word alone, for declarations, which import nothing heavy. Does not: partitions (`partitions`).
"""

from typing import Literal

By = Literal["day", "key", "whole"]
