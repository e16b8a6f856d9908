"""Analysis: numpy in, few numbers out. Knows neither models nor gradients."""
