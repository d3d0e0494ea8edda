"""verl as an engine: the only package that imports verl. The rest of the platform sees events, rollouts, checkpoints.

    stage       the stage `rpt` with this engine: prepares, starts verl, records what it did, exports, evaluates
    settings    our config as verl's complete configuration; refuses by name what verl lacks
    dataset     problems as verl's Parquet data, in our order of draws
    reward      the reward as verl calls it
    agent_loop  how verl asks the policy: our prompt's very tokens; leaves a trace of each response
    sampler     dynamic sampling inside verl, from the step that the config names
    folder      the names of verl's files in a run's folder
    launch      verl as a process tree of this machine, or as a job of a Ray cluster; guard ends the whole tree
    records     what verl wrote about a step as rollout rows, metrics and entries of the ledger
    export      verl's sharded checkpoints in the Hugging Face layout
    failures    why verl ended, in words
    cpu_platform, vllm_plugin   what verl and vLLM need where there is no GPU

Files marked "inside verl" run in verl's processes; `stage` and what it uses never import verl.
"""
