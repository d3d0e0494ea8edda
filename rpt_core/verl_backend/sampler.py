"""Inside verl: dynamic sampling (`trainer.v1.sampler.custom_sampler`) from the step that the config names.

In: groups that verl's rollout workers have finished. Out: the batch of a step. As in the plain loop: batches are
sampled whole, groups that teach nothing are replaced by those of up to `max_extra_batches` further batches, groups
beyond the batch are thrown away. verl's own filter reads no first step, no cap and no band of pass rates.

Deviation: when the cap is reached, dropped groups fill the batch up, the first ones first. Groups of equal rewards have
advantages of 0, yet their tokens count in the mean of verl's loss. A group outside the band is then learnt from.
"""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Any

import transfer_queue as tq
from verl.trainer.ppo.v1.replay_buffer import ReplayBuffer

from rpt_core.config import DynamicSamplingConfig
from rpt_core.train.dynamic_sampling import outcome_of
from rpt_core.train.ledger import Outcome

TRAIN = "train"


class DynamicSampler(ReplayBuffer):  # type: ignore[misc]  # verl has no types
    """verl's synchronous replay buffer with our choice of groups."""

    def __init__(self, *, sampler_kwargs: Any, refill_fn: Any, **kwargs: Any) -> None:
        super().__init__(sampler_kwargs=sampler_kwargs, refill_fn=refill_fn, **kwargs)
        self.config = DynamicSamplingConfig.model_validate(dict(sampler_kwargs))

    def sample(self, global_steps: int, partition_id: str, batch_size: int) -> tuple[Any, dict[str, Any]]:
        """A batch of groups, with dynamic sampling from its first step on. global_steps: number of the step, from 1."""
        first = self.config.from_step
        if partition_id != TRAIN or first is None or global_steps < first:
            found: tuple[Any, dict[str, Any]] = super().sample(global_steps, partition_id, batch_size)
            return found
        live, dropped = self._wait_for_groups()
        extra = 0
        while len(live) < batch_size and extra < self.config.max_extra_batches:
            extra += 1
            self.refill_fn(batch_size)
            live, dropped = self._wait_for_groups()
        chosen = [*live, *dropped][:batch_size]
        self._clear_groups(TRAIN, {*live, *dropped} - set(chosen))
        batch = self._materialize_batch(TRAIN, chosen, dict(self.partitions[TRAIN]))
        return batch, {"rpt/extra_batches": extra}

    def _wait_for_groups(self) -> tuple[list[str], list[str]]:
        """Once nothing is under way: the groups with something to teach, and the others, as they were sampled."""
        while True:
            self._sync_metadata_from_transfer_queue()
            if not self.pending_keys[TRAIN] and not self.running_keys[TRAIN]:
                break
            time.sleep(self.poll_interval)
        rewards = self._rewards()
        live = [uid for uid, found in rewards.items() if outcome_of(found, self.config, True) == Outcome.USED]
        return live, [uid for uid in rewards if uid not in set(live)]

    def _rewards(self) -> dict[str, list[float]]:
        """Rewards of each finished group."""
        keys = list(self.partitions[TRAIN])
        if not keys:
            raise RuntimeError("No response of this step could be sampled. vLLM's errors stand further up in the log.")
        data = tq.kv_batch_get(keys=keys, partition_id=TRAIN, select_fields=["rm_scores"])
        found: dict[str, list[float]] = defaultdict(list)
        for key, scores in zip(keys, list(data["rm_scores"]), strict=True):
            found[key.split("_")[0]].append(float(scores.sum()))
        return dict(found)
