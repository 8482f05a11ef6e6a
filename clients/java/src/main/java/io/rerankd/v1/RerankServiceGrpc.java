package io.rerankd.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * RerankService scores pairs of a query and a document with a cross-encoder and returns the documents
 * in order of relevance. Results are sorted by score descending, ties by index ascending, and unscored
 * documents follow the scored ones, so the same scores always give the same order. Scores that are equal
 * only because a sigmoid near 0 or 1 was rounded keep the order of their logits.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class RerankServiceGrpc {

  private RerankServiceGrpc() {}

  public static final java.lang.String SERVICE_NAME = "rerankd.v1.RerankService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<io.rerankd.v1.RerankRequest,
      io.rerankd.v1.RerankResponse> getRerankMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Rerank",
      requestType = io.rerankd.v1.RerankRequest.class,
      responseType = io.rerankd.v1.RerankResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.rerankd.v1.RerankRequest,
      io.rerankd.v1.RerankResponse> getRerankMethod() {
    io.grpc.MethodDescriptor<io.rerankd.v1.RerankRequest, io.rerankd.v1.RerankResponse> getRerankMethod;
    if ((getRerankMethod = RerankServiceGrpc.getRerankMethod) == null) {
      synchronized (RerankServiceGrpc.class) {
        if ((getRerankMethod = RerankServiceGrpc.getRerankMethod) == null) {
          RerankServiceGrpc.getRerankMethod = getRerankMethod =
              io.grpc.MethodDescriptor.<io.rerankd.v1.RerankRequest, io.rerankd.v1.RerankResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Rerank"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.v1.RerankRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.v1.RerankResponse.getDefaultInstance()))
              .setSchemaDescriptor(new RerankServiceMethodDescriptorSupplier("Rerank"))
              .build();
        }
      }
    }
    return getRerankMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.rerankd.v1.RerankStreamRequest,
      io.rerankd.v1.RerankStreamResponse> getRerankStreamMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "RerankStream",
      requestType = io.rerankd.v1.RerankStreamRequest.class,
      responseType = io.rerankd.v1.RerankStreamResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.BIDI_STREAMING)
  public static io.grpc.MethodDescriptor<io.rerankd.v1.RerankStreamRequest,
      io.rerankd.v1.RerankStreamResponse> getRerankStreamMethod() {
    io.grpc.MethodDescriptor<io.rerankd.v1.RerankStreamRequest, io.rerankd.v1.RerankStreamResponse> getRerankStreamMethod;
    if ((getRerankStreamMethod = RerankServiceGrpc.getRerankStreamMethod) == null) {
      synchronized (RerankServiceGrpc.class) {
        if ((getRerankStreamMethod = RerankServiceGrpc.getRerankStreamMethod) == null) {
          RerankServiceGrpc.getRerankStreamMethod = getRerankStreamMethod =
              io.grpc.MethodDescriptor.<io.rerankd.v1.RerankStreamRequest, io.rerankd.v1.RerankStreamResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.BIDI_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "RerankStream"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.v1.RerankStreamRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.v1.RerankStreamResponse.getDefaultInstance()))
              .setSchemaDescriptor(new RerankServiceMethodDescriptorSupplier("RerankStream"))
              .build();
        }
      }
    }
    return getRerankStreamMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.rerankd.v1.RerankBatchRequest,
      io.rerankd.v1.RerankBatchResponse> getRerankBatchMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "RerankBatch",
      requestType = io.rerankd.v1.RerankBatchRequest.class,
      responseType = io.rerankd.v1.RerankBatchResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.rerankd.v1.RerankBatchRequest,
      io.rerankd.v1.RerankBatchResponse> getRerankBatchMethod() {
    io.grpc.MethodDescriptor<io.rerankd.v1.RerankBatchRequest, io.rerankd.v1.RerankBatchResponse> getRerankBatchMethod;
    if ((getRerankBatchMethod = RerankServiceGrpc.getRerankBatchMethod) == null) {
      synchronized (RerankServiceGrpc.class) {
        if ((getRerankBatchMethod = RerankServiceGrpc.getRerankBatchMethod) == null) {
          RerankServiceGrpc.getRerankBatchMethod = getRerankBatchMethod =
              io.grpc.MethodDescriptor.<io.rerankd.v1.RerankBatchRequest, io.rerankd.v1.RerankBatchResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "RerankBatch"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.v1.RerankBatchRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.v1.RerankBatchResponse.getDefaultInstance()))
              .setSchemaDescriptor(new RerankServiceMethodDescriptorSupplier("RerankBatch"))
              .build();
        }
      }
    }
    return getRerankBatchMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.rerankd.v1.StatusRequest,
      io.rerankd.v1.StatusResponse> getStatusMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Status",
      requestType = io.rerankd.v1.StatusRequest.class,
      responseType = io.rerankd.v1.StatusResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.rerankd.v1.StatusRequest,
      io.rerankd.v1.StatusResponse> getStatusMethod() {
    io.grpc.MethodDescriptor<io.rerankd.v1.StatusRequest, io.rerankd.v1.StatusResponse> getStatusMethod;
    if ((getStatusMethod = RerankServiceGrpc.getStatusMethod) == null) {
      synchronized (RerankServiceGrpc.class) {
        if ((getStatusMethod = RerankServiceGrpc.getStatusMethod) == null) {
          RerankServiceGrpc.getStatusMethod = getStatusMethod =
              io.grpc.MethodDescriptor.<io.rerankd.v1.StatusRequest, io.rerankd.v1.StatusResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Status"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.v1.StatusRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.v1.StatusResponse.getDefaultInstance()))
              .setSchemaDescriptor(new RerankServiceMethodDescriptorSupplier("Status"))
              .build();
        }
      }
    }
    return getStatusMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.rerankd.v1.WarmupRequest,
      io.rerankd.v1.WarmupResponse> getWarmupMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Warmup",
      requestType = io.rerankd.v1.WarmupRequest.class,
      responseType = io.rerankd.v1.WarmupResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
  public static io.grpc.MethodDescriptor<io.rerankd.v1.WarmupRequest,
      io.rerankd.v1.WarmupResponse> getWarmupMethod() {
    io.grpc.MethodDescriptor<io.rerankd.v1.WarmupRequest, io.rerankd.v1.WarmupResponse> getWarmupMethod;
    if ((getWarmupMethod = RerankServiceGrpc.getWarmupMethod) == null) {
      synchronized (RerankServiceGrpc.class) {
        if ((getWarmupMethod = RerankServiceGrpc.getWarmupMethod) == null) {
          RerankServiceGrpc.getWarmupMethod = getWarmupMethod =
              io.grpc.MethodDescriptor.<io.rerankd.v1.WarmupRequest, io.rerankd.v1.WarmupResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Warmup"))
              .setIdempotent(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.v1.WarmupRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.v1.WarmupResponse.getDefaultInstance()))
              .setSchemaDescriptor(new RerankServiceMethodDescriptorSupplier("Warmup"))
              .build();
        }
      }
    }
    return getWarmupMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static RerankServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<RerankServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<RerankServiceStub>() {
        @java.lang.Override
        public RerankServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new RerankServiceStub(channel, callOptions);
        }
      };
    return RerankServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static RerankServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<RerankServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<RerankServiceBlockingStub>() {
        @java.lang.Override
        public RerankServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new RerankServiceBlockingStub(channel, callOptions);
        }
      };
    return RerankServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static RerankServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<RerankServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<RerankServiceFutureStub>() {
        @java.lang.Override
        public RerankServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new RerankServiceFutureStub(channel, callOptions);
        }
      };
    return RerankServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * RerankService scores pairs of a query and a document with a cross-encoder and returns the documents
   * in order of relevance. Results are sorted by score descending, ties by index ascending, and unscored
   * documents follow the scored ones, so the same scores always give the same order. Scores that are equal
   * only because a sigmoid near 0 or 1 was rounded keep the order of their logits.
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * Rerank orders up to 1,024 documents for one query, in messages of at most 16 MiB. It only reads, so
     * a client may retry it. A larger set fails with TOO_MANY_DOCUMENTS: send it to RerankStream.
     * Common errors: INVALID_ARGUMENT for a query, document or option outside its bounds; NOT_FOUND for a
     * model that the server does not offer; UNAVAILABLE, to be retried after the given delay, while the
     * model loads (MODEL_LOADING), the queue is full (OVERLOADED) or the server stops (DRAINING);
     * DEADLINE_EXCEEDED, unless on_deadline asks for a partial answer.
     * </pre>
     */
    default void rerank(io.rerankd.v1.RerankRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.v1.RerankResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getRerankMethod(), responseObserver);
    }

    /**
     * <pre>
     * RerankStream orders any number of documents for one query and can send scores while documents still
     * arrive. The first message is `start`, each later one a chunk of documents; the caller then closes
     * its side, and the last response is `summary`. Any other order fails with INVALID_ARGUMENT, reason
     * STREAM_PROTOCOL.
     * The server stops reading while enough documents wait for a score, never more of them than
     * Limits.stream_window_documents, so the caller has to read responses while it writes; a caller that
     * only writes can block itself. A stream is never retried by gRPC. With STREAM_EMIT_SCORES a caller
     * knows what is scored and can send the rest in a new stream, under the old indexes
     * (DocumentChunk.index); the clients of this project do so.
     * </pre>
     */
    default io.grpc.stub.StreamObserver<io.rerankd.v1.RerankStreamRequest> rerankStream(
        io.grpc.stub.StreamObserver<io.rerankd.v1.RerankStreamResponse> responseObserver) {
      return io.grpc.stub.ServerCalls.asyncUnimplementedStreamingCall(getRerankStreamMethod(), responseObserver);
    }

    /**
     * <pre>
     * RerankBatch answers up to 64 queries in one call, each with its own documents or with documents that
     * they share. Results come in the order of the requests. A query that fails has its error in its own
     * result and does not fail the others; the call itself fails only when the batch as a whole is
     * invalid, its deadline passes or the caller may not make it.
     * </pre>
     */
    default void rerankBatch(io.rerankd.v1.RerankBatchRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.v1.RerankBatchResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getRerankBatchMethod(), responseObserver);
    }

    /**
     * <pre>
     * Status tells the server's version, its bounds, how full its queue is and the state of each model.
     * It answers at once, also while models load, and never loads one.
     * </pre>
     */
    default void status(io.rerankd.v1.StatusRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.v1.StatusResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getStatusMethod(), responseObserver);
    }

    /**
     * <pre>
     * Warmup loads a model and tells of each step, in the last message with the final ModelStatus. A model
     * that is already loaded is not loaded again; only the samples and the probe run. Callers that ask for
     * the same model share one load, and closing the call does not stop it.
     * Common errors: NOT_FOUND for a model that the server does not offer; FAILED_PRECONDITION, reason
     * MODEL_FAILED, for one that cannot be loaded; DEADLINE_EXCEEDED when the timeout passes first.
     * </pre>
     */
    default void warmup(io.rerankd.v1.WarmupRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.v1.WarmupResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getWarmupMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service RerankService.
   * <pre>
   * RerankService scores pairs of a query and a document with a cross-encoder and returns the documents
   * in order of relevance. Results are sorted by score descending, ties by index ascending, and unscored
   * documents follow the scored ones, so the same scores always give the same order. Scores that are equal
   * only because a sigmoid near 0 or 1 was rounded keep the order of their logits.
   * </pre>
   */
  public static abstract class RerankServiceImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return RerankServiceGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service RerankService.
   * <pre>
   * RerankService scores pairs of a query and a document with a cross-encoder and returns the documents
   * in order of relevance. Results are sorted by score descending, ties by index ascending, and unscored
   * documents follow the scored ones, so the same scores always give the same order. Scores that are equal
   * only because a sigmoid near 0 or 1 was rounded keep the order of their logits.
   * </pre>
   */
  public static final class RerankServiceStub
      extends io.grpc.stub.AbstractAsyncStub<RerankServiceStub> {
    private RerankServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected RerankServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new RerankServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * Rerank orders up to 1,024 documents for one query, in messages of at most 16 MiB. It only reads, so
     * a client may retry it. A larger set fails with TOO_MANY_DOCUMENTS: send it to RerankStream.
     * Common errors: INVALID_ARGUMENT for a query, document or option outside its bounds; NOT_FOUND for a
     * model that the server does not offer; UNAVAILABLE, to be retried after the given delay, while the
     * model loads (MODEL_LOADING), the queue is full (OVERLOADED) or the server stops (DRAINING);
     * DEADLINE_EXCEEDED, unless on_deadline asks for a partial answer.
     * </pre>
     */
    public void rerank(io.rerankd.v1.RerankRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.v1.RerankResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getRerankMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * RerankStream orders any number of documents for one query and can send scores while documents still
     * arrive. The first message is `start`, each later one a chunk of documents; the caller then closes
     * its side, and the last response is `summary`. Any other order fails with INVALID_ARGUMENT, reason
     * STREAM_PROTOCOL.
     * The server stops reading while enough documents wait for a score, never more of them than
     * Limits.stream_window_documents, so the caller has to read responses while it writes; a caller that
     * only writes can block itself. A stream is never retried by gRPC. With STREAM_EMIT_SCORES a caller
     * knows what is scored and can send the rest in a new stream, under the old indexes
     * (DocumentChunk.index); the clients of this project do so.
     * </pre>
     */
    public io.grpc.stub.StreamObserver<io.rerankd.v1.RerankStreamRequest> rerankStream(
        io.grpc.stub.StreamObserver<io.rerankd.v1.RerankStreamResponse> responseObserver) {
      return io.grpc.stub.ClientCalls.asyncBidiStreamingCall(
          getChannel().newCall(getRerankStreamMethod(), getCallOptions()), responseObserver);
    }

    /**
     * <pre>
     * RerankBatch answers up to 64 queries in one call, each with its own documents or with documents that
     * they share. Results come in the order of the requests. A query that fails has its error in its own
     * result and does not fail the others; the call itself fails only when the batch as a whole is
     * invalid, its deadline passes or the caller may not make it.
     * </pre>
     */
    public void rerankBatch(io.rerankd.v1.RerankBatchRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.v1.RerankBatchResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getRerankBatchMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Status tells the server's version, its bounds, how full its queue is and the state of each model.
     * It answers at once, also while models load, and never loads one.
     * </pre>
     */
    public void status(io.rerankd.v1.StatusRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.v1.StatusResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getStatusMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Warmup loads a model and tells of each step, in the last message with the final ModelStatus. A model
     * that is already loaded is not loaded again; only the samples and the probe run. Callers that ask for
     * the same model share one load, and closing the call does not stop it.
     * Common errors: NOT_FOUND for a model that the server does not offer; FAILED_PRECONDITION, reason
     * MODEL_FAILED, for one that cannot be loaded; DEADLINE_EXCEEDED when the timeout passes first.
     * </pre>
     */
    public void warmup(io.rerankd.v1.WarmupRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.v1.WarmupResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncServerStreamingCall(
          getChannel().newCall(getWarmupMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service RerankService.
   * <pre>
   * RerankService scores pairs of a query and a document with a cross-encoder and returns the documents
   * in order of relevance. Results are sorted by score descending, ties by index ascending, and unscored
   * documents follow the scored ones, so the same scores always give the same order. Scores that are equal
   * only because a sigmoid near 0 or 1 was rounded keep the order of their logits.
   * </pre>
   */
  public static final class RerankServiceBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<RerankServiceBlockingStub> {
    private RerankServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected RerankServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new RerankServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * Rerank orders up to 1,024 documents for one query, in messages of at most 16 MiB. It only reads, so
     * a client may retry it. A larger set fails with TOO_MANY_DOCUMENTS: send it to RerankStream.
     * Common errors: INVALID_ARGUMENT for a query, document or option outside its bounds; NOT_FOUND for a
     * model that the server does not offer; UNAVAILABLE, to be retried after the given delay, while the
     * model loads (MODEL_LOADING), the queue is full (OVERLOADED) or the server stops (DRAINING);
     * DEADLINE_EXCEEDED, unless on_deadline asks for a partial answer.
     * </pre>
     */
    public io.rerankd.v1.RerankResponse rerank(io.rerankd.v1.RerankRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getRerankMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * RerankBatch answers up to 64 queries in one call, each with its own documents or with documents that
     * they share. Results come in the order of the requests. A query that fails has its error in its own
     * result and does not fail the others; the call itself fails only when the batch as a whole is
     * invalid, its deadline passes or the caller may not make it.
     * </pre>
     */
    public io.rerankd.v1.RerankBatchResponse rerankBatch(io.rerankd.v1.RerankBatchRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getRerankBatchMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Status tells the server's version, its bounds, how full its queue is and the state of each model.
     * It answers at once, also while models load, and never loads one.
     * </pre>
     */
    public io.rerankd.v1.StatusResponse status(io.rerankd.v1.StatusRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getStatusMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Warmup loads a model and tells of each step, in the last message with the final ModelStatus. A model
     * that is already loaded is not loaded again; only the samples and the probe run. Callers that ask for
     * the same model share one load, and closing the call does not stop it.
     * Common errors: NOT_FOUND for a model that the server does not offer; FAILED_PRECONDITION, reason
     * MODEL_FAILED, for one that cannot be loaded; DEADLINE_EXCEEDED when the timeout passes first.
     * </pre>
     */
    public java.util.Iterator<io.rerankd.v1.WarmupResponse> warmup(
        io.rerankd.v1.WarmupRequest request) {
      return io.grpc.stub.ClientCalls.blockingServerStreamingCall(
          getChannel(), getWarmupMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service RerankService.
   * <pre>
   * RerankService scores pairs of a query and a document with a cross-encoder and returns the documents
   * in order of relevance. Results are sorted by score descending, ties by index ascending, and unscored
   * documents follow the scored ones, so the same scores always give the same order. Scores that are equal
   * only because a sigmoid near 0 or 1 was rounded keep the order of their logits.
   * </pre>
   */
  public static final class RerankServiceFutureStub
      extends io.grpc.stub.AbstractFutureStub<RerankServiceFutureStub> {
    private RerankServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected RerankServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new RerankServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * Rerank orders up to 1,024 documents for one query, in messages of at most 16 MiB. It only reads, so
     * a client may retry it. A larger set fails with TOO_MANY_DOCUMENTS: send it to RerankStream.
     * Common errors: INVALID_ARGUMENT for a query, document or option outside its bounds; NOT_FOUND for a
     * model that the server does not offer; UNAVAILABLE, to be retried after the given delay, while the
     * model loads (MODEL_LOADING), the queue is full (OVERLOADED) or the server stops (DRAINING);
     * DEADLINE_EXCEEDED, unless on_deadline asks for a partial answer.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.rerankd.v1.RerankResponse> rerank(
        io.rerankd.v1.RerankRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getRerankMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * RerankBatch answers up to 64 queries in one call, each with its own documents or with documents that
     * they share. Results come in the order of the requests. A query that fails has its error in its own
     * result and does not fail the others; the call itself fails only when the batch as a whole is
     * invalid, its deadline passes or the caller may not make it.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.rerankd.v1.RerankBatchResponse> rerankBatch(
        io.rerankd.v1.RerankBatchRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getRerankBatchMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Status tells the server's version, its bounds, how full its queue is and the state of each model.
     * It answers at once, also while models load, and never loads one.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.rerankd.v1.StatusResponse> status(
        io.rerankd.v1.StatusRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getStatusMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_RERANK = 0;
  private static final int METHODID_RERANK_BATCH = 1;
  private static final int METHODID_STATUS = 2;
  private static final int METHODID_WARMUP = 3;
  private static final int METHODID_RERANK_STREAM = 4;

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
        case METHODID_RERANK:
          serviceImpl.rerank((io.rerankd.v1.RerankRequest) request,
              (io.grpc.stub.StreamObserver<io.rerankd.v1.RerankResponse>) responseObserver);
          break;
        case METHODID_RERANK_BATCH:
          serviceImpl.rerankBatch((io.rerankd.v1.RerankBatchRequest) request,
              (io.grpc.stub.StreamObserver<io.rerankd.v1.RerankBatchResponse>) responseObserver);
          break;
        case METHODID_STATUS:
          serviceImpl.status((io.rerankd.v1.StatusRequest) request,
              (io.grpc.stub.StreamObserver<io.rerankd.v1.StatusResponse>) responseObserver);
          break;
        case METHODID_WARMUP:
          serviceImpl.warmup((io.rerankd.v1.WarmupRequest) request,
              (io.grpc.stub.StreamObserver<io.rerankd.v1.WarmupResponse>) responseObserver);
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
        case METHODID_RERANK_STREAM:
          return (io.grpc.stub.StreamObserver<Req>) serviceImpl.rerankStream(
              (io.grpc.stub.StreamObserver<io.rerankd.v1.RerankStreamResponse>) responseObserver);
        default:
          throw new AssertionError();
      }
    }
  }

  public static final io.grpc.ServerServiceDefinition bindService(AsyncService service) {
    return io.grpc.ServerServiceDefinition.builder(getServiceDescriptor())
        .addMethod(
          getRerankMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.rerankd.v1.RerankRequest,
              io.rerankd.v1.RerankResponse>(
                service, METHODID_RERANK)))
        .addMethod(
          getRerankStreamMethod(),
          io.grpc.stub.ServerCalls.asyncBidiStreamingCall(
            new MethodHandlers<
              io.rerankd.v1.RerankStreamRequest,
              io.rerankd.v1.RerankStreamResponse>(
                service, METHODID_RERANK_STREAM)))
        .addMethod(
          getRerankBatchMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.rerankd.v1.RerankBatchRequest,
              io.rerankd.v1.RerankBatchResponse>(
                service, METHODID_RERANK_BATCH)))
        .addMethod(
          getStatusMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.rerankd.v1.StatusRequest,
              io.rerankd.v1.StatusResponse>(
                service, METHODID_STATUS)))
        .addMethod(
          getWarmupMethod(),
          io.grpc.stub.ServerCalls.asyncServerStreamingCall(
            new MethodHandlers<
              io.rerankd.v1.WarmupRequest,
              io.rerankd.v1.WarmupResponse>(
                service, METHODID_WARMUP)))
        .build();
  }

  private static abstract class RerankServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    RerankServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return io.rerankd.v1.RerankServiceProto.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("RerankService");
    }
  }

  private static final class RerankServiceFileDescriptorSupplier
      extends RerankServiceBaseDescriptorSupplier {
    RerankServiceFileDescriptorSupplier() {}
  }

  private static final class RerankServiceMethodDescriptorSupplier
      extends RerankServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    RerankServiceMethodDescriptorSupplier(java.lang.String methodName) {
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
      synchronized (RerankServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new RerankServiceFileDescriptorSupplier())
              .addMethod(getRerankMethod())
              .addMethod(getRerankStreamMethod())
              .addMethod(getRerankBatchMethod())
              .addMethod(getStatusMethod())
              .addMethod(getWarmupMethod())
              .build();
        }
      }
    }
    return result;
  }
}
