"""Training on preference pairs: DPO and reward models."""
