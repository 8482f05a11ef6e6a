package io.rerankd.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * ConfigService is for operators. Calls that arrive after a change use it; calls under way end with the
 * configuration that they began with. HTTP has the same at /config/reranking.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class ConfigServiceGrpc {

  private ConfigServiceGrpc() {}

  public static final java.lang.String SERVICE_NAME = "rerankd.v1.ConfigService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<io.rerankd.v1.GetRerankingConfigRequest,
      io.rerankd.v1.GetRerankingConfigResponse> getGetRerankingConfigMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetRerankingConfig",
      requestType = io.rerankd.v1.GetRerankingConfigRequest.class,
      responseType = io.rerankd.v1.GetRerankingConfigResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.rerankd.v1.GetRerankingConfigRequest,
      io.rerankd.v1.GetRerankingConfigResponse> getGetRerankingConfigMethod() {
    io.grpc.MethodDescriptor<io.rerankd.v1.GetRerankingConfigRequest, io.rerankd.v1.GetRerankingConfigResponse> getGetRerankingConfigMethod;
    if ((getGetRerankingConfigMethod = ConfigServiceGrpc.getGetRerankingConfigMethod) == null) {
      synchronized (ConfigServiceGrpc.class) {
        if ((getGetRerankingConfigMethod = ConfigServiceGrpc.getGetRerankingConfigMethod) == null) {
          ConfigServiceGrpc.getGetRerankingConfigMethod = getGetRerankingConfigMethod =
              io.grpc.MethodDescriptor.<io.rerankd.v1.GetRerankingConfigRequest, io.rerankd.v1.GetRerankingConfigResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetRerankingConfig"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.v1.GetRerankingConfigRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.v1.GetRerankingConfigResponse.getDefaultInstance()))
              .setSchemaDescriptor(new ConfigServiceMethodDescriptorSupplier("GetRerankingConfig"))
              .build();
        }
      }
    }
    return getGetRerankingConfigMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.rerankd.v1.UpdateRerankingConfigRequest,
      io.rerankd.v1.UpdateRerankingConfigResponse> getUpdateRerankingConfigMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "UpdateRerankingConfig",
      requestType = io.rerankd.v1.UpdateRerankingConfigRequest.class,
      responseType = io.rerankd.v1.UpdateRerankingConfigResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.rerankd.v1.UpdateRerankingConfigRequest,
      io.rerankd.v1.UpdateRerankingConfigResponse> getUpdateRerankingConfigMethod() {
    io.grpc.MethodDescriptor<io.rerankd.v1.UpdateRerankingConfigRequest, io.rerankd.v1.UpdateRerankingConfigResponse> getUpdateRerankingConfigMethod;
    if ((getUpdateRerankingConfigMethod = ConfigServiceGrpc.getUpdateRerankingConfigMethod) == null) {
      synchronized (ConfigServiceGrpc.class) {
        if ((getUpdateRerankingConfigMethod = ConfigServiceGrpc.getUpdateRerankingConfigMethod) == null) {
          ConfigServiceGrpc.getUpdateRerankingConfigMethod = getUpdateRerankingConfigMethod =
              io.grpc.MethodDescriptor.<io.rerankd.v1.UpdateRerankingConfigRequest, io.rerankd.v1.UpdateRerankingConfigResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "UpdateRerankingConfig"))
              .setIdempotent(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.v1.UpdateRerankingConfigRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.rerankd.v1.UpdateRerankingConfigResponse.getDefaultInstance()))
              .setSchemaDescriptor(new ConfigServiceMethodDescriptorSupplier("UpdateRerankingConfig"))
              .build();
        }
      }
    }
    return getUpdateRerankingConfigMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static ConfigServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<ConfigServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<ConfigServiceStub>() {
        @java.lang.Override
        public ConfigServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new ConfigServiceStub(channel, callOptions);
        }
      };
    return ConfigServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static ConfigServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<ConfigServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<ConfigServiceBlockingStub>() {
        @java.lang.Override
        public ConfigServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new ConfigServiceBlockingStub(channel, callOptions);
        }
      };
    return ConfigServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static ConfigServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<ConfigServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<ConfigServiceFutureStub>() {
        @java.lang.Override
        public ConfigServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new ConfigServiceFutureStub(channel, callOptions);
        }
      };
    return ConfigServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * ConfigService is for operators. Calls that arrive after a change use it; calls under way end with the
   * configuration that they began with. HTTP has the same at /config/reranking.
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * GetRerankingConfig tells what holds now. It holds no secrets, and needs no token.
     * </pre>
     */
    default void getRerankingConfig(io.rerankd.v1.GetRerankingConfigRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.v1.GetRerankingConfigResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetRerankingConfigMethod(), responseObserver);
    }

    /**
     * <pre>
     * UpdateRerankingConfig changes the fields that update_mask names, all or none. It needs the admin token
     * of the server as `authorization: Bearer &lt;token&gt;`. Every change is logged with its old and new values.
     * A model that becomes the default is loaded first, so that no call waits for it; if it cannot be, nothing
     * changes.
     * Common errors: INVALID_ARGUMENT for an unknown field or a value outside its bounds, naming the field;
     * UNAUTHENTICATED without a token or with a wrong one; PERMISSION_DENIED where the server has no admin
     * token, so that nobody may change anything; NOT_FOUND for a model that the server does not offer;
     * FAILED_PRECONDITION, reason MODEL_FAILED, for one that cannot be loaded.
     * </pre>
     */
    default void updateRerankingConfig(io.rerankd.v1.UpdateRerankingConfigRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.v1.UpdateRerankingConfigResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getUpdateRerankingConfigMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service ConfigService.
   * <pre>
   * ConfigService is for operators. Calls that arrive after a change use it; calls under way end with the
   * configuration that they began with. HTTP has the same at /config/reranking.
   * </pre>
   */
  public static abstract class ConfigServiceImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return ConfigServiceGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service ConfigService.
   * <pre>
   * ConfigService is for operators. Calls that arrive after a change use it; calls under way end with the
   * configuration that they began with. HTTP has the same at /config/reranking.
   * </pre>
   */
  public static final class ConfigServiceStub
      extends io.grpc.stub.AbstractAsyncStub<ConfigServiceStub> {
    private ConfigServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected ConfigServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new ConfigServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * GetRerankingConfig tells what holds now. It holds no secrets, and needs no token.
     * </pre>
     */
    public void getRerankingConfig(io.rerankd.v1.GetRerankingConfigRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.v1.GetRerankingConfigResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetRerankingConfigMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * UpdateRerankingConfig changes the fields that update_mask names, all or none. It needs the admin token
     * of the server as `authorization: Bearer &lt;token&gt;`. Every change is logged with its old and new values.
     * A model that becomes the default is loaded first, so that no call waits for it; if it cannot be, nothing
     * changes.
     * Common errors: INVALID_ARGUMENT for an unknown field or a value outside its bounds, naming the field;
     * UNAUTHENTICATED without a token or with a wrong one; PERMISSION_DENIED where the server has no admin
     * token, so that nobody may change anything; NOT_FOUND for a model that the server does not offer;
     * FAILED_PRECONDITION, reason MODEL_FAILED, for one that cannot be loaded.
     * </pre>
     */
    public void updateRerankingConfig(io.rerankd.v1.UpdateRerankingConfigRequest request,
        io.grpc.stub.StreamObserver<io.rerankd.v1.UpdateRerankingConfigResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getUpdateRerankingConfigMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service ConfigService.
   * <pre>
   * ConfigService is for operators. Calls that arrive after a change use it; calls under way end with the
   * configuration that they began with. HTTP has the same at /config/reranking.
   * </pre>
   */
  public static final class ConfigServiceBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<ConfigServiceBlockingStub> {
    private ConfigServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected ConfigServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new ConfigServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * GetRerankingConfig tells what holds now. It holds no secrets, and needs no token.
     * </pre>
     */
    public io.rerankd.v1.GetRerankingConfigResponse getRerankingConfig(io.rerankd.v1.GetRerankingConfigRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetRerankingConfigMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * UpdateRerankingConfig changes the fields that update_mask names, all or none. It needs the admin token
     * of the server as `authorization: Bearer &lt;token&gt;`. Every change is logged with its old and new values.
     * A model that becomes the default is loaded first, so that no call waits for it; if it cannot be, nothing
     * changes.
     * Common errors: INVALID_ARGUMENT for an unknown field or a value outside its bounds, naming the field;
     * UNAUTHENTICATED without a token or with a wrong one; PERMISSION_DENIED where the server has no admin
     * token, so that nobody may change anything; NOT_FOUND for a model that the server does not offer;
     * FAILED_PRECONDITION, reason MODEL_FAILED, for one that cannot be loaded.
     * </pre>
     */
    public io.rerankd.v1.UpdateRerankingConfigResponse updateRerankingConfig(io.rerankd.v1.UpdateRerankingConfigRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getUpdateRerankingConfigMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service ConfigService.
   * <pre>
   * ConfigService is for operators. Calls that arrive after a change use it; calls under way end with the
   * configuration that they began with. HTTP has the same at /config/reranking.
   * </pre>
   */
  public static final class ConfigServiceFutureStub
      extends io.grpc.stub.AbstractFutureStub<ConfigServiceFutureStub> {
    private ConfigServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected ConfigServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new ConfigServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * GetRerankingConfig tells what holds now. It holds no secrets, and needs no token.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.rerankd.v1.GetRerankingConfigResponse> getRerankingConfig(
        io.rerankd.v1.GetRerankingConfigRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetRerankingConfigMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * UpdateRerankingConfig changes the fields that update_mask names, all or none. It needs the admin token
     * of the server as `authorization: Bearer &lt;token&gt;`. Every change is logged with its old and new values.
     * A model that becomes the default is loaded first, so that no call waits for it; if it cannot be, nothing
     * changes.
     * Common errors: INVALID_ARGUMENT for an unknown field or a value outside its bounds, naming the field;
     * UNAUTHENTICATED without a token or with a wrong one; PERMISSION_DENIED where the server has no admin
     * token, so that nobody may change anything; NOT_FOUND for a model that the server does not offer;
     * FAILED_PRECONDITION, reason MODEL_FAILED, for one that cannot be loaded.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.rerankd.v1.UpdateRerankingConfigResponse> updateRerankingConfig(
        io.rerankd.v1.UpdateRerankingConfigRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getUpdateRerankingConfigMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_GET_RERANKING_CONFIG = 0;
  private static final int METHODID_UPDATE_RERANKING_CONFIG = 1;

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
        case METHODID_GET_RERANKING_CONFIG:
          serviceImpl.getRerankingConfig((io.rerankd.v1.GetRerankingConfigRequest) request,
              (io.grpc.stub.StreamObserver<io.rerankd.v1.GetRerankingConfigResponse>) responseObserver);
          break;
        case METHODID_UPDATE_RERANKING_CONFIG:
          serviceImpl.updateRerankingConfig((io.rerankd.v1.UpdateRerankingConfigRequest) request,
              (io.grpc.stub.StreamObserver<io.rerankd.v1.UpdateRerankingConfigResponse>) responseObserver);
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
        default:
          throw new AssertionError();
      }
    }
  }

  public static final io.grpc.ServerServiceDefinition bindService(AsyncService service) {
    return io.grpc.ServerServiceDefinition.builder(getServiceDescriptor())
        .addMethod(
          getGetRerankingConfigMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.rerankd.v1.GetRerankingConfigRequest,
              io.rerankd.v1.GetRerankingConfigResponse>(
                service, METHODID_GET_RERANKING_CONFIG)))
        .addMethod(
          getUpdateRerankingConfigMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.rerankd.v1.UpdateRerankingConfigRequest,
              io.rerankd.v1.UpdateRerankingConfigResponse>(
                service, METHODID_UPDATE_RERANKING_CONFIG)))
        .build();
  }

  private static abstract class ConfigServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    ConfigServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return io.rerankd.v1.ConfigServiceProto.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("ConfigService");
    }
  }

  private static final class ConfigServiceFileDescriptorSupplier
      extends ConfigServiceBaseDescriptorSupplier {
    ConfigServiceFileDescriptorSupplier() {}
  }

  private static final class ConfigServiceMethodDescriptorSupplier
      extends ConfigServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    ConfigServiceMethodDescriptorSupplier(java.lang.String methodName) {
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
      synchronized (ConfigServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new ConfigServiceFileDescriptorSupplier())
              .addMethod(getGetRerankingConfigMethod())
              .addMethod(getUpdateRerankingConfigMethod())
              .build();
        }
      }
    }
    return result;
  }
}
