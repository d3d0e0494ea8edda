"""Responses about sums of cards, as a policy of the tiny preset writes them at a given skill."""

from __future__ import annotations

import math
import random

from rpt_core.run.rollout_files import RolloutRow
from tests.factories import response_row


def card_rows(step: int, skill: float, groups: int, group_size: int, seed: str = "") -> list[RolloutRow]:
    """Responses about sums of cards as the tiny preset has them; `skill` is the chance of a right answer."""
    random_ = random.Random(f"{seed} {step}")
    rows = []
    for group in range(groups):
        cards = [(letter, random_.randrange(10)) for letter in random_.sample("ABCDEFGH", 4)]
        hand = " ".join(f"{letter}{value}" for letter, value in cards)
        total = sum(value for _, value in cards) % 10
        context = f"Problem: Cards{''.join(f' {word}' for word in hand.split())}. Add them up modulo 10.\nSolution: "
        answers = [_card_answer(random_, cards, total, skill) for _ in range(group_size)]
        right = sum(answer == f"\\boxed{{{total}}}" for _, answer, _ in answers)
        for sample, (thought, answer, finish) in enumerate(answers):
            spread = math.sqrt(max(right * (group_size - right), 1e-9)) / group_size
            gain = (
                (float(answer == f"\\boxed{{{total}}}") - right / group_size) / spread
                if 0 < right < group_size
                else 0.0
            )
            rows.append(
                response_row(
                    step,
                    group,
                    sample,
                    context=context,
                    thought=thought,
                    answer=answer,
                    position=18 + group % 5,
                    completion=f"{total}. So the sum is {total}.\n".encode(),
                    boundaries=[1, 2, 5, 9, 13, 16, 17, 18, 19, 20],
                    entropy=random_.uniform(1.5, 2.3),
                    document=f"cards-{seed}{step:03d}{group:03d}",
                    finish=finish,
                    advantage=gain,
                )
            )
    return rows


def _card_answer(
    random_: random.Random, cards: list[tuple[str, int]], total: int, skill: float
) -> tuple[str, str, str]:
    chain, state = [], 0
    for letter, value in cards:
        chain.append(f"{state} {letter.lower()}{value}+{value}")
        state = (state + value) % 10
    if random_.random() < skill:
        return f"\n{' '.join(chain)} {total}\n", f"\\boxed{{{total}}}", "stop"
    fate = random_.random()
    if fate < 0.62:
        return f"\nmaybe {random_.randrange(10)}\n", f"\\boxed{{{(total + random_.randrange(1, 10)) % 10}}}", "stop"
    if fate < 0.74:
        return f"\n{' '.join(chain[:2])}\n", f"\\boxed{{ {total}}}", "stop"
    if fate < 0.84:
        return f"\n{' '.join(chain[:3])}\n", f"\\boxed{{{total}. S}}", "stop"
    if fate < 0.94:
        return f"\n{' '.join(chain)}\n", f"{total}", "stop"
    return f"\n{' '.join(chain * 3)}", "", "length"
