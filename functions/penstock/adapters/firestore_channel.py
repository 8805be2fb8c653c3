"""The gRPC channel to Firestore or its emulator, and the four RPCs that the store is made of."""

from __future__ import annotations

from typing import Any

import google.auth
import google.auth.exceptions
import grpc
from google.api_core import grpc_helpers
from grpc.experimental import ChannelOptions

from penstock.adapters import firestore_proto as proto
from penstock.core.errors import PenstockError

HOST = "firestore.googleapis.com:443"
SCOPES = ("https://www.googleapis.com/auth/datastore",)
OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.enable_retries", 0),  # a commit that gRPC sends again by itself could lose a race against itself
    (ChannelOptions.SingleThreadedUnaryStream, 1),  # the reader drives its stream: three times the documents a second
)
_SERVICE = "/google.firestore.v1.Firestore/"


class Rpcs:
    """The four RPCs on one channel, and the metadata that credentials need on the emulator."""

    def __init__(self, emulator_host: str | None) -> None:
        self.credentials: tuple[tuple[str, str], ...] = ()
        if emulator_host is not None:
            self.channel = grpc.insecure_channel(emulator_host, options=OPTIONS)
            self.credentials = (("authorization", "Bearer owner"),)  # the emulator's administrator
        else:
            self.channel = _production_channel()
        self.run_query = self._stream("RunQuery", proto.RunQueryRequest, proto.RunQueryResponse)
        self.run_aggregation = self._stream(
            "RunAggregationQuery", proto.RunAggregationQueryRequest, proto.RunAggregationQueryResponse
        )
        self.batch_get = self._stream("BatchGetDocuments", proto.BatchGetDocumentsRequest, proto.BatchGetDocumentsResponse)
        self.commit: Any = self.channel.unary_unary(
            _SERVICE + "Commit",
            request_serializer=None,  # the request is bytes already
            response_deserializer=proto.CommitResponse.FromString,
        )

    def _stream(self, name: str, request: Any, response: Any) -> Any:
        return self.channel.unary_stream(
            _SERVICE + name, request_serializer=request.SerializeToString, response_deserializer=response.FromString
        )


def _production_channel() -> grpc.Channel:
    try:
        credentials, _ = google.auth.default(scopes=SCOPES)
    except google.auth.exceptions.DefaultCredentialsError as error:
        raise PenstockError(
            "no Google credentials were found", remedy="Run `gcloud auth application-default login`, or use the emulator."
        ) from error
    channel: grpc.Channel = grpc_helpers.create_channel(HOST, credentials=credentials, scopes=SCOPES, options=OPTIONS)
    return channel
