"""Late arrivals of flights leaving New York: will this flight arrive 15 minutes late or more?

Belongs here: what is particular to flights. Does not: anything that another use case could need.
"""
