"""Time series: order, gaps, covariates, windows, forecasts."""
