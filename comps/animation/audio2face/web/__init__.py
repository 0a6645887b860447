"""Audio2Face for people without gRPC: files over HTTP, frames over a WebSocket."""
