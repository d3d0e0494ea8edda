"""verl as an engine: the only package that imports verl. The rest of the platform sees events, rollouts, checkpoints.

    stage       the stage `rpt` with this engine: prepares, starts verl, follows it, explains its end
    checkpoints how far a run is: steps, compute, ledger, exports, resume
    evaluations on exported checkpoints
    settings    our config as verl's complete configuration; refuses by name what verl lacks
    dataset, data_files   problems as verl's Parquet data, in our order of draws
    rows        inside verl: its dataset
    reward      inside verl: the reward
    agent_loop  inside verl: how the policy is asked, by our prompt's very tokens; leaves a trace of each response
    sampler     inside verl: dynamic sampling from the step that the config names
    folder      the names of verl's files in a run's folder
    launch      verl as a process tree of this machine, or as a job of a Ray cluster
    guard, process_tree   end the whole tree, whoever dies
    traces      reads what verl writes, while it writes
    records     a step of verl as rollout rows, metrics and entries of the ledger
    export      verl's sharded checkpoints in the Hugging Face layout
    progress, failures    what verl is doing and why it ended, in words
    cpu_platform, vllm_plugin   inside verl: what it and vLLM need where there is no GPU

What is marked "inside verl" runs in verl's processes; `stage` and what it uses never import verl.
"""
