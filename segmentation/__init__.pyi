# data: tables in
from .data.bank import Bank
from .data.checks import check_bank
from .data.contract import TABLES
from .data.errors import MissingTable, TableError
from .data.network import simulate_bank
from .data.public import read_berka, read_hillstrom

# customers: who they are
from .customers.concentrations import concentration, pareto_tail
from .customers.intervals import wilson
from .customers.lifts import month_end_lift
from .customers.migrations import Migration, migration
from .customers.missingness import Missingness, missingness_model
from .customers.panels import monthly_panel, monthly_panels
from .customers.populations import merge_small_tiers, tier_table
from .customers.projections import project
from .customers.quality import completeness, completeness_parts
from .customers.tiers import TierRule, assign_tier, near_threshold, tier_rule
from .customers.values import markov_value

# publish: what leaves
from .publish.disclosure import suppress_counts, suppress_sums

__all__ = [
    "TABLES",
    "Bank",
    "Migration",
    "MissingTable",
    "Missingness",
    "TableError",
    "TierRule",
    "assign_tier",
    "check_bank",
    "completeness",
    "completeness_parts",
    "concentration",
    "markov_value",
    "merge_small_tiers",
    "migration",
    "missingness_model",
    "month_end_lift",
    "monthly_panel",
    "monthly_panels",
    "near_threshold",
    "pareto_tail",
    "project",
    "read_berka",
    "read_hillstrom",
    "simulate_bank",
    "suppress_counts",
    "suppress_sums",
    "tier_rule",
    "tier_table",
    "wilson",
]
