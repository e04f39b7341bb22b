"""Reinforcement learning: PPO and GRPO."""
