# brightcell: which U-Net finds living cells best, by how much, and how sure.
#
#   sample sheet → prepare → check → folds → train → predict → calibrate → label → score → compare → report
#                                                └→ segment: recordings without masks

from snakemake.utils import min_version

min_version("9.27")


# The embedded demo, unless --configfile names another (the two are not mixed).
if not workflow.config_settings.configfiles:

    configfile: "config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/fetch.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/networks.smk"
include: "workflow/rules/cells.smk"
include: "workflow/rules/comparison.smk"
include: "workflow/rules/accounting.smk"
include: "workflow/rules/segment.smk"
include: "workflow/rules/tracks.smk"
include: "workflow/rules/containers.smk"


wildcard_constraints:
    **CONSTRAINTS,


rule all:
    default_target: True
    input:
        get_final_output(),
