package io.rerankd.examples;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.rerankd.client.CallSettings;
import io.rerankd.client.Documents;
import io.rerankd.client.RerankStream;
import io.rerankd.client.RerankdClient;
import io.rerankd.client.RerankdException;
import io.rerankd.v1.Document;
import io.rerankd.v1.RerankOptions;
import io.rerankd.v1.RerankResult;
import io.rerankd.v1.StreamEmit;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.stream.Stream;

/**
 * Prints the best lines of a file of any size, in memory that does not grow with it. A file that
 * ends in {@code .jsonl} has {@code {"id": "...", "text": "..."}} on each line; in any other, a line
 * is a document.
 *
 * <pre>
 * mvn -q test-compile exec:java -Dexec.classpathScope=test \
 *   -Dexec.mainClass=io.rerankd.examples.RerankFile \
 *   -Dexec.args="127.0.0.1:50051 'a query' documents.jsonl 10"
 * </pre>
 */
public final class RerankFile {
  public static void main(String[] args) throws IOException {
    if (args.length != 4) {
      System.err.println("usage: RerankFile TARGET QUERY FILE TOP_N");
      System.exit(2);
    }
    Path file = Path.of(args[2]);
    boolean isJson = args[2].endsWith(".jsonl");
    // With the documents in the answer, nothing has to be looked up in the file again.
    RerankOptions options =
        RerankOptions.newBuilder()
            .setTopN(Integer.parseInt(args[3]))
            .setReturnDocuments(true)
            .build();
    CallSettings settings =
        CallSettings.newBuilder().emit(StreamEmit.STREAM_EMIT_SCORES).build();
    try (RerankdClient client = RerankdClient.connect(args[0]);
        Stream<String> lines = Files.lines(file);
        RerankStream stream =
            client.rerankStream(
                args[1], lines.map(line -> document(line, isJson)), options, settings)) {
      int scored = 0;
      while (stream.hasNext()) {
        scored += stream.next().getScores().getIndexCount();
        System.err.printf("\r%d scored", scored);
      }
      System.err.println();
      for (RerankResult result : stream.summary().getResultsList()) {
        System.out.printf(
            Locale.ROOT,
            "%d. %.4f %s %s%n",
            result.getRank(),
            result.getScore(),
            result.getId(),
            result.getDocument().getText());
      }
    } catch (RerankdException failure) {
      System.err.printf("%n%s: %s%n", failure.getCode(), failure.getMessage());
      System.exit(1);
    }
  }

  private static Document document(String line, boolean isJson) {
    if (!isJson) {
      return Documents.of("", line);
    }
    JsonObject json = JsonParser.parseString(line).getAsJsonObject();
    return Documents.of(json.get("id").getAsString(), json.get("text").getAsString());
  }

  private RerankFile() {}
}
