"""The image's `serve` command and the WSGI application behind it, for an endpoint with one model.

With several models the image starts the multi-model server instead, whose workers use `sagemaker_inference`.
"""

import importlib
import os

# The image's module has it, whichever server it starts.
import sagemaker_inference.transformer  # noqa: F401
from sagemaker_containers.beta.framework import env, server, transformer, worker

_application = None


def main(environ, start_response):
    """Each gunicorn worker loads the model at its first request."""
    global _application
    if _application is None:
        name = env.ServingEnv().module_name
        user = importlib.import_module(name)
        model = transformer.Transformer(model_fn=user.model_fn, transform_fn=user.transform_fn)
        model.initialize()
        _application = worker.Worker(transform_fn=model.transform, module_name=name)
    return _application(environ, start_response)


def serving_entrypoint() -> None:
    """`serve`: installs the model's code with pip, imports it, starts gunicorn."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    server.start(env.ServingEnv().framework_module)
