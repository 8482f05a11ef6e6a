"""The learning reranker over gRPC: `rerankd.training.v1alpha.TrainingService` and its operations."""

from __future__ import annotations

from collections.abc import Sequence

import grpc.aio
from google.longrunning.operations_pb2_grpc import add_OperationsServicer_to_server

from rerankd.grpc_api.training.operations import Operations
from rerankd.grpc_api.training.service import SERVICE, TrainingService
from rerankd.training.service import Learning
from rerankd.training.v1alpha.training_service_pb2_grpc import add_TrainingServiceServicer_to_server

__all__ = ["SERVICE", "add_training"]


def add_training(server: grpc.aio.Server, learning: Learning) -> Sequence[str]:
    """Serves the learning reranker; gives the full names of its services."""
    add_TrainingServiceServicer_to_server(TrainingService(learning), server)
    add_OperationsServicer_to_server(Operations(learning), server)
    return (SERVICE, "google.longrunning.Operations")
