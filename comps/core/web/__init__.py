"""Parts of the application factory: middleware, probes, metrics and error handlers."""
