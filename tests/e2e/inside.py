"""A client inside the cluster, run in a pod with the release's own image: V1, V2 and gRPC.

Arguments: HTTP address, gRPC address, token, the model's name, a request. It prints the response by each protocol.
"""

import json
import sys
import time

import grpc
import httpx2
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc import grpc_predict_v2_pb2_grpc as stubs

PATIENCE = 600  # seconds
ATTEMPTS = 100


def main(http: str, at: str, token: str, model: str, body: str) -> None:
    """Send the request by each protocol."""
    request = json.loads(body)
    v1 = _post(f"{http}/v1/models/{model}:predict", {"instances": [request]}, token)["predictions"][0]
    tensor = {"name": "request", "shape": [1], "datatype": "BYTES", "data": [body]}
    v2 = _post(f"{http}/v2/models/{model}/infer", {"inputs": [tensor]}, token)
    with grpc.insecure_channel(at) as channel:
        stub = stubs.GRPCInferenceServiceStub(channel)
        asked = pb.ModelInferRequest(
            model_name=model,
            inputs=[
                pb.ModelInferRequest.InferInputTensor(
                    name="request",
                    datatype="BYTES",
                    shape=[1],
                    contents=pb.InferTensorContents(bytes_contents=[body.encode()]),
                )
            ],
        )
        answered = stub.ModelInfer(asked, metadata=(("authorization", f"Bearer {token}"),), timeout=PATIENCE)
        refused = ""
        try:
            stub.ModelInfer(asked, timeout=PATIENCE)
        except grpc.RpcError as error:
            refused = error.code().name
    sys.stdout.write(
        json.dumps(
            {
                "v1": v1["probability"],
                "v2": _probability({each["name"]: each for each in v2["outputs"]}["probability"]["data"]),
                "grpc": _probability(
                    next(each for each in answered.outputs if each.name == "probability").contents.fp64_contents
                ),
                "decisions": [v1["decision_id"]],
                "without a token": refused,
            }
        )
    )


def _probability(values) -> float:
    (value,) = values
    return value


def _post(url: str, document: dict, token: str) -> dict:
    for _ in range(ATTEMPTS):
        response = httpx2.post(url, json=document, headers={"authorization": f"Bearer {token}"}, timeout=PATIENCE)
        if response.status_code != 503 or "retry-after" not in response.headers:
            break
        time.sleep(float(response.headers["retry-after"]))
    response.raise_for_status()
    return response.json()


if __name__ == "__main__":
    main(*sys.argv[1:])
