# data: tables in
from .data.bank import Bank
from .data.checks import check_bank
from .data.contract import TABLES
from .data.errors import MissingTable, TableError
from .data.network import simulate_bank
from .data.public import read_berka, read_hillstrom
from .data.source import open_bank, write_bank

# customers: who they are
from .customers.ageing import Ageing, project_ageing
from .customers.breakevens import break_even_month
from .customers.censuses import census_population
from .customers.cohorts import Cohorts, assign_cohort, cohort_scheme
from .customers.channels import Channel, servicing_rule
from .customers.concentrations import concentration, pareto_tail
from .customers.conditions import LongTailRule, long_tail_rule
from .customers.crossings import ThresholdMovement, threshold_movement
from .customers.dates import months_before
from .customers.decompositions import Kitagawa, das_gupta, kitagawa
from .customers.denominators import conditional_shares
from .customers.deposits_due import maturities
from .customers.definitions import DormancyRule, dormancy_rule, dormancy_rules
from .customers.dormancies import dormancy
from .customers.duplicates import duplicate_candidates
from .customers.gaps import Gap, gap_decomposition
from .customers.headrooms import headroom
from .customers.histories import purchase_summary
from .customers.inflows import StoppedInflows, stopped_inflows
from .customers.intervals import wilson
from .customers.lifts import month_end_lift
from .customers.magnitudes import cohort_effects
from .customers.migrations import Migration, migration
from .customers.missingness import Missingness, missingness_model
from .customers.niches import rfm_segments, rfm_table
from .customers.outflows import LargeOutflows, large_outflows
from .customers.overlaps import dormancy_overlap, dormancy_table
from .customers.panels import monthly_panel, monthly_panels
from .customers.populations import merged_rule, tier_table
from .customers.portraits import cohort_profile
from .customers.prevalences import long_tail_table, risk_flags
from .customers.projections import project
from .customers.purchases import PurchaseProcess, purchase_process
from .customers.quality import completeness, completeness_parts
from .customers.reactivations import Reactivation, reactivation
from .customers.recencies import RFM, rfm_scores
from .customers.retentions import Retention, retention
from .customers.spendings import SpendProcess, spend_process
from .customers.standards import standardised_rate
from .customers.tails import long_tail
from .customers.tiers import TierRule, assign_tier, near_threshold, tier_rule
from .customers.values import markov_value
from .customers.workloads import Servicing, servicing

# campaigns: what worked
from .campaigns.adjustments import adjust
from .campaigns.allocations import Assignment, assign
from .campaigns.briefs import Brief, campaign_brief
from .campaigns.clusters import permutation_distribution
from .campaigns.comparisons import compare_curves
from .campaigns.curves import UpliftCurve, uplift_curve
from .campaigns.designs import CampaignDesign, design_campaign
from .campaigns.effects import effect
from .campaigns.learners import Learned, learn
from .campaigns.metrics import Metric
from .campaigns.mixtures import other_assignments
from .campaigns.observed import observed_effect
from .campaigns.outlines import arm_table
from .campaigns.outcomes import campaign_data
from .campaigns.payoffs import Payoff, payoff
from .campaigns.permutations import Design
from .campaigns.published import hillstrom_sums
from .campaigns.quantiles import quantile_effect
from .campaigns.reviews import check_campaign
from .campaigns.rollouts import Rollout, did
from .campaigns.sequences import monitor
from .campaigns.summaries import curve_table
from .campaigns.sums import Moments, moments
from .campaigns.targets import Target, target

# figures: what it looks like
from .figures.ageing import draw_ageing
from .figures.balances import draw_balance
from .figures.campaigns import draw_effects
from .figures.payoffs import draw_payoff
from .figures.permutations import draw_permutation
from .figures.powers import draw_power
from .figures.uplifts import draw_uplift_curve
from .figures.quality import draw_completeness, draw_completeness_by
from .figures.cohorts import draw_cohorts
from .figures.concentrations import draw_lorenz
from .figures.customers import draw_basis, draw_penetration, draw_tiers
from .figures.denominators import draw_both_directions
from .figures.gaps import draw_gap
from .figures.labels import label
from .figures.language import translator
from .figures.lifts import draw_lift
from .figures.moves import draw_migration, draw_near_threshold
from .figures.numbers import (
    format_interval,
    format_money,
    format_month,
    format_number,
    format_percent,
)
from .figures.pictures import Picture
from .figures.projections import draw_projection
from .figures.sleepers import draw_dormancy, draw_reactivation
from .figures.workloads import draw_long_tail, draw_servicing
from .figures.retentions import draw_retention
from .figures.units import Unit

# publish: what leaves
from .publish.answers import Headline, headlines, reading
from .publish.disclosure import suppress_counts, suppress_sums
from .publish.reports import build_reports
from .publish.tables import show_table

__all__ = [
    "RFM",
    "TABLES",
    "Ageing",
    "Assignment",
    "Bank",
    "Brief",
    "CampaignDesign",
    "Channel",
    "Cohorts",
    "Design",
    "DormancyRule",
    "Gap",
    "Headline",
    "Kitagawa",
    "LargeOutflows",
    "Learned",
    "LongTailRule",
    "Metric",
    "Migration",
    "MissingTable",
    "Missingness",
    "Moments",
    "Payoff",
    "Picture",
    "PurchaseProcess",
    "Reactivation",
    "Retention",
    "Rollout",
    "Servicing",
    "SpendProcess",
    "StoppedInflows",
    "TableError",
    "Target",
    "ThresholdMovement",
    "TierRule",
    "Unit",
    "UpliftCurve",
    "adjust",
    "arm_table",
    "assign",
    "assign_cohort",
    "assign_tier",
    "break_even_month",
    "build_reports",
    "campaign_brief",
    "campaign_data",
    "census_population",
    "check_bank",
    "check_campaign",
    "cohort_effects",
    "cohort_profile",
    "cohort_scheme",
    "compare_curves",
    "completeness",
    "completeness_parts",
    "concentration",
    "conditional_shares",
    "curve_table",
    "das_gupta",
    "design_campaign",
    "did",
    "dormancy",
    "dormancy_overlap",
    "dormancy_rule",
    "dormancy_rules",
    "dormancy_table",
    "draw_ageing",
    "draw_balance",
    "draw_basis",
    "draw_both_directions",
    "draw_cohorts",
    "draw_completeness",
    "draw_completeness_by",
    "draw_dormancy",
    "draw_effects",
    "draw_gap",
    "draw_lift",
    "draw_long_tail",
    "draw_lorenz",
    "draw_migration",
    "draw_near_threshold",
    "draw_payoff",
    "draw_penetration",
    "draw_permutation",
    "draw_power",
    "draw_projection",
    "draw_reactivation",
    "draw_retention",
    "draw_servicing",
    "draw_tiers",
    "draw_uplift_curve",
    "duplicate_candidates",
    "effect",
    "format_interval",
    "format_money",
    "format_month",
    "format_number",
    "format_percent",
    "gap_decomposition",
    "headlines",
    "headroom",
    "hillstrom_sums",
    "kitagawa",
    "label",
    "large_outflows",
    "learn",
    "long_tail",
    "long_tail_rule",
    "long_tail_table",
    "markov_value",
    "maturities",
    "merged_rule",
    "migration",
    "missingness_model",
    "moments",
    "monitor",
    "month_end_lift",
    "monthly_panel",
    "monthly_panels",
    "months_before",
    "near_threshold",
    "observed_effect",
    "open_bank",
    "other_assignments",
    "pareto_tail",
    "payoff",
    "permutation_distribution",
    "project",
    "project_ageing",
    "purchase_process",
    "purchase_summary",
    "quantile_effect",
    "reactivation",
    "read_berka",
    "read_hillstrom",
    "reading",
    "retention",
    "rfm_scores",
    "rfm_segments",
    "rfm_table",
    "risk_flags",
    "servicing",
    "servicing_rule",
    "show_table",
    "simulate_bank",
    "spend_process",
    "standardised_rate",
    "stopped_inflows",
    "suppress_counts",
    "suppress_sums",
    "target",
    "threshold_movement",
    "tier_rule",
    "tier_table",
    "translator",
    "uplift_curve",
    "wilson",
    "write_bank",
]
