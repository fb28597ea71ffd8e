# Where jobs run with --sdm apptainer.

if containers_in_use():
    show_to_containers()


onstart:
    check_containers()
    check_results_folder()
    check_leftovers()
    check_requests()
    files.sweep(result(""))


rule containers:
    log:
        "results/containers.log",
    localrule: True
    message:
        "Build the container images that are missing or outdated"
    run:
        shell(
            "{sys.executable:q} {ROOT:q}/containers/build.py build 2>&1 | tee {log:q}"
        )
