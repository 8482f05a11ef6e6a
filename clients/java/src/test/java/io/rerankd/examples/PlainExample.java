package io.rerankd.examples;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.ErrorInfo;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import io.rerankd.v1.Document;
import io.rerankd.v1.RerankRequest;
import io.rerankd.v1.RerankResult;
import io.rerankd.v1.RerankServiceGrpc;
import java.util.Locale;
import java.util.concurrent.TimeUnit;

/**
 * Reranks documents with the generated stubs alone:
 *
 * <pre>
 * mvn -q test-compile exec:java -Dexec.classpathScope=test \
 *   -Dexec.mainClass=io.rerankd.examples.PlainExample \
 *   -Dexec.args="127.0.0.1:50051 'a query' 'a document' 'another document'"
 * </pre>
 */
public final class PlainExample {
  public static void main(String[] args) throws Exception {
    RerankRequest.Builder request = RerankRequest.newBuilder().setQuery(args[1]);
    for (int i = 2; i < args.length; i++) {
      request.addDocuments(Document.newBuilder().setText(args[i]));
    }

    ManagedChannel channel =
        Grpc.newChannelBuilder(args[0], InsecureChannelCredentials.create()).build();
    boolean failed = false;
    try {
      RerankServiceGrpc.RerankServiceBlockingStub client =
          RerankServiceGrpc.newBlockingStub(channel).withDeadlineAfter(30, TimeUnit.SECONDS);
      for (RerankResult result : client.rerank(request.build()).getResultsList()) {
        System.out.printf(
            Locale.ROOT,
            "%d. %.4f %s%n",
            result.getRank(),
            result.getScore(),
            request.getDocuments(result.getIndex()).getText());
      }
    } catch (StatusRuntimeException failure) {
      Status status = failure.getStatus();
      System.err.printf("%s %s %s%n", status.getCode(), reason(failure), status.getDescription());
      failed = true;
    } finally {
      channel.shutdownNow().awaitTermination(5, TimeUnit.SECONDS);
    }
    System.exit(failed ? 1 : 0);
  }

  /** Gives why the server refused, for example MODEL_NOT_FOUND, or nothing when it did not say. */
  private static String reason(StatusRuntimeException failure)
      throws InvalidProtocolBufferException {
    for (Any detail : StatusProto.fromThrowable(failure).getDetailsList()) {
      if (detail.is(ErrorInfo.class)) {
        return detail.unpack(ErrorInfo.class).getReason();
      }
    }
    return "";
  }

  private PlainExample() {}
}
