"""X-ARES (Zhang et al. 2025, arXiv 2505.16369): its tasks, its heads, its defects, and the real package."""
