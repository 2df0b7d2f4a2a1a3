"""Modality-grounded reasoning distillation (Step-Audio-R1, arXiv 2511.15848) on nano.

    notes, filters, rewards, surrogate, cognition    what is thought, and what is worth learning: pure
    questions      spoken and typed questions, with what the adaptor sees of them
    sampler, vllm_sampler    chains of the current model, in plain PyTorch and in stock vLLM
    policy, losses           the weights that are trained, and by what
    stages, __main__         cold start, rounds, self-cognition; resumable

Knows nothing of how nano was made before.
"""
