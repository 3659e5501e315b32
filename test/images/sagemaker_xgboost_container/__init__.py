"""Stands for the package of this name in AWS's image, which no registry has: how it calls its toolkit, in few lines.

github.com/aws/sagemaker-xgboost-container, `training.py` and `serving.py`, is what it follows.
"""
