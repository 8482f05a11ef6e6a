package io.rerankd.client;

import com.google.gson.Gson;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.rerankd.v1.Document;
import io.rerankd.v1.RerankOptions;
import io.rerankd.v1.RerankRequest;
import io.rerankd.v1.RerankResponse;
import io.rerankd.v1.RerankResult;
import io.rerankd.v1.RerankServiceGrpc;
import io.rerankd.v1.StreamEmit;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryMXBean;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The program of tests/clients/PROBES.md. */
public final class Probe {
  private static final CallSettings SCORES =
      CallSettings.newBuilder().emit(StreamEmit.STREAM_EMIT_SCORES).build();

  private final String target;
  private final String query;
  private final Path file;

  private Probe(String target, String query, Path file) {
    this.target = target;
    this.query = query;
    this.file = file;
  }

  public static void main(String[] arguments) {
    try {
      Probe probe = new Probe(arguments[1], arguments[2], Path.of(arguments[3]));
      int number = Integer.parseInt(arguments[4]);
      Map<String, Object> report;
      switch (arguments[0]) {
        case "stream":
          report = probe.stream(number);
          break;
        case "load":
          report = probe.load(number);
          break;
        case "overhead":
          report = probe.overhead(number);
          break;
        default:
          throw new IllegalArgumentException("no such probe: " + arguments[0]);
      }
      System.out.println(new Gson().toJson(report));
      System.out.flush();
    } catch (Exception failure) {
      System.err.println(failure.getClass().getSimpleName() + ": " + failure.getMessage());
      System.exit(1);
    }
  }

  private Map<String, Object> stream(int topN) throws IOException {
    RerankOptions options = RerankOptions.newBuilder().setTopN(topN).build();
    try (RerankdClient client = RerankdClient.connect(target);
        Stream<String> lines = Files.lines(file)) {
      client.status();
      long before = liveHeap();
      long peak = 0;
      int scored = 0;
      try (RerankStream stream =
          client.rerankStream(query, lines.map(Probe::document), options, SCORES)) {
        while (stream.hasNext()) {
          int last = scored;
          scored += stream.next().getScores().getIndexCount();
          if (scored / 1000 > last / 1000) {
            System.out.println("scored " + scored / 1000 * 1000);
            System.out.flush();
          }
          if (scored / 5000 > last / 5000) {
            peak = Math.max(peak, liveHeap() - before);
          }
        }
        return streamReport(stream.summary(), stream.resumes(), peak);
      }
    }
  }

  private static Map<String, Object> streamReport(RerankResponse answer, int resumes, long peak) {
    List<Object> results = new ArrayList<>();
    for (RerankResult result : answer.getResultsList()) {
      results.add(
          List.of(result.getIndex(), result.getId(), result.getScore(), result.getRank()));
    }
    Map<String, Object> report = new LinkedHashMap<>();
    report.put("results", results);
    report.put("scored_documents", answer.getUsage().getScoredDocuments());
    report.put("outcome", answer.getOutcome().name().substring("OUTCOME_".length()));
    report.put("resumes", resumes);
    report.put("peak_bytes", peak);
    return report;
  }

  private Map<String, Object> load(int concurrency) throws IOException, InterruptedException {
    RerankRequest request = RerankdClient.request(query, head(10), options());
    AtomicInteger calls = new AtomicInteger();
    List<String> errors = new ArrayList<>();
    AtomicInteger failed = new AtomicInteger();
    Thread[] tasks = new Thread[concurrency];
    try (RerankdClient client = RerankdClient.connect(target)) {
      for (int i = 0; i < concurrency; i++) {
        tasks[i] = new Thread(() -> call(client, request, calls, failed, errors));
        tasks[i].start();
      }
      while (System.in.read() >= 0) {
        // Until the test closes it.
      }
      for (Thread task : tasks) {
        task.interrupt();
      }
      for (Thread task : tasks) {
        task.join();
      }
    }
    Map<String, Object> report = new LinkedHashMap<>();
    report.put("calls", calls.get());
    report.put("failed", failed.get());
    report.put("errors", errors);
    return report;
  }

  private static void call(
      RerankdClient client,
      RerankRequest request,
      AtomicInteger calls,
      AtomicInteger failed,
      List<String> errors) {
    while (!Thread.currentThread().isInterrupted()) {
      try {
        client.rerank(request, CallSettings.defaults());
        int answered = calls.incrementAndGet();
        if (answered % 50 == 0) {
          System.out.println("calls " + answered);
          System.out.flush();
        }
      } catch (CancelledException ours) {
        if (!Thread.currentThread().isInterrupted()) {
          note(ours, failed, errors);
        }
      } catch (RerankdException failure) {
        note(failure, failed, errors);
      }
    }
  }

  private static void note(RerankdException failure, AtomicInteger failed, List<String> errors) {
    failed.incrementAndGet();
    synchronized (errors) {
      if (errors.size() < 5) {
        errors.add(failure.getClass().getSimpleName() + ": " + failure.getMessage());
      }
    }
  }

  private Map<String, Object> overhead(int rounds) throws IOException, InterruptedException {
    List<Document> all = head(Long.MAX_VALUE);
    RerankRequest request = RerankdClient.request(query, head(100), options());
    Map<String, Object> report = new LinkedHashMap<>();
    List<Long> clientUnary = new ArrayList<>();
    List<Long> stubUnary = new ArrayList<>();
    List<Long> clientStream = new ArrayList<>();
    List<Long> stubStream = new ArrayList<>();
    ManagedChannel channel =
        Grpc.newChannelBuilder(target, InsecureChannelCredentials.create())
            .maxInboundMessageSize(16 << 20)
            .build();
    try (RerankdClient client = RerankdClient.connect(target)) {
      RerankServiceGrpc.RerankServiceBlockingStub stub =
          RerankServiceGrpc.newBlockingStub(channel);
      client.status();
      for (int i = 0; i < rounds; i++) {
        clientUnary.add(micros(() -> client.rerank(request, CallSettings.defaults())));
        stubUnary.add(micros(() -> stub.rerank(request)));
        clientStream.add(micros(() -> rank(client, all)));
        stubStream.add(micros(() -> new BareStream(channel, query, all).run()));
      }
    } finally {
      channel.shutdownNow();
    }
    report.put("client_unary_us", clientUnary);
    report.put("stub_unary_us", stubUnary);
    report.put("client_stream_us", clientStream);
    report.put("stub_stream_us", stubStream);
    return report;
  }

  private void rank(RerankdClient client, List<Document> documents) {
    try (RerankStream stream = client.rerankStream(query, documents, options(), SCORES)) {
      stream.summary();
    }
  }

  private static RerankOptions options() {
    return RerankOptions.getDefaultInstance();
  }

  private List<Document> head(long count) throws IOException {
    try (Stream<String> lines = Files.lines(file)) {
      return lines.limit(count).map(Probe::document).collect(Collectors.toList());
    } catch (UncheckedIOException failure) {
      throw failure.getCause();
    }
  }

  private static Document document(String line) {
    JsonObject json = JsonParser.parseString(line).getAsJsonObject();
    return Documents.of(json.get("id").getAsString(), json.get("text").getAsString());
  }

  private static long micros(Runnable call) {
    long start = System.nanoTime();
    call.run();
    return (System.nanoTime() - start) / 1000;
  }

  private static long liveHeap() {
    MemoryMXBean memory = ManagementFactory.getMemoryMXBean();
    memory.gc();
    return memory.getHeapMemoryUsage().getUsed();
  }
}
