package io.rerankd.client;

import io.rerankd.v1.Document;
import io.rerankd.v1.Passage;
import io.rerankd.v1.RerankOptions;
import io.rerankd.v1.RerankResult;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/** Documents for the tests, and the ranking that the fake service's scores give, the plain way. */
final class Expected {
  private Expected() {}

  /** Documents with logits that saturate the sigmoid now and then, and repeat. */
  static List<Document> documents(int count, long seed) {
    Random random = new Random(seed);
    List<Document> documents = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      float logit = random.nextInt(4) == 0 ? 30 + random.nextInt(3) : random.nextInt(2000) / 100f - 10;
      Document.Builder document =
          Document.newBuilder().setId("d" + i).setText(logit + " text " + "x".repeat(i % 5));
      if (i % 3 == 0) {
        document.setOriginalScore(i);
      }
      documents.add(document.build());
    }
    return documents;
  }

  static List<RerankResult> ranking(List<Document> documents, RerankOptions options) {
    List<RerankResult.Builder> results = new ArrayList<>();
    int limit = options.getMaxScoredDocuments();
    for (int i = 0; i < documents.size(); i++) {
      Document document = documents.get(i);
      RerankResult.Builder result = Ranking.unscored(i, document, options);
      if (limit == 0 || i < limit) {
        float logit = FakeService.logit(document);
        int length = document.getText().length();
        result
            .setScored(true)
            .setScore(options.getRawScores() ? logit : FakeService.sigmoid(logit))
            .setLogit(logit)
            .setDroppedTokens(length % 3)
            .setPassage(Passage.newBuilder().setEndChar(length));
      }
      results.add(result);
    }
    results.sort(Expected::compare);
    List<RerankResult> kept = new ArrayList<>();
    for (RerankResult.Builder result : results) {
      boolean isKept =
          !options.hasMinScore()
              || (result.getScored() && result.getScore() >= options.getMinScore());
      if (isKept && (options.getTopN() == 0 || kept.size() < options.getTopN())) {
        kept.add(result.setRank(kept.size() + 1).build());
      }
    }
    return kept;
  }

  private static int compare(RerankResult.Builder one, RerankResult.Builder other) {
    if (one.getScored() != other.getScored()) {
      return one.getScored() ? -1 : 1;
    }
    if (one.getScore() != other.getScore()) {
      return one.getScore() > other.getScore() ? -1 : 1;
    }
    if (one.getLogit() != other.getLogit()) {
      return one.getLogit() > other.getLogit() ? -1 : 1;
    }
    return Integer.compare(one.getIndex(), other.getIndex());
  }
}
