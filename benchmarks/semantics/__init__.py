"""The page of what tokens and latents mean: tables and plots of `codec probe`, beside published figures."""
