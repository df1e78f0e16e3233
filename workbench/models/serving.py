"""How fast a replica serves: the step of its batch, the reading of prompts, and what memory holds.

Formulas only, as in cost.py. `batch` is the number of requests that a replica works on at once, and all of them go at
the pace of the batch. Constants are rows of datasets/parameters.csv, model `serving`, subject
`GPU/model/tensor parallel`, fitted by scripts/calibrate_serving.py; figures of a model are under its name, and what
the server sets under `vllm`.
"""

import numpy as np

from workbench.units import (  # isort: skip
    Count, Gb, GbPerGpu, GbPerToken, Gpus, PerSecond, Seconds, SecondsPerToken, SecondsPerTokenPerToken, Share, Tokens,
    TokensPerGpuSecond, TokensPerSecond,
)  # fmt: skip

# --- the pace of one request among `batch`


def context_tokens(prompt_tokens: Tokens, answer_tokens: Tokens) -> Tokens:
    """Tokens that a request looks back on, on average over its answer."""
    return prompt_tokens + answer_tokens / 2


def step_s(
    t0: SecondsPerToken, t_b: SecondsPerToken, t_bk: SecondsPerTokenPerToken, batch: Count, context_tokens: Tokens
) -> SecondsPerToken:
    """One step of the batch, a token for each request: the weights are read once, each request's context as well."""
    return t0 + batch * (t_b + t_bk * context_tokens)


def prefill_s(prefill_fixed: Seconds, prefill_per_token: SecondsPerToken, prompt_tokens: Tokens) -> Seconds:
    """To read a prompt and give the first token, with few others about; a fitted line may start below 0."""
    return np.maximum(prefill_fixed + prefill_per_token * prompt_tokens, 0)


def stall_s(prefill_s: Seconds, prefill_stall_share: Share, batch: Count, answer_tokens: Tokens) -> SecondsPerToken:
    """How long a token waits for the prompts of others: in a full batch each of them reads one in an answer's time."""
    return prefill_stall_share * prefill_s * (batch - 1) / answer_tokens


def token_s(step_s: SecondsPerToken, stall_s: SecondsPerToken) -> SecondsPerToken:
    """Time between two tokens of a request."""
    return step_s + stall_s


def ttft_s(prefill_s: Seconds, prefill_queue_share: Share, batch: Count) -> Seconds:
    """Time to the first token while the replica has room: prompts of others are in the way, more with more of them."""
    return prefill_s * (1 + prefill_queue_share * (batch - 1))


def request_s(ttft_s: Seconds, token_s: SecondsPerToken, answer_tokens: Tokens, first_tokens: Tokens) -> Seconds:
    """From arrival to the last token; `first_tokens` is the one token that comes with the prefill."""
    return ttft_s + (answer_tokens - first_tokens) * token_s


# --- what a replica delivers


def requests_per_s(batch: Count, request_s: Seconds) -> PerSecond:
    """Requests that a replica with a full batch completes (Little's law in a closed loop)."""
    return batch / request_s


def replica_tokens_per_s(requests_per_s: PerSecond, answer_tokens: Tokens) -> TokensPerSecond:
    """Tokens of answers: concurrency x answer / (time to first token + the rest of the answer). The naive concurrency
    over time per token forgets the first and tells several times too much where requests queue."""
    return requests_per_s * answer_tokens


def gpu_tokens_per_s(replica_tokens_per_s: TokensPerSecond, gpus: Gpus) -> TokensPerGpuSecond:
    """The same for each accelerator of the replica."""
    return replica_tokens_per_s / gpus


# --- what memory holds


def kv_memory_gb(gpu_memory_gb: GbPerGpu, gpus: Gpus, usable_memory_share: Share, weights_gb: Gb) -> Gb:
    """Memory for contexts: what the server takes of the accelerators, less the weights; 0 where they do not fit.

    Work space (a few GB an accelerator) comes out of it as well: the server reports somewhat less.
    """
    return np.maximum(gpu_memory_gb * gpus * usable_memory_share - weights_gb, 0)


def longest_tokens(prompt_tokens: Tokens, answer_tokens: Tokens) -> Tokens:
    """Context of a request at its end."""
    return prompt_tokens + answer_tokens


def max_batch(kv_memory_gb: Gb, kv_gb_per_token: GbPerToken, longest_tokens: Tokens, max_num_seqs: Count) -> Count:
    """Whole requests at once that memory holds to their end, and that the server admits."""
    return np.floor(np.minimum(kv_memory_gb / (kv_gb_per_token * longest_tokens), max_num_seqs))
