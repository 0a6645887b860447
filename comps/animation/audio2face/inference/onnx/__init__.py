"""NVIDIA's published networks through ONNX Runtime: Audio2Face-3D, regression and diffusion, and Audio2Emotion."""

from comps.animation.audio2face.inference.onnx.loading import load_emotions, load_face

__all__ = ["load_emotions", "load_face"]
