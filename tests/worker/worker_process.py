"""The worker's process: Azure's own worker library, handed its messages one JSON line at a time.

It stands where Azure's worker process stands. That one reads gRPC messages, wraps each as a request with the message
classes beside it, and awaits five functions of `azure-functions-runtime`; here the messages are lines on stdin and
stdout, and the message classes are plain ones, since the library only calls constructors and reads fields.
It knows nothing of this project: the folder on the command line could hold any function app.
"""

from __future__ import annotations

import asyncio
import base64
import importlib
import json
import os
import sys
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

type Json = dict[str, Any]


class Message(SimpleNamespace):
    """A protobuf message as far as the library looks at one: its fields, and which of a group is set."""

    def WhichOneof(self, group: str) -> str | None:  # noqa: N802  protobuf's own spelling
        chosen = (name for name in vars(self) if not (group == "rpc_data" and name == "name"))
        return next(chosen, None)


class StatusResult(Message):
    Failure, Success = 0, 1


class BindingInfo(Message):
    undefined = 0  # data type
    out, inout = 1, 2  # directions


# Named one by one: a message that a later library asks for and we don't know is an AttributeError that names it.
protos = SimpleNamespace(
    BindingInfo=BindingInfo,
    FunctionLoadResponse=Message,
    FunctionMetadataResponse=Message,
    InvocationResponse=Message,
    ParameterBinding=Message,
    RpcException=Message,
    RpcFunctionMetadata=Message,
    RpcHttp=Message,
    RpcRetryOptions=Message,
    StatusResult=StatusResult,
    TypedData=Message,
    WorkerInitResponse=Message,
    WorkerMetadata=Message,
)


class Failed(Exception):
    """The library answered with a failure: its exception's text and trace."""


async def ask(name: str, **fields: Any) -> Any:
    """The library's answer to the message `name`; Failed when its result says so."""
    request = SimpleNamespace(
        name=name,
        request=SimpleNamespace(**{name: Message(**fields)}),
        properties={"protos": protos, "host": "127.0.0.1"},
    )
    answer = await getattr(importlib.import_module("azure_functions_runtime"), name)(request)
    if answer.result.status != StatusResult.Success:
        exception = answer.result.exception
        raise Failed(f"{exception.message}\n{exception.stack_trace}")
    return answer


async def index(script_root: str) -> list[Json]:
    """What the app in `script_root` declares: `name`, `id` and the parsed `bindings` of each function."""
    importlib.import_module("azure_functions_runtime").start_threadpool_executor()
    await ask("worker_init_request", capabilities={}, function_app_directory=script_root)
    metadata = await ask("functions_metadata_request", function_app_directory=script_root)
    functions = metadata.function_metadata_results or []
    for function in functions:
        await ask("function_load_request", function_id=function.function_id, metadata=function)
    return [
        {"name": f.name, "id": f.function_id, "bindings": [json.loads(raw) for raw in f.raw_bindings]}
        for f in functions
    ]


async def invoke(call: Json) -> Json:
    """The function's HTTP answer to `call`: `status`, `headers` and `body` (base64)."""
    body = base64.b64decode(call["body"])
    http = Message(
        method=call["method"],
        url=call["url"],
        headers=call["headers"],
        params=call["params"],
        query=call["query"],
        # The library asks for raw bytes (capability RawHttpBodyBytes), and the host leaves an empty body out.
        body=Message(bytes=body) if body else Message(),
    )
    answer = await ask(
        "invocation_request",
        invocation_id=str(uuid.uuid4()),
        function_id=call["id"],
        input_data=[Message(name=call["parameter"], data=Message(http=http))],
        trigger_metadata={},
        trace_context=Message(trace_parent="", trace_state="", attributes={}),
        retry_context=Message(retry_count=0, max_retry_count=0, exception=None),
    )
    response = answer.return_value.http
    return {
        "status": int(response.status_code),
        "headers": response.headers,
        "body": base64.b64encode(response.body.bytes).decode(),
    }


async def serve(script_root: str, channel: BinaryIO) -> None:
    """Index, then answer calls until stdin ends, which it also does when the parent dies."""

    def tell(message: Json) -> None:
        channel.write(json.dumps(message).encode() + b"\n")
        channel.flush()

    try:
        tell({"functions": await index(script_root)})
        while line := await asyncio.to_thread(sys.stdin.buffer.readline):
            try:
                tell(await invoke(json.loads(line)))
            except Failed as failure:
                tell({"failure": str(failure)})
    except Failed as failure:
        tell({"failure": str(failure)})


if __name__ == "__main__":
    root = str(Path(sys.argv[1]).resolve())
    # The app may print: the channel keeps the real stdout, and everything else goes to stderr.
    lines = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    os.chdir(root)
    sys.path.insert(0, root)
    asyncio.run(serve(root, lines))
