# The workflow is workflow/Snakefile, where other workflows and catalogues look for it.


include: "workflow/Snakefile"


# Rules of an included file are no default target by themselves.
workflow.default_target = "all"
