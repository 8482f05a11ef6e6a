package io.rerankd.examples;

import io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.Scope;
import io.opentelemetry.context.propagation.TextMapGetter;
import io.rerankd.client.Documents;
import io.rerankd.client.RerankdClient;
import io.rerankd.client.RerankdException;
import io.rerankd.v1.RerankResult;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Reranks documents as a part of the trace that {@code TRACEPARENT} names:
 *
 * <pre>
 * TRACEPARENT=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 \
 *   mvn -q test-compile exec:java -Dexec.classpathScope=test \
 *   -Dexec.mainClass=io.rerankd.examples.TracedExample \
 *   -Dexec.args="127.0.0.1:50051 'a query' 'a document' 'another document'"
 * </pre>
 *
 * <p>A program that traces its own work has a span that runs already, and has nothing to do: the
 * client sends it along wherever OpenTelemetry's API is on the class path.
 */
public final class TracedExample {
  public static void main(String[] args) {
    if (args.length < 3) {
      System.err.println("usage: TracedExample TARGET QUERY DOCUMENT...");
      System.exit(2);
    }
    List<String> texts = Arrays.asList(args).subList(2, args.length);
    boolean failed = false;
    try (RerankdClient client = RerankdClient.connect(args[0]);
        Scope traced = callersContext().makeCurrent()) {
      List<RerankResult> results =
          client.rerank(args[1], Documents.ofTexts(texts.toArray(new String[0]))).getResultsList();
      for (RerankResult result : results) {
        System.out.printf(
            Locale.ROOT,
            "%d. %.4f %s%n",
            result.getRank(),
            result.getScore(),
            texts.get(result.getIndex()));
      }
    } catch (RerankdException failure) {
      System.err.println(failure.getMessage());
      failed = true;
    }
    System.exit(failed ? 1 : 0);
  }

  /** The context with the span that whoever started this program named. */
  private static Context callersContext() {
    String parent = System.getenv().getOrDefault("TRACEPARENT", "");
    return W3CTraceContextPropagator.getInstance()
        .extract(Context.current(), Map.of("traceparent", parent), new Getter());
  }

  private static final class Getter implements TextMapGetter<Map<String, String>> {
    @Override
    public Iterable<String> keys(Map<String, String> carrier) {
      return carrier.keySet();
    }

    @Override
    public String get(Map<String, String> carrier, String key) {
      return carrier.get(key);
    }
  }

  private TracedExample() {}
}
