"""The rewards by their names: the prefix-matching one, the paper's variants of it (Appendix A), and rivals.

In: problems, their groups of rollouts, the verdicts of Eq. 3, and the policy for rewards that ask it. Out: one number
for each response. Verdicts are those of Eq. 3 whatever the reward is, so that accuracies stay comparable; only what the
policy learns from differs.

prefix             Eq. 3
first_token        1 when the prediction's first token is the true one                   `rpt_core.rewards.first_token`
dense              first_token, and else the policy's probability of the wrong token     `rpt_core.rewards.dense`
conditional_dense  dense in groups with a right response, one value in the others        `rpt_core.rewards.dense`
information_gain   log-likelihood of the true token with the thought minus without it    `rpt_core.rewards.information`
custom             a team's own function                                                 `rpt_core.rewards.custom`
"""

from __future__ import annotations

from rpt_core.config import RewardConfig
from rpt_core.rewards.base import Groups, Policy, Problems, Reward, Verdicts


def make_reward(config: RewardConfig, policy: Policy) -> Reward:
    """The reward of a config. Raises UserError for a custom one that is not allowed or cannot be imported."""
    from rpt_core.rewards import custom, dense, first_token, information

    match config.kind:
        case "prefix":
            return PrefixReward()
        case "first_token":
            return first_token.FirstTokenReward(policy.tokenizer)
        case "dense":
            return dense.DenseReward(policy)
        case "conditional_dense":
            penalty = config.all_wrong_penalty if config.all_wrong == "penalty" else 0.0
            return dense.ConditionalDenseReward(policy, penalty)
        case "information_gain":
            return information.InformationGainReward(policy, policy.moving_average(config.ema_decay))
        case "custom":
            assert config.custom is not None  # the config's validator wants it
            return custom.CustomReward(config.custom)


class PrefixReward(Reward):
    """The reward of the verdict: Eq. 3."""

    def rewards(self, problems: Problems, groups: Groups, verdicts: Verdicts) -> list[list[float]]:
        """1 for a response that Eq. 3 finds right, 0 for any other."""
        return [[verdict.reward for verdict in group] for group in verdicts]
