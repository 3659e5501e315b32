"""One request as a worker of the multi-model server gets it: `multi_model.py BODY MODEL` prints status and answer.

The worker's Transformer is the toolkit's own; the server around it is Java. Run in a container whose model is unpacked.
"""

from __future__ import annotations

import json
import sys

from sagemaker_inference.default_inference_handler import DefaultInferenceHandler
from sagemaker_inference.transformer import Transformer


class Context:
    """What the server hands to a worker: the request's headers, and where the worker puts its status."""

    def __init__(self):
        self.status = 200
        self.system_properties = {"model_dir": sys.argv[2]}
        self.request_processor = [self]

    def get_request_properties(self) -> dict:
        return {"Content-Type": "application/json", "Accept": "application/json"}

    def set_response_status(self, code: int, phrase: str = "", idx: int = 0) -> None:
        self.status = code

    def set_response_content_type(self, idx: int, value: str) -> None:
        pass


context = Context()
(answer,) = Transformer(DefaultInferenceHandler()).transform([{"body": sys.argv[1].encode()}], context)
print(json.dumps({"status": context.status, "answer": answer}))
