"""What to know before believing the tables of a roll-out."""

__all__ = ["ALWAYS_NOTE", "FEW_NOTE", "GAPS_NOTE", "LONE_NOTE", "MANY_NOTE", "MIXED_NOTE"]

FEW_NOTE = (
    "Fewer than ten clusters are treated or not, or they differ much in size: standard errors are "
    "not to be relied on. The mean effect and the trend before are tested by permutation of the "
    "first treated periods over clusters; elsewhere the degrees of freedom are those of the "
    "smallest group."
)
MIXED_NOTE = (
    "Fewer than ten clusters, of which some hold units first treated at different times: standard "
    "errors are not to be relied on, and there is no permutation to put in their place."
)
MANY_NOTE = (
    "Few units are treated beside many that are not: standard errors are not to be relied on. "
    "Give the cluster in which the roll-out was decided."
)
LONE_NOTE = "Where one cluster alone is compared, no standard error can be told."
ALWAYS_NOTE = "Units treated from the first period on tell of no change, and are left out."
GAPS_NOTE = (
    "Some units lack periods: each comparison takes those that have an outcome in both of its own."
)
