"""What was learned goes in and out: from scikit-learn, to scikit-learn, to ONNX.

Attributes are read and arrays are copied; nothing that comes in is called, unpickled or run.
"""
