"""Log-probs and entropies of tokens: equal to the model's own logits, in one piece or in several."""

import pytest
import torch

from rpt_core.train import log_probs
from rpt_core.train.log_probs import next_token_log_probs, score_tokens, target_log_probs, token_entropies
from tests.rpt_core import stages

ROWS, STARTS = [[5, 6, 7, 8], [9, 10], [11, 12, 13, 14, 15, 16]], [2, 1, 1]


def plain(model, temperature):
    """(log-probs, entropies) of the counted tokens by the model's whole logits."""
    chosen, entropies = [], []
    for row, start in zip(ROWS, STARTS, strict=True):
        logits = model(input_ids=torch.tensor([row])).logits[0, start - 1 : -1] / temperature
        distribution = torch.distributions.Categorical(logits=logits)
        chosen.append(distribution.log_prob(torch.tensor(row[start:])))
        entropies.append(distribution.entropy())
    return torch.cat(chosen), torch.cat(entropies)


@pytest.mark.parametrize("pieces", [1, 4])
def test_scores_are_those_of_the_logits_whatever_the_pieces(monkeypatch, pieces):
    model, tokenizer = stages.taught()
    monkeypatch.setattr(log_probs, "LOGITS_AT_ONCE", len(tokenizer) * (2 if pieces > 1 else 100))
    scores = score_tokens(model, ROWS, STARTS, temperature=0.7)
    chosen, entropies = plain(model, 0.7)
    assert torch.allclose(scores.log_probs, chosen, atol=1e-5)
    assert torch.allclose(scores.entropies, entropies, atol=1e-5)
    assert torch.equal(target_log_probs(model, ROWS, STARTS, 0.7), scores.log_probs)


def gradients(model, loss):
    loss.backward()
    found = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    return found


@pytest.mark.parametrize("pieces", [1, 4])
def test_the_gradient_of_log_probs_and_entropies_is_that_of_the_logits(monkeypatch, pieces):
    model, tokenizer = stages.taught()
    monkeypatch.setattr(log_probs, "LOGITS_AT_ONCE", len(tokenizer) * (2 if pieces > 1 else 100))
    weights = torch.linspace(-1, 1, 8)
    chosen, entropies = plain(model, 0.7)
    expected = gradients(model, (chosen * weights + entropies * weights.flip(0)).sum())
    scores = score_tokens(model, ROWS, STARTS, 0.7, entropy_gradient=True)
    found = gradients(model, (scores.log_probs * weights + scores.entropies * weights.flip(0)).sum())
    assert all(torch.allclose(a, b, atol=1e-4, rtol=1e-3) for a, b in zip(found, expected, strict=True))


def test_entropies_have_a_gradient_only_when_it_is_asked_for():
    model, _ = stages.taught()
    scores = score_tokens(model, ROWS, STARTS)
    found = gradients(model, (scores.log_probs + 100 * scores.entropies).sum())
    expected = gradients(model, target_log_probs(model, ROWS, STARTS).sum())
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_target_log_probs_have_the_gradient_of_cross_entropy_to_the_bit():
    model, _ = stages.taught()
    rows = [[7, 8, 9, 10, 11]]
    states = model.base_model(input_ids=torch.tensor(rows)[:, :-1], use_cache=False).last_hidden_state[0]
    logits = model.get_output_embeddings()(states) / 0.8
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor(rows[0][1:]), reduction="none")
    log_probs = target_log_probs(model, rows, [1], 0.8)
    assert torch.equal(log_probs, -loss)
    first, second = gradients(model, loss.sum()), gradients(model, -log_probs.sum())
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_the_entropy_of_a_distribution():
    # 1/2, 1/4, 1/4: 1.5 bits. A uniform one over 4: 2 bits.
    values = token_entropies(torch.tensor([[0.5, 0.25, 0.25, 1e-30], [0.25, 0.25, 0.25, 0.25]]).log())
    assert (values / torch.tensor(2.0).log()).tolist() == pytest.approx([1.5, 2.0])


@pytest.mark.parametrize("batch_rows", [1, 2, 128])
def test_candidates_for_the_next_token_are_scored_after_each_context(batch_rows):
    model, _ = stages.taught()
    contexts, candidates = [[5, 6, 7, 8], [9], [11, 12]], [[1, 20], [], [30, 31, 32]]
    found = next_token_log_probs(model, contexts, candidates, batch_rows)
    for context, tokens, values in zip(contexts, candidates, found, strict=True):
        log_probs = model(input_ids=torch.tensor([context])).logits[0, -1].log_softmax(-1)
        assert values == pytest.approx(log_probs[tokens].tolist(), abs=1e-5)
    assert next_token_log_probs(model, [], []) == []
