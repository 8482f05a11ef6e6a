package io.rerankd.training.v1alpha;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * TrainingService takes feedback in, mines training groups from it, fine-tunes a cross-encoder, judges it, and
 * lets it serve as the model `learning/&lt;corpus&gt;` if it is proven to be better.
 * Calls that change something, and Evaluate, need `authorization: Bearer &lt;token&gt;`: a key of the scope `learning`
 * where the server has keys, else its admin token. The others need such a key where the server has keys. A corpus is named by an id that matches `[a-z0-9][a-z0-9._-]{0,63}`.
 * Common errors of all methods: NOT_FOUND with reason CORPUS_NOT_FOUND or RUN_NOT_FOUND; INVALID_ARGUMENT,
 * naming the field; UNAUTHENTICATED or PERMISSION_DENIED for a missing, wrong or insufficient token.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class TrainingServiceGrpc {

  private TrainingServiceGrpc() {}

  public static final java.lang.String SERVICE_NAME = "rerankd.training.v1alpha.TrainingService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.RecordFeedbackRequest,
      io.rerankd.training.v1alpha.RecordFeedbackResponse> getRecordFeedbackMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "RecordFeedback",
      requestType = io.rerankd.training.v1alpha.RecordFeedbackRequest.class,
      responseType = io.rerankd.training.v1alpha.RecordFeedbackResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.RecordFeedbackRequest,
      io.rerankd.training.v1alpha.RecordFeedbackResponse> getRecordFeedbackMethod() {
    io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.RecordFeedbackRequest, io.rerankd.training.v1alpha.RecordFeedbackResponse> getRecordFeedbackMethod;
    if ((getRecordFeedbackMethod = TrainingServiceGrpc.getRecordFeedbackMethod) == null) {
      synchronized (TrainingServiceGrpc.class) {
        if ((getRecordFeedbackMethod = TrainingServiceGrpc.getRecordFeedbackMethod) == null) {
          TrainingServiceGrpc.getRecordFeedbackMethod = getRecordFeedbackMethod =
              io.grpc.MethodDescriptor.<io.rerankd.training.v1alpha.RecordFeedbackRequest, io.rerankd.training.v1alpha.RecordFeedbackResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "RecordFeedback"))
              .setIdempotent(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.training.v1alpha.RecordFeedbackRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.training.v1alpha.RecordFeedbackResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TrainingServiceMethodDescriptorSupplier("RecordFeedback"))
              .build();
        }
      }
    }
    return getRecordFeedbackMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.PurgeFeedbackRequest,
      io.rerankd.training.v1alpha.PurgeFeedbackResponse> getPurgeFeedbackMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "PurgeFeedback",
      requestType = io.rerankd.training.v1alpha.PurgeFeedbackRequest.class,
      responseType = io.rerankd.training.v1alpha.PurgeFeedbackResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.PurgeFeedbackRequest,
      io.rerankd.training.v1alpha.PurgeFeedbackResponse> getPurgeFeedbackMethod() {
    io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.PurgeFeedbackRequest, io.rerankd.training.v1alpha.PurgeFeedbackResponse> getPurgeFeedbackMethod;
    if ((getPurgeFeedbackMethod = TrainingServiceGrpc.getPurgeFeedbackMethod) == null) {
      synchronized (TrainingServiceGrpc.class) {
        if ((getPurgeFeedbackMethod = TrainingServiceGrpc.getPurgeFeedbackMethod) == null) {
          TrainingServiceGrpc.getPurgeFeedbackMethod = getPurgeFeedbackMethod =
              io.grpc.MethodDescriptor.<io.rerankd.training.v1alpha.PurgeFeedbackRequest, io.rerankd.training.v1alpha.PurgeFeedbackResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "PurgeFeedback"))
              .setIdempotent(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.training.v1alpha.PurgeFeedbackRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.training.v1alpha.PurgeFeedbackResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TrainingServiceMethodDescriptorSupplier("PurgeFeedback"))
              .build();
        }
      }
    }
    return getPurgeFeedbackMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.ImportCorpusRequest,
      io.rerankd.training.v1alpha.ImportCorpusResponse> getImportCorpusMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ImportCorpus",
      requestType = io.rerankd.training.v1alpha.ImportCorpusRequest.class,
      responseType = io.rerankd.training.v1alpha.ImportCorpusResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.CLIENT_STREAMING)
  public static io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.ImportCorpusRequest,
      io.rerankd.training.v1alpha.ImportCorpusResponse> getImportCorpusMethod() {
    io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.ImportCorpusRequest, io.rerankd.training.v1alpha.ImportCorpusResponse> getImportCorpusMethod;
    if ((getImportCorpusMethod = TrainingServiceGrpc.getImportCorpusMethod) == null) {
      synchronized (TrainingServiceGrpc.class) {
        if ((getImportCorpusMethod = TrainingServiceGrpc.getImportCorpusMethod) == null) {
          TrainingServiceGrpc.getImportCorpusMethod = getImportCorpusMethod =
              io.grpc.MethodDescriptor.<io.rerankd.training.v1alpha.ImportCorpusRequest, io.rerankd.training.v1alpha.ImportCorpusResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.CLIENT_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ImportCorpus"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.training.v1alpha.ImportCorpusRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.training.v1alpha.ImportCorpusResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TrainingServiceMethodDescriptorSupplier("ImportCorpus"))
              .build();
        }
      }
    }
    return getImportCorpusMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.CreateCorpusFromFeedbackRequest,
      io.rerankd.training.v1alpha.CreateCorpusFromFeedbackResponse> getCreateCorpusFromFeedbackMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "CreateCorpusFromFeedback",
      requestType = io.rerankd.training.v1alpha.CreateCorpusFromFeedbackRequest.class,
      responseType = io.rerankd.training.v1alpha.CreateCorpusFromFeedbackResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.CreateCorpusFromFeedbackRequest,
      io.rerankd.training.v1alpha.CreateCorpusFromFeedbackResponse> getCreateCorpusFromFeedbackMethod() {
    io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.CreateCorpusFromFeedbackRequest, io.rerankd.training.v1alpha.CreateCorpusFromFeedbackResponse> getCreateCorpusFromFeedbackMethod;
    if ((getCreateCorpusFromFeedbackMethod = TrainingServiceGrpc.getCreateCorpusFromFeedbackMethod) == null) {
      synchronized (TrainingServiceGrpc.class) {
        if ((getCreateCorpusFromFeedbackMethod = TrainingServiceGrpc.getCreateCorpusFromFeedbackMethod) == null) {
          TrainingServiceGrpc.getCreateCorpusFromFeedbackMethod = getCreateCorpusFromFeedbackMethod =
              io.grpc.MethodDescriptor.<io.rerankd.training.v1alpha.CreateCorpusFromFeedbackRequest, io.rerankd.training.v1alpha.CreateCorpusFromFeedbackResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "CreateCorpusFromFeedback"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.training.v1alpha.CreateCorpusFromFeedbackRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.training.v1alpha.CreateCorpusFromFeedbackResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TrainingServiceMethodDescriptorSupplier("CreateCorpusFromFeedback"))
              .build();
        }
      }
    }
    return getCreateCorpusFromFeedbackMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.ListCorporaRequest,
      io.rerankd.training.v1alpha.ListCorporaResponse> getListCorporaMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListCorpora",
      requestType = io.rerankd.training.v1alpha.ListCorporaRequest.class,
      responseType = io.rerankd.training.v1alpha.ListCorporaResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.ListCorporaRequest,
      io.rerankd.training.v1alpha.ListCorporaResponse> getListCorporaMethod() {
    io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.ListCorporaRequest, io.rerankd.training.v1alpha.ListCorporaResponse> getListCorporaMethod;
    if ((getListCorporaMethod = TrainingServiceGrpc.getListCorporaMethod) == null) {
      synchronized (TrainingServiceGrpc.class) {
        if ((getListCorporaMethod = TrainingServiceGrpc.getListCorporaMethod) == null) {
          TrainingServiceGrpc.getListCorporaMethod = getListCorporaMethod =
              io.grpc.MethodDescriptor.<io.rerankd.training.v1alpha.ListCorporaRequest, io.rerankd.training.v1alpha.ListCorporaResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListCorpora"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.training.v1alpha.ListCorporaRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.training.v1alpha.ListCorporaResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TrainingServiceMethodDescriptorSupplier("ListCorpora"))
              .build();
        }
      }
    }
    return getListCorporaMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.DeleteCorpusRequest,
      io.rerankd.training.v1alpha.DeleteCorpusResponse> getDeleteCorpusMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "DeleteCorpus",
      requestType = io.rerankd.training.v1alpha.DeleteCorpusRequest.class,
      responseType = io.rerankd.training.v1alpha.DeleteCorpusResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.DeleteCorpusRequest,
      io.rerankd.training.v1alpha.DeleteCorpusResponse> getDeleteCorpusMethod() {
    io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.DeleteCorpusRequest, io.rerankd.training.v1alpha.DeleteCorpusResponse> getDeleteCorpusMethod;
    if ((getDeleteCorpusMethod = TrainingServiceGrpc.getDeleteCorpusMethod) == null) {
      synchronized (TrainingServiceGrpc.class) {
        if ((getDeleteCorpusMethod = TrainingServiceGrpc.getDeleteCorpusMethod) == null) {
          TrainingServiceGrpc.getDeleteCorpusMethod = getDeleteCorpusMethod =
              io.grpc.MethodDescriptor.<io.rerankd.training.v1alpha.DeleteCorpusRequest, io.rerankd.training.v1alpha.DeleteCorpusResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "DeleteCorpus"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.training.v1alpha.DeleteCorpusRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.training.v1alpha.DeleteCorpusResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TrainingServiceMethodDescriptorSupplier("DeleteCorpus"))
              .build();
        }
      }
    }
    return getDeleteCorpusMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.MineTripletsRequest,
      io.rerankd.training.v1alpha.MineTripletsResponse> getMineTripletsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "MineTriplets",
      requestType = io.rerankd.training.v1alpha.MineTripletsRequest.class,
      responseType = io.rerankd.training.v1alpha.MineTripletsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.MineTripletsRequest,
      io.rerankd.training.v1alpha.MineTripletsResponse> getMineTripletsMethod() {
    io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.MineTripletsRequest, io.rerankd.training.v1alpha.MineTripletsResponse> getMineTripletsMethod;
    if ((getMineTripletsMethod = TrainingServiceGrpc.getMineTripletsMethod) == null) {
      synchronized (TrainingServiceGrpc.class) {
        if ((getMineTripletsMethod = TrainingServiceGrpc.getMineTripletsMethod) == null) {
          TrainingServiceGrpc.getMineTripletsMethod = getMineTripletsMethod =
              io.grpc.MethodDescriptor.<io.rerankd.training.v1alpha.MineTripletsRequest, io.rerankd.training.v1alpha.MineTripletsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "MineTriplets"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.training.v1alpha.MineTripletsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.training.v1alpha.MineTripletsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TrainingServiceMethodDescriptorSupplier("MineTriplets"))
              .build();
        }
      }
    }
    return getMineTripletsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.CreateTrainingRunRequest,
      com.google.longrunning.Operation> getCreateTrainingRunMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "CreateTrainingRun",
      requestType = io.rerankd.training.v1alpha.CreateTrainingRunRequest.class,
      responseType = com.google.longrunning.Operation.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.CreateTrainingRunRequest,
      com.google.longrunning.Operation> getCreateTrainingRunMethod() {
    io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.CreateTrainingRunRequest, com.google.longrunning.Operation> getCreateTrainingRunMethod;
    if ((getCreateTrainingRunMethod = TrainingServiceGrpc.getCreateTrainingRunMethod) == null) {
      synchronized (TrainingServiceGrpc.class) {
        if ((getCreateTrainingRunMethod = TrainingServiceGrpc.getCreateTrainingRunMethod) == null) {
          TrainingServiceGrpc.getCreateTrainingRunMethod = getCreateTrainingRunMethod =
              io.grpc.MethodDescriptor.<io.rerankd.training.v1alpha.CreateTrainingRunRequest, com.google.longrunning.Operation>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "CreateTrainingRun"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.training.v1alpha.CreateTrainingRunRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.google.longrunning.Operation.getDefaultInstance()))
              .setSchemaDescriptor(new TrainingServiceMethodDescriptorSupplier("CreateTrainingRun"))
              .build();
        }
      }
    }
    return getCreateTrainingRunMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.GetTrainingRunRequest,
      io.rerankd.training.v1alpha.GetTrainingRunResponse> getGetTrainingRunMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetTrainingRun",
      requestType = io.rerankd.training.v1alpha.GetTrainingRunRequest.class,
      responseType = io.rerankd.training.v1alpha.GetTrainingRunResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.GetTrainingRunRequest,
      io.rerankd.training.v1alpha.GetTrainingRunResponse> getGetTrainingRunMethod() {
    io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.GetTrainingRunRequest, io.rerankd.training.v1alpha.GetTrainingRunResponse> getGetTrainingRunMethod;
    if ((getGetTrainingRunMethod = TrainingServiceGrpc.getGetTrainingRunMethod) == null) {
      synchronized (TrainingServiceGrpc.class) {
        if ((getGetTrainingRunMethod = TrainingServiceGrpc.getGetTrainingRunMethod) == null) {
          TrainingServiceGrpc.getGetTrainingRunMethod = getGetTrainingRunMethod =
              io.grpc.MethodDescriptor.<io.rerankd.training.v1alpha.GetTrainingRunRequest, io.rerankd.training.v1alpha.GetTrainingRunResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetTrainingRun"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.training.v1alpha.GetTrainingRunRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.training.v1alpha.GetTrainingRunResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TrainingServiceMethodDescriptorSupplier("GetTrainingRun"))
              .build();
        }
      }
    }
    return getGetTrainingRunMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.ListTrainingRunsRequest,
      io.rerankd.training.v1alpha.ListTrainingRunsResponse> getListTrainingRunsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListTrainingRuns",
      requestType = io.rerankd.training.v1alpha.ListTrainingRunsRequest.class,
      responseType = io.rerankd.training.v1alpha.ListTrainingRunsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.ListTrainingRunsRequest,
      io.rerankd.training.v1alpha.ListTrainingRunsResponse> getListTrainingRunsMethod() {
    io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.ListTrainingRunsRequest, io.rerankd.training.v1alpha.ListTrainingRunsResponse> getListTrainingRunsMethod;
    if ((getListTrainingRunsMethod = TrainingServiceGrpc.getListTrainingRunsMethod) == null) {
      synchronized (TrainingServiceGrpc.class) {
        if ((getListTrainingRunsMethod = TrainingServiceGrpc.getListTrainingRunsMethod) == null) {
          TrainingServiceGrpc.getListTrainingRunsMethod = getListTrainingRunsMethod =
              io.grpc.MethodDescriptor.<io.rerankd.training.v1alpha.ListTrainingRunsRequest, io.rerankd.training.v1alpha.ListTrainingRunsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListTrainingRuns"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.training.v1alpha.ListTrainingRunsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.training.v1alpha.ListTrainingRunsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TrainingServiceMethodDescriptorSupplier("ListTrainingRuns"))
              .build();
        }
      }
    }
    return getListTrainingRunsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.WatchTrainingRunRequest,
      io.rerankd.training.v1alpha.WatchTrainingRunResponse> getWatchTrainingRunMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "WatchTrainingRun",
      requestType = io.rerankd.training.v1alpha.WatchTrainingRunRequest.class,
      responseType = io.rerankd.training.v1alpha.WatchTrainingRunResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
  public static io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.WatchTrainingRunRequest,
      io.rerankd.training.v1alpha.WatchTrainingRunResponse> getWatchTrainingRunMethod() {
    io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.WatchTrainingRunRequest, io.rerankd.training.v1alpha.WatchTrainingRunResponse> getWatchTrainingRunMethod;
    if ((getWatchTrainingRunMethod = TrainingServiceGrpc.getWatchTrainingRunMethod) == null) {
      synchronized (TrainingServiceGrpc.class) {
        if ((getWatchTrainingRunMethod = TrainingServiceGrpc.getWatchTrainingRunMethod) == null) {
          TrainingServiceGrpc.getWatchTrainingRunMethod = getWatchTrainingRunMethod =
              io.grpc.MethodDescriptor.<io.rerankd.training.v1alpha.WatchTrainingRunRequest, io.rerankd.training.v1alpha.WatchTrainingRunResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "WatchTrainingRun"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.training.v1alpha.WatchTrainingRunRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.training.v1alpha.WatchTrainingRunResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TrainingServiceMethodDescriptorSupplier("WatchTrainingRun"))
              .build();
        }
      }
    }
    return getWatchTrainingRunMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.CompareTrainingRunsRequest,
      io.rerankd.training.v1alpha.CompareTrainingRunsResponse> getCompareTrainingRunsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "CompareTrainingRuns",
      requestType = io.rerankd.training.v1alpha.CompareTrainingRunsRequest.class,
      responseType = io.rerankd.training.v1alpha.CompareTrainingRunsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.CompareTrainingRunsRequest,
      io.rerankd.training.v1alpha.CompareTrainingRunsResponse> getCompareTrainingRunsMethod() {
    io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.CompareTrainingRunsRequest, io.rerankd.training.v1alpha.CompareTrainingRunsResponse> getCompareTrainingRunsMethod;
    if ((getCompareTrainingRunsMethod = TrainingServiceGrpc.getCompareTrainingRunsMethod) == null) {
      synchronized (TrainingServiceGrpc.class) {
        if ((getCompareTrainingRunsMethod = TrainingServiceGrpc.getCompareTrainingRunsMethod) == null) {
          TrainingServiceGrpc.getCompareTrainingRunsMethod = getCompareTrainingRunsMethod =
              io.grpc.MethodDescriptor.<io.rerankd.training.v1alpha.CompareTrainingRunsRequest, io.rerankd.training.v1alpha.CompareTrainingRunsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "CompareTrainingRuns"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.training.v1alpha.CompareTrainingRunsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.training.v1alpha.CompareTrainingRunsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TrainingServiceMethodDescriptorSupplier("CompareTrainingRuns"))
              .build();
        }
      }
    }
    return getCompareTrainingRunsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.CancelTrainingRunRequest,
      io.rerankd.training.v1alpha.CancelTrainingRunResponse> getCancelTrainingRunMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "CancelTrainingRun",
      requestType = io.rerankd.training.v1alpha.CancelTrainingRunRequest.class,
      responseType = io.rerankd.training.v1alpha.CancelTrainingRunResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.CancelTrainingRunRequest,
      io.rerankd.training.v1alpha.CancelTrainingRunResponse> getCancelTrainingRunMethod() {
    io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.CancelTrainingRunRequest, io.rerankd.training.v1alpha.CancelTrainingRunResponse> getCancelTrainingRunMethod;
    if ((getCancelTrainingRunMethod = TrainingServiceGrpc.getCancelTrainingRunMethod) == null) {
      synchronized (TrainingServiceGrpc.class) {
        if ((getCancelTrainingRunMethod = TrainingServiceGrpc.getCancelTrainingRunMethod) == null) {
          TrainingServiceGrpc.getCancelTrainingRunMethod = getCancelTrainingRunMethod =
              io.grpc.MethodDescriptor.<io.rerankd.training.v1alpha.CancelTrainingRunRequest, io.rerankd.training.v1alpha.CancelTrainingRunResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "CancelTrainingRun"))
              .setIdempotent(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.training.v1alpha.CancelTrainingRunRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.training.v1alpha.CancelTrainingRunResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TrainingServiceMethodDescriptorSupplier("CancelTrainingRun"))
              .build();
        }
      }
    }
    return getCancelTrainingRunMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.ResumeTrainingRunRequest,
      io.rerankd.training.v1alpha.ResumeTrainingRunResponse> getResumeTrainingRunMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ResumeTrainingRun",
      requestType = io.rerankd.training.v1alpha.ResumeTrainingRunRequest.class,
      responseType = io.rerankd.training.v1alpha.ResumeTrainingRunResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.ResumeTrainingRunRequest,
      io.rerankd.training.v1alpha.ResumeTrainingRunResponse> getResumeTrainingRunMethod() {
    io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.ResumeTrainingRunRequest, io.rerankd.training.v1alpha.ResumeTrainingRunResponse> getResumeTrainingRunMethod;
    if ((getResumeTrainingRunMethod = TrainingServiceGrpc.getResumeTrainingRunMethod) == null) {
      synchronized (TrainingServiceGrpc.class) {
        if ((getResumeTrainingRunMethod = TrainingServiceGrpc.getResumeTrainingRunMethod) == null) {
          TrainingServiceGrpc.getResumeTrainingRunMethod = getResumeTrainingRunMethod =
              io.grpc.MethodDescriptor.<io.rerankd.training.v1alpha.ResumeTrainingRunRequest, io.rerankd.training.v1alpha.ResumeTrainingRunResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ResumeTrainingRun"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.training.v1alpha.ResumeTrainingRunRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.training.v1alpha.ResumeTrainingRunResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TrainingServiceMethodDescriptorSupplier("ResumeTrainingRun"))
              .build();
        }
      }
    }
    return getResumeTrainingRunMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.EvaluateRequest,
      io.rerankd.training.v1alpha.EvaluateResponse> getEvaluateMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Evaluate",
      requestType = io.rerankd.training.v1alpha.EvaluateRequest.class,
      responseType = io.rerankd.training.v1alpha.EvaluateResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.EvaluateRequest,
      io.rerankd.training.v1alpha.EvaluateResponse> getEvaluateMethod() {
    io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.EvaluateRequest, io.rerankd.training.v1alpha.EvaluateResponse> getEvaluateMethod;
    if ((getEvaluateMethod = TrainingServiceGrpc.getEvaluateMethod) == null) {
      synchronized (TrainingServiceGrpc.class) {
        if ((getEvaluateMethod = TrainingServiceGrpc.getEvaluateMethod) == null) {
          TrainingServiceGrpc.getEvaluateMethod = getEvaluateMethod =
              io.grpc.MethodDescriptor.<io.rerankd.training.v1alpha.EvaluateRequest, io.rerankd.training.v1alpha.EvaluateResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Evaluate"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.training.v1alpha.EvaluateRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.training.v1alpha.EvaluateResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TrainingServiceMethodDescriptorSupplier("Evaluate"))
              .build();
        }
      }
    }
    return getEvaluateMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.PromoteTrainingRunRequest,
      io.rerankd.training.v1alpha.PromoteTrainingRunResponse> getPromoteTrainingRunMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "PromoteTrainingRun",
      requestType = io.rerankd.training.v1alpha.PromoteTrainingRunRequest.class,
      responseType = io.rerankd.training.v1alpha.PromoteTrainingRunResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.PromoteTrainingRunRequest,
      io.rerankd.training.v1alpha.PromoteTrainingRunResponse> getPromoteTrainingRunMethod() {
    io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.PromoteTrainingRunRequest, io.rerankd.training.v1alpha.PromoteTrainingRunResponse> getPromoteTrainingRunMethod;
    if ((getPromoteTrainingRunMethod = TrainingServiceGrpc.getPromoteTrainingRunMethod) == null) {
      synchronized (TrainingServiceGrpc.class) {
        if ((getPromoteTrainingRunMethod = TrainingServiceGrpc.getPromoteTrainingRunMethod) == null) {
          TrainingServiceGrpc.getPromoteTrainingRunMethod = getPromoteTrainingRunMethod =
              io.grpc.MethodDescriptor.<io.rerankd.training.v1alpha.PromoteTrainingRunRequest, io.rerankd.training.v1alpha.PromoteTrainingRunResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "PromoteTrainingRun"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.training.v1alpha.PromoteTrainingRunRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.training.v1alpha.PromoteTrainingRunResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TrainingServiceMethodDescriptorSupplier("PromoteTrainingRun"))
              .build();
        }
      }
    }
    return getPromoteTrainingRunMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.RollbackModelRequest,
      io.rerankd.training.v1alpha.RollbackModelResponse> getRollbackModelMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "RollbackModel",
      requestType = io.rerankd.training.v1alpha.RollbackModelRequest.class,
      responseType = io.rerankd.training.v1alpha.RollbackModelResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.RollbackModelRequest,
      io.rerankd.training.v1alpha.RollbackModelResponse> getRollbackModelMethod() {
    io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.RollbackModelRequest, io.rerankd.training.v1alpha.RollbackModelResponse> getRollbackModelMethod;
    if ((getRollbackModelMethod = TrainingServiceGrpc.getRollbackModelMethod) == null) {
      synchronized (TrainingServiceGrpc.class) {
        if ((getRollbackModelMethod = TrainingServiceGrpc.getRollbackModelMethod) == null) {
          TrainingServiceGrpc.getRollbackModelMethod = getRollbackModelMethod =
              io.grpc.MethodDescriptor.<io.rerankd.training.v1alpha.RollbackModelRequest, io.rerankd.training.v1alpha.RollbackModelResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "RollbackModel"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.training.v1alpha.RollbackModelRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.training.v1alpha.RollbackModelResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TrainingServiceMethodDescriptorSupplier("RollbackModel"))
              .build();
        }
      }
    }
    return getRollbackModelMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.StartShadowRequest,
      io.rerankd.training.v1alpha.StartShadowResponse> getStartShadowMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "StartShadow",
      requestType = io.rerankd.training.v1alpha.StartShadowRequest.class,
      responseType = io.rerankd.training.v1alpha.StartShadowResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.StartShadowRequest,
      io.rerankd.training.v1alpha.StartShadowResponse> getStartShadowMethod() {
    io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.StartShadowRequest, io.rerankd.training.v1alpha.StartShadowResponse> getStartShadowMethod;
    if ((getStartShadowMethod = TrainingServiceGrpc.getStartShadowMethod) == null) {
      synchronized (TrainingServiceGrpc.class) {
        if ((getStartShadowMethod = TrainingServiceGrpc.getStartShadowMethod) == null) {
          TrainingServiceGrpc.getStartShadowMethod = getStartShadowMethod =
              io.grpc.MethodDescriptor.<io.rerankd.training.v1alpha.StartShadowRequest, io.rerankd.training.v1alpha.StartShadowResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "StartShadow"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.training.v1alpha.StartShadowRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.training.v1alpha.StartShadowResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TrainingServiceMethodDescriptorSupplier("StartShadow"))
              .build();
        }
      }
    }
    return getStartShadowMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.GetShadowRequest,
      io.rerankd.training.v1alpha.GetShadowResponse> getGetShadowMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetShadow",
      requestType = io.rerankd.training.v1alpha.GetShadowRequest.class,
      responseType = io.rerankd.training.v1alpha.GetShadowResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.GetShadowRequest,
      io.rerankd.training.v1alpha.GetShadowResponse> getGetShadowMethod() {
    io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.GetShadowRequest, io.rerankd.training.v1alpha.GetShadowResponse> getGetShadowMethod;
    if ((getGetShadowMethod = TrainingServiceGrpc.getGetShadowMethod) == null) {
      synchronized (TrainingServiceGrpc.class) {
        if ((getGetShadowMethod = TrainingServiceGrpc.getGetShadowMethod) == null) {
          TrainingServiceGrpc.getGetShadowMethod = getGetShadowMethod =
              io.grpc.MethodDescriptor.<io.rerankd.training.v1alpha.GetShadowRequest, io.rerankd.training.v1alpha.GetShadowResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetShadow"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.training.v1alpha.GetShadowRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.training.v1alpha.GetShadowResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TrainingServiceMethodDescriptorSupplier("GetShadow"))
              .build();
        }
      }
    }
    return getGetShadowMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.GetLearningStatusRequest,
      io.rerankd.training.v1alpha.GetLearningStatusResponse> getGetLearningStatusMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetLearningStatus",
      requestType = io.rerankd.training.v1alpha.GetLearningStatusRequest.class,
      responseType = io.rerankd.training.v1alpha.GetLearningStatusResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.GetLearningStatusRequest,
      io.rerankd.training.v1alpha.GetLearningStatusResponse> getGetLearningStatusMethod() {
    io.grpc.MethodDescriptor<io.rerankd.training.v1alpha.GetLearningStatusRequest, io.rerankd.training.v1alpha.GetLearningStatusResponse> getGetLearningStatusMethod;
    if ((getGetLearningStatusMethod = TrainingServiceGrpc.getGetLearningStatusMethod) == null) {
      synchronized (TrainingServiceGrpc.class) {
        if ((getGetLearningStatusMethod = TrainingServiceGrpc.getGetLearningStatusMethod) == null) {
          TrainingServiceGrpc.getGetLearningStatusMethod = getGetLearningStatusMethod =
              io.grpc.MethodDescriptor.<io.rerankd.training.v1alpha.GetLearningStatusRequest, io.rerankd.training.v1alpha.GetLearningStatusResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetLearningStatus"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.training.v1alpha.GetLearningStatusRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.training.v1alpha.GetLearningStatusResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TrainingServiceMethodDescriptorSupplier("GetLearningStatus"))
              .build();
        }
      }
    }
    return getGetLearningStatusMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static TrainingServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<TrainingServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<TrainingServiceStub>() {
        @java.lang.Override
        public TrainingServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new TrainingServiceStub(channel, callOptions);
        }
      };
    return TrainingServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static TrainingServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<TrainingServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<TrainingServiceBlockingStub>() {
        @java.lang.Override
        public TrainingServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new TrainingServiceBlockingStub(channel, callOptions);
        }
      };
    return TrainingServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static TrainingServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<TrainingServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<TrainingServiceFutureStub>() {
        @java.lang.Override
        public TrainingServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new TrainingServiceFutureStub(channel, callOptions);
        }
      };
    return TrainingServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * TrainingService takes feedback in, mines training groups from it, fine-tunes a cross-encoder, judges it, and
   * lets it serve as the model `learning/&lt;corpus&gt;` if it is proven to be better.
   * Calls that change something, and Evaluate, need `authorization: Bearer &lt;token&gt;`: a key of the scope `learning`
   * where the server has keys, else its admin token. The others need such a key where the server has keys. A corpus is named by an id that matches `[a-z0-9][a-z0-9._-]{0,63}`.
   * Common errors of all methods: NOT_FOUND with reason CORPUS_NOT_FOUND or RUN_NOT_FOUND; INVALID_ARGUMENT,
   * naming the field; UNAUTHENTICATED or PERMISSION_DENIED for a missing, wrong or insufficient token.
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * RecordFeedback keeps what was shown, clicked or rated, all events or none. They are on disk when it
     * answers. An event whose event_id is known already is not kept twice, so the call may be repeated.
     * </pre>
     */
    default void recordFeedback(io.rerankd.training.v1alpha.RecordFeedbackRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.RecordFeedbackResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getRecordFeedbackMethod(), responseObserver);
    }

    /**
     * <pre>
     * PurgeFeedback forgets events of the log for good: by event, by request, by document, by query.
     * </pre>
     */
    default void purgeFeedback(io.rerankd.training.v1alpha.PurgeFeedbackRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.PurgeFeedbackResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getPurgeFeedbackMethod(), responseObserver);
    }

    /**
     * <pre>
     * ImportCorpus makes a corpus of the records of the stream, or none where one of them is not valid. The
     * first message is `start`, all others are not.
     * </pre>
     */
    default io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.ImportCorpusRequest> importCorpus(
        io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.ImportCorpusResponse> responseObserver) {
      return io.grpc.stub.ServerCalls.asyncUnimplementedStreamingCall(getImportCorpusMethod(), responseObserver);
    }

    /**
     * <pre>
     * CreateCorpusFromFeedback makes a corpus of what the log holds of it: documents that were shown with
     * their texts, queries, and judgments from clicks and ratings.
     * </pre>
     */
    default void createCorpusFromFeedback(io.rerankd.training.v1alpha.CreateCorpusFromFeedbackRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.CreateCorpusFromFeedbackResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getCreateCorpusFromFeedbackMethod(), responseObserver);
    }

    /**
     * <pre>
     * ListCorpora tells which corpora there are, in the order of their ids.
     * </pre>
     */
    default void listCorpora(io.rerankd.training.v1alpha.ListCorporaRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.ListCorporaResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListCorporaMethod(), responseObserver);
    }

    /**
     * <pre>
     * DeleteCorpus removes a corpus and its mined groups. Feedback, runs and models of it stay.
     * </pre>
     */
    default void deleteCorpus(io.rerankd.training.v1alpha.DeleteCorpusRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.DeleteCorpusResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getDeleteCorpusMethod(), responseObserver);
    }

    /**
     * <pre>
     * MineTriplets makes the training groups of a corpus: queries with what is relevant to them and what only
     * looks like it. It answers when they are written, which takes minutes for large corpora, so give it a
     * deadline to match. A call that is cancelled leaves the groups as they were.
     * </pre>
     */
    default void mineTriplets(io.rerankd.training.v1alpha.MineTripletsRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.MineTripletsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getMineTripletsMethod(), responseObserver);
    }

    /**
     * <pre>
     * CreateTrainingRun starts a run in a process of its own and answers at once. The operation is named
     * `operations/&lt;run id&gt;`, its metadata and its response are a TrainingRun, and google.longrunning.Operations
     * of this server tells how far it is; WatchTrainingRun tells more.
     * Common errors: FAILED_PRECONDITION with reason RUN_ACTIVE while another run of the corpus is under way,
     * or TOO_FEW_TRIPLETS where there is too little to learn from.
     * </pre>
     */
    default void createTrainingRun(io.rerankd.training.v1alpha.CreateTrainingRunRequest request,
        io.grpc.stub.StreamObserver<com.google.longrunning.Operation> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getCreateTrainingRunMethod(), responseObserver);
    }

    /**
     * <pre>
     * GetTrainingRun tells of a run.
     * </pre>
     */
    default void getTrainingRun(io.rerankd.training.v1alpha.GetTrainingRunRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.GetTrainingRunResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetTrainingRunMethod(), responseObserver);
    }

    /**
     * <pre>
     * ListTrainingRuns tells of the runs of a corpus, or of all, the newest first.
     * </pre>
     */
    default void listTrainingRuns(io.rerankd.training.v1alpha.ListTrainingRunsRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.ListTrainingRunsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListTrainingRunsMethod(), responseObserver);
    }

    /**
     * <pre>
     * WatchTrainingRun sends the events of a run: those of the past that are wanted, then those to come. It
     * ends with the run. A watcher that was cut off goes on with the sequence of the last event that it has.
     * </pre>
     */
    default void watchTrainingRun(io.rerankd.training.v1alpha.WatchTrainingRunRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.WatchTrainingRunResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getWatchTrainingRunMethod(), responseObserver);
    }

    /**
     * <pre>
     * CompareTrainingRuns puts two runs side by side.
     * Common errors: FAILED_PRECONDITION with reason NOT_COMPARABLE where they were not measured on the same
     * thing, or one has no result.
     * </pre>
     */
    default void compareTrainingRuns(io.rerankd.training.v1alpha.CompareTrainingRunsRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.CompareTrainingRunsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getCompareTrainingRunsMethod(), responseObserver);
    }

    /**
     * <pre>
     * CancelTrainingRun ends a run after its step and keeps a checkpoint. A run that has ended is told as it is.
     * </pre>
     */
    default void cancelTrainingRun(io.rerankd.training.v1alpha.CancelTrainingRunRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.CancelTrainingRunResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getCancelTrainingRunMethod(), responseObserver);
    }

    /**
     * <pre>
     * ResumeTrainingRun goes on with a run that was cancelled or failed, from its last checkpoint.
     * Common errors: FAILED_PRECONDITION with reason RUN_ACTIVE while a run of the corpus is under way.
     * </pre>
     */
    default void resumeTrainingRun(io.rerankd.training.v1alpha.ResumeTrainingRunRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.ResumeTrainingRunResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getResumeTrainingRunMethod(), responseObserver);
    }

    /**
     * <pre>
     * Evaluate judges models on the judged queries of a corpus: BM25 finds candidates, each model reranks
     * them, and the answer tells by how much it is better or worse, with intervals. It takes minutes for many
     * queries, so give it a deadline to match.
     * </pre>
     */
    default void evaluate(io.rerankd.training.v1alpha.EvaluateRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.EvaluateResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getEvaluateMethod(), responseObserver);
    }

    /**
     * <pre>
     * PromoteTrainingRun judges the model of a run against the one in use and, if it passes the gate of the
     * section `training.promotion`, lets it serve as `learning/&lt;corpus&gt;`. Calls under way end with the model
     * that they began with. It takes minutes, so give it a deadline to match.
     * Common errors: FAILED_PRECONDITION with reason PROMOTION_REFUSED, naming the condition.
     * </pre>
     */
    default void promoteTrainingRun(io.rerankd.training.v1alpha.PromoteTrainingRunRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.PromoteTrainingRunResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getPromoteTrainingRunMethod(), responseObserver);
    }

    /**
     * <pre>
     * RollbackModel lets the revision serve that served before.
     * Common errors: FAILED_PRECONDITION with reason PROMOTION_REFUSED where there is none.
     * </pre>
     */
    default void rollbackModel(io.rerankd.training.v1alpha.RollbackModelRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.RollbackModelResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getRollbackModelMethod(), responseObserver);
    }

    /**
     * <pre>
     * StartShadow lets the model of a run score a share of the live requests as well, off the path of their
     * answers, which stay those of the model in use. It answers when the model is loaded; GetShadow tells what
     * it has seen. It ends by itself, or with the next promotion.
     * </pre>
     */
    default void startShadow(io.rerankd.training.v1alpha.StartShadowRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.StartShadowResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getStartShadowMethod(), responseObserver);
    }

    /**
     * <pre>
     * GetShadow tells how far the scores of the last shadow of a corpus are from those that were answered.
     * </pre>
     */
    default void getShadow(io.rerankd.training.v1alpha.GetShadowRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.GetShadowResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetShadowMethod(), responseObserver);
    }

    /**
     * <pre>
     * GetLearningStatus tells what the learning reranker has: corpora, active runs, models in use, feedback.
     * </pre>
     */
    default void getLearningStatus(io.rerankd.training.v1alpha.GetLearningStatusRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.GetLearningStatusResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetLearningStatusMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service TrainingService.
   * <pre>
   * TrainingService takes feedback in, mines training groups from it, fine-tunes a cross-encoder, judges it, and
   * lets it serve as the model `learning/&lt;corpus&gt;` if it is proven to be better.
   * Calls that change something, and Evaluate, need `authorization: Bearer &lt;token&gt;`: a key of the scope `learning`
   * where the server has keys, else its admin token. The others need such a key where the server has keys. A corpus is named by an id that matches `[a-z0-9][a-z0-9._-]{0,63}`.
   * Common errors of all methods: NOT_FOUND with reason CORPUS_NOT_FOUND or RUN_NOT_FOUND; INVALID_ARGUMENT,
   * naming the field; UNAUTHENTICATED or PERMISSION_DENIED for a missing, wrong or insufficient token.
   * </pre>
   */
  public static abstract class TrainingServiceImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return TrainingServiceGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service TrainingService.
   * <pre>
   * TrainingService takes feedback in, mines training groups from it, fine-tunes a cross-encoder, judges it, and
   * lets it serve as the model `learning/&lt;corpus&gt;` if it is proven to be better.
   * Calls that change something, and Evaluate, need `authorization: Bearer &lt;token&gt;`: a key of the scope `learning`
   * where the server has keys, else its admin token. The others need such a key where the server has keys. A corpus is named by an id that matches `[a-z0-9][a-z0-9._-]{0,63}`.
   * Common errors of all methods: NOT_FOUND with reason CORPUS_NOT_FOUND or RUN_NOT_FOUND; INVALID_ARGUMENT,
   * naming the field; UNAUTHENTICATED or PERMISSION_DENIED for a missing, wrong or insufficient token.
   * </pre>
   */
  public static final class TrainingServiceStub
      extends io.grpc.stub.AbstractAsyncStub<TrainingServiceStub> {
    private TrainingServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected TrainingServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new TrainingServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * RecordFeedback keeps what was shown, clicked or rated, all events or none. They are on disk when it
     * answers. An event whose event_id is known already is not kept twice, so the call may be repeated.
     * </pre>
     */
    public void recordFeedback(io.rerankd.training.v1alpha.RecordFeedbackRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.RecordFeedbackResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getRecordFeedbackMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * PurgeFeedback forgets events of the log for good: by event, by request, by document, by query.
     * </pre>
     */
    public void purgeFeedback(io.rerankd.training.v1alpha.PurgeFeedbackRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.PurgeFeedbackResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getPurgeFeedbackMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * ImportCorpus makes a corpus of the records of the stream, or none where one of them is not valid. The
     * first message is `start`, all others are not.
     * </pre>
     */
    public io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.ImportCorpusRequest> importCorpus(
        io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.ImportCorpusResponse> responseObserver) {
      return io.grpc.stub.ClientCalls.asyncClientStreamingCall(
          getChannel().newCall(getImportCorpusMethod(), getCallOptions()), responseObserver);
    }

    /**
     * <pre>
     * CreateCorpusFromFeedback makes a corpus of what the log holds of it: documents that were shown with
     * their texts, queries, and judgments from clicks and ratings.
     * </pre>
     */
    public void createCorpusFromFeedback(io.rerankd.training.v1alpha.CreateCorpusFromFeedbackRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.CreateCorpusFromFeedbackResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getCreateCorpusFromFeedbackMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * ListCorpora tells which corpora there are, in the order of their ids.
     * </pre>
     */
    public void listCorpora(io.rerankd.training.v1alpha.ListCorporaRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.ListCorporaResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListCorporaMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * DeleteCorpus removes a corpus and its mined groups. Feedback, runs and models of it stay.
     * </pre>
     */
    public void deleteCorpus(io.rerankd.training.v1alpha.DeleteCorpusRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.DeleteCorpusResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getDeleteCorpusMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * MineTriplets makes the training groups of a corpus: queries with what is relevant to them and what only
     * looks like it. It answers when they are written, which takes minutes for large corpora, so give it a
     * deadline to match. A call that is cancelled leaves the groups as they were.
     * </pre>
     */
    public void mineTriplets(io.rerankd.training.v1alpha.MineTripletsRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.MineTripletsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getMineTripletsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * CreateTrainingRun starts a run in a process of its own and answers at once. The operation is named
     * `operations/&lt;run id&gt;`, its metadata and its response are a TrainingRun, and google.longrunning.Operations
     * of this server tells how far it is; WatchTrainingRun tells more.
     * Common errors: FAILED_PRECONDITION with reason RUN_ACTIVE while another run of the corpus is under way,
     * or TOO_FEW_TRIPLETS where there is too little to learn from.
     * </pre>
     */
    public void createTrainingRun(io.rerankd.training.v1alpha.CreateTrainingRunRequest request,
        io.grpc.stub.StreamObserver<com.google.longrunning.Operation> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getCreateTrainingRunMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * GetTrainingRun tells of a run.
     * </pre>
     */
    public void getTrainingRun(io.rerankd.training.v1alpha.GetTrainingRunRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.GetTrainingRunResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetTrainingRunMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * ListTrainingRuns tells of the runs of a corpus, or of all, the newest first.
     * </pre>
     */
    public void listTrainingRuns(io.rerankd.training.v1alpha.ListTrainingRunsRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.ListTrainingRunsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListTrainingRunsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * WatchTrainingRun sends the events of a run: those of the past that are wanted, then those to come. It
     * ends with the run. A watcher that was cut off goes on with the sequence of the last event that it has.
     * </pre>
     */
    public void watchTrainingRun(io.rerankd.training.v1alpha.WatchTrainingRunRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.WatchTrainingRunResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncServerStreamingCall(
          getChannel().newCall(getWatchTrainingRunMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * CompareTrainingRuns puts two runs side by side.
     * Common errors: FAILED_PRECONDITION with reason NOT_COMPARABLE where they were not measured on the same
     * thing, or one has no result.
     * </pre>
     */
    public void compareTrainingRuns(io.rerankd.training.v1alpha.CompareTrainingRunsRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.CompareTrainingRunsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getCompareTrainingRunsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * CancelTrainingRun ends a run after its step and keeps a checkpoint. A run that has ended is told as it is.
     * </pre>
     */
    public void cancelTrainingRun(io.rerankd.training.v1alpha.CancelTrainingRunRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.CancelTrainingRunResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getCancelTrainingRunMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * ResumeTrainingRun goes on with a run that was cancelled or failed, from its last checkpoint.
     * Common errors: FAILED_PRECONDITION with reason RUN_ACTIVE while a run of the corpus is under way.
     * </pre>
     */
    public void resumeTrainingRun(io.rerankd.training.v1alpha.ResumeTrainingRunRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.ResumeTrainingRunResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getResumeTrainingRunMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Evaluate judges models on the judged queries of a corpus: BM25 finds candidates, each model reranks
     * them, and the answer tells by how much it is better or worse, with intervals. It takes minutes for many
     * queries, so give it a deadline to match.
     * </pre>
     */
    public void evaluate(io.rerankd.training.v1alpha.EvaluateRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.EvaluateResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getEvaluateMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * PromoteTrainingRun judges the model of a run against the one in use and, if it passes the gate of the
     * section `training.promotion`, lets it serve as `learning/&lt;corpus&gt;`. Calls under way end with the model
     * that they began with. It takes minutes, so give it a deadline to match.
     * Common errors: FAILED_PRECONDITION with reason PROMOTION_REFUSED, naming the condition.
     * </pre>
     */
    public void promoteTrainingRun(io.rerankd.training.v1alpha.PromoteTrainingRunRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.PromoteTrainingRunResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getPromoteTrainingRunMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * RollbackModel lets the revision serve that served before.
     * Common errors: FAILED_PRECONDITION with reason PROMOTION_REFUSED where there is none.
     * </pre>
     */
    public void rollbackModel(io.rerankd.training.v1alpha.RollbackModelRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.RollbackModelResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getRollbackModelMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * StartShadow lets the model of a run score a share of the live requests as well, off the path of their
     * answers, which stay those of the model in use. It answers when the model is loaded; GetShadow tells what
     * it has seen. It ends by itself, or with the next promotion.
     * </pre>
     */
    public void startShadow(io.rerankd.training.v1alpha.StartShadowRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.StartShadowResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getStartShadowMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * GetShadow tells how far the scores of the last shadow of a corpus are from those that were answered.
     * </pre>
     */
    public void getShadow(io.rerankd.training.v1alpha.GetShadowRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.GetShadowResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetShadowMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * GetLearningStatus tells what the learning reranker has: corpora, active runs, models in use, feedback.
     * </pre>
     */
    public void getLearningStatus(io.rerankd.training.v1alpha.GetLearningStatusRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.GetLearningStatusResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetLearningStatusMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service TrainingService.
   * <pre>
   * TrainingService takes feedback in, mines training groups from it, fine-tunes a cross-encoder, judges it, and
   * lets it serve as the model `learning/&lt;corpus&gt;` if it is proven to be better.
   * Calls that change something, and Evaluate, need `authorization: Bearer &lt;token&gt;`: a key of the scope `learning`
   * where the server has keys, else its admin token. The others need such a key where the server has keys. A corpus is named by an id that matches `[a-z0-9][a-z0-9._-]{0,63}`.
   * Common errors of all methods: NOT_FOUND with reason CORPUS_NOT_FOUND or RUN_NOT_FOUND; INVALID_ARGUMENT,
   * naming the field; UNAUTHENTICATED or PERMISSION_DENIED for a missing, wrong or insufficient token.
   * </pre>
   */
  public static final class TrainingServiceBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<TrainingServiceBlockingStub> {
    private TrainingServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected TrainingServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new TrainingServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * RecordFeedback keeps what was shown, clicked or rated, all events or none. They are on disk when it
     * answers. An event whose event_id is known already is not kept twice, so the call may be repeated.
     * </pre>
     */
    public io.rerankd.training.v1alpha.RecordFeedbackResponse recordFeedback(io.rerankd.training.v1alpha.RecordFeedbackRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getRecordFeedbackMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * PurgeFeedback forgets events of the log for good: by event, by request, by document, by query.
     * </pre>
     */
    public io.rerankd.training.v1alpha.PurgeFeedbackResponse purgeFeedback(io.rerankd.training.v1alpha.PurgeFeedbackRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getPurgeFeedbackMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * CreateCorpusFromFeedback makes a corpus of what the log holds of it: documents that were shown with
     * their texts, queries, and judgments from clicks and ratings.
     * </pre>
     */
    public io.rerankd.training.v1alpha.CreateCorpusFromFeedbackResponse createCorpusFromFeedback(io.rerankd.training.v1alpha.CreateCorpusFromFeedbackRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getCreateCorpusFromFeedbackMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * ListCorpora tells which corpora there are, in the order of their ids.
     * </pre>
     */
    public io.rerankd.training.v1alpha.ListCorporaResponse listCorpora(io.rerankd.training.v1alpha.ListCorporaRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListCorporaMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * DeleteCorpus removes a corpus and its mined groups. Feedback, runs and models of it stay.
     * </pre>
     */
    public io.rerankd.training.v1alpha.DeleteCorpusResponse deleteCorpus(io.rerankd.training.v1alpha.DeleteCorpusRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getDeleteCorpusMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * MineTriplets makes the training groups of a corpus: queries with what is relevant to them and what only
     * looks like it. It answers when they are written, which takes minutes for large corpora, so give it a
     * deadline to match. A call that is cancelled leaves the groups as they were.
     * </pre>
     */
    public io.rerankd.training.v1alpha.MineTripletsResponse mineTriplets(io.rerankd.training.v1alpha.MineTripletsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getMineTripletsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * CreateTrainingRun starts a run in a process of its own and answers at once. The operation is named
     * `operations/&lt;run id&gt;`, its metadata and its response are a TrainingRun, and google.longrunning.Operations
     * of this server tells how far it is; WatchTrainingRun tells more.
     * Common errors: FAILED_PRECONDITION with reason RUN_ACTIVE while another run of the corpus is under way,
     * or TOO_FEW_TRIPLETS where there is too little to learn from.
     * </pre>
     */
    public com.google.longrunning.Operation createTrainingRun(io.rerankd.training.v1alpha.CreateTrainingRunRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getCreateTrainingRunMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * GetTrainingRun tells of a run.
     * </pre>
     */
    public io.rerankd.training.v1alpha.GetTrainingRunResponse getTrainingRun(io.rerankd.training.v1alpha.GetTrainingRunRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetTrainingRunMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * ListTrainingRuns tells of the runs of a corpus, or of all, the newest first.
     * </pre>
     */
    public io.rerankd.training.v1alpha.ListTrainingRunsResponse listTrainingRuns(io.rerankd.training.v1alpha.ListTrainingRunsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListTrainingRunsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * WatchTrainingRun sends the events of a run: those of the past that are wanted, then those to come. It
     * ends with the run. A watcher that was cut off goes on with the sequence of the last event that it has.
     * </pre>
     */
    public java.util.Iterator<io.rerankd.training.v1alpha.WatchTrainingRunResponse> watchTrainingRun(
        io.rerankd.training.v1alpha.WatchTrainingRunRequest request) {
      return io.grpc.stub.ClientCalls.blockingServerStreamingCall(
          getChannel(), getWatchTrainingRunMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * CompareTrainingRuns puts two runs side by side.
     * Common errors: FAILED_PRECONDITION with reason NOT_COMPARABLE where they were not measured on the same
     * thing, or one has no result.
     * </pre>
     */
    public io.rerankd.training.v1alpha.CompareTrainingRunsResponse compareTrainingRuns(io.rerankd.training.v1alpha.CompareTrainingRunsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getCompareTrainingRunsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * CancelTrainingRun ends a run after its step and keeps a checkpoint. A run that has ended is told as it is.
     * </pre>
     */
    public io.rerankd.training.v1alpha.CancelTrainingRunResponse cancelTrainingRun(io.rerankd.training.v1alpha.CancelTrainingRunRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getCancelTrainingRunMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * ResumeTrainingRun goes on with a run that was cancelled or failed, from its last checkpoint.
     * Common errors: FAILED_PRECONDITION with reason RUN_ACTIVE while a run of the corpus is under way.
     * </pre>
     */
    public io.rerankd.training.v1alpha.ResumeTrainingRunResponse resumeTrainingRun(io.rerankd.training.v1alpha.ResumeTrainingRunRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getResumeTrainingRunMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Evaluate judges models on the judged queries of a corpus: BM25 finds candidates, each model reranks
     * them, and the answer tells by how much it is better or worse, with intervals. It takes minutes for many
     * queries, so give it a deadline to match.
     * </pre>
     */
    public io.rerankd.training.v1alpha.EvaluateResponse evaluate(io.rerankd.training.v1alpha.EvaluateRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getEvaluateMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * PromoteTrainingRun judges the model of a run against the one in use and, if it passes the gate of the
     * section `training.promotion`, lets it serve as `learning/&lt;corpus&gt;`. Calls under way end with the model
     * that they began with. It takes minutes, so give it a deadline to match.
     * Common errors: FAILED_PRECONDITION with reason PROMOTION_REFUSED, naming the condition.
     * </pre>
     */
    public io.rerankd.training.v1alpha.PromoteTrainingRunResponse promoteTrainingRun(io.rerankd.training.v1alpha.PromoteTrainingRunRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getPromoteTrainingRunMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * RollbackModel lets the revision serve that served before.
     * Common errors: FAILED_PRECONDITION with reason PROMOTION_REFUSED where there is none.
     * </pre>
     */
    public io.rerankd.training.v1alpha.RollbackModelResponse rollbackModel(io.rerankd.training.v1alpha.RollbackModelRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getRollbackModelMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * StartShadow lets the model of a run score a share of the live requests as well, off the path of their
     * answers, which stay those of the model in use. It answers when the model is loaded; GetShadow tells what
     * it has seen. It ends by itself, or with the next promotion.
     * </pre>
     */
    public io.rerankd.training.v1alpha.StartShadowResponse startShadow(io.rerankd.training.v1alpha.StartShadowRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getStartShadowMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * GetShadow tells how far the scores of the last shadow of a corpus are from those that were answered.
     * </pre>
     */
    public io.rerankd.training.v1alpha.GetShadowResponse getShadow(io.rerankd.training.v1alpha.GetShadowRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetShadowMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * GetLearningStatus tells what the learning reranker has: corpora, active runs, models in use, feedback.
     * </pre>
     */
    public io.rerankd.training.v1alpha.GetLearningStatusResponse getLearningStatus(io.rerankd.training.v1alpha.GetLearningStatusRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetLearningStatusMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service TrainingService.
   * <pre>
   * TrainingService takes feedback in, mines training groups from it, fine-tunes a cross-encoder, judges it, and
   * lets it serve as the model `learning/&lt;corpus&gt;` if it is proven to be better.
   * Calls that change something, and Evaluate, need `authorization: Bearer &lt;token&gt;`: a key of the scope `learning`
   * where the server has keys, else its admin token. The others need such a key where the server has keys. A corpus is named by an id that matches `[a-z0-9][a-z0-9._-]{0,63}`.
   * Common errors of all methods: NOT_FOUND with reason CORPUS_NOT_FOUND or RUN_NOT_FOUND; INVALID_ARGUMENT,
   * naming the field; UNAUTHENTICATED or PERMISSION_DENIED for a missing, wrong or insufficient token.
   * </pre>
   */
  public static final class TrainingServiceFutureStub
      extends io.grpc.stub.AbstractFutureStub<TrainingServiceFutureStub> {
    private TrainingServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected TrainingServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new TrainingServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * RecordFeedback keeps what was shown, clicked or rated, all events or none. They are on disk when it
     * answers. An event whose event_id is known already is not kept twice, so the call may be repeated.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.rerankd.training.v1alpha.RecordFeedbackResponse> recordFeedback(
        io.rerankd.training.v1alpha.RecordFeedbackRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getRecordFeedbackMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * PurgeFeedback forgets events of the log for good: by event, by request, by document, by query.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.rerankd.training.v1alpha.PurgeFeedbackResponse> purgeFeedback(
        io.rerankd.training.v1alpha.PurgeFeedbackRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getPurgeFeedbackMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * CreateCorpusFromFeedback makes a corpus of what the log holds of it: documents that were shown with
     * their texts, queries, and judgments from clicks and ratings.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.rerankd.training.v1alpha.CreateCorpusFromFeedbackResponse> createCorpusFromFeedback(
        io.rerankd.training.v1alpha.CreateCorpusFromFeedbackRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getCreateCorpusFromFeedbackMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * ListCorpora tells which corpora there are, in the order of their ids.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.rerankd.training.v1alpha.ListCorporaResponse> listCorpora(
        io.rerankd.training.v1alpha.ListCorporaRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListCorporaMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * DeleteCorpus removes a corpus and its mined groups. Feedback, runs and models of it stay.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.rerankd.training.v1alpha.DeleteCorpusResponse> deleteCorpus(
        io.rerankd.training.v1alpha.DeleteCorpusRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getDeleteCorpusMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * MineTriplets makes the training groups of a corpus: queries with what is relevant to them and what only
     * looks like it. It answers when they are written, which takes minutes for large corpora, so give it a
     * deadline to match. A call that is cancelled leaves the groups as they were.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.rerankd.training.v1alpha.MineTripletsResponse> mineTriplets(
        io.rerankd.training.v1alpha.MineTripletsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getMineTripletsMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * CreateTrainingRun starts a run in a process of its own and answers at once. The operation is named
     * `operations/&lt;run id&gt;`, its metadata and its response are a TrainingRun, and google.longrunning.Operations
     * of this server tells how far it is; WatchTrainingRun tells more.
     * Common errors: FAILED_PRECONDITION with reason RUN_ACTIVE while another run of the corpus is under way,
     * or TOO_FEW_TRIPLETS where there is too little to learn from.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<com.google.longrunning.Operation> createTrainingRun(
        io.rerankd.training.v1alpha.CreateTrainingRunRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getCreateTrainingRunMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * GetTrainingRun tells of a run.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.rerankd.training.v1alpha.GetTrainingRunResponse> getTrainingRun(
        io.rerankd.training.v1alpha.GetTrainingRunRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetTrainingRunMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * ListTrainingRuns tells of the runs of a corpus, or of all, the newest first.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.rerankd.training.v1alpha.ListTrainingRunsResponse> listTrainingRuns(
        io.rerankd.training.v1alpha.ListTrainingRunsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListTrainingRunsMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * CompareTrainingRuns puts two runs side by side.
     * Common errors: FAILED_PRECONDITION with reason NOT_COMPARABLE where they were not measured on the same
     * thing, or one has no result.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.rerankd.training.v1alpha.CompareTrainingRunsResponse> compareTrainingRuns(
        io.rerankd.training.v1alpha.CompareTrainingRunsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getCompareTrainingRunsMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * CancelTrainingRun ends a run after its step and keeps a checkpoint. A run that has ended is told as it is.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.rerankd.training.v1alpha.CancelTrainingRunResponse> cancelTrainingRun(
        io.rerankd.training.v1alpha.CancelTrainingRunRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getCancelTrainingRunMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * ResumeTrainingRun goes on with a run that was cancelled or failed, from its last checkpoint.
     * Common errors: FAILED_PRECONDITION with reason RUN_ACTIVE while a run of the corpus is under way.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.rerankd.training.v1alpha.ResumeTrainingRunResponse> resumeTrainingRun(
        io.rerankd.training.v1alpha.ResumeTrainingRunRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getResumeTrainingRunMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Evaluate judges models on the judged queries of a corpus: BM25 finds candidates, each model reranks
     * them, and the answer tells by how much it is better or worse, with intervals. It takes minutes for many
     * queries, so give it a deadline to match.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.rerankd.training.v1alpha.EvaluateResponse> evaluate(
        io.rerankd.training.v1alpha.EvaluateRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getEvaluateMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * PromoteTrainingRun judges the model of a run against the one in use and, if it passes the gate of the
     * section `training.promotion`, lets it serve as `learning/&lt;corpus&gt;`. Calls under way end with the model
     * that they began with. It takes minutes, so give it a deadline to match.
     * Common errors: FAILED_PRECONDITION with reason PROMOTION_REFUSED, naming the condition.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.rerankd.training.v1alpha.PromoteTrainingRunResponse> promoteTrainingRun(
        io.rerankd.training.v1alpha.PromoteTrainingRunRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getPromoteTrainingRunMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * RollbackModel lets the revision serve that served before.
     * Common errors: FAILED_PRECONDITION with reason PROMOTION_REFUSED where there is none.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.rerankd.training.v1alpha.RollbackModelResponse> rollbackModel(
        io.rerankd.training.v1alpha.RollbackModelRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getRollbackModelMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * StartShadow lets the model of a run score a share of the live requests as well, off the path of their
     * answers, which stay those of the model in use. It answers when the model is loaded; GetShadow tells what
     * it has seen. It ends by itself, or with the next promotion.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.rerankd.training.v1alpha.StartShadowResponse> startShadow(
        io.rerankd.training.v1alpha.StartShadowRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getStartShadowMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * GetShadow tells how far the scores of the last shadow of a corpus are from those that were answered.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.rerankd.training.v1alpha.GetShadowResponse> getShadow(
        io.rerankd.training.v1alpha.GetShadowRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetShadowMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * GetLearningStatus tells what the learning reranker has: corpora, active runs, models in use, feedback.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.rerankd.training.v1alpha.GetLearningStatusResponse> getLearningStatus(
        io.rerankd.training.v1alpha.GetLearningStatusRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetLearningStatusMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_RECORD_FEEDBACK = 0;
  private static final int METHODID_PURGE_FEEDBACK = 1;
  private static final int METHODID_CREATE_CORPUS_FROM_FEEDBACK = 2;
  private static final int METHODID_LIST_CORPORA = 3;
  private static final int METHODID_DELETE_CORPUS = 4;
  private static final int METHODID_MINE_TRIPLETS = 5;
  private static final int METHODID_CREATE_TRAINING_RUN = 6;
  private static final int METHODID_GET_TRAINING_RUN = 7;
  private static final int METHODID_LIST_TRAINING_RUNS = 8;
  private static final int METHODID_WATCH_TRAINING_RUN = 9;
  private static final int METHODID_COMPARE_TRAINING_RUNS = 10;
  private static final int METHODID_CANCEL_TRAINING_RUN = 11;
  private static final int METHODID_RESUME_TRAINING_RUN = 12;
  private static final int METHODID_EVALUATE = 13;
  private static final int METHODID_PROMOTE_TRAINING_RUN = 14;
  private static final int METHODID_ROLLBACK_MODEL = 15;
  private static final int METHODID_START_SHADOW = 16;
  private static final int METHODID_GET_SHADOW = 17;
  private static final int METHODID_GET_LEARNING_STATUS = 18;
  private static final int METHODID_IMPORT_CORPUS = 19;

  private static final class MethodHandlers<Req, Resp> implements
      io.grpc.stub.ServerCalls.UnaryMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.ServerStreamingMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.ClientStreamingMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.BidiStreamingMethod<Req, Resp> {
    private final AsyncService serviceImpl;
    private final int methodId;

    MethodHandlers(AsyncService serviceImpl, int methodId) {
      this.serviceImpl = serviceImpl;
      this.methodId = methodId;
    }

    @java.lang.Override
    @java.lang.SuppressWarnings("unchecked")
    public void invoke(Req request, io.grpc.stub.StreamObserver<Resp> responseObserver) {
      switch (methodId) {
        case METHODID_RECORD_FEEDBACK:
          serviceImpl.recordFeedback((io.rerankd.training.v1alpha.RecordFeedbackRequest) request,
              (io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.RecordFeedbackResponse>) responseObserver);
          break;
        case METHODID_PURGE_FEEDBACK:
          serviceImpl.purgeFeedback((io.rerankd.training.v1alpha.PurgeFeedbackRequest) request,
              (io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.PurgeFeedbackResponse>) responseObserver);
          break;
        case METHODID_CREATE_CORPUS_FROM_FEEDBACK:
          serviceImpl.createCorpusFromFeedback((io.rerankd.training.v1alpha.CreateCorpusFromFeedbackRequest) request,
              (io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.CreateCorpusFromFeedbackResponse>) responseObserver);
          break;
        case METHODID_LIST_CORPORA:
          serviceImpl.listCorpora((io.rerankd.training.v1alpha.ListCorporaRequest) request,
              (io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.ListCorporaResponse>) responseObserver);
          break;
        case METHODID_DELETE_CORPUS:
          serviceImpl.deleteCorpus((io.rerankd.training.v1alpha.DeleteCorpusRequest) request,
              (io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.DeleteCorpusResponse>) responseObserver);
          break;
        case METHODID_MINE_TRIPLETS:
          serviceImpl.mineTriplets((io.rerankd.training.v1alpha.MineTripletsRequest) request,
              (io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.MineTripletsResponse>) responseObserver);
          break;
        case METHODID_CREATE_TRAINING_RUN:
          serviceImpl.createTrainingRun((io.rerankd.training.v1alpha.CreateTrainingRunRequest) request,
              (io.grpc.stub.StreamObserver<com.google.longrunning.Operation>) responseObserver);
          break;
        case METHODID_GET_TRAINING_RUN:
          serviceImpl.getTrainingRun((io.rerankd.training.v1alpha.GetTrainingRunRequest) request,
              (io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.GetTrainingRunResponse>) responseObserver);
          break;
        case METHODID_LIST_TRAINING_RUNS:
          serviceImpl.listTrainingRuns((io.rerankd.training.v1alpha.ListTrainingRunsRequest) request,
              (io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.ListTrainingRunsResponse>) responseObserver);
          break;
        case METHODID_WATCH_TRAINING_RUN:
          serviceImpl.watchTrainingRun((io.rerankd.training.v1alpha.WatchTrainingRunRequest) request,
              (io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.WatchTrainingRunResponse>) responseObserver);
          break;
        case METHODID_COMPARE_TRAINING_RUNS:
          serviceImpl.compareTrainingRuns((io.rerankd.training.v1alpha.CompareTrainingRunsRequest) request,
              (io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.CompareTrainingRunsResponse>) responseObserver);
          break;
        case METHODID_CANCEL_TRAINING_RUN:
          serviceImpl.cancelTrainingRun((io.rerankd.training.v1alpha.CancelTrainingRunRequest) request,
              (io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.CancelTrainingRunResponse>) responseObserver);
          break;
        case METHODID_RESUME_TRAINING_RUN:
          serviceImpl.resumeTrainingRun((io.rerankd.training.v1alpha.ResumeTrainingRunRequest) request,
              (io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.ResumeTrainingRunResponse>) responseObserver);
          break;
        case METHODID_EVALUATE:
          serviceImpl.evaluate((io.rerankd.training.v1alpha.EvaluateRequest) request,
              (io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.EvaluateResponse>) responseObserver);
          break;
        case METHODID_PROMOTE_TRAINING_RUN:
          serviceImpl.promoteTrainingRun((io.rerankd.training.v1alpha.PromoteTrainingRunRequest) request,
              (io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.PromoteTrainingRunResponse>) responseObserver);
          break;
        case METHODID_ROLLBACK_MODEL:
          serviceImpl.rollbackModel((io.rerankd.training.v1alpha.RollbackModelRequest) request,
              (io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.RollbackModelResponse>) responseObserver);
          break;
        case METHODID_START_SHADOW:
          serviceImpl.startShadow((io.rerankd.training.v1alpha.StartShadowRequest) request,
              (io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.StartShadowResponse>) responseObserver);
          break;
        case METHODID_GET_SHADOW:
          serviceImpl.getShadow((io.rerankd.training.v1alpha.GetShadowRequest) request,
              (io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.GetShadowResponse>) responseObserver);
          break;
        case METHODID_GET_LEARNING_STATUS:
          serviceImpl.getLearningStatus((io.rerankd.training.v1alpha.GetLearningStatusRequest) request,
              (io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.GetLearningStatusResponse>) responseObserver);
          break;
        default:
          throw new AssertionError();
      }
    }

    @java.lang.Override
    @java.lang.SuppressWarnings("unchecked")
    public io.grpc.stub.StreamObserver<Req> invoke(
        io.grpc.stub.StreamObserver<Resp> responseObserver) {
      switch (methodId) {
        case METHODID_IMPORT_CORPUS:
          return (io.grpc.stub.StreamObserver<Req>) serviceImpl.importCorpus(
              (io.grpc.stub.StreamObserver<io.rerankd.training.v1alpha.ImportCorpusResponse>) responseObserver);
        default:
          throw new AssertionError();
      }
    }
  }

  public static final io.grpc.ServerServiceDefinition bindService(AsyncService service) {
    return io.grpc.ServerServiceDefinition.builder(getServiceDescriptor())
        .addMethod(
          getRecordFeedbackMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.rerankd.training.v1alpha.RecordFeedbackRequest,
              io.rerankd.training.v1alpha.RecordFeedbackResponse>(
                service, METHODID_RECORD_FEEDBACK)))
        .addMethod(
          getPurgeFeedbackMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.rerankd.training.v1alpha.PurgeFeedbackRequest,
              io.rerankd.training.v1alpha.PurgeFeedbackResponse>(
                service, METHODID_PURGE_FEEDBACK)))
        .addMethod(
          getImportCorpusMethod(),
          io.grpc.stub.ServerCalls.asyncClientStreamingCall(
            new MethodHandlers<
              io.rerankd.training.v1alpha.ImportCorpusRequest,
              io.rerankd.training.v1alpha.ImportCorpusResponse>(
                service, METHODID_IMPORT_CORPUS)))
        .addMethod(
          getCreateCorpusFromFeedbackMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.rerankd.training.v1alpha.CreateCorpusFromFeedbackRequest,
              io.rerankd.training.v1alpha.CreateCorpusFromFeedbackResponse>(
                service, METHODID_CREATE_CORPUS_FROM_FEEDBACK)))
        .addMethod(
          getListCorporaMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.rerankd.training.v1alpha.ListCorporaRequest,
              io.rerankd.training.v1alpha.ListCorporaResponse>(
                service, METHODID_LIST_CORPORA)))
        .addMethod(
          getDeleteCorpusMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.rerankd.training.v1alpha.DeleteCorpusRequest,
              io.rerankd.training.v1alpha.DeleteCorpusResponse>(
                service, METHODID_DELETE_CORPUS)))
        .addMethod(
          getMineTripletsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.rerankd.training.v1alpha.MineTripletsRequest,
              io.rerankd.training.v1alpha.MineTripletsResponse>(
                service, METHODID_MINE_TRIPLETS)))
        .addMethod(
          getCreateTrainingRunMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.rerankd.training.v1alpha.CreateTrainingRunRequest,
              com.google.longrunning.Operation>(
                service, METHODID_CREATE_TRAINING_RUN)))
        .addMethod(
          getGetTrainingRunMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.rerankd.training.v1alpha.GetTrainingRunRequest,
              io.rerankd.training.v1alpha.GetTrainingRunResponse>(
                service, METHODID_GET_TRAINING_RUN)))
        .addMethod(
          getListTrainingRunsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.rerankd.training.v1alpha.ListTrainingRunsRequest,
              io.rerankd.training.v1alpha.ListTrainingRunsResponse>(
                service, METHODID_LIST_TRAINING_RUNS)))
        .addMethod(
          getWatchTrainingRunMethod(),
          io.grpc.stub.ServerCalls.asyncServerStreamingCall(
            new MethodHandlers<
              io.rerankd.training.v1alpha.WatchTrainingRunRequest,
              io.rerankd.training.v1alpha.WatchTrainingRunResponse>(
                service, METHODID_WATCH_TRAINING_RUN)))
        .addMethod(
          getCompareTrainingRunsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.rerankd.training.v1alpha.CompareTrainingRunsRequest,
              io.rerankd.training.v1alpha.CompareTrainingRunsResponse>(
                service, METHODID_COMPARE_TRAINING_RUNS)))
        .addMethod(
          getCancelTrainingRunMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.rerankd.training.v1alpha.CancelTrainingRunRequest,
              io.rerankd.training.v1alpha.CancelTrainingRunResponse>(
                service, METHODID_CANCEL_TRAINING_RUN)))
        .addMethod(
          getResumeTrainingRunMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.rerankd.training.v1alpha.ResumeTrainingRunRequest,
              io.rerankd.training.v1alpha.ResumeTrainingRunResponse>(
                service, METHODID_RESUME_TRAINING_RUN)))
        .addMethod(
          getEvaluateMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.rerankd.training.v1alpha.EvaluateRequest,
              io.rerankd.training.v1alpha.EvaluateResponse>(
                service, METHODID_EVALUATE)))
        .addMethod(
          getPromoteTrainingRunMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.rerankd.training.v1alpha.PromoteTrainingRunRequest,
              io.rerankd.training.v1alpha.PromoteTrainingRunResponse>(
                service, METHODID_PROMOTE_TRAINING_RUN)))
        .addMethod(
          getRollbackModelMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.rerankd.training.v1alpha.RollbackModelRequest,
              io.rerankd.training.v1alpha.RollbackModelResponse>(
                service, METHODID_ROLLBACK_MODEL)))
        .addMethod(
          getStartShadowMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.rerankd.training.v1alpha.StartShadowRequest,
              io.rerankd.training.v1alpha.StartShadowResponse>(
                service, METHODID_START_SHADOW)))
        .addMethod(
          getGetShadowMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.rerankd.training.v1alpha.GetShadowRequest,
              io.rerankd.training.v1alpha.GetShadowResponse>(
                service, METHODID_GET_SHADOW)))
        .addMethod(
          getGetLearningStatusMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.rerankd.training.v1alpha.GetLearningStatusRequest,
              io.rerankd.training.v1alpha.GetLearningStatusResponse>(
                service, METHODID_GET_LEARNING_STATUS)))
        .build();
  }

  private static abstract class TrainingServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    TrainingServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return io.rerankd.training.v1alpha.TrainingServiceProto.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("TrainingService");
    }
  }

  private static final class TrainingServiceFileDescriptorSupplier
      extends TrainingServiceBaseDescriptorSupplier {
    TrainingServiceFileDescriptorSupplier() {}
  }

  private static final class TrainingServiceMethodDescriptorSupplier
      extends TrainingServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    TrainingServiceMethodDescriptorSupplier(java.lang.String methodName) {
      this.methodName = methodName;
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.MethodDescriptor getMethodDescriptor() {
      return getServiceDescriptor().findMethodByName(methodName);
    }
  }

  private static volatile io.grpc.ServiceDescriptor serviceDescriptor;

  public static io.grpc.ServiceDescriptor getServiceDescriptor() {
    io.grpc.ServiceDescriptor result = serviceDescriptor;
    if (result == null) {
      synchronized (TrainingServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new TrainingServiceFileDescriptorSupplier())
              .addMethod(getRecordFeedbackMethod())
              .addMethod(getPurgeFeedbackMethod())
              .addMethod(getImportCorpusMethod())
              .addMethod(getCreateCorpusFromFeedbackMethod())
              .addMethod(getListCorporaMethod())
              .addMethod(getDeleteCorpusMethod())
              .addMethod(getMineTripletsMethod())
              .addMethod(getCreateTrainingRunMethod())
              .addMethod(getGetTrainingRunMethod())
              .addMethod(getListTrainingRunsMethod())
              .addMethod(getWatchTrainingRunMethod())
              .addMethod(getCompareTrainingRunsMethod())
              .addMethod(getCancelTrainingRunMethod())
              .addMethod(getResumeTrainingRunMethod())
              .addMethod(getEvaluateMethod())
              .addMethod(getPromoteTrainingRunMethod())
              .addMethod(getRollbackModelMethod())
              .addMethod(getStartShadowMethod())
              .addMethod(getGetShadowMethod())
              .addMethod(getGetLearningStatusMethod())
              .build();
        }
      }
    }
    return result;
  }
}
