"""Losses on the latents of seed pairs."""

from pyg_ibmea.nn.loss.hybrid_contrastive_loss import HybridContrastiveLoss

__all__ = ["HybridContrastiveLoss"]
