"""What watches the platform as a whole: health, freshness, and who is told.

Belongs here: questions about the present state across the locations. Does not: where a result came from (`provenance`).
"""
