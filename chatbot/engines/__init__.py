"""Who runs the network: TensorFlow by either engine, or onnxruntime."""
