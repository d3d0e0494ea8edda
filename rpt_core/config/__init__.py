"""One frozen pydantic model for each stage: the form, the API, the shell and the worker all read these.

In: plain dictionaries (JSON, YAML, form data). Out: validated objects, or pydantic's errors naming the field.
Loads without torch and numpy. The sentence under each field is its help text in the browser's form.
Defaults follow the paper (Table 5, section 3.3) or, where it is silent, the choices listed in docs/method.md.
"""

from rpt_core.config.base import (
    DIFFICULTIES,
    PAPER_NATS,
    PROMPT_DATE,
    BudgetConfig,
    Config,
    DifficultyConfig,
    InferenceConfig,
    ModelConfig,
    OptimiserConfig,
    PromptConfig,
    SamplingConfig,
    Seed,
    Share,
    Split,
    Stage,
    VllmConfig,
)
from rpt_core.config.data import (
    OMNI_MATH,
    SKYWORK_OR1,
    CorpusConfig,
    FieldMapping,
    FilterConfig,
    PositionSetConfig,
    QuestionMapping,
    QuestionsConfig,
)
from rpt_core.config.evaluation import (
    AnalyseConfig,
    BenchmarkConfig,
    ComparisonConfig,
    EvaluateConfig,
    EvaluationConfig,
    FrontierConfig,
    HeldOutConfig,
    Mode,
    PatternsConfig,
    ResponsesConfig,
    ScalingConfig,
    TemplatesConfig,
)
from rpt_core.config.expert_iteration import ExpertIterationConfig
from rpt_core.config.training import (
    DynamicSamplingConfig,
    GrpoConfig,
    NtpConfig,
    RewardConfig,
    RlvrConfig,
    RptConfig,
    ScratchConfig,
    SftConfig,
    TracesConfig,
    TrainConfig,
    VerlConfig,
)

StageConfig = (
    FilterConfig
    | NtpConfig
    | SftConfig
    | RptConfig
    | ExpertIterationConfig
    | RlvrConfig
    | EvaluateConfig
    | TemplatesConfig
    | BenchmarkConfig
    | AnalyseConfig
)
STAGES: dict[str, type[StageConfig]] = {
    "filter": FilterConfig,
    "ntp": NtpConfig,
    "sft": SftConfig,
    "rpt": RptConfig,
    "expert_iteration": ExpertIterationConfig,
    "rlvr": RlvrConfig,
    "evaluate": EvaluateConfig,
    "templates": TemplatesConfig,
    "benchmark": BenchmarkConfig,
    "analyse": AnalyseConfig,
}
"""The stages and their configs."""

__all__ = [
    "DIFFICULTIES",
    "OMNI_MATH",
    "PAPER_NATS",
    "PROMPT_DATE",
    "SKYWORK_OR1",
    "STAGES",
    "AnalyseConfig",
    "BenchmarkConfig",
    "BudgetConfig",
    "ComparisonConfig",
    "Config",
    "CorpusConfig",
    "DifficultyConfig",
    "DynamicSamplingConfig",
    "EvaluateConfig",
    "EvaluationConfig",
    "ExpertIterationConfig",
    "FieldMapping",
    "FilterConfig",
    "FrontierConfig",
    "GrpoConfig",
    "HeldOutConfig",
    "InferenceConfig",
    "Mode",
    "ModelConfig",
    "NtpConfig",
    "OptimiserConfig",
    "PatternsConfig",
    "PositionSetConfig",
    "PromptConfig",
    "QuestionMapping",
    "QuestionsConfig",
    "ResponsesConfig",
    "RewardConfig",
    "RlvrConfig",
    "RptConfig",
    "SamplingConfig",
    "ScalingConfig",
    "ScratchConfig",
    "Seed",
    "SftConfig",
    "Share",
    "Split",
    "Stage",
    "StageConfig",
    "TemplatesConfig",
    "TracesConfig",
    "TrainConfig",
    "VerlConfig",
    "VllmConfig",
]
