"""The worker's process: Azure's own worker library, handed its messages one JSON line at a time.

It stands where Azure's worker process stands. That one reads gRPC messages, wraps each as a request with the message
classes beside it, and awaits five functions of `azure-functions-runtime`; here the messages are lines on stdin and
stdout, and the message classes are plain ones, since the library only calls constructors and reads fields.
It knows nothing of this project: the first folder on the command line could hold any function app, and those after it
are searched for packages.
"""

from __future__ import annotations

import asyncio
import base64
import importlib
import json
import os
import sys
import traceback
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

type Json = dict[str, Any]

LONGEST_LINE = 256 * 1024 * 1024  # bytes; the largest body that the host lets through, in base64


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


async def index(script_root: str) -> Json:
    """What the app in `script_root` declares: `name`, `id` and the parsed `bindings` of each function.

    Beside them the `capabilities` by which the worker tells the host how it wants to be spoken to.
    """
    importlib.import_module("azure_functions_runtime").start_threadpool_executor()
    started = await ask("worker_init_request", capabilities={}, function_app_directory=script_root)
    metadata = await ask("functions_metadata_request", function_app_directory=script_root)
    functions = metadata.function_metadata_results or []
    for function in functions:
        await ask("function_load_request", function_id=function.function_id, metadata=function)
    told = [
        {"name": f.name, "id": f.function_id, "bindings": [json.loads(raw) for raw in f.raw_bindings]}
        for f in functions
    ]
    return {"functions": told, "capabilities": started.capabilities}


async def invoke(call: Json) -> Json:
    """The function's HTTP answer to `call`: `status`, `headers` and `body` (base64); nothing when a timer has called."""
    if "timer" in call:
        await run(call, Message(json=call["timer"]))
        return {}
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
    response = (await run(call, Message(http=http))).return_value.http
    return {
        "status": int(response.status_code),
        "headers": response.headers,
        "body": base64.b64encode(response.body.bytes).decode(),
    }


async def run(call: Json, data: Message) -> Any:
    """The library's answer to one invocation, whose trigger has brought `data`."""
    return await ask(
        "invocation_request",
        invocation_id=str(uuid.uuid4()),
        function_id=call["id"],
        input_data=[Message(name=call["parameter"], data=data)],
        trigger_metadata={},
        # The host's own span comes between; it has the trace of the client's.
        trace_context=Message(
            trace_parent=call.get("headers", {}).get("traceparent", ""), trace_state="", attributes={}
        ),
        retry_context=Message(retry_count=0, max_retry_count=0, exception=None),
    )


async def serve(script_root: str, channel: BinaryIO) -> None:
    """Index, then answer calls until stdin ends, which it also does when the parent dies.

    As in Azure's worker, each call is a task of the one loop: calls overlap, and answers come as they are ready.
    """

    def tell(message: Json) -> None:
        channel.write(json.dumps(message).encode() + b"\n")
        channel.flush()

    async def answer(call: Json) -> None:
        try:
            told = await invoke(call)
        except Exception as failure:  # noqa: BLE001  whatever it is, the other side waits for it
            told = {"failure": str(failure) if isinstance(failure, Failed) else traceback.format_exc()}
        tell({"call": call["call"], **told})

    try:
        tell(await index(script_root))
    except Failed as failure:
        tell({"failure": str(failure)})
        return
    calls = asyncio.StreamReader(limit=LONGEST_LINE)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(calls), sys.stdin)
    tasks = set()
    while line := await calls.readline():
        task = asyncio.create_task(answer(json.loads(line)))
        tasks.add(task)  # the loop itself holds tasks weakly
        task.add_done_callback(tasks.discard)


if __name__ == "__main__":
    root, *packages = (str(Path(folder).resolve()) for folder in sys.argv[1:])
    # The app may print: the channel keeps the real stdout, and everything else goes to stderr.
    lines = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    os.chdir(root)
    sys.path[:0] = [root, *packages]
    asyncio.run(serve(root, lines))
