package io.rerankd.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.rerankd.v1.Document;
import io.rerankd.v1.RerankOptions;
import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.Semaphore;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(120)
class VirtualThreadTest {
  @Test
  void manyStreamsWaitInVirtualThreads() throws Exception {
    assumeTrue(
        Runtime.version().feature() >= 21,
        () -> "Java " + Runtime.version().feature() + " has no virtual threads");
    Method factory = Executors.class.getMethod("newVirtualThreadPerTaskExecutor");
    ExecutorService virtual = (ExecutorService) factory.invoke(null);
    int streams = 64;
    try (FakeServer server = new FakeServer();
        RerankdClient client =
            RerankdClient.builder(server.target()).documentExecutor(virtual).build()) {
      // Nothing is scored before all wait: threads that pinned their carriers would stop here.
      Semaphore gate = new Semaphore(0);
      server.service.gate = gate;
      List<Document> documents = Expected.documents(300, 1);
      List<Future<Integer>> answers = new ArrayList<>();
      Callable<Integer> rank =
          () -> {
            try (RerankStream stream =
                client.rerankStream(
                    "q",
                    documents,
                    RerankOptions.getDefaultInstance(),
                    CallSettings.defaults())) {
              return stream.summary().getResultsCount();
            }
          };
      for (int i = 0; i < streams; i++) {
        answers.add(virtual.submit(rank));
      }
      while (server.service.streams.size() < streams) {
        Thread.onSpinWait();
      }
      gate.release(1_000_000);
      for (Future<Integer> answer : answers) {
        assertEquals(300, answer.get());
      }
    } finally {
      virtual.shutdown();
    }
  }
}
